//! Transposed convolutions: every input spreads a kernel over the output.

use super::convolution::{image_of, like, pair};
use super::moves::Row;
use super::{Reader, View};
use crate::float::{geometry, Linear, Term, Window};
use crate::onnx;

/// Up to this many weights the layer is a dense one; beyond, zeros stand between its inputs.
const MAX_DENSE: usize = 1 << 16;

/// What the attributes say, rows first.
struct Attributes {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// In front; negative where the output reaches beyond.
    pad: [i64; 2],
    output: [usize; 2],
}

impl Attributes {
    fn read(node: &onnx::Node, view: &View, kernel: &[usize]) -> Result<Self, String> {
        let [_, rows, columns] = image_of(view)?;
        let sides = view.dims.len() - 2;
        let given = |name: &str| node.ints(name).filter(|v| !v.is_empty());
        let or = |name: &str, default: usize| {
            given(name).map_or(Ok([default; 2]), |v| pair(name, v, sides))
        };
        let kernel: Vec<i64> = kernel.iter().map(|k| *k as i64).collect();
        let kernel = pair("kernel_shape", &kernel, sides)?;
        let (stride, dilation) = (or("strides", 1)?, or("dilations", 1)?);
        let extra = or("output_padding", 0)?;
        let (mut pad, mut output) = ([0i64; 2], [0usize; 2]);
        let pads = given("pads").filter(|p| p.len() == 2 * sides);
        let wanted =
            given("output_shape").map(|s| pair("output_shape", &s[s.len() - sides..], sides));
        let wanted = wanted.transpose()?;
        for (axis, extent) in [rows, columns].into_iter().enumerate() {
            let limit = dn_core::quant::MAX_LEN;
            if [kernel, stride, dilation].iter().any(|x| !(1..=limit).contains(&x[axis])) {
                return Err("a kernel, stride or dilation is zero or too large".to_owned());
            }
            let span = (extent - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1;
            let full = (span + extra[axis]) as i64;
            // A signal has no rows: its only side is the second axis.
            let side = (axis + sides).checked_sub(2);
            let (front, back) = match (wanted, node.text("auto_pad"), pads) {
                (Some(shape), mode, _) => halves(full - shape[axis] as i64, mode),
                (None, mode @ ("SAME_UPPER" | "SAME_LOWER"), _) => {
                    halves(full - (extent * stride[axis]) as i64, mode)
                }
                (None, _, pads) => {
                    let both = side.zip(pads).map(|(at, pads)| (pads[at], pads[at + sides]));
                    both.unwrap_or((0, 0))
                }
            };
            let out = full.checked_sub(front).and_then(|n| n.checked_sub(back));
            pad[axis] = front;
            output[axis] =
                out.and_then(|n| usize::try_from(n).ok()).ok_or("the output is empty")?;
        }
        Ok(Self { kernel, stride, dilation, pad, output })
    }
}

/// Paddings that add up to `total`.
fn halves(total: i64, mode: &str) -> (i64, i64) {
    if total < 0 {
        return (0, total);
    }
    let (small, large) = (total / 2, total - total / 2);
    if mode == "SAME_UPPER" {
        (small, large)
    } else {
        (large, small)
    }
}

impl Reader {
    pub(super) fn conv_transpose(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let image = image_of(&view)?;
        let (dims, weights) = self.constant(node, 1)?;
        if dims.len() != view.dims.len() || dims[0] != image[0] {
            return Err(format!("weights {dims:?} do not fit an input {:?}", view.dims));
        }
        let a = Attributes::read(node, &view, &dims[2..])?;
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        if groups == 0 || !image[0].is_multiple_of(groups) {
            return Err(format!("{groups} groups do not divide {} channels", image[0]));
        }
        let outputs = dims[1].checked_mul(groups).ok_or("there are too many outputs")?;
        let shape = geometry::shape(outputs, a.output)?;
        let bias = match node.operand(2) {
            Some(_) => self.per_channel_constant(node, 2, outputs)?,
            None => vec![0.0; outputs],
        };
        let flipped = Flipped { dims: &dims, weights: &weights, groups };
        let value = if view.len().saturating_mul(shape.len()) <= MAX_DENSE {
            let cells = self.cells(&view)?;
            let bias: Vec<f32> =
                bias.iter().flat_map(|b| std::iter::repeat_n(*b, shape.positions())).collect();
            self.dense_rows(&cells, &flipped.rows(image, &a), &bias)?
        } else {
            let value = self.whole(&view, image)?;
            self.stuffed(value, &flipped, &a, bias)?
        };
        Ok(View::stack(vec![value], like(&view, shape)))
    }

