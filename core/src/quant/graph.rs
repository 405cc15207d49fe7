//! The quantised graph: tensors of int8, each the activation of a requantised sum of convolutions.
//!
//! ```text
//! acc[o, i, j] = bias[o] + sum over sources, c, u, v of
//!                w[o, c, u, v] x[c, i s_h + u d_h - p_h, j s_w + v d_w - p_w]      0 outside of x
//! q            = clamp(floor((acc + 2^(shift[o]-1)) / 2^shift[o]), -128, 127)
//! y            = activation(max of q over each pool x pool window)
//! ```
//!
//! A dense layer is a convolution whose kernel covers its input. Residual sums and concatenations
//! are nodes with several sources, average pools are kernels, so every linear map is exact and only
//! activations round.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::activation::Activation;

/// Largest absolute accumulator a node may reach for any input: `2^24`.
///
/// The bound makes f32 arithmetic exact on every backend and keeps the circuit's range tables
/// small. [`Graph::validate`] proves it from the weights: `128 * sum|w| + |bias| + 2^(shift-1)`.
pub const MAX_ABS_ACCUMULATOR: i64 = 1 << 24;

/// Largest right shift of a requantisation.
pub const MAX_SHIFT: u32 = 16;

/// Most values in one tensor, and most weights of one source.
pub const MAX_LEN: usize = 1 << 26;

/// Largest height, width, padding, stride, and distance between a kernel's first and last tap.
pub const MAX_EXTENT: usize = 1 << 16;

/// Most pairs of a position and a tap of one source.
const MAX_READS: usize = 1 << 28;

/// Extents of a tensor, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Channels.
    pub channels: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
}

impl Shape {
    /// A vector: one position per channel.
    #[must_use]
    pub fn vector(len: usize) -> Self {
        Self { channels: len, height: 1, width: 1 }
    }

    /// Positions of one channel.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.height * self.width
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.channels * self.positions()
    }

    /// Whether there is no value; no valid graph has such a tensor.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a kernel meets its input; rows first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Geometry {
    /// Taps.
    pub kernel: [usize; 2],
    /// Input positions between two outputs.
    pub stride: [usize; 2],
    /// Zeros above and to the left of the input.
    pub pad: [usize; 2],
    /// Input positions between two taps.
    pub dilation: [usize; 2],
    /// Groups of channels that do not mix.
    pub groups: usize,
}

impl Geometry {
    /// A kernel with stride 1, without padding, dilation and groups.
    #[must_use]
    pub fn plain(kernel: [usize; 2]) -> Self {
        Self { kernel, stride: [1; 2], pad: [0; 2], dilation: [1; 2], groups: 1 }
    }

    /// Taps of one pair of channels.
    #[must_use]
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Input index that tap `tap` of output `output` reads along `axis`; negative in the padding.
    pub(crate) fn reads(&self, axis: usize, output: usize, tap: usize) -> i64 {
        (output * self.stride[axis] + tap * self.dilation[axis]) as i64 - self.pad[axis] as i64
    }
}

/// One linear term of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Tensor that is read: 0 is the input, `i + 1` the output of node `i`.
    pub tensor: usize,
    /// How the kernel meets it.
    pub geometry: Geometry,
    /// `[outputs, inputs / groups, kernel rows, kernel columns]`, row-major.
    pub weights: Vec<i16>,
}

/// One tensor and how it is computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Extents of the accumulators.
    pub shape: Shape,
    /// Terms of the accumulators, at least one.
    pub sources: Vec<Source>,
    /// `[channels]`, in units of the accumulator.
    pub bias: Vec<i32>,
    /// `[channels]`, right shifts of the requantisation, at most [`MAX_SHIFT`].
    pub shift: Vec<u32>,
    /// Side of the windows of which the largest value stays; 1 keeps every value.
    pub pool: usize,
    /// Applied to what stays.
    pub activation: Activation,
}

impl Node {
    /// A dense layer on all of `tensor`: `weights` is `[outputs, input.len()]`.
    #[must_use]
    pub fn dense(
        (tensor, input): (usize, Shape),
        weights: Vec<i16>,
        bias: Vec<i32>,
        shift: u32,
        activation: Activation,
    ) -> Self {
        let geometry = Geometry::plain([input.height, input.width]);
        Self {
            shape: Shape::vector(bias.len()),
            sources: vec![Source { tensor, geometry, weights }],
            shift: vec![shift; bias.len()],
            bias,
            pool: 1,
            activation,
        }
    }

