//! Dense layers, on single vectors and on each of many.

use dn_core::quant::{Geometry, Shape};

use super::axes::{broadcast, product};
use super::view::{Body, View};
use super::Reader;
use crate::float::{geometry, Linear, Term};
use crate::onnx::{self, Numbers};

impl Reader {
    pub(super) fn gemm(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        if node.int("transA", 0) != 0 {
            return Err("the first operand must not be transposed".to_owned());
        }
        let (dims, mut weights) = self.constant(node, 1)?;
        let alpha = node.float("alpha", 1.0);
        weights.iter_mut().for_each(|w| *w *= alpha);
        let [a, b] = dims[..] else {
            return Err(format!("the weights have {} dimensions, not 2", dims.len()));
        };
        let (weights, outputs) = match node.int("transB", 0) {
            0 => (weights, b),
            _ => (transposed(&weights, a, b), a),
        };
        let inputs = if node.int("transB", 0) == 0 { a } else { b };
        let beta = node.float("beta", 1.0);
        if view.dims.len() != 2 {
            return Err(format!("{:?} is no matrix", view.dims));
        }
        let none = vec![0.0; outputs];
        let Some(_) = node.operand(2) else { return self.dense(&view, inputs, &weights, &none) };
        let (dims, bias) = self.constant(node, 2)?;
        let to = [view.dims[0], outputs];
        if broadcast(&dims, &to).ok().as_deref() != Some(&to) {
            return Err(format!("operand 2 has dimensions {dims:?}, {outputs} values are needed"));
        }
        let bias: Vec<f32> = bias.into_iter().map(|b| b * beta).collect();
        if dims.iter().rev().skip(1).all(|d| *d == 1) {
            let bias = if bias.len() == 1 { vec![bias[0]; outputs] } else { bias };
            return self.dense(&view, inputs, &weights, &bias);
        }
        let products = self.dense(&view, inputs, &weights, &none)?;
        let offset = Numbers::floats(dims, bias.into_iter().map(f64::from).collect());
        self.affine(&products, &super::arithmetic::number(1.0), &offset)
    }

