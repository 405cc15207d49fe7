//! Pools.

use super::convolution::{image_of, like, window};
use super::moves::Row;
use super::{Reader, View};
use crate::float::{geometry, Kind, Linear, Term, Window};
use crate::onnx;

impl Reader {
    pub(super) fn max_pool(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        if view.dims.len() == 5 {
            return self.max_pool_volume(node, &view);
        }
        let kernel = node.ints("kernel_shape").ok_or("kernel_shape is missing")?;
        self.max_pool_on(node, kernel, &view)
    }

    pub(super) fn max_pool_on(
        &mut self,
        node: &onnx::Node,
        kernel: &[i64],
        view: &View,
    ) -> Result<View, String> {
        let window = window(node, kernel, view)?;
        if node.int("storage_order", 0) != 0 {
            return Err("column-major storage is not supported".to_owned());
        }
        let [channels, rows, columns] = image_of(view)?;
        let from = geometry::shape(channels, [rows, columns])?;
        let out = window.output(from)?;
        check_padding(&window, channels)?;
        let to = geometry::shape(channels, out)?;
        let values = self.image(view, image_of(view)?)?;
        let mut pooled = Vec::new();
        for value in values {
            let shape = geometry::shape(self.model.shape(value).channels, out)?;
            pooled.push(self.push(shape, Kind::MaxPool { of: value, window })?);
        }
        Ok(View::stack(pooled, like(view, to)))
    }

    pub(super) fn average_pool(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        if view.dims.len() == 5 {
            return self.average_pool_volume(node, &view);
        }
        let kernel = node.ints("kernel_shape").ok_or("kernel_shape is missing")?;
        self.average_pool_on(node, kernel, &view)
    }

    pub(super) fn average_pool_on(
        &mut self,
        node: &onnx::Node,
        kernel: &[i64],
        view: &View,
    ) -> Result<View, String> {
        let window = window(node, kernel, view)?;
        let image = image_of(view)?;
        let from = geometry::shape(image[0], [image[1], image[2]])?;
        let out = window.output(from)?;
        check_padding(&window, image[0])?;
        let padded = window.pad != [0; 2] || window.pad_end != [0; 2];
        let counts_padding = node.int("count_include_pad", 0) != 0;
        let whole = Window { ceil: false, ..window };
        let is_even = (!padded || counts_padding) && whole.output(from)? == out;
        let values = self.image(view, image)?;
        let mut means = Vec::new();
        for value in values {
            means.push(if is_even {
                self.mean(value, &whole, out)?
            } else {
                self.uneven_mean(value, &window, out, counts_padding)?
            });
        }
        let to = geometry::shape(image[0], out)?;
        Ok(View::stack(means, like(view, to)))
    }

    /// The mean of each window, padding included: a depthwise convolution.
    fn mean(&mut self, value: usize, window: &Window, out: [usize; 2]) -> Result<usize, String> {
        let channels = self.model.shape(value).channels;
        let taps = window.kernel[0] * window.kernel[1];
        let weights = vec![1.0 / taps as f32; taps * channels];
        let terms = vec![Term { value, geometry: window.geometry(channels), weights }];
        let shape = geometry::shape(channels, out)?;
        self.push_linear(shape, Linear { terms, bias: vec![0.0; channels] })
    }

    /// Means over windows of different sizes: along the columns, then along the rows.
    fn uneven_mean(
        &mut self,
        value: usize,
        window: &Window,
        out: [usize; 2],
        counts_padding: bool,
    ) -> Result<usize, String> {
        let mut value = value;
        for axis in [1, 0] {
            let from = self.model.shape(value);
            let extent = if axis == 0 { from.height } else { from.width };
            if out[axis].saturating_mul(window.kernel[axis]) > super::MAX_VIEW {
                return Err("the windows are too large".to_owned());
            }
            let row = |o: usize| mean_row(window, axis, extent, o, counts_padding);
            let rows: Vec<Row> = (0..out[axis]).map(row).collect();
            value = self.axis_map(value, axis, &rows)?;
        }
        Ok(value)
    }
}

/// What output `o` along an axis sums for the mean of its window.
pub(super) fn mean_row(
    window: &Window,
    axis: usize,
    extent: usize,
    o: usize,
    counts_padding: bool,
) -> Row {
    let (pad, end) = (window.pad[axis] as i64, window.pad_end[axis] as i64);
    let at = |t: usize| (o * window.stride[axis] + t * window.dilation[axis]) as i64 - pad;
    let taps = || (0..window.kernel[axis]).map(at);
    let extent = extent as i64;
    let inside: Vec<usize> =
        taps().filter(|i| (0..extent).contains(i)).map(|i| i as usize).collect();
    let count = if counts_padding {
        taps().filter(|i| (-pad..extent + end).contains(i)).count()
    } else {
        inside.len()
    };
    inside.into_iter().map(|i| (0, i, 1.0 / count.max(1) as f32)).collect()
}

/// Padding behind the depth of a volume.
pub(super) fn end_padding(node: &onnx::Node) -> usize {
    let pads = node.ints("pads").filter(|p| p.len() == 6);
    pads.and_then(|p| usize::try_from(p[3]).ok()).unwrap_or(0)
}

/// Windows that are padded throughout, or too large, are refused.
fn check_padding(window: &Window, channels: usize) -> Result<(), String> {
    for axis in 0..2 {
        let span = (window.kernel[axis] - 1).saturating_mul(window.dilation[axis]);
        if window.pad[axis].max(window.pad_end[axis]) > span {
            return Err("the padding holds a whole window".to_owned());
        }
    }
    let taps = window.kernel[0].saturating_mul(window.kernel[1]);
    if taps.saturating_mul(channels) > dn_core::quant::MAX_LEN {
        return Err("the windows are too large".to_owned());
    }
    Ok(())
}
