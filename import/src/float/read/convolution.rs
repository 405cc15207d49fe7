//! Convolutions, dense layers and batch normalisation.

use super::{view, Reader, View};
use crate::float::{geometry, Linear, Term, Window};
use crate::onnx;

/// The windows a node's attributes describe, on an input with `rank` dimensions (batch included).
pub(super) fn window(node: &onnx::Node, kernel: &[i64], view: &View) -> Result<Window, String> {
    let sides = view.dims.len().saturating_sub(1);
    if !(1..=2).contains(&sides) {
        return Err(format!("{} spatial dimensions are not supported", sides));
    }
    let pair = |name: &str, values: &[i64]| -> Result<[usize; 2], String> {
        if values.len() != sides {
            return Err(format!("{name} has {} entries for {sides} dimensions", values.len()));
        }
        let extent = |n: i64| usize::try_from(n).map_err(|_| format!("{name} {n} is negative"));
        let last = extent(values[sides - 1])?;
        // An image of one row stands for a signal.
        let first = if sides == 2 { extent(values[0])? } else { usize::from(name != "pads") };
        Ok([first, last])
    };
    let given = |name: &str| node.ints(name).filter(|v| !v.is_empty());
    let or_one = |name: &str| given(name).map_or(Ok([1, 1]), |v| pair(name, v));
    let mut window = Window {
        stride: or_one("strides")?,
        dilation: or_one("dilations")?,
        ceil: node.int("ceil_mode", 0) != 0,
        ..Window::plain(pair("kernel_shape", kernel)?)
    };
    match node.text("auto_pad") {
        "" | "NOTSET" => {
            if let Some(pads) = given("pads") {
                if pads.len() != 2 * sides {
                    return Err(format!("pads has {} entries, not {}", pads.len(), 2 * sides));
                }
                window.pad = pair("pads", &pads[..sides])?;
                window.pad_end = pair("pads", &pads[sides..])?;
            }
        }
        "VALID" => {}
        mode @ ("SAME_UPPER" | "SAME_LOWER") => same_padding(&mut window, view, mode)?,
        mode => return Err(format!("auto_pad {mode:?} is not supported")),
    }
    Ok(window)
}

/// Pads so that the output has `ceil(extent / stride)` positions.
fn same_padding(window: &mut Window, view: &View, mode: &str) -> Result<(), String> {
    let shape = view::image_shape(&view.dims)?;
    for (axis, extent) in [shape.height, shape.width].into_iter().enumerate() {
        let (stride, dilation) = (window.stride[axis].max(1), window.dilation[axis]);
        let span = window.kernel[axis].saturating_sub(1).saturating_mul(dilation).saturating_add(1);
        let last = (extent.div_ceil(stride) - 1) * stride;
        let total = last.saturating_add(span).saturating_sub(extent);
        let small = total / 2;
        let begin = if mode == "SAME_UPPER" { small } else { total - small };
        window.pad[axis] = begin;
        window.pad_end[axis] = total - begin;
    }
    Ok(())
}

impl Reader {
    pub(super) fn conv(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let (dims, weights) = self.constant(node, 1)?;
        if dims.len() != view.dims.len() + 1 || dims.len() < 3 {
            return Err(format!("weights {dims:?} do not fit an input {:?}", view.dims));
        }
        let kernel: Vec<i64> = dims[2..].iter().map(|d| *d as i64).collect();
        if node.ints("kernel_shape").is_some_and(|k| !k.is_empty() && k != kernel) {
            return Err(format!("kernel_shape differs from the weights {dims:?}"));
        }
        let window = window(node, &kernel, &view)?;
        let input = self.image(&view)?;
        let (outputs, groups) = (dims[0], usize::try_from(node.int("group", 1)).unwrap_or(0));
        if groups == 0 || outputs == 0 || !outputs.is_multiple_of(groups) {
            return Err(format!("{groups} groups do not divide {outputs} outputs"));
        }
        if dims[1].checked_mul(groups) != Some(input.channels) {
            return Err(format!(
                "weights {dims:?} in {groups} groups do not fit {} channels",
                input.channels
            ));
        }
        let bias = match node.operand(2) {
            Some(_) => self.per_channel(node, 2, outputs)?,
            None => vec![0.0; outputs],
        };
        let shape = geometry::shape(outputs, window.output(input)?)?;
        let view =
            if groups == 1 { view } else { View { parts: vec![self.whole(&view)?], ..view } };
        let (taps, mut first) = (window.kernel[0] * window.kernel[1], 0);
        let mut terms = Vec::new();
        for value in &view.parts {
            let channels = self.model.shape(*value).channels / groups;
            let rows = weights.chunks_exact(dims[1] * taps);
            let slice = |row: &[f32]| row[first * taps..(first + channels) * taps].to_vec();
            let weights = rows.flat_map(slice).collect();
            terms.push(Term { value: *value, geometry: window.geometry(groups), weights });
            first += channels;
        }
        let value = self.push_linear(shape, Linear { terms, bias })?;
        Ok(View { parts: vec![value], dims: view::image_dims(&view.dims, shape) })
    }