    pub(super) fn mat_mul(&mut self, node: &onnx::Node) -> Result<View, String> {
        let name = |at: usize| node.operand(at).ok_or_else(|| format!("operand {at} is missing"));
        if self.views.contains_key(name(0)?) && self.views.contains_key(name(1)?) {
            let (a, b) = (self.operand(node, 0)?, self.operand(node, 1)?);
            return self.matrices(&a, &b);
        }
        if self.views.contains_key(name(0)?) {
            let view = self.operand(node, 0)?;
            let (dims, weights) = self.constant(node, 1)?;
            return self.product(&view, &dims, &weights);
        }
        // A X = (X' A')'
        let view = self.operand(node, 1)?;
        let (dims, weights) = self.constant(node, 0)?;
        let ([.., rows, inner], true) =
            (&dims[..], product(&dims) == weights.len() && dims.len() == 2)
        else {
            return Err(format!("a constant {dims:?} in front is not a matrix"));
        };
        let rank = view.dims.len();
        if rank < 2 {
            return Err("a matrix in front of a vector is not supported".to_owned());
        }
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 2, rank - 1);
        let turned = self.transposed(&view, &order)?;
        let bias = vec![0.0; *rows];
        let result = self.dense(&turned, *inner, &transposed(&weights, *rows, *inner), &bias)?;
        self.transposed(&result, &order)
    }

    /// A computed tensor times constant matrices.
    fn product(&mut self, view: &View, dims: &[usize], weights: &[f32]) -> Result<View, String> {
        match *dims {
            [inputs, outputs] => self.dense(view, inputs, weights, &vec![0.0; outputs]),
            [inputs] => {
                let result = self.dense(view, inputs, weights, &[0.0])?;
                let rank = result.dims.len();
                Ok(result.under(result.dims[..rank - 1].to_vec()))
            }
            [ref many @ .., inputs, outputs] => {
                self.batched(view, (many, inputs, outputs), weights)
            }
            [] => Err("a number is no matrix".to_owned()),
        }
    }

    /// One matrix per entry of the leading axes.
    fn batched(
        &mut self,
        view: &View,
        (many, inputs, outputs): (&[usize], usize, usize),
        weights: &[f32],
    ) -> Result<View, String> {
        if many.iter().all(|d| *d == 1) {
            return self.dense(view, inputs, weights, &vec![0.0; outputs]);
        }
        let rank = view.dims.len();
        if rank < 2 || view.dims[rank - 1] != inputs {
            return Err(format!("{:?} does not fit {inputs} rows", view.dims));
        }
        let rows = view.dims[rank - 2];
        let lead = broadcast(&view.dims[..rank - 2], many)?;
        let wide: Vec<usize> = lead.iter().copied().chain([rows, inputs]).collect();
        let view = self.spread_to(view, &wide)?;
        let place = super::axes::spread_index(many, &lead);
        let mut sums = Vec::new();
        for matrix in place {
            for _ in 0..rows {
                let first = (sums.len() / outputs) * inputs;
                for o in 0..outputs {
                    let w = |i: usize| weights[(matrix * inputs + i) * outputs + o];
                    sums.push((0..inputs).map(|i| (first + i, w(i))).collect::<Vec<_>>());
                }
            }
        }
        let cells = self.cells(&view)?;
        let value = self.dense_rows(&cells, &sums, &vec![0.0; sums.len()])?;
        let dims = lead.iter().copied().chain([rows, outputs]).collect();
        Ok(View::stack(vec![value], dims))
    }

    /// Each vector along the last axis times `weights`, `[inputs, outputs]`.
    pub(super) fn dense(
        &mut self,
        view: &View,
        inputs: usize,
        weights: &[f32],
        bias: &[f32],
    ) -> Result<View, String> {
        let outputs = bias.len();
        let rank = view.dims.len();
        if rank == 0 || view.dims[rank - 1] != inputs {
            return Err(format!("it takes {inputs} values, the input is {:?}", view.dims));
        }
        let dims: Vec<usize> = view.dims[..rank - 1].iter().copied().chain([outputs]).collect();
        if view.len() == inputs {
            let value = self.dense_vector(view, weights, bias)?;
            return Ok(View::stack(vec![value], dims));
        }
        let order: Vec<usize> = std::iter::once(rank - 1).chain(0..rank - 1).collect();
        let turned = self.transposed(view, &order)?;
        let values = self.channels(&turned)?;
        let first = self.model.shape(values[0]);
        let shape = geometry::shape(outputs, [first.height, first.width])?;
        let (mut terms, mut start) = (Vec::new(), 0);
        for value in values {
            let channels = self.model.shape(value).channels;
            let w = |n: usize| weights[(start + n % channels) * outputs + n / channels];
            let kernel = (0..outputs * channels).map(w).collect();
            terms.push(Term { value, geometry: Geometry::plain([1, 1]), weights: kernel });
            start += channels;
        }
        let value = self.push_linear(shape, Linear { terms, bias: bias.to_vec() })?;
        let turned: Vec<usize> =
            std::iter::once(outputs).chain(dims[..rank - 1].to_vec()).collect();
        self.restored(&View::stack(vec![value], turned), &order)
    }

    /// A dense layer on all numbers of a view.
    fn dense_vector(
        &mut self,
        view: &View,
        weights: &[f32],
        bias: &[f32],
    ) -> Result<usize, String> {
        let outputs = bias.len();
        let Body::Stack(values) = &view.body else {
            let cells = self.cells(view)?;
            let row = |o: usize| (0..cells.len()).map(|i| (i, weights[i * outputs + o])).collect();
            let rows: Vec<Vec<(usize, f32)>> = (0..outputs).map(row).collect();
            return self.dense_rows(&cells, &rows, bias);
        };
        let (mut terms, mut first) = (Vec::new(), 0);
        for value in values {
            let from = self.model.shape(*value);
            let at = |n: usize| weights[(first + n % from.len()) * outputs + n / from.len()];
            let kernel = (0..outputs * from.len()).map(at).collect();
            let geometry = Geometry::plain([from.height, from.width]);
            terms.push(Term { value: *value, geometry, weights: kernel });
            first += from.len();
        }
        self.push_linear(Shape::vector(outputs), Linear { terms, bias: bias.to_vec() })
    }
}

/// A matrix of `rows` rows, its columns first.
fn transposed(weights: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|n| weights[n % rows * columns + n / rows]).collect()
}
