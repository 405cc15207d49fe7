//! The quantised graph: a chain of dense layers, each with a shift and a table activation.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Largest absolute accumulator a layer may reach for any input: `2^24`.
///
/// The bound makes f32 arithmetic exact on every backend and keeps the circuit's range tables
/// small. [`Graph::validate`] proves it from the weights: `128 * sum|w| + |bias| + 2^(shift-1)`.
pub const MAX_ABS_ACCUMULATOR: i64 = 1 << 24;

/// Largest right shift of a requantisation.
pub const MAX_SHIFT: u32 = 16;

/// A function on int8 given by its 256 values, the value for `q` at index `q + 128`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation(pub Vec<i8>);

impl Activation {
    /// The identity.
    #[must_use]
    pub fn identity() -> Self {
        Self((i8::MIN..=i8::MAX).collect())
    }

    /// `max(q, 0)`.
    #[must_use]
    pub fn relu() -> Self {
        Self((i8::MIN..=i8::MAX).map(|q| q.max(0)).collect())
    }

    /// Looks `q` up.
    #[must_use]
    pub fn apply(&self, q: i8) -> i8 {
        self.0[(i32::from(q) + super::ZERO_POINT) as usize]
    }
}

/// `y = activation(requantize(W x + bias, shift))`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dense {
    /// Length of the input vector.
    pub inputs: usize,
    /// Length of the output vector.
    pub outputs: usize,
    /// `[outputs, inputs]`, row-major.
    pub weights: Vec<i8>,
    /// `[outputs]`, in units of the accumulator.
    pub bias: Vec<i32>,
    /// Right shift of the requantisation, at most [`MAX_SHIFT`].
    pub shift: u32,
    /// Applied after saturation.
    pub activation: Activation,
}

impl Dense {
    /// Smallest and largest accumulator of output `o` over all int8 inputs, bias included.
    #[must_use]
    pub fn accumulator_range(&self, o: usize) -> (i64, i64) {
        let row = &self.weights[o * self.inputs..(o + 1) * self.inputs];
        let bias = i64::from(self.bias[o]);
        row.iter().fold((bias, bias), |(lo, hi), &w| {
            let (a, b) = (i64::from(w) * -128, i64::from(w) * 127);
            (lo + a.min(b), hi + a.max(b))
        })
    }
}

/// A model: layers applied in order to an int8 vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// At least one layer; each layer's outputs are the next one's inputs.
    pub layers: Vec<Dense>,
}

/// Why a graph is not a valid model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GraphError {
    /// There is no layer.
    #[error("the graph has no layers")]
    Empty,
    /// A dimension is zero or an array has the wrong length.
    #[error("layer {layer}: {what} has length {got}, expected {expected}")]
    Shape {
        /// Index of the layer.
        layer: usize,
        /// Which array.
        what: &'static str,
        /// Length found.
        got: usize,
        /// Length required.
        expected: usize,
    },
    /// The shift is larger than [`MAX_SHIFT`].
    #[error("layer {layer}: shift {shift} is larger than {MAX_SHIFT}")]
    Shift {
        /// Index of the layer.
        layer: usize,
        /// The shift found.
        shift: u32,
    },
    /// An accumulator can leave the exact range.
    #[error("layer {layer}, output {output}: |accumulator| can reach {bound}, above {MAX_ABS_ACCUMULATOR}")]
    Overflow {
        /// Index of the layer.
        layer: usize,
        /// Index of the output.
        output: usize,
        /// The bound that was computed.
        bound: i64,
    },
}

impl Graph {
    /// Length of the input vector.
    #[must_use]
    pub fn input_len(&self) -> usize {
        self.layers[0].inputs
    }

    /// Length of the output vector.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Multiply-accumulates of one inference.
    #[must_use]
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|l| (l.inputs * l.outputs) as u64).sum()
    }

    /// Checks shapes, shifts and the accumulator bound.
    ///
    /// # Errors
    /// The first violated rule.
    pub fn validate(&self) -> Result<(), GraphError> {
        let mut width = self.layers.first().ok_or(GraphError::Empty)?.inputs;
        for (layer, l) in self.layers.iter().enumerate() {
            let shape = |what, got, expected| {
                if got == expected && got > 0 {
                    Ok(())
                } else {
                    Err(GraphError::Shape { layer, what, got, expected })
                }
            };
            shape("input", l.inputs, width)?;
            shape("weights", l.weights.len(), l.inputs.saturating_mul(l.outputs))?;
            shape("bias", l.bias.len(), l.outputs)?;
            shape("activation table", l.activation.0.len(), 256)?;
            if l.shift > MAX_SHIFT {
                return Err(GraphError::Shift { layer, shift: l.shift });
            }
            for output in 0..l.outputs {
                let (lo, hi) = l.accumulator_range(output);
                let bound = lo.abs().max(hi.abs()) + (1 << l.shift);
                if bound > MAX_ABS_ACCUMULATOR {
                    return Err(GraphError::Overflow { layer, output, bound });
                }
            }
            width = l.outputs;
        }
        Ok(())
    }
}
