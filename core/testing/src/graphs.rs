//! Random graphs that reach what the integer semantics admit, and random inputs.

use std::fmt;

use dn_core::quant::{
    Activation, Geometry, Graph, Node, Part, Shape, Source, MAX_ABS_ACCUMULATOR, MAX_SHIFT,
};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// Numbers of channels, which have many common divisors.
const CHANNELS: [usize; 6] = [1, 2, 3, 4, 6, 8];

/// Nodes of a graph, one that may follow at the end not counted.
const MOST_NODES: usize = 6;

/// A graph with a few inputs, the two extreme ones among them.
#[derive(Clone)]
pub struct Case {
    /// A valid graph.
    pub graph: Graph,
    /// Values of its input, each as many as it takes.
    pub inputs: Vec<Vec<i8>>,
}

impl fmt::Debug for Case {
    /// Inputs follow from the seed, and would hide the graph.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.graph)
    }
}

/// Graphs of one to seven nodes with twelve inputs each. A failing one shrinks to fewer nodes.
pub fn graphs() -> impl Strategy<Value = Case> {
    (any::<u64>().no_shrink(), 1..=MOST_NODES, any::<bool>()).prop_map(
        |(seed, nodes, is_closed)| {
            let mut random = Random::seeded(seed);
            let graph = random.graph_of(nodes, is_closed);
            let inputs = random.inputs(graph.input_len());
            Case { graph, inputs }
        },
    )
}

