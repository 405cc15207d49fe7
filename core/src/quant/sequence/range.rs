//! Between which ends the accumulators of a sequence model's channels lie, over all inputs.

use super::bounds::Quantity;
use super::model::{Layer, Sequence};
use super::rounding::half;

impl Sequence {
    /// Smallest and largest accumulator of each channel of a linear or residual layer, and of the products of a norm or
    /// with an attention's inverses, which are alike in all channels; of another layer nothing.
    ///
    /// # Panics
    /// If the model was not validated.
    #[must_use]
    pub fn accumulators(&self, layer: usize) -> Vec<(i64, i64)> {
        match &self.layers[layer] {
            Layer::Linear(l) => {
                let rows = l.weights.chunks_exact(self.channels(l.tensor));
                let of = |(row, bias): (&[i16], &i32)| {
                    shifted(self.weighed(l.tensor, row), i64::from(*bias))
                };
                rows.zip(&l.bias).map(of).collect()
            }
            Layer::Residual(r) => {
                let carried = scaled(self.values(r.shortcut.0), i64::from(r.shortcut.1));
                let of = |(channel, bias): (usize, &i32)| {
                    let positions = r.positions.iter().skip(channel).step_by(r.bias.len());
                    let (low, high) = match (positions.clone().min(), positions.max()) {
                        (Some(low), Some(high)) => (i64::from(*low), i64::from(*high)),
                        _ => (0, 0),
                    };
                    let branch = r.branch.as_ref().map_or((0, 0), |(tensor, weights)| {
                        let inputs = self.channels(*tensor);
                        self.weighed(*tensor, &weights[channel * inputs..][..inputs])
                    });
                    let ends = (carried.0 + branch.0 + low, carried.1 + branch.1 + high);
                    shifted(ends, i64::from(*bias))
                };
                r.bias.iter().enumerate().map(of).collect()
            }
            Layer::Norm(n) => {
                let largest = self.largest(layer, Quantity::Scaled) - half(n.shift);
                vec![(-largest, largest); self.channels(n.tensor)]
            }
            Layer::Attention(a) => {
                let largest = self.largest(layer, Quantity::Normalised) - half(a.shift);
                vec![(-largest, largest); self.channels(a.value)]
            }
            Layer::Embedding(_) | Layer::ArgMax { .. } => Vec::new(),
        }
    }

    /// The bound of a layer's sum, half a divisor included; 0 where the layer has no such sum.
    ///
    /// # Panics
    /// If the model was not validated.
    #[must_use]
    pub fn largest(&self, layer: usize, quantity: Quantity) -> i64 {
        let bounds = self.bounds(layer);
        bounds.iter().find(|b| b.quantity == quantity).map_or(0, |b| b.largest)
    }

    fn weighed(&self, tensor: usize, row: &[i16]) -> (i64, i64) {
        let x = self.values(tensor);
        let ends = row.iter().map(|w| scaled(x, i64::from(*w)));
        ends.fold((0, 0), |sum, ends| (sum.0 + ends.0, sum.1 + ends.1))
    }
}

fn scaled((low, high): (i64, i64), weight: i64) -> (i64, i64) {
    let (a, b) = (low * weight, high * weight);
    (a.min(b), a.max(b))
}

fn shifted((low, high): (i64, i64), by: i64) -> (i64, i64) {
    (low + by, high + by)
}
