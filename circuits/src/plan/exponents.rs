//! Which power of the challenge `z` each value of an image stands for.
//!
//! Along one axis, output `i` of a convolution with stride `s`, padding `p` and dilation `d` reads
//! input `a = i s + u d - p` through tap `u`. With `A = (a + p) div s` and `D = u d div s` that is
//! `i = A - D`, for taps whose `u d` and inputs whose `a + p` leave the same remainder by `s`: a
//! *phase*. Over both axes, with rows of the output grid `width` apart,
//!
//! ```text
//! e(output i, j) = i width + j = x - k        x = A_h width + A_w        k = D_h width + D_w
//! ```
//!
//! so convolving is multiplying polynomials whose exponents are `x` and `-k`, phase by phase. The
//! circuit folds by Horner's rule in ascending order of `e`; exponents of `z` count down from the
//! largest one, `last`. Products at an `e` that is no output are *spilled* into cells of their own.
//! `width` is just large enough that no such product meets an output.

use std::collections::HashMap;

use dn_core::quant::{Geometry, Graph, Node, Part, Shape, Source};

use super::frame::PlanError;

/// How a tensor is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Value by value: by dense layers, the quality rows, or nothing.
    Dense,
    /// As an image, by convolutions of this stride on a grid of this width.
    Image {
        /// Phases, rows first.
        stride: [usize; 2],
        /// Width of the readers' grids.
        width: i64,
    },
}

/// The output grid of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) width: i64,
    /// Largest exponent that any product or output has.
    pub(crate) last: i64,
    /// Ascending.
    pub(crate) spilled: Vec<i64>,
}

/// A source and the node that has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) node: usize,
    pub(crate) source: &'a Source,
}

/// The exponents of a model, and how its tensors depend on each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exponents {
    /// By tensor.
    pub(crate) readings: Vec<Reading>,
    /// By node.
    pub(crate) grids: Vec<Grid>,
    /// By tensor: which claim its rows open, the last one of those that they take.
    pub(crate) levels: Vec<usize>,
    /// Largest number of levels between a tensor and a claim that reads it.
    pub(crate) depth: usize,
}

/// Whether a node reads its sources value by value.
pub(crate) fn is_dense(node: &Node) -> bool {
    node.shape.positions() == 1
}

/// Every source that reads `tensor`.
pub(crate) fn readers(graph: &Graph, tensor: usize) -> Vec<Reader<'_>> {
    let of = |(node, n): (usize, &Node)| -> Vec<(usize, usize)> {
        (0..n.sources.len()).filter(|s| n.sources[*s].tensor == tensor).map(|s| (node, s)).collect()
    };
    let found: Vec<_> = graph.nodes.iter().enumerate().flat_map(of).collect();
    found
        .into_iter()
        .map(|(node, s)| Reader { node, source: &graph.nodes[node].sources[s] })
        .collect()
}

/// The phases of a stride, rows first.
pub(crate) fn phases(stride: [usize; 2]) -> impl Iterator<Item = [usize; 2]> {
    (0..stride[0]).flat_map(move |u| (0..stride[1]).map(move |v| [u, v]))
}

/// Taps that read `phase`: index in the kernel, and `D` of both axes.
pub(crate) fn taps(g: &Geometry, phase: [usize; 2]) -> Vec<(usize, [i64; 2])> {
    let reads = |axis: usize, tap: usize| {
        let s = g.stride[axis];
        (tap * g.dilation[axis]) % s == (phase[axis] + g.pad[axis]) % s
    };
    let offset = |axis: usize, tap: usize| (tap * g.dilation[axis] / g.stride[axis]) as i64;
    (0..g.taps())
        .map(|tap| (tap, [tap / g.kernel[1], tap % g.kernel[1]]))
        .filter(|(_, t)| reads(0, t[0]) && reads(1, t[1]))
        .map(|(tap, t)| (tap, [offset(0, t[0]), offset(1, t[1])]))
        .collect()
}

/// `A` of the input at `position` along `axis`.
pub(crate) fn coordinate(g: &Geometry, axis: usize, position: usize) -> i64 {
    ((position + g.pad[axis]) / g.stride[axis]) as i64
}

/// Positions of a phase along an axis of `extent`.
fn range(phase: usize, stride: usize, extent: usize) -> Option<[usize; 2]> {
    (phase < extent).then(|| [phase, phase + (extent - 1 - phase) / stride * stride])
}

/// Columns that products reach: smallest and largest.
fn columns(source: &Source, input: Shape) -> Option<[i64; 2]> {
    let g = &source.geometry;
    let mut reach: Option<[i64; 2]> = None;
    for phase in phases(g.stride) {
        let Some([first, last]) = range(phase[1], g.stride[1], input.width) else { continue };
        for (_, [_, d]) in taps(g, phase) {
            let [low, high] = [coordinate(g, 1, first) - d, coordinate(g, 1, last) - d];
            reach = Some(reach.map_or([low, high], |r| [r[0].min(low), r[1].max(high)]));
        }
    }
    reach
}

/// The narrowest grid on which no product outside of the outputs' columns meets an output.
fn narrowest(graph: &Graph, node: &Node) -> i64 {
    let outputs = node.shape.width as i64;
    if is_dense(node) {
        return outputs;
    }
    let reached = node.sources.iter().filter_map(|s| columns(s, graph.shape(s.tensor)));
    reached.fold(outputs, |w, [low, high]| w.max(high + 1).max(outputs - low))
}

