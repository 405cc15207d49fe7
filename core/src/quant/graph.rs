//! The quantised graph: tensors of int8, each the activation of a requantised sum of convolutions.
//!
//! ```text
//! term[o, i, j] = sum over c, u, v of
//!                 w[o, c, u, v] x[c, i s_h + u d_h - p_h, j s_w + v d_w - p_w]     0 outside of x
//! acc          = bias[o] + terms of the sum + (terms of the left factor) (terms of the right factor)
//! q            = clamp(floor((acc + 2^(shift[o]-1)) / 2^shift[o]), -128, 127)
//! y            = activation(max of q over each pool x pool window)
//! ```
//!
//! Most nodes have no factors. A dense layer is a convolution whose kernel covers its input. Residual sums and concatenations
//! are nodes with several sources, average pools are kernels, so every linear map is exact and only
//! activations round.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::activation::Activation;

/// Values that int8 has.
pub(super) const INT8: (i64, i64) = (-128, 127);

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

/// What a source adds to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The accumulator.
    #[default]
    Sum,
    /// The first factor of the accumulator's product.
    Left,
    /// The second one.
    Right,
}

impl Part {
    /// Every one, in order.
    pub const ALL: [Self; 3] = [Self::Sum, Self::Left, Self::Right];

    /// Whether the term is one of a plain sum.
    #[must_use]
    pub fn is_sum(&self) -> bool {
        *self == Self::Sum
    }
}