    /// Extents of the tensor behind the pool.
    #[must_use]
    pub fn output(&self) -> Shape {
        let Shape { channels, height, width } = self.shape;
        Shape { channels, height: height / self.pool, width: width / self.pool }
    }

    /// Weights of output `o` of one source.
    pub(super) fn row<'a>(&self, source: &'a Source, o: usize) -> &'a [i16] {
        let len = source.weights.len() / self.shape.channels;
        &source.weights[o * len..(o + 1) * len]
    }

    /// Smallest and largest accumulator of channel `o` over all int8 inputs, bias included.
    #[must_use]
    pub fn accumulator_range(&self, o: usize) -> (i64, i64) {
        let bias = i64::from(self.bias[o]);
        let weights = self.sources.iter().flat_map(|s| self.row(s, o));
        weights.fold((bias, bias), |(lo, hi), &w| {
            let (a, b) = (i64::from(w) * -128, i64::from(w) * 127);
            (lo + a.min(b), hi + a.max(b))
        })
    }
}

/// A model: nodes in order of evaluation. The last one is the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// Extents of the input, tensor 0.
    pub input: Shape,
    /// At least one node; each reads earlier tensors only.
    pub nodes: Vec<Node>,
}

/// Why a graph is not a valid model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GraphError {
    /// There is no node, or a tensor without values.
    #[error("the graph is empty")]
    Empty,
    /// An array has the wrong length.
    #[error("node {node}: {what} has length {got}, expected {expected}")]
    Length {
        /// Index of the node.
        node: usize,
        /// Which array.
        what: &'static str,
        /// Length found.
        got: usize,
        /// Length required.
        expected: usize,
    },
    /// A source reads a tensor that does not exist before the node.
    #[error("node {node} reads tensor {tensor}, which is not computed before it")]
    Order {
        /// Index of the node.
        node: usize,
        /// The tensor.
        tensor: usize,
    },
    /// Extents do not fit together.
    #[error("node {node}: {what}")]
    Geometry {
        /// Index of the node.
        node: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// The shift is larger than [`MAX_SHIFT`].
    #[error("node {node}: shift {shift} is larger than {MAX_SHIFT}")]
    Shift {
        /// Index of the node.
        node: usize,
        /// The shift found.
        shift: u32,
    },
    /// An accumulator can leave the exact range.
    #[error("node {node}, channel {channel}: |accumulator| can reach {bound}, above {MAX_ABS_ACCUMULATOR}")]
    Overflow {
        /// Index of the node.
        node: usize,
        /// Index of the channel.
        channel: usize,
        /// The bound that was computed.
        bound: i64,
    },
}

impl Graph {
    /// Length of the input.
    #[must_use]
    pub fn input_len(&self) -> usize {
        self.input.len()
    }

    /// Length of the output.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.shape(self.nodes.len()).len()
    }

    /// Extents of a tensor: 0 is the input, `i + 1` the output of node `i`.
    #[must_use]
    pub fn shape(&self, tensor: usize) -> Shape {
        tensor.checked_sub(1).map_or(self.input, |node| self.nodes[node].output())
    }

    /// Multiply-accumulates of one inference, those with padding included.
    #[must_use]
    pub fn macs(&self) -> u64 {
        let of = |n: &Node| {
            let weights: usize = n.sources.iter().map(|s| s.weights.len()).sum();
            (weights * n.shape.positions()) as u64
        };
        self.nodes.iter().map(of).sum()
    }

    /// Checks extents, shifts and the accumulator bound.
    ///
    /// # Errors
    /// The first violated rule.
    pub fn validate(&self) -> Result<(), GraphError> {
        if self.nodes.is_empty() || !fits(self.input) {
            return Err(GraphError::Empty);
        }
        (0..self.nodes.len()).try_for_each(|node| self.validate_node(node))
    }

    fn validate_node(&self, node: usize) -> Result<(), GraphError> {
        let n = &self.nodes[node];
        let geometry = |what| GraphError::Geometry { node, what };
        if !fits(n.shape) {
            return Err(GraphError::Empty);
        }
        let length = |what, got, expected| {
            if got == expected {
                Ok(())
            } else {
                Err(GraphError::Length { node, what, got, expected })
            }
        };
        length("bias", n.bias.len(), n.shape.channels)?;
        length("shift", n.shift.len(), n.shape.channels)?;
        length("activation table", n.activation.0.len(), 256)?;
        if n.pool == 0
            || !n.shape.height.is_multiple_of(n.pool)
            || !n.shape.width.is_multiple_of(n.pool)
        {
            return Err(geometry("the pool does not divide the accumulators' extents"));
        }
        if n.sources.is_empty() {
            return Err(geometry("there is no source"));
        }
        for source in &n.sources {
            if source.tensor > node {
                return Err(GraphError::Order { node, tensor: source.tensor });
            }
            let input = self.shape(source.tensor);
            let expected = expected_weights(&source.geometry, input, n.shape).map_err(geometry)?;
            length("weights", source.weights.len(), expected)?;
        }
        if let Some(shift) = n.shift.iter().find(|s| **s > MAX_SHIFT) {
            return Err(GraphError::Shift { node, shift: *shift });
        }
        for channel in 0..n.shape.channels {
            let (lo, hi) = n.accumulator_range(channel);
            let bound = lo.abs().max(hi.abs()) + (1 << n.shift[channel]);
            if bound > MAX_ABS_ACCUMULATOR {
                return Err(GraphError::Overflow { node, channel, bound });
            }
        }
        Ok(())
    }
}