/// Draws parts of graphs, the same ones from the same seed.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// Draws that follow from a seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }

    pub(crate) fn within(&mut self, lo: i64, hi: i64) -> i64 {
        lo + self.below((hi - lo) as usize + 1) as i64
    }

    pub(crate) fn among<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    pub(crate) fn is_one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Any bytes.
    pub fn any_bytes(&mut self, len: usize) -> Vec<i8> {
        (0..len).map(|_| self.0.next_u32() as i8).collect()
    }

    /// A vector of one kind: any bytes, the two extremes, small values, or one value throughout.
    pub fn bytes(&mut self, len: usize) -> Vec<i8> {
        let kind = self.below(4);
        let constant = self.0.next_u32() as i8;
        let value = |r: &mut Self| match kind {
            0 => r.0.next_u32() as i8,
            1 => r.among(&[i8::MIN, i8::MAX]),
            2 => r.within(-3, 3) as i8,
            _ => constant,
        };
        (0..len).map(|_| value(self)).collect()
    }

    /// Weights of int8, or some of int16 among zeros.
    pub fn weights(&mut self, len: usize) -> Vec<i16> {
        if self.is_one_in(8) {
            let value = |r: &mut Self| if r.is_one_in(3) { r.0.next_u32() as i16 } else { 0 };
            (0..len).map(|_| value(self)).collect()
        } else {
            self.bytes(len).into_iter().map(i16::from).collect()
        }
    }

    fn activation(&mut self) -> Activation {
        match self.below(4) {
            0 => Activation::identity(),
            1 => Activation::relu(),
            2 => {
                let (a, b) = (self.0.next_u32() as i8, self.0.next_u32() as i8);
                Activation((i8::MIN..=i8::MAX).map(|q| q.clamp(a.min(b), a.max(b))).collect())
            }
            _ => Activation(self.any_bytes(256)),
        }
    }

    /// A kernel along one axis, as `[kernel, stride, pad, dilation]`, that `from` positions and
    /// `to` outputs admit.
    fn axis(&mut self, from: usize, to: usize) -> [usize; 4] {
        for _ in 0..8 {
            let kernel = self.among(&[1, 1, 2, 3, 3, 5, from]);
            let dilation = self.among(&[1, 1, 1, 1, 1, 2, 3, 9]);
            let stride = self.among(&[1, 1, 2, 3, 7]);
            let pad = self.below((kernel - 1) * dilation + 1);
            if (to - 1) * stride < from + pad {
                return [kernel, stride, pad, dilation];
            }
        }
        [to, 1, to - 1, 1]
    }

    fn source(&mut self, graph: &Graph, tensor: usize, shape: Shape) -> Source {
        let from = graph.shape(tensor);
        let [rows, columns] =
            [self.axis(from.height, shape.height), self.axis(from.width, shape.width)];
        let pair = |i: usize| [rows[i], columns[i]];
        let divides =
            |g: &usize| from.channels.is_multiple_of(*g) && shape.channels.is_multiple_of(*g);
        let groups: Vec<usize> = (1..=from.channels).filter(divides).collect();
        let geometry = Geometry {
            kernel: pair(0),
            stride: pair(1),
            pad: pair(2),
            dilation: pair(3),
            groups: self.among(&groups),
        };
        let len = shape.channels * (from.channels / geometry.groups) * geometry.taps();
        Source { part: Part::Sum, tensor, geometry, weights: self.weights(len) }
    }

    /// A source of a factor: each value reads one place.
    fn factor(&mut self, graph: &Graph, part: Part, tensor: usize, shape: Shape) -> Source {
        let from = graph.shape(tensor);
        let axis = |from: usize, to: usize| if from == to { [1, 0] } else { [to, to - 1] };
        let [rows, columns] = [axis(from.height, shape.height), axis(from.width, shape.width)];
        let divides =
            |g: &usize| from.channels.is_multiple_of(*g) && shape.channels.is_multiple_of(*g);
        let groups: Vec<usize> = (1..=from.channels).filter(divides).collect();
        let geometry = Geometry {
            pad: [rows[1], columns[1]],
            groups: self.among(&groups),
            ..Geometry::plain([rows[0], columns[0]])
        };
        let len = shape.channels * (from.channels / geometry.groups) * geometry.taps();
        Source { part, tensor, geometry, weights: self.weights(len) }
    }

    /// A product of tensors with the extents of the last one or with one place, beside up to two sums.
    fn product(&mut self, graph: &Graph) -> Node {
        let last = graph.shape(graph.nodes.len());
        let fits = |t: &usize| {
            let from = graph.shape(*t);
            let spans = |from: usize, to: usize| from == to || from == 1;
            spans(from.height, last.height) && spans(from.width, last.width)
        };
        let tensors: Vec<usize> = (0..=graph.nodes.len()).filter(fits).collect();
        let shape = Shape { channels: self.among(&CHANNELS), ..last };
        let mut sources = Vec::new();
        for part in [Part::Left, Part::Right] {
            for _ in 0..self.among(&[1, 1, 2]) {
                let tensor = self.among(&tensors);
                sources.push(self.factor(graph, part, tensor, shape));
            }
        }
        for _ in 0..self.below(3) {
            let tensor = self.tensor(graph);
            sources.push(self.source(graph, tensor, shape));
        }
        self.node(shape, sources, 1)
    }

    /// A tensor of the graph, mostly the last one.
    fn tensor(&mut self, graph: &Graph) -> usize {
        let last = graph.nodes.len();
        if self.is_one_in(2) {
            self.below(last + 1)
        } else {
            last
        }
    }

    /// A convolution of up to three tensors.
    fn convolution(&mut self, graph: &Graph) -> Node {
        let pool = self.among(&[1, 1, 1, 2, 3]);
        let extent = |r: &mut Self| pool * if pool == 1 { 1 + r.below(7) } else { 1 + r.below(3) };
        let (height, width) = (extent(self), extent(self));
        let shape = Shape { channels: self.among(&CHANNELS), height, width };
        let sources = (0..self.among(&[1, 1, 2, 3]))
            .map(|_| {
                let tensor = self.tensor(graph);
                self.source(graph, tensor, shape)
            })
            .collect();
        self.node(shape, sources, pool)
    }

    /// A dense layer on up to two tensors.
    pub fn dense(&mut self, graph: &Graph) -> Node {
        let outputs = 1 + self.below(20);
        let sources = (0..self.among(&[1, 1, 2]))
            .map(|_| {
                let tensor = self.tensor(graph);
                let from = graph.shape(tensor);
                let geometry = Geometry::plain([from.height, from.width]);
                Source {
                    part: Part::Sum,
                    tensor,
                    geometry,
                    weights: self.weights(outputs * from.len()),
                }
            })
            .collect();
        self.node(Shape::vector(outputs), sources, 1)
    }

    /// A node with these sources, whose weights shrink where they are too large together, and with
    /// biases up to what `Graph::validate` admits.
    fn node(&mut self, shape: Shape, sources: Vec<Source>, pool: usize) -> Node {
        let activation = self.activation();
        let (bias, shift) = (vec![0; shape.channels], vec![0; shape.channels]);
        let mut node = Node { shape, sources, bias, shift, pool, activation };
        // A tame node leaves most values between the ends of int8; another one goes to the limits.
        let (is_tame, is_uniform) = (!self.is_one_in(12), self.is_one_in(3));
        let any = self.within(0, i64::from(MAX_SHIFT));
        for o in 0..shape.channels {
            let (lo, hi) = shrink(&mut node, o);
            let shift = if is_tame {
                let fitting = i64::from((hi - lo).max(1).ilog2()) - 8 - self.within(0, 4);
                fitting.clamp(0, i64::from(MAX_SHIFT))
            } else if is_uniform {
                any
            } else {
                self.within(0, i64::from(MAX_SHIFT))
            };
            let limit = MAX_ABS_ACCUMULATOR - (1 << shift);
            let (least, most) = (-limit - lo, limit - hi);
            let bias = match self.below(3) {
                _ if is_tame => self.within(-64 << shift, 64 << shift).clamp(least, most),
                0 => least,
                1 => most,
                _ => self.within(least, most),
            };
            node.shift[o] = shift as u32;
            node.bias[o] = bias as i32;
        }
        node
    }

    /// A graph of one to six nodes, which a dense layer may close.
    pub fn graph(&mut self) -> Graph {
        let nodes = 1 + self.below(MOST_NODES);
        let is_closed = self.is_one_in(2);
        self.graph_of(nodes, is_closed)
    }

    fn graph_of(&mut self, nodes: usize, is_closed: bool) -> Graph {
        let extent = |r: &mut Self| if r.is_one_in(4) { 1 } else { 1 + r.below(8) };
        let (height, width) = (extent(self), extent(self));
        let input = Shape { channels: self.among(&CHANNELS), height, width };
        let mut graph = Graph { input, nodes: Vec::new() };
        for _ in 0..nodes {
            let node = match self.below(6) {
                0 => self.dense(&graph),
                1 => self.product(&graph),
                _ => self.convolution(&graph),
            };
            graph.nodes.push(node);
        }
        if is_closed {
            let node = self.dense(&graph);
            graph.nodes.push(node);
        }
        graph
    }

    /// The two extreme inputs and ten others.
    pub fn inputs(&mut self, len: usize) -> Vec<Vec<i8>> {
        let mut inputs = vec![vec![i8::MIN; len], vec![i8::MAX; len]];
        inputs.extend((0..10).map(|_| self.bytes(len)));
        inputs
    }
}

/// Halves the weights of channel `o` until some bias and every shift are admitted; gives the range
/// of its accumulators.
fn shrink(node: &mut Node, o: usize) -> (i64, i64) {
    let channels = node.shape.channels;
    loop {
        let (lo, hi) = node.accumulator_range(o);
        let is_exact = node.factor_bound(o) <= MAX_ABS_ACCUMULATOR;
        if is_exact && hi - lo < 2 * (MAX_ABS_ACCUMULATOR - (1 << MAX_SHIFT)) {
            return (lo, hi);
        }
        for source in &mut node.sources {
            let len = source.weights.len() / channels;
            source.weights[o * len..(o + 1) * len].iter_mut().for_each(|w| *w /= 2);
        }
    }
}
