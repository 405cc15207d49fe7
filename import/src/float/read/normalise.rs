//! Normalisation by constants.

use super::{Reader, View};
use crate::onnx::{self, Numbers};

impl Reader {
    /// The inference form: `scale (x - mean) / sqrt(variance + epsilon) + bias`.
    pub(super) fn batch_norm(&mut self, node: &onnx::Node) -> Result<View, String> {
        if node.int("training_mode", 0) != 0 {
            return Err("it is in training mode".to_owned());
        }
        let view = self.operand(node, 0)?;
        let rank = view.dims.len();
        let channels = *view.dims.get(1).ok_or("the input has no channels")?;
        let [scale, bias, mean, variance] =
            [1, 2, 3, 4].map(|at| self.per_channel_constant(node, at, channels));
        let (scale, bias, mean, variance) = (scale?, bias?, mean?, variance?);
        let epsilon = f64::from(node.float("epsilon", 1e-5));
        let factor = |(s, v): (&f32, &f32)| f64::from(*s) / (f64::from(*v) + epsilon).sqrt();
        let scale: Vec<f64> = scale.iter().zip(&variance).map(factor).collect();
        if scale.iter().any(|s| !s.is_finite()) {
            return Err("a variance is not positive".to_owned());
        }
        let offset = bias.iter().zip(&mean).zip(&scale);
        let offset = offset.map(|((b, m), s)| f64::from(*b) - f64::from(*m) * s).collect();
        let mut dims = vec![1; rank - 1];
        dims[0] = channels;
        let numbers = |values: Vec<f64>| Numbers::floats(dims.clone(), values);
        let (scale, offset) = (numbers(scale), numbers(offset));
        self.affine(&view, &scale, &offset)
    }
}
