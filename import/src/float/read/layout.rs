//! Puts the numbers of a view where an operator needs them.
//!
//! The values of a model are images: channels, rows, columns. A view that is not laid out so is
//! moved by linear operations that copy numbers; they vanish where they can join their reader.

use dn_core::quant::{Geometry, Shape, MAX_EXTENT};

use super::view::{Body, Cell, View};
use super::Reader;
use crate::float::{geometry, pointwise, Kind, Linear, Term};

/// Most weights of operations that only move numbers.
pub(super) const MAX_MOVES: usize = 1 << 22;

/// Fails for a number of weights that is too large, before these are made.
pub(super) fn afford_moves(factors: &[usize]) -> Result<usize, String> {
    let len = factors.iter().try_fold(1usize, |n, f| n.checked_mul(*f));
    len.filter(|n| *n <= MAX_MOVES).ok_or_else(too_large)
}

/// Where each number of an image comes from in one value, if it is not a zero.
pub(super) struct Moves<'a> {
    pub(super) from: Shape,
    pub(super) to: Shape,
    pub(super) cells: &'a [Cell],
}

impl Moves<'_> {
    /// Channel, row and column that are read.
    pub(super) fn source(&self, [c, i, j]: [usize; 3]) -> Option<[usize; 3]> {
        let at = (c * self.to.height + i) * self.to.width + j;
        self.cells[at].source().map(|(_, index)| {
            let (row, column) = (index / self.from.width, index % self.from.width);
            [row / self.from.height, row % self.from.height, column]
        })
    }
}

impl Reader {
    /// The view as channels, rows and columns: values with these rows and columns, their channels
    /// one behind the other.
    pub(super) fn image(&mut self, view: &View, dims: [usize; 3]) -> Result<Vec<usize>, String> {
        let shape = geometry::shape(dims[0], [dims[1], dims[2]])?;
        debug_assert_eq!(shape.len(), view.len());
        if let Body::Stack(values) = &view.body {
            self.reshape_free(values, shape);
            if self.is_stacked(values, shape) {
                return Ok(values.clone());
            }
        }
        let value = self.moved(view, shape)?;
        Ok(vec![value])
    }

    /// The same as one value.
    pub(super) fn whole(&mut self, view: &View, dims: [usize; 3]) -> Result<usize, String> {
        let values = self.image(view, dims)?;
        if let [value] = values[..] {
            return Ok(value);
        }
        let shape = geometry::shape(dims[0], [dims[1], dims[2]])?;
        let mut first = 0;
        let mut terms = Vec::new();
        for value in values {
            let channels = self.model.shape(value).channels;
            afford_moves(&[shape.channels, channels])?;
            let place = |n: usize| f32::from(u8::from(n / channels == first + n % channels));
            let weights = (0..shape.channels * channels).map(place).collect();
            terms.push(Term { value, geometry: Geometry::plain([1, 1]), weights });
            first += channels;
        }
        self.push_linear(shape, Linear { terms, bias: vec![0.0; shape.channels] })
    }

    /// Whether values have these rows and columns.
    pub(super) fn is_stacked(&self, values: &[usize], shape: Shape) -> bool {
        let fits = |s: Shape| (s.height, s.width) == (shape.height, shape.width);
        values.iter().all(|v| fits(self.model.shape(*v)))
    }

    /// Whether the extents of a value may still be chosen: it is the input, or a function of it,
    /// and so is all that reads the input.
    pub(super) fn is_free(&self, value: usize) -> bool {
        let scalar = |k: &Kind| matches!(k, Kind::Scalar { .. });
        self.model.ops.iter().all(|op| scalar(&op.kind)) && value <= self.model.ops.len()
    }

    /// Gives the input, where its extents are free, those of its first use.
    fn reshape_free(&mut self, values: &[usize], shape: Shape) {
        if matches!(values, [v] if self.is_free(*v)) && self.model.input.len() == shape.len() {
            self.model.input = shape;
            self.model.ops.iter_mut().for_each(|op| op.shape = shape);
        }
    }

    /// A value with the numbers of a view.
    fn moved(&mut self, view: &View, to: Shape) -> Result<usize, String> {
        let cells = self.cells(view)?;
        let values = self.values(view);
        if let [value] = values[..] {
            let has_constants = cells.iter().any(|c| c.constant() != 0.0);
            if !has_constants {
                for from in self.readings(value, to) {
                    let moves = Moves { from, to, cells: &cells };
                    if let Some((geometry, weights)) = super::moves::window(&moves) {
                        self.reshape_free(&[value], from);
                        return self.push_move(to, value, geometry, weights);
                    }
                }
                let from = self.model.shape(value);
                if let Some(value) = self.along_axes(value, &Moves { from, to, cells: &cells })? {
                    return Ok(value);
                }
            }
        }
        let vectors = values.iter().all(|v| self.model.shape(*v).positions() == 1);
        let is_plain = matches!(view.body, Body::Stack(_)) && vectors;
        let value = if is_plain { self.joined(&values)? } else { self.gathered(&cells)? };
        if to.positions() == 1 {
            return Ok(value);
        }
        self.spread(value, to)
    }