/// Exponents that products of a source reach, one by one and not distinct.
pub(crate) fn products(
    source: &Source,
    input: Shape,
    width: i64,
    mut visit: impl FnMut(i64, usize, usize),
) {
    let g = &source.geometry;
    for phase in phases(g.stride) {
        let taps = taps(g, phase);
        for a in (phase[0]..input.height).step_by(g.stride[0]) {
            for b in (phase[1]..input.width).step_by(g.stride[1]) {
                let x = coordinate(g, 0, a) * width + coordinate(g, 1, b);
                for (tap, [d0, d1]) in &taps {
                    visit(x - d0 * width - d1, a * input.width + b, *tap);
                }
            }
        }
    }
}

/// Largest number of exponents on a grid.
const MAX_SPAN: i64 = 1 << 20;

fn grid(graph: &Graph, node: &Node, width: i64) -> Result<Grid, PlanError> {
    let (mut low, mut high) =
        (0, (node.shape.height as i64 - 1) * width + node.shape.width as i64 - 1);
    let reach = |visit: &mut dyn FnMut(i64)| {
        for s in &node.sources {
            products(s, graph.shape(s.tensor), width, |e, _, _| visit(e));
        }
    };
    reach(&mut |e| (low, high) = (low.min(e), high.max(e)));
    let span = high - low + 1;
    if span > MAX_SPAN {
        return Err(PlanError::Rows { rows: span as usize });
    }
    let mut reached = vec![false; span as usize];
    reach(&mut |e| reached[(e - low) as usize] = true);
    let is_output = |e: i64| {
        let (i, j) = (e.div_euclid(width), e.rem_euclid(width));
        (0..node.shape.height as i64).contains(&i) && j < node.shape.width as i64
    };
    let spilled = (low..=high).filter(|e| reached[(e - low) as usize] && !is_output(*e)).collect();
    Ok(Grid { width, last: high, spilled })
}

impl Exponents {
    /// The exponents of a validated graph.
    pub(crate) fn new(graph: &Graph) -> Result<Self, PlanError> {
        let tensors = graph.nodes.len() + 1;
        let mut widths: Vec<i64> = graph.nodes.iter().map(|n| narrowest(graph, n)).collect();
        // Readers of one tensor share its image, so their grids are equally wide.
        loop {
            let before = widths.clone();
            for tensor in 0..tensors {
                let nodes: Vec<usize> = readers(graph, tensor).iter().map(|r| r.node).collect();
                let widest = nodes.iter().map(|n| widths[*n]).max().unwrap_or(0);
                nodes.iter().for_each(|n| widths[*n] = widest);
            }
            if widths == before {
                break;
            }
        }
        let readings: Result<Vec<_>, _> =
            (0..tensors).map(|tensor| reading(graph, tensor, &widths)).collect();
        let grids: Result<Vec<_>, _> = graph
            .nodes
            .iter()
            .zip(&widths)
            .map(|(n, w)| {
                if is_dense(n) {
                    Ok(Grid { width: 1, ..Grid::default() })
                } else {
                    grid(graph, n, *w)
                }
            })
            .collect();
        let mut levels = vec![0];
        for node in &graph.nodes {
            levels.push(levels[levels.len() - 1] + claims(node));
        }
        let mut all = Self { readings: readings?, grids: grids?, levels, depth: 1 };
        for (i, node) in graph.nodes.iter().enumerate() {
            let distance = |s: &Source| all.claim(graph, (i, s.part)) - all.levels[s.tensor];
            all.depth = node.sources.iter().map(distance).fold(all.depth, usize::max);
        }
        Ok(all)
    }

    /// Spilled coefficients of a node, by exponent.
    pub(crate) fn spilled(&self, node: usize) -> HashMap<i64, usize> {
        self.grids[node].spilled.iter().enumerate().map(|(i, e)| (*e, i)).collect()
    }

    /// The claim about the accumulators of a node, or about the factors of their products.
    pub(crate) fn claim(&self, graph: &Graph, (node, part): (usize, Part)) -> usize {
        let last = self.levels[node + 1] - usize::from(graph.nodes[node].pool > 1);
        match part {
            Part::Sum => last,
            Part::Left => last - 1,
            Part::Right => last - 2,
        }
    }
}

/// Claims of a node: of accumulators, of the windows of a pool, of both factors.
fn claims(node: &Node) -> usize {
    1 + usize::from(node.pool > 1) + if node.is_product() { 2 } else { 0 }
}

fn reading(graph: &Graph, tensor: usize, widths: &[i64]) -> Result<Reading, PlanError> {
    let of = |r: &Reader<'_>| {
        if is_dense(&graph.nodes[r.node]) {
            Reading::Dense
        } else {
            Reading::Image { stride: r.source.geometry.stride, width: widths[r.node] }
        }
    };
    let readings: Vec<Reading> = readers(graph, tensor).iter().map(of).collect();
    let first = readings.first().copied().unwrap_or(Reading::Dense);
    if readings.iter().all(|r| *r == first) {
        Ok(first)
    } else {
        Err(PlanError::Readers { tensor })
    }
}
