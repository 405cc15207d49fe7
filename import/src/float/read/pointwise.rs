//! Scales and offsets by constants, value by value.

use std::rc::Rc;

use dn_core::quant::{Geometry, Shape};

use super::axes::{broadcast, spread_index};
use super::layout::afford_moves;
use super::view::{Body, View};
use super::Reader;
use crate::float::{Linear, Scalar, Term};
use crate::onnx::Numbers;

/// The numbers of some values, each seen once by a view.
pub(super) struct Native {
    pub(super) values: Vec<usize>,
    /// Where the view sees each number of the values; `None` if in the same order.
    pub(super) place: Option<Vec<usize>>,
}

impl Reader {
    /// The values behind a view, if it sees each of their numbers once and no constants.
    pub(super) fn native(&self, view: &View) -> Option<Native> {
        let cells = match &view.body {
            Body::Stack(values) => return Some(Native { values: values.clone(), place: None }),
            Body::Cells(cells) => cells,
        };
        let values = self.values(view);
        let mut first = vec![0];
        for value in &values {
            first.push(first[first.len() - 1] + self.model.shape(*value).len());
        }
        if first.last() != Some(&cells.len()) {
            return None;
        }
        let mut place = vec![usize::MAX; cells.len()];
        for (at, cell) in cells.iter().enumerate() {
            let (value, index) = cell.source()?;
            let part = values.iter().position(|v| *v == value)?;
            let slot = &mut place[first[part] + index];
            if *slot != usize::MAX {
                return None;
            }
            *slot = at;
        }
        Some(Native { values, place: Some(place) })
    }

    /// A view of whole values with the same numbers.
    pub(super) fn settled(&mut self, view: &View) -> Result<View, String> {
        let dims = view.image_dims().unwrap_or([view.len(), 1, 1]);
        let values = self.image(view, dims)?;
        Ok(View::stack(values, view.dims.clone()))
    }

    /// The view, moved if it sees numbers twice, constants, or few numbers of its values.
    pub(super) fn compact(&mut self, view: &View) -> Result<(View, Native), String> {
        if let Some(native) = self.native(view) {
            return Ok((view.clone(), native));
        }
        let view = self.settled(view)?;
        let native = self.native(&view).ok_or("its numbers cannot be laid out")?;
        Ok((view, native))
    }

    /// `scale x + offset`, constants that spread over the view.
    pub(super) fn affine(
        &mut self,
        view: &View,
        scale: &Numbers,
        offset: &Numbers,
    ) -> Result<View, String> {
        let dims = broadcast(&broadcast(&scale.dims, &offset.dims)?, &view.dims)?;
        if dims != view.dims {
            if self.batch > 1 && dims.len() == view.dims.len() && dims[0] == self.batch {
                return Err("a constant has one entry per example of the batch".to_owned());
            }
            self.afford(dims.iter().copied())?;
            let index = spread_index(&view.dims, &dims);
            let wide = self.pick(view, &index, dims, 0.0)?;
            return self.affine(&wide, scale, offset);
        }
        if let ([a], [b]) = (&scale.values[..], &offset.values[..]) {
            return self.function(view, &[Scalar::Affine(*a as f32, *b as f32)]);
        }
        let (view, native) = self.compact(view)?;
        let ordered = |n: &Numbers| -> Vec<f32> {
            let index = spread_index(&n.dims, &view.dims);
            match &native.place {
                Some(place) => place.iter().map(|at| n.values[index[*at]] as f32).collect(),
                None => index.iter().map(|at| n.values[*at] as f32).collect(),
            }
        };
        let (scales, offsets) = (ordered(scale), ordered(offset));
        if !scales.iter().chain(&offsets).all(|v| v.is_finite()) {
            return Err("a constant is not finite".to_owned());
        }
        if let Some(new) = self.per_channel(&native.values, &scales, &offsets)? {
            return Ok(self.with_values(&view, &native.values, &new));
        }
        if let Some(axis) = varying_axis(&[scale, offset], view.dims.len()) {
            return self.along_axis(&view, axis, scale, offset);
        }
        self.per_value(&view, &native.values, &scales, &offsets)
    }

    /// The view with values, each used once or in order, replaced.
    fn with_values(&self, view: &View, old: &[usize], new: &[usize]) -> View {
        let body = match &view.body {
            Body::Stack(_) => Body::Stack(new.to_vec()),
            Body::Cells(cells) => {
                let other = |v: usize| old.iter().position(|o| *o == v).map_or(v, |at| new[at]);
                let one = |c: &super::view::Cell| match c.source() {
                    Some((v, i)) => super::view::Cell::of(other(v), i),
                    None => *c,
                };
                Body::Cells(Rc::new(cells.iter().map(one).collect()))
            }
        };
        View { body, dims: view.dims.clone() }
    }

    /// One operation per value, if all positions of a channel have the same constants.
    fn per_channel(
        &mut self,
        values: &[usize],
        scales: &[f32],
        offsets: &[f32],
    ) -> Result<Option<Vec<usize>>, String> {
        let mut first = 0;
        let mut plans = Vec::new();
        for value in values {
            let mut shape = self.model.shape(*value);
            let range = first..first + shape.len();
            first = range.end;
            let pairs: Vec<(f32, f32)> =
                scales[range.clone()].iter().copied().zip(offsets[range].iter().copied()).collect();
            if self.is_free(*value) && values.len() == 1 && !is_uniform(&pairs, shape) {
                let flat = Shape::vector(shape.len());
                let varies = varies_along_rows(&pairs);
                if varies {
                    self.give_shape(flat);
                    shape = flat;
                }
            }
            if !is_uniform(&pairs, shape) {
                return Ok(None);
            }
            let channels: Vec<(f32, f32)> = pairs.chunks(shape.positions()).map(|c| c[0]).collect();
            plans.push((*value, shape, channels));
        }
        let mut new = Vec::new();
        for (value, shape, channels) in plans {
            let (scale, bias): (Vec<f32>, Vec<f32>) = channels.into_iter().unzip();
            let terms = vec![crate::float::pointwise(value, scale)];
            new.push(self.push_linear(shape, Linear { terms, bias })?);
        }
        Ok(Some(new))
    }