fn fits(s: Shape) -> bool {
    let len = s.height.checked_mul(s.width).and_then(|n| n.checked_mul(s.channels));
    let extents = s.height <= MAX_EXTENT && s.width <= MAX_EXTENT;
    extents && len.is_some_and(|n| (1..=MAX_LEN).contains(&n))
}

/// Length of the weights, if the geometry is sane: every window starts inside of the padded input
/// and the padding alone never holds a whole window.
fn expected_weights(g: &Geometry, input: Shape, output: Shape) -> Result<usize, &'static str> {
    let extents = [(input.height, output.height), (input.width, output.width)];
    for (axis, (from, to)) in extents.into_iter().enumerate() {
        let [kernel, stride, pad, dilation] =
            [g.kernel, g.stride, g.pad, g.dilation].map(|x| x[axis]);
        let span = kernel.saturating_sub(1).saturating_mul(dilation);
        if [kernel, stride, dilation].contains(&0) || span > MAX_EXTENT || stride > MAX_EXTENT {
            return Err("a kernel, stride or dilation is zero or too large");
        }
        if pad > span {
            return Err("the padding is wider than the kernel");
        }
        if (to - 1).saturating_mul(stride) >= from + pad {
            return Err("an output lies outside of the input");
        }
    }
    if g.groups == 0
        || !input.channels.is_multiple_of(g.groups)
        || !output.channels.is_multiple_of(g.groups)
    {
        return Err("the groups do not divide the channels");
    }
    let inputs = input.channels / g.groups;
    let taps = g.kernel[0].saturating_mul(g.kernel[1]);
    let len = taps.saturating_mul(inputs).saturating_mul(output.channels);
    if len > MAX_LEN || taps.saturating_mul(input.positions().max(output.positions())) > MAX_READS {
        return Err("there are too many weights");
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        let geometry = Geometry { pad: [1, 1], ..Geometry::plain([3, 3]) };
        let node = Node {
            shape: Shape { channels: 2, height: 4, width: 4 },
            sources: vec![Source { tensor: 0, geometry, weights: vec![1; 18] }],
            bias: vec![0; 2],
            shift: vec![3; 2],
            pool: 2,
            activation: Activation::relu(),
        };
        Graph { input: Shape { channels: 1, height: 4, width: 4 }, nodes: vec![node] }
    }

    #[test]
    fn extents_must_fit() {
        graph().validate().unwrap();
        type Change = fn(&mut Graph);
        let wrong: [Change; 10] = [
            |g| g.nodes.clear(),
            |g| g.nodes[0].shape.height = 0,
            |g| g.nodes[0].pool = 3,
            |g| g.nodes[0].pool = 0,
            |g| g.nodes[0].sources[0].tensor = 1,
            |g| g.nodes[0].sources[0].geometry.groups = 2,
            |g| g.nodes[0].sources[0].geometry.stride = [0, 1],
            |g| g.nodes[0].sources[0].geometry.pad = [3, 3],
            |g| g.nodes[0].shift = vec![17; 2],
            |g| g.nodes[0].sources[0].weights = vec![i16::MAX; 18],
        ];
        for (i, change) in wrong.into_iter().enumerate() {
            let mut g = graph();
            change(&mut g);
            assert!(g.validate().is_err(), "change {i}");
        }
    }
}
