//! Three spatial dimensions: the depth lies in the channels.
//!
//! A volume of `C` channels and depth `D` is an image of `C D` channels; a kernel along the depth
//! mixes the `D` channels of each.

use super::convolution::image_of;
use super::moves::Row;
use super::select::Selection;
use super::view::View;
use super::Reader;
use crate::float::{geometry, Linear, Term, Window};
use crate::onnx::{self, Node};

/// The windows of an operator along the depth, and those over rows and columns.
struct Depth {
    kernel: usize,
    stride: usize,
    dilation: usize,
    pad: i64,
    output: usize,
    /// The node without its depth.
    flat: Node,
}

impl Depth {
    fn read(node: &Node, view: &View, kernel: &[i64]) -> Result<Self, String> {
        let (flat, depth) = flattened(node, kernel)?;
        let line = View::stack(Vec::new(), vec![1, 1, view.dims[2]]);
        let window = super::convolution::window(&depth, &kernel[..1], &line)?;
        let from = geometry::shape(1, [1, view.dims[2]])?;
        let [_, output] = window.output(from)?;
        Ok(Self {
            kernel: window.kernel[1],
            stride: window.stride[1],
            dilation: window.dilation[1],
            pad: window.pad[1] as i64,
            output,
            flat,
        })
    }

    /// Index that a tap of an output reads; it may lie outside.
    fn at(&self, output: usize, tap: usize) -> i64 {
        (output * self.stride + tap * self.dilation) as i64 - self.pad
    }
}

/// A node over rows and columns, and one over the depth.
fn flattened(node: &Node, kernel: &[i64]) -> Result<(Node, Node), String> {
    if kernel.len() != 3 {
        return Err(format!("kernel_shape has {} entries for 3 dimensions", kernel.len()));
    }
    let (mut flat, mut depth) = (node.clone(), node.clone());
    let split = |ints: &[i64], side: &dyn Fn(usize) -> bool| -> Vec<i64> {
        ints.iter().enumerate().filter(|(i, _)| side(i % 3)).map(|(_, v)| *v).collect()
    };
    for (flat, depth) in flat.attribute.iter_mut().zip(&mut depth.attribute) {
        let lists = matches!(flat.name.as_str(), "kernel_shape" | "strides" | "dilations" | "pads");
        if lists && flat.ints.len().is_multiple_of(3) {
            depth.ints = split(&flat.ints, &|i| i == 0);
            flat.ints = split(&flat.ints, &|i| i > 0);
        }
    }
    Ok((flat, depth))
}

/// The volume as an image of channels times depth.
fn folded(view: &View) -> Result<(View, [usize; 5]), String> {
    let [1, c, d, h, w] = view.dims[..] else {
        return Err(format!("{:?} is not a volume", view.dims));
    };
    Ok((view.under(vec![1, c * d, h, w]), [1, c, d, h, w]))
}

impl Reader {
    pub(super) fn conv_volume(&mut self, node: &onnx::Node, view: &View) -> Result<View, String> {
        let (flat, [_, channels, depth, ..]) = folded(view)?;
        let (dims, weights) = self.constant(node, 1)?;
        let [outputs, inputs, k, rows, columns] = dims[..] else {
            return Err(format!("weights {dims:?} do not fit a volume"));
        };
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        if groups == 0 || inputs.checked_mul(groups) != Some(channels) || outputs % groups != 0 {
            return Err(format!("weights {dims:?} do not fit {channels} channels"));
        }
        let window = Depth::read(node, view, &[k as i64, rows as i64, columns as i64])?;
        let taps = rows * columns;
        let wide = [outputs, window.output, inputs, depth, taps]
            .into_iter()
            .try_fold(1usize, usize::checked_mul);
        let len = wide.filter(|n| *n <= super::MAX_VIEW).ok_or("there are too many weights")?;
        let mut banded = vec![0.0; len];
        for (n, plane) in weights.chunks_exact(taps).enumerate() {
            let (o, c, tap) = (n / (inputs * k), n / k % inputs, n % k);
            for d in 0..window.output {
                let at = window.at(d, tap);
                if (0..depth as i64).contains(&at) {
                    let row = (o * window.output + d) * inputs * depth + c * depth + at as usize;
                    banded[row * taps..(row + 1) * taps].copy_from_slice(plane);
                }
            }
        }
        let bias = match node.operand(2) {
            Some(_) => self.per_channel_constant(node, 2, outputs)?,
            None => vec![0.0; outputs],
        };
        let bias: Vec<f64> =
            bias.iter().flat_map(|b| std::iter::repeat_n(f64::from(*b), window.output)).collect();
        let shape = vec![outputs * window.output, inputs * depth, rows, columns];
        let weights = self.store("volume", shape, banded.into_iter().map(f64::from).collect());
        let bias = self.store("volume", vec![bias.len()], bias);
        let layer = Node { input: vec!["".to_owned(), weights, bias], ..window.flat };
        let result = self.conv_on(&layer, &flat)?;
        unfolded(&result, outputs, window.output)
    }