    /// The extents under which a value can be read: its own, or any if these are free.
    fn readings(&self, value: usize, to: Shape) -> Vec<Shape> {
        let own = self.model.shape(value);
        let mut all = vec![own];
        if self.is_free(value) {
            let len = own.len();
            let rows = [to.height, to.width, 1];
            let lines = rows.into_iter().filter(|r| len.is_multiple_of(*r));
            all.extend(lines.map(|r| Shape { channels: 1, height: r, width: len / r }));
            let channels = len / to.positions().min(len);
            let image = Shape { channels, height: to.height, width: to.width };
            all.extend(Some(image).filter(|s| s.len() == len));
            all.retain(|s| s.height.max(s.width) <= MAX_EXTENT);
        }
        all
    }

    pub(super) fn push_move(
        &mut self,
        to: Shape,
        value: usize,
        geometry: Geometry,
        weights: Vec<f32>,
    ) -> Result<usize, String> {
        if weights.len() > MAX_MOVES {
            return Err(too_large());
        }
        let terms = vec![Term { value, geometry, weights }];
        self.push_linear(to, Linear { terms, bias: vec![0.0; to.channels] })
    }

    /// Values of one position as one vector.
    fn joined(&mut self, values: &[usize]) -> Result<usize, String> {
        let len = values.iter().map(|v| self.model.shape(*v).len()).sum();
        self.whole(&View::stack(values.to_vec(), vec![1, len]), [len, 1, 1])
    }

    /// Cells as a vector: a dense layer of ones.
    pub(super) fn gathered(&mut self, cells: &[Cell]) -> Result<usize, String> {
        let rows: Vec<Vec<(usize, f32)>> = (0..cells.len()).map(|i| vec![(i, 1.0)]).collect();
        self.dense_rows(cells, &rows, &vec![0.0; cells.len()])
    }

    /// `y[o] = bias[o] + sum of w cells[i]` over the pairs `(i, w)` of row `o`, as a vector.
    pub(super) fn dense_rows(
        &mut self,
        cells: &[Cell],
        rows: &[Vec<(usize, f32)>],
        bias: &[f32],
    ) -> Result<usize, String> {
        let outputs = rows.len();
        let mut bias = bias.to_vec();
        let mut terms: Vec<Term> = Vec::new();
        for (o, row) in rows.iter().enumerate() {
            for (i, w) in row {
                let Some((value, index)) = cells[*i].source() else {
                    bias[o] += w * cells[*i].constant();
                    continue;
                };
                let from = self.model.shape(value);
                let at = match terms.iter().position(|t| t.value == value) {
                    Some(at) => at,
                    None => {
                        let len = outputs.checked_mul(from.len()).filter(|n| *n <= MAX_MOVES);
                        let len = len.ok_or_else(too_large)?;
                        let geometry = Geometry::plain([from.height, from.width]);
                        terms.push(Term { value, geometry, weights: vec![0.0; len] });
                        terms.len() - 1
                    }
                };
                terms[at].weights[o * from.len() + index] += w;
            }
        }
        if terms.is_empty() {
            return Err("it does not depend on the input".to_owned());
        }
        self.push_linear(Shape::vector(outputs), Linear { terms, bias })
    }

    /// A vector as an image: columns first, then rows, each by a kernel that sees one position.
    pub(super) fn spread(&mut self, value: usize, to: Shape) -> Result<usize, String> {
        let Shape { channels, height, width } = to;
        let lines = Shape { channels: channels * height, height: 1, width };
        let value = self.unfold(value, lines, 1)?;
        self.unfold(value, to, 0)
    }

    /// Turns each `n` channels into one with `n` positions along `axis`, where there was one.
    pub(super) fn unfold(&mut self, value: usize, to: Shape, axis: usize) -> Result<usize, String> {
        let extent = if axis == 0 { to.height } else { to.width };
        if extent == 1 {
            return Ok(value);
        }
        let mut geometry = Geometry { groups: to.channels, ..Geometry::plain([1, 1]) };
        geometry.kernel[axis] = extent;
        geometry.pad[axis] = extent - 1;
        let plane = extent * extent;
        afford_moves(&[to.channels, plane])?;
        let is_tap = |n: usize| n % plane / extent + n % extent == extent - 1;
        let weights = (0..to.channels * plane).map(|n| f32::from(u8::from(is_tap(n)))).collect();
        self.push_move(to, value, geometry, weights)
    }

    /// Term that reads all channels of `value` as they are.
    pub(super) fn plain_term(&self, value: usize, factor: f32) -> Term {
        pointwise(value, vec![factor; self.model.shape(value).channels])
    }
}

pub(super) fn too_large() -> String {
    "moving these numbers takes more weights than a circuit can hold".to_owned()
}
