//! What sums of a sequence model can be, over all inputs.

use std::fmt;

use super::model::{Attention, Layer, Norm, Sequence};
use super::rounding::{half, rounded};
use crate::quant::MAX_ABS_ACCUMULATOR;

/// Largest absolute value of sums that a worker takes apart or adds as integers: of squares, of exponentials, and of
/// values that these weigh.
pub const MAX_ABS_LONG: i64 = (1 << 31) - 1;

/// Which sum of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Accumulators of a linear or residual layer.
    Accumulator,
    /// Squares of a token.
    Squares,
    /// A value times its token's root.
    Scaled,
    /// Product of a query and a key.
    Score,
    /// Exponentials of a token.
    Exponentials,
    /// Values, weighed by exponentials.
    Context,
    /// A context's quotient times the inverse.
    Normalised,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accumulator => "an accumulator",
            Self::Squares => "a sum of squares",
            Self::Scaled => "a scaled value",
            Self::Score => "a score",
            Self::Exponentials => "a sum of exponentials",
            Self::Context => "a weighed sum of values",
            Self::Normalised => "a normalised value",
        })
    }
}

/// How large a sum can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Which sum.
    pub quantity: Quantity,
    /// Largest absolute value of it, of its parts in any order, and of both with half a divisor.
    pub largest: i64,
}

impl Bound {
    /// What `largest` may reach.
    #[must_use]
    pub fn limit(&self) -> i64 {
        match self.quantity {
            Quantity::Squares | Quantity::Exponentials | Quantity::Context => MAX_ABS_LONG,
            Quantity::Accumulator | Quantity::Scaled | Quantity::Score | Quantity::Normalised => {
                MAX_ABS_ACCUMULATOR
            }
        }
    }
}

impl Sequence {
    /// Smallest and largest value that a tensor can have.
    ///
    /// # Panics
    /// If the model was not validated.
    #[must_use]
    pub fn values(&self, tensor: usize) -> (i64, i64) {
        let Some(layer) = tensor.checked_sub(1) else { return (0, self.vocabulary as i64 - 1) };
        match &self.layers[layer] {
            Layer::Embedding(e) => ends(e.table.iter().map(|v| i64::from(*v))),
            Layer::Linear(l) => ends(l.function.values.iter().map(|v| i64::from(*v))),
            Layer::Residual(r) => (-(1 << (r.bits - 1)), (1 << (r.bits - 1)) - 1),
            Layer::Norm(_) | Layer::Attention(_) => (i8::MIN.into(), i8::MAX.into()),
            Layer::ArgMax { tensor } => (0, self.channels(*tensor) as i64 - 1),
        }
    }

    /// Largest absolute value of a tensor.
    fn magnitude(&self, tensor: usize) -> i64 {
        let (low, high) = self.values(tensor);
        low.abs().max(high.abs())
    }

    /// How large the sums of a layer can be.
    ///
    /// # Panics
    /// If the model was not validated.
    #[must_use]
    pub fn bounds(&self, layer: usize) -> Vec<Bound> {
        let accumulator = |largest| vec![Bound { quantity: Quantity::Accumulator, largest }];
        match &self.layers[layer] {
            Layer::Embedding(_) | Layer::ArgMax { .. } => Vec::new(),
            Layer::Linear(l) => {
                let x = self.magnitude(l.tensor);
                let rows = l.weights.chunks_exact(self.channels(l.tensor));
                let of = |((row, bias), shift): ((&[i16], &i32), &u32)| {
                    weight(row) * x + i64::from(bias.unsigned_abs()) + half(*shift)
                };
                accumulator(rows.zip(&l.bias).zip(&l.shift).map(of).max().unwrap_or(0))
            }
            Layer::Residual(r) => {
                let carried = i64::from(r.shortcut.1).abs() * self.magnitude(r.shortcut.0);
                let of = |channel: usize| {
                    let positions = r.positions.iter().skip(channel).step_by(r.bias.len());
                    let position = positions.map(|p| i64::from(p.unsigned_abs())).max();
                    let branch = r.branch.as_ref().map_or(0, |(tensor, weights)| {
                        let inputs = self.channels(*tensor);
                        weight(&weights[channel * inputs..][..inputs]) * self.magnitude(*tensor)
                    });
                    let bias = i64::from(r.bias[channel].unsigned_abs());
                    branch + bias + position.unwrap_or(0)
                };
                let added = (0..r.bias.len()).map(of).max().unwrap_or(0);
                accumulator(carried + added + half(r.shift))
            }
            Layer::Norm(n) => n.bounds(self.magnitude(n.tensor), self.channels(n.tensor)),
            Layer::Attention(a) => {
                let [q, k, v] = [a.query, a.key, a.value].map(|t| self.magnitude(t));
                a.bounds([q * k, v], self.tokens, self.channels(a.value) / a.heads)
            }
        }
    }
}

fn ends(values: impl Iterator<Item = i64>) -> (i64, i64) {
    values.fold((i64::MAX, i64::MIN), |(low, high), v| (low.min(v), high.max(v)))
}

fn weight(row: &[i16]) -> i64 {
    row.iter().map(|w| i64::from(w.unsigned_abs())).sum()
}

impl Norm {
    /// Roots that values up to `x` in so many channels need.
    pub(super) fn root_count(&self, x: i64, channels: usize) -> usize {
        ((channels as i64 * x * x) >> self.square_shift) as usize + 1
    }

    fn bounds(&self, x: i64, channels: usize) -> Vec<Bound> {
        // No value is larger than the root of the sum of squares that its token's root is looked up from.
        let of = |(h, root): (usize, &u16)| {
            let squares = ((h as u64 + 1) << self.square_shift) - 1;
            i64::from(*root) * x.min(squares.isqrt() as i64)
        };
        let roots = self.roots.iter().take(self.root_count(x, channels));
        let scaled = roots.enumerate().map(of).max().unwrap_or(0) + half(self.shift);
        vec![
            Bound { quantity: Quantity::Squares, largest: channels as i64 * x * x },
            Bound { quantity: Quantity::Scaled, largest: scaled },
        ]
    }
}

impl Attention {
    /// Inverses that so many tokens need.
    pub(super) fn inverse_count(&self, tokens: usize) -> usize {
        let largest = self.exponentials.iter().max().copied().unwrap_or(0);
        tokens * usize::from(largest) + 1
    }

    /// `score` bounds the product of a query's and a key's value.
    fn bounds(&self, [score, value]: [i64; 2], tokens: usize, depth: usize) -> Vec<Bound> {
        let modulus = tokens as i64 + 1;
        let count = self.inverse_count(tokens);
        let sum = modulus * (count as i64 - 1) + tokens as i64;
        // The sum of exponentials is below that which the next inverse stands for.
        let of = |(i, inverse): (usize, &u32)| {
            let context = value * (modulus * (i as i64 + 1) - 1);
            rounded(context, self.context_shift).saturating_mul(i64::from(*inverse))
        };
        let normalised = self.inverses.iter().take(count).enumerate().map(of).max().unwrap_or(0);
        vec![
            Bound {
                quantity: Quantity::Score,
                largest: depth as i64 * score + half(self.score_shift),
            },
            Bound { quantity: Quantity::Exponentials, largest: sum },
            Bound { quantity: Quantity::Context, largest: value * sum + half(self.context_shift) },
            Bound {
                quantity: Quantity::Normalised,
                largest: normalised.saturating_add(half(self.shift)),
            },
        ]
    }
}