/// One linear term of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What it adds to.
    #[serde(default, skip_serializing_if = "Part::is_sum")]
    pub part: Part,
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
    /// Terms of the accumulators, at least one; with one in a factor, there is one in the other.
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
            sources: vec![Source { part: Part::Sum, tensor, geometry, weights }],
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

    /// Whether its accumulators have a product.
    #[must_use]
    pub fn is_product(&self) -> bool {
        self.sources.iter().any(|s| !s.part.is_sum())
    }

    /// Smallest and largest accumulator of channel `o` over all int8 inputs, bias included.
    #[must_use]
    pub fn accumulator_range(&self, o: usize) -> (i64, i64) {
        self.range(o, |_| INT8)
    }

    /// The same where `values` bounds the values of each tensor.
    pub(super) fn range(&self, o: usize, values: impl Fn(usize) -> (i64, i64)) -> (i64, i64) {
        let [sum, left, right] = Part::ALL.map(|part| self.part_range(o, part, &values));
        let corners = [left.0 * right.0, left.0 * right.1, left.1 * right.0, left.1 * right.1];
        let bias = i64::from(self.bias[o]);
        let low = corners.into_iter().fold(i64::MAX, i64::min);
        let high = corners.into_iter().fold(i64::MIN, i64::max);
        (bias + sum.0 + low, bias + sum.1 + high)
    }

    /// Smallest and largest sum of one part in channel `o`.
    fn part_range(
        &self,
        o: usize,
        part: Part,
        values: &impl Fn(usize) -> (i64, i64),
    ) -> (i64, i64) {
        let mut range = (0, 0);
        for source in self.sources.iter().filter(|s| s.part == part) {
            let (smallest, largest) = values(source.tensor);
            let row = self.row(source, o);
            let sum = |weights: &mut dyn Iterator<Item = &i16>| {
                weights.fold((0, 0), |(low, high), w| {
                    let (a, b) = (i64::from(*w) * smallest, i64::from(*w) * largest);
                    (low + a.min(b), high + a.max(b))
                })
            };
            // A value of a factor meets one tap, unless it is the only one.
            let taps = source.geometry.taps();
            let (low, high) = if part.is_sum() || self.shape.positions() == 1 {
                sum(&mut row.iter())
            } else {
                let of = |tap: usize| sum(&mut row[tap..].iter().step_by(taps));
                (0..taps).map(of).fold((i64::MAX, i64::MIN), |r, s| (r.0.min(s.0), r.1.max(s.1)))
            };
            range = (range.0 + low, range.1 + high);
        }
        range
    }

    /// The largest magnitude that a factor of channel `o` can have.
    #[must_use]
    pub fn factor_bound(&self, o: usize) -> i64 {
        let of = |part| {
            let (low, high) = self.part_range(o, part, &|_| INT8);
            low.abs().max(high.abs())
        };
        of(Part::Left).max(of(Part::Right))
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
            if !source.part.is_sum() && !lands(&source.geometry, input, n.shape) {
                return Err(geometry("a factor takes its values from one place each"));
            }
        }
        let has = |part| n.sources.iter().any(|s| s.part == part);
        if has(Part::Left) != has(Part::Right) {
            return Err(geometry("a product has one factor"));
        }
        if n.is_product() && n.pool > 1 {
            return Err(geometry("a product stands in front of a pool"));
        }
        if let Some(shift) = n.shift.iter().find(|s| **s > MAX_SHIFT) {
            return Err(GraphError::Shift { node, shift: *shift });
        }
        for channel in 0..n.shape.channels {
            let overflow = |bound| GraphError::Overflow { node, channel, bound };
            // First: the product of two factors within it fits 64 bits.
            let factor = n.factor_bound(channel);
            if factor > MAX_ABS_ACCUMULATOR {
                return Err(overflow(factor));
            }
            let (lo, hi) = n.accumulator_range(channel);
            let bound = lo.abs().max(hi.abs()) + (1 << n.shift[channel]);
            if bound > MAX_ABS_ACCUMULATOR {
                return Err(overflow(bound));
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

/// Whether every product of an input and a tap belongs to an output, so that a factor has no other
/// coefficients: along each axis an output reads the input at its own index, or all read the only one;
/// or there is one output.
fn lands(g: &Geometry, input: Shape, output: Shape) -> bool {
    let axes = [(input.height, output.height), (input.width, output.width)];
    output.positions() == 1
        || axes.into_iter().enumerate().all(|(axis, (from, to))| {
            let own = from == to && g.kernel[axis] == 1;
            let only = from == 1 && g.kernel[axis] == to && g.pad[axis] + 1 == to;
            g.stride[axis] == 1 && g.dilation[axis] == 1 && (own || only)
        })
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
            sources: vec![Source { part: Part::Sum, tensor: 0, geometry, weights: vec![1; 18] }],
            bias: vec![0; 2],
            shift: vec![3; 2],
            pool: 2,
            activation: Activation::relu(),
        };
        Graph { input: Shape { channels: 1, height: 4, width: 4 }, nodes: vec![node] }
    }

    /// A gate per channel on a feature map.
    fn gated() -> Graph {
        let image = Shape { channels: 2, height: 2, width: 3 };
        let own = Geometry { groups: 2, ..Geometry::plain([1, 1]) };
        let only = Geometry { pad: [1, 2], groups: 2, ..Geometry::plain([2, 3]) };
        let source = |part, tensor, geometry: Geometry, weight| Source {
            part,
            tensor,
            geometry,
            weights: vec![weight; 2 * geometry.taps()],
        };
        let mean = Geometry { groups: 2, ..Geometry::plain([2, 3]) };
        let node = |shape: Shape, sources, shift| Node {
            shape,
            sources,
            bias: vec![0; 2],
            shift: vec![shift; 2],
            pool: 1,
            activation: Activation::identity(),
        };
        let gate = node(Shape::vector(2), vec![source(Part::Sum, 0, mean, 1)], 2);
        let factors = vec![source(Part::Left, 0, own, 3), source(Part::Right, 1, only, 1)];
        Graph { input: image, nodes: vec![gate, node(image, factors, 5)] }
    }

    #[test]
    fn products_are_bounded_and_read_one_place_each() {
        let good = gated();
        good.validate().unwrap();
        assert_eq!(good.nodes[1].accumulator_range(0), (-3 * 128 * 127, 3 * 128 * 128));
        assert_eq!(good.nodes[1].factor_bound(0), 3 * 128);
        type Change = fn(&mut Graph);
        let wrong: [Change; 7] = [
            |g| g.nodes[1].sources[0].part = Part::Sum,
            |g| g.nodes[1].sources[1].part = Part::Left,
            |g| g.nodes[1].sources[1].geometry.pad = [1, 1],
            |g| g.nodes[1].sources[1].tensor = 0,
            |g| g.nodes[1].sources[0].tensor = 1,
            |g| g.nodes[1].pool = 1 << 1,
            |g| g.nodes[1].sources[0].weights = vec![1024; 2],
        ];
        for (i, change) in wrong.into_iter().enumerate() {
            let mut g = gated();
            change(&mut g);
            assert!(g.validate().is_err(), "change {i}");
        }
    }

    /// The product of two such factors is no number of 64 bits.
    #[test]
    fn factors_are_bounded_before_they_are_multiplied() {
        let factor = |part| Source {
            part,
            tensor: 0,
            geometry: Geometry::plain([1, 1]),
            weights: vec![32_767; 1024],
        };
        let node = Node {
            shape: Shape::vector(1),
            sources: vec![factor(Part::Left), factor(Part::Right)],
            bias: vec![0],
            shift: vec![0],
            pool: 1,
            activation: Activation::identity(),
        };
        let graph = Graph { input: Shape::vector(1024), nodes: vec![node] };
        assert!(matches!(graph.validate(), Err(GraphError::Overflow { .. })));
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
