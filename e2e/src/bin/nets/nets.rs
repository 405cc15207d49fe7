//! Nets with random weights.

use anyhow::{Context, Result};
use dn_core::quant::{Activation, Geometry, Graph, Node, Part, Shape, Source};

/// What [`graph`] knows besides dense nets.
pub(crate) const NAMES: [&str; 5] = ["lenet-avg", "lenet-max", "conv3", "resnet20", "mobilenet"];

/// A deterministic stream of small integers.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    /// In `[-limit, limit]`, with `limit` at most 127.
    pub(crate) fn next(&mut self, limit: i64) -> i8 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as i64 % (2 * limit + 1) - limit) as i8
    }
}

struct Net {
    graph: Graph,
    noise: Noise,
}

fn square(kernel: usize, stride: usize, pad: usize) -> Geometry {
    Geometry { stride: [stride; 2], pad: [pad; 2], ..Geometry::plain([kernel; 2]) }
}

impl Net {
    fn new(channels: usize, height: usize, width: usize) -> Self {
        let input = Shape { channels, height, width };
        Self { graph: Graph { input, nodes: Vec::new() }, noise: Noise(1) }
    }

    fn last(&self) -> usize {
        self.graph.nodes.len()
    }

    fn source(&mut self, tensor: usize, channels: usize, geometry: Geometry) -> Source {
        let count =
            channels * self.graph.shape(tensor).channels / geometry.groups * geometry.taps();
        let weights = (0..count).map(|_| self.noise.next(40).into()).collect();
        Source { part: Part::Sum, tensor, geometry, weights }
    }

    /// A convolution of `tensor` into a square image of side `side`.
    fn conv(
        &mut self,
        tensor: usize,
        (channels, side): (usize, usize),
        geometry: Geometry,
    ) -> &mut Self {
        let source = self.source(tensor, channels, geometry);
        let fan_in = source.weights.len() / channels;
        let shift = 6 + (fan_in as f64).sqrt().log2().round() as u32;
        self.graph.nodes.push(Node {
            shape: Shape { channels, height: side, width: side },
            sources: vec![source],
            bias: vec![0; channels],
            shift: vec![shift; channels],
            pool: 1,
            activation: Activation::relu(),
        });
        self
    }

    fn pool(&mut self, side: usize) -> &mut Self {
        if let Some(node) = self.graph.nodes.last_mut() {
            node.pool = side;
        }
        self
    }

    /// Makes the weights of each 2 x 2 taps of the last kernel equal.
    fn repeat(&mut self) -> &mut Self {
        for source in self.graph.nodes.iter_mut().flat_map(|n| &mut n.sources).rev().take(1) {
            let (columns, taps) = (source.geometry.kernel[1], source.geometry.taps());
            for kernel in source.weights.chunks_exact_mut(taps) {
                let of = |t: usize| t / columns / 2 * 2 * columns + t % columns / 2 * 2;
                (0..taps).for_each(|t| kernel[t] = kernel[of(t)]);
            }
        }
        self
    }

    fn dense(&mut self, outputs: usize) -> &mut Self {
        let input = self.graph.shape(self.last());
        let geometry = Geometry::plain([input.height, input.width]);
        self.conv(self.last(), (outputs, 1), geometry)
    }

    fn add(&mut self, source: Source) -> &mut Self {
        if let Some(node) = self.graph.nodes.last_mut() {
            node.sources.push(source);
        }
        self
    }

    /// Two convolutions and a shortcut.
    fn block(&mut self, channels: usize, side: usize, stride: usize) {
        let from = self.last();
        self.conv(from, (channels, side), square(3, stride, 1));
        self.conv(from + 1, (channels, side), square(3, 1, 1));
        let shortcut = if stride == 1 {
            let geometry = Geometry { groups: channels, ..Geometry::plain([1, 1]) };
            Source { part: Part::Sum, tensor: from, geometry, weights: vec![128; channels] }
        } else {
            self.source(from, channels, square(1, stride, 0))
        };
        self.add(shortcut);
    }

    fn depthwise(&mut self, channels: usize, side: usize, stride: usize) {
        let from = self.graph.shape(self.last()).channels;
        let geometry = Geometry { groups: from, ..square(3, stride, 1) };
        self.conv(self.last(), (from, side), geometry);
        self.conv(self.last(), (channels, side), square(1, 1, 0));
    }
}

/// The net of a name, or a dense one such as `784-128-10`.
pub(crate) fn graph(name: &str) -> Result<Graph> {
    let widths = || -> Result<Vec<usize>> {
        let parse = |w: &str| w.parse().with_context(|| format!("{name:?} is no known net"));
        name.split('-').map(parse).collect()
    };
    let mut net = match name {
        "lenet-avg" | "lenet-max" => Net::new(1, 28, 28),
        "conv3" | "resnet20" => Net::new(3, 32, 32),
        "mobilenet" => Net::new(3, 16, 16),
        _ => Net::new(widths()?[0], 1, 1),
    };
    match name {
        "lenet-avg" => {
            // A pool in front of a kernel is a kernel of repeated weights with the pool's stride.
            net.conv(0, (6, 28), square(5, 1, 2)).conv(1, (16, 10), square(10, 2, 0)).repeat();
            net.conv(2, (120, 1), square(10, 2, 0)).repeat().dense(84).dense(10);
        }
        "lenet-max" => {
            net.conv(0, (6, 28), square(5, 1, 2))
                .pool(2)
                .conv(1, (16, 10), square(5, 1, 0))
                .pool(2);
            net.dense(120).dense(84).dense(10);
        }
        "conv3" => {
            net.conv(0, (16, 16), square(3, 2, 1)).conv(1, (32, 8), square(3, 2, 1));
            net.conv(2, (64, 4), square(3, 2, 1)).dense(10);
        }
        "resnet20" => {
            net.conv(0, (16, 32), square(3, 1, 1));
            for (channels, side, stride) in [(16, 32, 1), (32, 16, 2), (64, 8, 2)] {
                net.block(channels, side, stride);
                net.block(channels, side, 1);
                net.block(channels, side, 1);
            }
            net.dense(10);
        }
        "mobilenet" => {
            net.conv(0, (8, 16), square(3, 1, 1));
            net.depthwise(16, 8, 2);
            net.depthwise(32, 8, 1);
            net.dense(10);
        }
        _ => {
            widths()?.into_iter().skip(1).for_each(|width| {
                net.dense(width);
            });
        }
    }
    Ok(net.graph)
}