    /// Zeros between the inputs, then a convolution with the flipped kernel.
    fn stuffed(
        &mut self,
        value: usize,
        flipped: &Flipped<'_>,
        a: &Attributes,
        bias: Vec<f32>,
    ) -> Result<usize, String> {
        let mut value = value;
        let mut window = Window { dilation: a.dilation, ..Window::plain(a.kernel) };
        for axis in 0..2 {
            let from = self.model.shape(value);
            let extent = if axis == 0 { from.height } else { from.width };
            let reach = ((a.kernel[axis] - 1) * a.dilation[axis]) as i64;
            let front = reach - a.pad[axis];
            let inner = ((extent - 1) * a.stride[axis] + 1) as i64;
            let back = a.output[axis] as i64 + reach - inner - front;
            let (zeros, crop) = (front.max(0), (-front).max(0));
            let end = inner + back.min(0);
            if inner.max(zeros).max(back) > dn_core::quant::MAX_EXTENT as i64 {
                return Err("the output is too large".to_owned());
            }
            let row = |t: i64| -> Row {
                let is_input = t % a.stride[axis] as i64 == 0;
                is_input.then(|| (0, t as usize / a.stride[axis], 1.0)).into_iter().collect()
            };
            let rows: Vec<Row> = (crop..end).map(row).collect();
            window.pad[axis] = zeros as usize;
            window.pad_end[axis] = back.max(0) as usize;
            value = self.axis_map(value, axis, &rows)?;
        }
        let from = self.model.shape(value);
        let shape = geometry::shape(bias.len(), window.output(from)?)?;
        let terms = vec![Term {
            value,
            geometry: window.geometry(flipped.groups),
            weights: flipped.kernel(),
        }];
        self.push_linear(shape, Linear { terms, bias })
    }
}

/// Weights `[inputs, outputs / groups, rows, columns]`.
struct Flipped<'a> {
    dims: &'a [usize],
    weights: &'a [f32],
    groups: usize,
}

impl Flipped<'_> {
    fn sizes(&self) -> (usize, usize, usize) {
        let taps: usize = self.dims[2..].iter().product();
        (self.dims[0] / self.groups, self.dims[1], taps)
    }

    /// `[outputs, inputs / groups, rows, columns]`, turned by half a circle.
    fn kernel(&self) -> Vec<f32> {
        let (inputs, outputs, taps) = self.sizes();
        let mut out = Vec::with_capacity(self.weights.len());
        for group in 0..self.groups {
            for o in 0..outputs {
                for c in 0..inputs {
                    let first = ((group * inputs + c) * outputs + o) * taps;
                    out.extend(self.weights[first..first + taps].iter().rev());
                }
            }
        }
        out
    }

    /// What each output sums.
    fn rows(&self, image: [usize; 3], a: &Attributes) -> Vec<Vec<(usize, f32)>> {
        let (inputs, outputs, taps) = self.sizes();
        let [height, width] = a.output;
        let mut rows = vec![Vec::new(); outputs * self.groups * height * width];
        for (n, w) in self.weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            let (c, o, tap) = (n / (outputs * taps), n / taps % outputs, n % taps);
            let [u, v] = [tap / a.kernel[1], tap % a.kernel[1]];
            let output = c / inputs * outputs + o;
            for i in 0..image[1] {
                for j in 0..image[2] {
                    let y = (i * a.stride[0] + u * a.dilation[0]) as i64 - a.pad[0];
                    let x = (j * a.stride[1] + v * a.dilation[1]) as i64 - a.pad[1];
                    if (0..height as i64).contains(&y) && (0..width as i64).contains(&x) {
                        let at = (output * height + y as usize) * width + x as usize;
                        rows[at].push(((c * image[1] + i) * image[2] + j, *w));
                    }
                }
            }
        }
        rows
    }
}
