//! Sums, means and largest values over axes.

use dn_core::quant::{Geometry, Shape};

use super::axes::{axes, product};
use super::view::{Body, View};
use super::Reader;
use crate::float::{Kind, Linear, Scalar, Term, Window};
use crate::onnx;

/// Up to this many weights a sum whose axes lie apart is a dense layer.
const MAX_DENSE: usize = 1 << 20;

impl Reader {
    /// `Reduce*` and the global pools.
    pub(super) fn reduce(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let rank = view.dims.len();
        let is_pool = node.op_type.starts_with("Global");
        let over = match self.axes_of(node, "axes", 1).filter(|a| !a.is_empty()) {
            Some(given) => axes(&given, rank)?,
            None if is_pool => (2..rank).collect(),
            None if node.int("noop_with_empty_axes", 0) != 0 => Vec::new(),
            None => (0..rank).collect(),
        };
        let keeps = is_pool || node.int("keepdims", 1) != 0;
        let one = std::slice::from_ref::<Scalar>;
        let count: usize = over.iter().map(|a| view.dims[*a]).product();
        let is_whole = !self.element_at(node, 0).is_float();
        let result = match node.op_type.as_str() {
            "ReduceMean" | "GlobalAveragePool" => {
                self.sum_over(&view, &over, 1.0 / count as f32)?
            }
            "ReduceSum" => self.sum_over(&view, &over, 1.0)?,
            "ReduceMax" | "GlobalMaxPool" => self.max_over(&view, &over)?,
            "ReduceMin" => {
                let negated = self.function(&view, one(&Scalar::Affine(-1.0, 0.0)))?;
                let largest = self.max_over(&negated, &over)?;
                self.function(&largest, one(&Scalar::Affine(-1.0, 0.0)))?
            }
            op => {
                let (before, after): (&[Scalar], &[Scalar]) = match op {
                    "ReduceL1" => (&[Scalar::Abs], &[]),
                    "ReduceL2" => (&[Scalar::Power(2.0)], &[Scalar::Sqrt]),
                    "ReduceSumSquare" => (&[Scalar::Power(2.0)], &[]),
                    "ReduceLogSum" => (&[], &[Scalar::Log]),
                    _ => (&[Scalar::Exp], &[Scalar::Log]),
                };
                let view =
                    if before.is_empty() { view.clone() } else { self.function(&view, before)? };
                let sum = self.sum_over(&view, &over, 1.0)?;
                if after.is_empty() {
                    sum
                } else {
                    self.function(&sum, after)?
                }
            }
        };
        let result = match node.op_type.as_str() {
            // Means of integers are multiples of 1 / count.
            "ReduceMean" if is_whole => {
                self.function(&result, &[Scalar::Trunc(0.5 / count as f32)])?
            }
            "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" if is_whole => {
                self.function(&result, &[Scalar::Trunc(1e-5)])?
            }
            _ => result,
        };
        let kept = |a: usize| if over.contains(&a) { 1 } else { view.dims[a] };
        let dims = (0..rank).filter(|a| keeps || !over.contains(a)).map(kept).collect();
        Ok(result.under(dims))
    }

    /// The view with the axes that stay in front, and their product.
    fn kept_first(&mut self, view: &View, over: &[usize]) -> Result<(View, usize), String> {
        let kept = (0..view.dims.len()).filter(|a| !over.contains(a));
        let order: Vec<usize> = kept.chain(over.iter().copied()).collect();
        let count: usize = over.iter().map(|a| view.dims[*a]).product();
        let turned = self.transposed(view, &order)?;
        Ok((turned, view.len() / count))
    }

    /// `factor` times the sum over axes; the others in order.
    pub(super) fn sum_over(
        &mut self,
        view: &View,
        over: &[usize],
        factor: f32,
    ) -> Result<View, String> {
        if over.is_empty() && factor == 1.0 {
            return Ok(view.clone());
        }
        let (turned, kept) = self.kept_first(view, over)?;
        let count = view.len() / kept;
        let fits = |reader: &Self, view: &View, positions: usize| match &view.body {
            Body::Stack(values) => {
                values.iter().all(|v| reader.model.shape(*v).positions() == positions)
            }
            Body::Cells(_) => false,
        };
        let is_free = matches!(&turned.body, Body::Stack(v) if v.len() == 1 && self.is_free(v[0]));
        if count > 1 && (is_free || fits(self, &turned, count)) {
            return self.sum_positions(&turned, kept, over.len(), factor);
        }
        let order: Vec<usize> = (0..view.dims.len()).collect();
        let (first, rest): (Vec<usize>, Vec<usize>) = order.iter().partition(|a| over.contains(a));
        let order: Vec<usize> = first.into_iter().chain(rest).collect();
        let back = self.transposed(view, &order)?;
        if fits(self, &back, kept) && kept > 1 {
            let flat = back.under(vec![count, kept]);
            let values = self.channels(&flat)?;
            let shape = self.model.shape(values[0]);
            let term = |value: &usize| Term {
                value: *value,
                geometry: Geometry::plain([1, 1]),
                weights: vec![factor; self.model.shape(*value).channels],
            };
            let terms = values.iter().map(term).collect();
            let to = Shape { channels: 1, ..shape };
            let value = self.push_linear(to, Linear { terms, bias: vec![0.0] })?;
            return Ok(View::stack(vec![value], vec![kept]));
        }
        if view.len().saturating_mul(kept) <= MAX_DENSE {
            let cells = self.cells(&turned)?;
            let row = |o: usize| (o * count..(o + 1) * count).map(|i| (i, factor)).collect();
            let rows: Vec<Vec<(usize, f32)>> = (0..kept).map(row).collect();
            let value = self.dense_rows(&cells, &rows, &vec![0.0; kept])?;
            return Ok(View::stack(vec![value], vec![kept]));
        }
        self.sum_positions(&turned, kept, over.len(), factor)
    }

    /// The sum over all positions: a depthwise convolution whose kernel covers its input.
    fn sum_positions(
        &mut self,
        turned: &View,
        kept: usize,
        axes: usize,
        factor: f32,
    ) -> Result<View, String> {
        let values = self.image(turned, image(turned, kept, axes))?;
        let mut sums = Vec::new();
        for value in values {
            let from = self.model.shape(value);
            let window = Window::plain([from.height, from.width]);
            let weights = vec![factor; from.len()];
            let terms = vec![Term { value, geometry: window.geometry(from.channels), weights }];
            let bias = vec![0.0; from.channels];
            sums.push(self.push_linear(Shape::vector(from.channels), Linear { terms, bias })?);
        }
        Ok(View::stack(sums, vec![kept]))
    }

    fn max_over(&mut self, view: &View, over: &[usize]) -> Result<View, String> {
        if over.is_empty() {
            return Ok(view.clone());
        }
        let (turned, kept) = self.kept_first(view, over)?;
        let values = self.image(&turned, image(&turned, kept, over.len()))?;
        let mut largest = Vec::new();
        for value in values {
            let from = self.model.shape(value);
            let window = Window::plain([from.height, from.width]);
            let shape = Shape::vector(from.channels);
            largest.push(self.push(shape, Kind::MaxPool { of: value, window })?);
        }
        Ok(View::stack(largest, vec![kept]))
    }
}

/// `kept` channels with the last `axes` dimensions as rows and columns.
fn image(turned: &View, kept: usize, axes: usize) -> [usize; 3] {
    let dims = &turned.dims[turned.dims.len() - axes..];
    match dims {
        [rows, columns] => [kept, *rows, *columns],
        _ => [kept, 1, product(dims)],
    }
}
