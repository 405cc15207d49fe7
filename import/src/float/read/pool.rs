//! Pools and means over the image.

use super::convolution::window;
use super::{reshape, view, Reader, View};
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
        self.pool_each(&view, &window, |reader, value, shape| {
            reader.push(shape, Kind::MaxPool { of: value, window })
        })
    }

    pub(super) fn average_pool(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let kernel = node.ints("kernel_shape").ok_or("kernel_shape is missing")?;
        let window = window(node, kernel, &view)?;
        let padded = window.pad != [0; 2] || window.pad_end != [0; 2];
        if padded && node.int("count_include_pad", 0) == 0 {
            return Err("padding that does not count in the mean is not supported".to_owned());
        }
        let whole = Window { ceil: false, ..window };
        let shape = self.image(&view)?;
        if window.output(shape)? != whole.output(shape)? {
            return Err("a last window that is partly outside is not supported".to_owned());
        }
        self.mean(&view, &whole)
    }

    pub(super) fn global_pool(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let shape = self.image(&view)?;
        let window = Window::plain([shape.height, shape.width]);
        if node.op_type == "GlobalAveragePool" {
            return self.mean(&view, &window);
        }
        self.pool_each(&view, &window, |reader, value, shape| {
            reader.push(shape, Kind::MaxPool { of: value, window })
        })
    }

    pub(super) fn reduce_mean(&mut self, node: &onnx::Node) -> Result<View, String> {
        let view = self.operand(node, 0)?;
        let rank = view.dims.len() + 1;
        let axes = self.axes(node, "axes", 1).ok_or("the axes are not given")?;
        let axes: Result<Vec<usize>, String> =
            axes.iter().map(|a| reshape::axis(*a, rank)).collect();
        let mut axes = axes?;
        axes.sort_unstable();
        if rank < 3 || axes != (2..rank).collect::<Vec<_>>() {
            return Err("only the mean over all of the image is supported".to_owned());
        }
        let shape = self.image(&view)?;
        let mean = self.mean(&view, &Window::plain([shape.height, shape.width]))?;
        let keep = node.int("keepdims", 1) != 0;
        Ok(if keep { mean } else { View { dims: vec![shape.channels], ..mean } })
    }

    /// The mean of each window, padding included: a depthwise convolution.
    fn mean(&mut self, view: &View, window: &Window) -> Result<View, String> {
        self.pool_each(view, window, |reader, value, shape| {
            let taps = window.kernel[0] * window.kernel[1];
            let geometry = window.geometry(shape.channels);
            let weights = vec![1.0 / taps as f32; taps * shape.channels];
            let terms = vec![Term { value, geometry, weights }];
            reader.push_linear(shape, Linear { terms, bias: vec![0.0; shape.channels] })
        })
    }

    /// Pools each value of a view; `op` takes the value and the extents behind the pool.
    fn pool_each(
        &mut self,
        view: &View,
        window: &Window,
        op: impl Fn(&mut Self, usize, dn_core::quant::Shape) -> Result<usize, String>,
    ) -> Result<View, String> {
        let shape = self.image(view)?;
        let out = window.output(shape)?;
        for axis in 0..2 {
            let span = (window.kernel[axis] - 1).saturating_mul(window.dilation[axis]);
            if window.pad[axis].max(window.pad_end[axis]) > span {
                return Err("the padding holds a whole window".to_owned());
            }
        }
        let taps = window.kernel[0].saturating_mul(window.kernel[1]);
        if taps.saturating_mul(shape.channels) > dn_core::quant::MAX_LEN {
            return Err("the windows are too large".to_owned());
        }
        let pooled = self.each(view, |reader, value| {
            let channels = reader.model.shape(value).channels;
            op(reader, value, geometry::shape(channels, out)?)
        })?;
        let shape = geometry::shape(shape.channels, out)?;
        Ok(View { dims: view::image_dims(&view.dims, shape), ..pooled })
    }
}
