//! Pools.

use super::convolution::{image_of, like, window};
use super::moves::Row;
use super::{Reader, View};
use crate::float::{geometry, Kind, Linear, Term, Window};
use crate::onnx;

impl Reader {
    pub(super) fn max_pool(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let kernel = node.ints("kernel_shape").ok_or("kernel_shape is missing")?;
        let window = window(node, kernel, &view)?;
        if node.int("storage_order", 0) != 0 {
            return Err("column-major storage is not supported".to_owned());
        }
        let [channels, rows, columns] = image_of(&view)?;
        let from = geometry::shape(channels, [rows, columns])?;
        let out = window.output(from)?;
        check_padding(&window, channels)?;
        let to = geometry::shape(channels, out)?;
        let values = self.image(&view, image_of(&view)?)?;
        let mut pooled = Vec::new();
        for value in values {
            let shape = geometry::shape(self.model.shape(value).channels, out)?;
            pooled.push(self.push(shape, Kind::MaxPool { of: value, window })?);
        }
        Ok(View::stack(pooled, like(&view, to)))
    }

    pub(super) fn average_pool(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let kernel = node.ints("kernel_shape").ok_or("kernel_shape is missing")?;
        let window = window(node, kernel, &view)?;
        let image = image_of(&view)?;
        let from = geometry::shape(image[0], [image[1], image[2]])?;
        let out = window.output(from)?;
        check_padding(&window, image[0])?;
        let padded = window.pad != [0; 2] || window.pad_end != [0; 2];
        let counts_padding = node.int("count_include_pad", 0) != 0;
        let whole = Window { ceil: false, ..window };
        let is_even = (!padded || counts_padding) && whole.output(from)? == out;
        let values = self.image(&view, image)?;
        let mut means = Vec::new();
        for value in values {
            means.push(if is_even {
                self.mean(value, &whole, out)?
            } else {
                self.uneven_mean(value, &window, out, counts_padding)?
            });
        }
        let to = geometry::shape(image[0], out)?;
        Ok(View::stack(means, like(&view, to)))
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
            let extent = if axis == 0 { from.height } else { from.width } as i64;
            let (pad, end) = (window.pad[axis] as i64, window.pad_end[axis] as i64);
            let row = |o: usize| -> Row {
                let taps = (0..window.kernel[axis])
                    .map(|t| (o * window.stride[axis] + t * window.dilation[axis]) as i64 - pad);
                let inside: Vec<usize> =
                    taps.clone().filter(|i| (0..extent).contains(i)).map(|i| i as usize).collect();
                let count = if counts_padding {
                    taps.filter(|i| (-pad..extent + end).contains(i)).count()
                } else {
                    inside.len()
                };
                inside.into_iter().map(|i| (0, i, 1.0 / count.max(1) as f32)).collect()
            };
            let rows: Vec<Row> = (0..out[axis]).map(row).collect();
            value = self.axis_map(value, axis, &rows)?;
        }
        Ok(value)
    }
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