    pub(super) fn gemm(&mut self, node: &onnx::Node) -> Result<View, String> {
        if node.int("transA", 0) != 0 {
            return Err("the first operand must not be transposed".to_owned());
        }
        let (dims, mut weights) = self.constant(node, 1)?;
        let alpha = node.float("alpha", 1.0);
        weights.iter_mut().for_each(|w| *w *= alpha);
        let transposed = node.int("transB", 0) != 0;
        let beta = node.float("beta", 1.0);
        let bias = match (node.operand(2), &dims[..]) {
            (Some(_), [rows, columns]) => {
                let outputs = if transposed { *rows } else { *columns };
                self.per_channel(node, 2, outputs)?.into_iter().map(|b| b * beta).collect()
            }
            _ => Vec::new(),
        };
        self.dense(node, (&dims, weights), transposed, bias)
    }

    pub(super) fn mat_mul(&mut self, node: &onnx::Node) -> Result<View, String> {
        let (dims, weights) = self.constant(node, 1)?;
        self.dense(node, (&dims, weights), false, Vec::new())
    }

    /// A dense layer with weights `[inputs, outputs]`, or transposed; an empty bias is zero.
    fn dense(
        &mut self,
        node: &onnx::Node,
        (dims, weights): (&[usize], Vec<f32>),
        transposed: bool,
        bias: Vec<f32>,
    ) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let (inputs, outputs) = match (dims, transposed) {
            ([o, i], true) | ([i, o], false) => (*i, *o),
            _ => return Err(format!("the weights have {} dimensions, not 2", dims.len())),
        };
        if view.dims != [inputs] {
            return Err(format!(
                "it takes {inputs} values, the input is {:?} per example",
                view.dims
            ));
        }
        let shape = geometry::shape(outputs, [1, 1])?;
        let at =
            |o: usize, i: usize| weights[if transposed { o * inputs + i } else { i * outputs + o }];
        let (mut terms, mut first) = (Vec::new(), 0);
        for value in &view.parts {
            let from = self.model.shape(*value);
            let range = first..first + from.len();
            first = range.end;
            let rows = (0..outputs).flat_map(|o| range.clone().map(move |i| (o, i)));
            let weights = rows.map(|(o, i)| at(o, i)).collect();
            let geometry = dn_core::quant::Geometry::plain([from.height, from.width]);
            terms.push(Term { value: *value, geometry, weights });
        }
        let bias = if bias.is_empty() { vec![0.0; outputs] } else { bias };
        let value = self.push_linear(shape, Linear { terms, bias })?;
        Ok(View { parts: vec![value], dims: vec![outputs] })
    }

    /// The inference form: `scale (x - mean) / sqrt(variance + epsilon) + bias`.
    pub(super) fn batch_norm(&mut self, node: &onnx::Node) -> Result<View, String> {
        if node.int("training_mode", 0) != 0 {
            return Err("it is in training mode".to_owned());
        }
        let view = self.operand(node, 0)?;
        let channels = *view.dims.first().ok_or("the input has no channels")?;
        let [scale, bias, mean, variance] =
            [1, 2, 3, 4].map(|at| self.per_channel(node, at, channels));
        let (scale, bias, mean, variance) = (scale?, bias?, mean?, variance?);
        let epsilon = node.float("epsilon", 1e-5);
        let scale: Vec<f32> = scale
            .iter()
            .zip(&variance)
            .map(|(s, v)| (f64::from(*s) / (f64::from(*v) + f64::from(epsilon)).sqrt()) as f32)
            .collect();
        if scale.iter().any(|s| !s.is_finite()) {
            return Err("a variance is not positive".to_owned());
        }
        let offset: Vec<f32> =
            bias.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        self.affine(&view, &scale, &offset)
    }
}