    pub(super) fn max_pool_volume(
        &mut self,
        node: &onnx::Node,
        view: &View,
    ) -> Result<View, String> {
        let kernel = node.ints("kernel_shape").ok_or("kernel_shape is missing")?;
        let window = Depth::read(node, view, kernel)?;
        let (flat, [_, channels, depth, ..]) = folded(view)?;
        let pooled = self.max_pool_on(&window.flat, &kernel[1..], &flat)?;
        let volume = unfolded(&pooled, channels, depth)?;
        let mut largest: Option<View> = None;
        for tap in 0..window.kernel {
            let mut lines: Vec<Vec<usize>> =
                volume.dims.iter().map(|d| (0..*d).collect()).collect();
            // A number that a window sees anyway stands for one outside.
            let inside = |d: usize| {
                let seen = (0..window.kernel).map(|t| window.at(d, t));
                let mut seen = seen.filter(|i| (0..depth as i64).contains(i));
                let at = window.at(d, tap);
                let at = if (0..depth as i64).contains(&at) { Some(at) } else { seen.next() };
                at.map_or(0, |i| i as usize)
            };
            lines[2] = (0..window.output).map(inside).collect();
            let chosen = Selection::lines(&volume.dims, &lines);
            let part = self.pick(&volume, &chosen.index.unwrap_or_default(), chosen.dims, 0.0)?;
            largest = Some(match largest {
                None => part,
                Some(other) => self.two_views("Max", &other, &part)?,
            });
        }
        largest.ok_or_else(|| "the windows are empty".to_owned())
    }

    pub(super) fn average_pool_volume(
        &mut self,
        node: &onnx::Node,
        view: &View,
    ) -> Result<View, String> {
        let kernel = node.ints("kernel_shape").ok_or("kernel_shape is missing")?;
        let window = Depth::read(node, view, kernel)?;
        let (flat, [_, channels, depth, ..]) = folded(view)?;
        let pooled = self.average_pool_on(&window.flat, &kernel[1..], &flat)?;
        let counts_padding = node.int("count_include_pad", 0) != 0;
        let line = Window { pad: [0, window.pad as usize], ..Window::plain([1, window.kernel]) };
        let line = Window {
            stride: [1, window.stride],
            dilation: [1, window.dilation],
            pad_end: [0, super::pool::end_padding(node)],
            ..line
        };
        let rows: Vec<Row> = (0..window.output)
            .map(|o| super::pool::mean_row(&line, 1, depth, o, counts_padding))
            .collect();
        let image = image_of(&pooled)?;
        let value = self.whole(&pooled, image)?;
        let mut weights = vec![0.0; channels * window.output * depth];
        for channel in 0..channels {
            for (o, row) in rows.iter().enumerate() {
                for (_, i, w) in row {
                    weights[(channel * window.output + o) * depth + i] = *w;
                }
            }
        }
        let shape = geometry::shape(channels * window.output, [image[1], image[2]])?;
        let terms =
            vec![Term { value, geometry: Window::plain([1, 1]).geometry(channels), weights }];
        let value = self.push_linear(shape, Linear { terms, bias: vec![0.0; shape.channels] })?;
        let dims = vec![1, channels, window.output, image[1], image[2]];
        Ok(View::stack(vec![value], dims))
    }
}

/// An image of channels times depth as a volume.
fn unfolded(image: &View, channels: usize, depth: usize) -> Result<View, String> {
    let [_, rows, columns] = image_of(image)?;
    Ok(image.under(vec![1, channels, depth, rows, columns]))
}
