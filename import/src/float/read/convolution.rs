//! Convolutions, and the windows that they share with pools.

use dn_core::quant::Shape;

use super::{Reader, View};
use crate::float::{geometry, Linear, Term, Window};
use crate::onnx;

/// Extents of a signal or an image behind the batch.
pub(super) fn image_of(view: &View) -> Result<[usize; 3], String> {
    match view.dims[..] {
        [1, c, w] => Ok([c, 1, w]),
        [1, c, h, w] => Ok([c, h, w]),
        _ => Err(format!("{:?} is neither a signal nor an image", view.dims)),
    }
}

/// Dimensions of a result with these extents, as those of the operand.
pub(super) fn like(view: &View, shape: Shape) -> Vec<usize> {
    match view.dims.len() {
        3 => vec![1, shape.channels, shape.width],
        _ => vec![1, shape.channels, shape.height, shape.width],
    }
}

/// Pairs of a node's attribute, rows first; an image of one row stands for a signal.
pub(super) fn pair(name: &str, values: &[i64], sides: usize) -> Result<[usize; 2], String> {
    if values.len() != sides {
        return Err(format!("{name} has {} entries for {sides} dimensions", values.len()));
    }
    let extent = |n: i64| usize::try_from(n).map_err(|_| format!("{name} {n} is negative"));
    let last = extent(values[sides - 1])?;
    let is_padding = name.ends_with("pads") || name.ends_with("padding");
    let first = if sides == 2 { extent(values[0])? } else { usize::from(!is_padding) };
    Ok([first, last])
}

/// The windows a node's attributes describe.
pub(super) fn window(node: &onnx::Node, kernel: &[i64], view: &View) -> Result<Window, String> {
    let image = image_of(view)?;
    let sides = view.dims.len() - 2;
    let given = |name: &str| node.ints(name).filter(|v| !v.is_empty());
    let or_one = |name: &str| given(name).map_or(Ok([1, 1]), |v| pair(name, v, sides));
    let mut window = Window {
        stride: or_one("strides")?,
        dilation: or_one("dilations")?,
        ceil: node.int("ceil_mode", 0) != 0,
        ..Window::plain(pair("kernel_shape", kernel, sides)?)
    };
    match node.text("auto_pad") {
        "" | "NOTSET" => {
            if let Some(pads) = given("pads") {
                if pads.len() != 2 * sides {
                    return Err(format!("pads has {} entries, not {}", pads.len(), 2 * sides));
                }
                window.pad = pair("pads", &pads[..sides], sides)?;
                window.pad_end = pair("pads", &pads[sides..], sides)?;
            }
        }
        "VALID" => {}
        mode @ ("SAME_UPPER" | "SAME_LOWER") => same_padding(&mut window, image, mode),
        mode => return Err(format!("auto_pad {mode:?} is not supported")),
    }
    Ok(window)
}

/// Pads so that the output has `ceil(extent / stride)` positions.
fn same_padding(window: &mut Window, [_, rows, columns]: [usize; 3], mode: &str) {
    for (axis, extent) in [rows, columns].into_iter().enumerate() {
        let (stride, dilation) = (window.stride[axis].max(1), window.dilation[axis]);
        let span = window.kernel[axis].saturating_sub(1).saturating_mul(dilation).saturating_add(1);
        let last = (extent.div_ceil(stride) - 1) * stride;
        let total = last.saturating_add(span).saturating_sub(extent);
        let small = total / 2;
        let begin = if mode == "SAME_UPPER" { small } else { total - small };
        window.pad[axis] = begin;
        window.pad_end[axis] = total - begin;
    }
}

impl Reader {
    pub(super) fn conv(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        if view.dims.len() == 5 {
            return self.conv_volume(node, &view);
        }
        self.conv_on(node, &view)
    }

    /// The convolution of an image or a signal.
    pub(super) fn conv_on(&mut self, node: &onnx::Node, view: &View) -> Result<View, String> {
        let image = image_of(view)?;
        let (dims, weights) = self.constant(node, 1)?;
        if dims.len() != view.dims.len() {
            return Err(format!("weights {dims:?} do not fit an input {:?}", view.dims));
        }
        let kernel: Vec<i64> = dims[2..].iter().map(|d| *d as i64).collect();
        if node.ints("kernel_shape").is_some_and(|k| !k.is_empty() && k != kernel) {
            return Err(format!("kernel_shape differs from the weights {dims:?}"));
        }
        let window = window(node, &kernel, view)?;
        let input = geometry::shape(image[0], [image[1], image[2]])?;
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
            Some(_) => self.per_channel_constant(node, 2, outputs)?,
            None => vec![0.0; outputs],
        };
        let shape = geometry::shape(outputs, window.output(input)?)?;
        let values = match groups {
            1 => self.image(view, image)?,
            _ => vec![self.whole(view, image)?],
        };
        let (taps, mut first) = (window.kernel[0] * window.kernel[1], 0);
        let mut terms = Vec::new();
        for value in &values {
            let channels = self.model.shape(*value).channels / groups;
            let rows = weights.chunks_exact(dims[1] * taps);
            let slice = |row: &[f32]| row[first * taps..(first + channels) * taps].to_vec();
            let weights = rows.flat_map(slice).collect();
            terms.push(Term { value: *value, geometry: window.geometry(groups), weights });
            first += channels;
        }
        let value = self.push_linear(shape, Linear { terms, bias })?;
        Ok(View::stack(vec![value], like(view, shape)))
    }
}