    /// With that axis as channels.
    fn along_axis(
        &mut self,
        view: &View,
        axis: usize,
        scale: &Numbers,
        offset: &Numbers,
    ) -> Result<View, String> {
        let rank = view.dims.len();
        let order: Vec<usize> =
            std::iter::once(axis).chain((0..rank).filter(|a| *a != axis)).collect();
        let turned = self.transposed(view, &order)?;
        let values = self.channels(&turned)?;
        let column = |n: &Numbers| -> Vec<f32> {
            let channels = view.dims[axis];
            let at = |c: usize| n.values[if n.values.len() == 1 { 0 } else { c }] as f32;
            (0..channels).map(at).collect()
        };
        let (scales, offsets) = (column(scale), column(offset));
        let mut first = 0;
        let mut new = Vec::new();
        for value in values {
            let shape = self.model.shape(value);
            let range = first..first + shape.channels;
            first = range.end;
            let terms = vec![crate::float::pointwise(value, scales[range.clone()].to_vec())];
            new.push(self.push_linear(shape, Linear { terms, bias: offsets[range].to_vec() })?);
        }
        let turned = View::stack(new, turned.dims);
        self.restored(&turned, &order)
    }

    /// A vector with one constant per number: each channel becomes as many as it has positions.
    fn per_value(
        &mut self,
        view: &View,
        values: &[usize],
        scales: &[f32],
        offsets: &[f32],
    ) -> Result<View, String> {
        let mut first = 0;
        let mut new = Vec::new();
        for value in values {
            let from = self.model.shape(*value);
            let count = from.positions();
            afford_moves(&[from.len(), count])?;
            let geometry =
                Geometry { groups: from.channels, ..Geometry::plain([from.height, from.width]) };
            let mut weights = vec![0.0; from.len() * count];
            for i in 0..from.len() {
                weights[i * count + i % count] = scales[first + i];
            }
            let bias = offsets[first..first + from.len()].to_vec();
            first += from.len();
            let terms = vec![Term { value: *value, geometry, weights }];
            new.push(self.push_linear(Shape::vector(from.len()), Linear { terms, bias })?);
        }
        Ok(self.with_values(view, values, &new))
    }

    /// Appends functions to all numbers of a view.
    pub(super) fn function(&mut self, view: &View, chain: &[Scalar]) -> Result<View, String> {
        let view = match self.native(view) {
            Some(_) => view.clone(),
            None if self.is_sparse(view) => self.settled(view)?,
            None => view.clone(),
        };
        let new = self.replaced(&view, |reader, value| reader.push_scalar(value, chain))?;
        let Body::Cells(cells) = &new.body else { return Ok(new) };
        let apply = |c: &super::view::Cell| match c.source() {
            Some(_) => *c,
            None => super::view::Cell::number(crate::float::apply_all(chain, c.constant())),
        };
        let body = Body::Cells(Rc::new(cells.iter().map(apply).collect()));
        Ok(View { body, dims: new.dims })
    }

    /// Whether a view sees less than half of its values.
    fn is_sparse(&self, view: &View) -> bool {
        let all: usize = self.values(view).iter().map(|v| self.model.shape(*v).len()).sum();
        2 * view.len() < all
    }

    /// Gives the input and its functions these extents.
    fn give_shape(&mut self, shape: Shape) {
        self.model.input = shape;
        self.model.ops.iter_mut().for_each(|op| op.shape = shape);
    }
}

fn is_uniform(pairs: &[(f32, f32)], shape: Shape) -> bool {
    pairs.chunks(shape.positions()).all(|c| c.iter().all(|p| *p == c[0]))
}

/// Whether the constants differ in more ways than along one short period.
fn varies_along_rows(pairs: &[(f32, f32)]) -> bool {
    let periodic = |n: usize| pairs.iter().enumerate().all(|(i, p)| *p == pairs[i % n]);
    !(1..=pairs.len() / 2).filter(|n| pairs.len().is_multiple_of(*n) && *n <= 64).any(periodic)
}

/// The one axis of a tensor of `rank` axes along which constants differ.
fn varying_axis(all: &[&Numbers], rank: usize) -> Option<usize> {
    let mut found = None;
    for numbers in all {
        for (i, _) in numbers.dims.iter().enumerate().filter(|(_, d)| **d > 1) {
            let axis = i + rank - numbers.dims.len();
            if found.is_some_and(|f| f != axis) {
                return None;
            }
            found = Some(axis);
        }
    }
    found
}

impl Reader {
    /// The first axis as channels, whatever the positions are: values stacked by channels.
    pub(super) fn channels(&mut self, view: &View) -> Result<Vec<usize>, String> {
        let channels = view.dims[0];
        let count = view.len() / channels;
        if let Body::Stack(values) = &view.body {
            let first = self.model.shape(values[0]);
            let fits = first.positions() == count && self.is_stacked(values, first);
            if fits && !(values.len() == 1 && self.is_free(values[0])) {
                return Ok(values.clone());
            }
        }
        let dims = match view.dims[1..].iter().copied().filter(|d| *d > 1).collect::<Vec<_>>()[..] {
            [rows, columns] => [channels, rows, columns],
            _ if view.len() > dn_core::quant::MAX_EXTENT => [channels, count, 1],
            _ => [channels, 1, count],
        };
        self.image(view, dims)
    }
}
