//! Views: what the graph sees as one tensor.

use dn_core::quant::{Geometry, Shape};

use super::Reader;
use crate::float::{geometry, pointwise, Linear, Term};

/// Values of the model, one behind the other in row-major order, seen under `dims`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::float) struct View {
    pub(super) parts: Vec<usize>,
    /// Without the batch; their product is the number of all values.
    pub(super) dims: Vec<usize>,
}

/// Dimensions as channels, rows and columns.
pub(super) fn image_shape(dims: &[usize]) -> Result<Shape, String> {
    let (channels, rows, columns) = match *dims {
        [] => (1, 1, 1),
        [channels] => (channels, 1, 1),
        [channels, columns] => (channels, 1, columns),
        [channels, rows, columns] => (channels, rows, columns),
        _ => return Err(format!("a tensor with {} dimensions is not supported", dims.len() + 1)),
    };
    geometry::shape(channels, [rows, columns])
}

/// Rows and columns under the rank of `dims`.
pub(super) fn image_dims(dims: &[usize], shape: Shape) -> Vec<usize> {
    match dims.len() {
        0 | 1 => vec![shape.len()],
        2 => vec![shape.channels, shape.width],
        _ => vec![shape.channels, shape.height, shape.width],
    }
}

impl Reader {
    /// Extents of a view whose values are stacked by channels.
    ///
    /// The input is read under the dimensions of its first use.
    pub(super) fn image(&mut self, view: &View) -> Result<Shape, String> {
        let shape = image_shape(&view.dims)?;
        let is_fresh = self.model.ops.iter().all(|op| !op.kind.operands().contains(&0));
        if view.parts == [0] && is_fresh {
            self.model.input = shape;
        }
        if self.is_stacked(view, shape) {
            Ok(shape)
        } else {
            Err(format!("the values are not laid out as {:?} here", view.dims))
        }
    }

    fn is_stacked(&self, view: &View, shape: Shape) -> bool {
        view.parts.iter().all(|v| {
            let s = self.model.shape(*v);
            (s.height, s.width) == (shape.height, shape.width)
        })
    }

    /// Terms that put the values of a view, times `factor`, into one tensor.
    pub(super) fn place(&mut self, view: &View, factor: f32) -> Result<(Shape, Vec<Term>), String> {
        let shape = image_shape(&view.dims)?;
        let stacked = self.is_stacked(view, shape);
        if let ([value], true) = (&view.parts[..], stacked) {
            return Ok((shape, vec![pointwise(*value, vec![factor; shape.channels])]));
        }
        if !stacked && shape.positions() > 1 {
            return Err(format!("the values are not laid out as {:?} here", view.dims));
        }
        let mut terms = Vec::new();
        let mut first = 0;
        for value in &view.parts {
            let from = self.model.shape(*value);
            let kernel = if stacked { [1, 1] } else { [from.height, from.width] };
            let geometry = Geometry::plain(kernel);
            let len = geometry::weights_len(&geometry, from, shape)?;
            let row = len / shape.channels;
            let mut weights = vec![0.0; len];
            (0..row).for_each(|i| weights[(first + i) * row + i] = factor);
            first += row;
            terms.push(Term { value: *value, geometry, weights });
        }
        Ok((shape, terms))
    }

    /// The view as one value.
    pub(super) fn whole(&mut self, view: &View) -> Result<usize, String> {
        if let [value] = view.parts[..] {
            return Ok(value);
        }
        let (shape, terms) = self.place(view, 1.0)?;
        self.push_linear(shape, Linear { terms, bias: vec![0.0; shape.channels] })
    }

    /// `scale[c] x + offset[c]`, or with one entry per value where a flattened image is seen.
    pub(super) fn affine(
        &mut self,
        view: &View,
        scale: &[f32],
        offset: &[f32],
    ) -> Result<View, String> {
        let shape = image_shape(&view.dims)?;
        if self.image(view).is_ok() {
            let mut first = 0;
            return self.each(view, |reader, value| {
                let shape = reader.model.shape(value);
                let range = first..first + shape.channels;
                first = range.end;
                let terms = vec![pointwise(value, scale[range.clone()].to_vec())];
                reader.push_linear(shape, Linear { terms, bias: offset[range].to_vec() })
            });
        }
        if shape.len() != scale.len() {
            return Err(format!("the values are not laid out as {:?} here", view.dims));
        }
        let (shape, mut terms) = self.place(view, 1.0)?;
        for term in &mut terms {
            let row = term.weights.len() / shape.channels;
            for (weights, scale) in term.weights.chunks_exact_mut(row).zip(scale) {
                weights.iter_mut().for_each(|w| *w *= scale);
            }
        }
        let value = self.push_linear(shape, Linear { terms, bias: offset.to_vec() })?;
        Ok(View { parts: vec![value], dims: view.dims.clone() })
    }
}
