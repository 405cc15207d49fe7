//! Convolutions, pools and residual sums under MockProver.

use std::sync::Arc;

use dn_core::quant::{Activation, Geometry, Graph, Node, Part, Shape, Source};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::{batch, failures, Stream, LANES};
use crate::estimate::estimate;
use crate::field::CoreFr;
use crate::plan::Plan;
use crate::system::steering::Fx;
use crate::system::table::{chosen, NOT_CHOSEN};
use crate::witness::Witness;

/// Channels, geometry, pool.
type Layer = (usize, Geometry, usize);

pub(super) fn shape(channels: usize, height: usize, width: usize) -> Shape {
    Shape { channels, height, width }
}

/// A convolution of `tensor` with random weights and a shift per channel.
pub(super) fn conv(
    s: &mut Stream,
    (tensor, input): (usize, Shape),
    channels: usize,
    g: Geometry,
) -> Node {
    let extent = |axis: usize, from: usize| {
        (from + 2 * g.pad[axis] - (g.kernel[axis] - 1) * g.dilation[axis] - 1) / g.stride[axis] + 1
    };
    let weights = channels * input.channels / g.groups * g.taps();
    Node {
        shape: shape(channels, extent(0, input.height), extent(1, input.width)),
        sources: vec![Source {
            part: Part::Sum,
            tensor,
            geometry: g,
            weights: (0..weights).map(|_| s.int8(15).into()).collect(),
        }],
        bias: (0..channels).map(|_| i32::from(s.int8(100))).collect(),
        shift: (0..channels).map(|c| 4 + (c as u32 % 3)).collect(),
        pool: 1,
        activation: Activation::relu(),
    }
}

pub(super) fn square(kernel: usize, stride: usize, pad: usize) -> Geometry {
    Geometry { stride: [stride; 2], pad: [pad; 2], ..Geometry::plain([kernel; 2]) }
}

pub(super) fn classes(s: &mut Stream, graph: &Graph, outputs: usize) -> Node {
    let tensor = graph.nodes.len();
    let input = graph.shape(tensor);
    let weights = (0..outputs * input.len()).map(|_| s.int8(15).into()).collect();
    let bias = vec![7; outputs];
    Node::dense((tensor, input), weights, bias, 5, Activation::identity())
}

/// Appends a convolution of the last tensor.
pub(super) fn push(s: &mut Stream, graph: &mut Graph, channels: usize, g: Geometry, pool: usize) {
    let tensor = graph.nodes.len();
    let mut node = conv(s, (tensor, graph.shape(tensor)), channels, g);
    node.pool = pool;
    node.shape.height -= node.shape.height % pool;
    node.shape.width -= node.shape.width % pool;
    graph.nodes.push(node);
}

fn accepts(s: &mut Stream, graph: &Graph, slots: usize) -> (Arc<Plan>, Witness) {
    graph.validate().unwrap();
    let plan = Arc::new(Plan::new(graph, slots).unwrap());
    assert_eq!(plan.rows, estimate(graph, slots).unwrap().rows);
    let tasks = batch(s, graph, slots - 1);
    let witness = Witness::new(graph, &plan, &tasks, CoreFr::from(3u8)).unwrap();
    let failures = failures(&plan, witness.clone());
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(4)].join("\n"));
    (plan, witness)
}

fn net(s: &mut Stream, input: Shape, layers: &[Layer]) -> Graph {
    let mut graph = Graph { input, nodes: Vec::new() };
    for (channels, g, pool) in layers {
        push(s, &mut graph, *channels, *g, *pool);
    }
    let last = classes(s, &graph, 5);
    graph.nodes.push(last);
    graph
}

#[test]
fn accepts_kernels_strides_pads_and_dilations() {
    let mut s = Stream(21);
    let dilated = Geometry { dilation: [2, 1], ..square(2, 1, 1) };
    let uneven = Geometry { stride: [1, 2], pad: [0, 2], ..Geometry::plain([2, 5]) };
    let nets: [(Shape, Vec<Layer>, usize); 9] = [
        (shape(1, 7, 8), vec![(2, square(3, 3, 1), 1)], 8),
        (shape(2, 9, 34), vec![(2, square(2, 2, 1), 1)], 8),
        (shape(1, 4, 4), vec![(2, square(3, 1, 1), 1)], 8),
        (shape(2, 5, 6), vec![(3, square(3, 1, 1), 1), (2, square(2, 1, 0), 1)], 16),
        (shape(1, 7, 7), vec![(2, square(3, 2, 1), 1), (3, square(3, 2, 1), 1)], 24),
        (shape(3, 6, 5), vec![(2, dilated, 1), (3, uneven, 1)], 8),
        (shape(1, 6, 6), vec![(9, square(5, 1, 2), 1), (4, square(1, 1, 0), 1)], 8),
        (shape(1, 8, 8), vec![(2, square(3, 1, 1), 2), (3, square(3, 1, 0), 1)], 16),
        (shape(2, 9, 9), vec![(2, square(2, 1, 0), 2), (3, square(2, 1, 1), 2)], 8),
    ];
    for (input, layers, slots) in nets {
        let graph = net(&mut s, input, &layers);
        accepts(&mut s, &graph, slots);
    }
}

/// Dense readers that average: positions that are weighed alike share an image.
#[test]
fn accepts_averages_in_front_of_dense_layers() {
    let mut s = Stream(59);
    for pool in [1, 2] {
        let mut graph = net(&mut s, shape(1, 6, 8), &[(3, square(3, 1, 1), pool)]);
        let positions = graph.shape(1).positions();
        let weights = &mut graph.nodes[1].sources[0].weights;
        for kernel in weights.chunks_exact_mut(positions) {
            kernel.fill(kernel[0]);
            kernel[positions / 2..].fill(3);
        }
        let (plan, _) = accepts(&mut s, &graph, 16);
        let products = (0..plan.rows).filter(|r| plan.is(Fx::Product, *r)).count();
        assert!(products < 3 * positions, "{products}");
    }
}

#[test]
fn accepts_groups_and_depthwise_kernels() {
    let mut s = Stream(23);
    let depthwise = Geometry { groups: 10, ..square(3, 1, 1) };
    let grouped = Geometry { groups: 2, ..square(3, 2, 1) };
    let layers = [(10, square(1, 1, 0), 1), (10, depthwise, 1), (4, grouped, 1)];
    let graph = net(&mut s, shape(1, 5, 5), &layers);
    accepts(&mut s, &graph, 8);
}

/// A block with an identity, then one with a strided shortcut.
pub(super) fn residual(s: &mut Stream) -> Graph {
    let mut graph = Graph { input: shape(1, 6, 6), nodes: Vec::new() };
    push(s, &mut graph, 3, square(3, 1, 1), 1);
    push(s, &mut graph, 3, square(3, 1, 1), 1);
    push(s, &mut graph, 3, square(3, 1, 1), 1);
    let identity = Geometry { groups: 3, ..Geometry::plain([1, 1]) };
    let skip = Source { part: Part::Sum, tensor: 1, geometry: identity, weights: vec![200; 3] };
    graph.nodes[2].sources.push(skip);
    push(s, &mut graph, 4, square(3, 2, 1), 1);
    push(s, &mut graph, 4, square(3, 1, 1), 1);
    let shortcut = conv(s, (3, graph.shape(3)), 4, square(1, 2, 0));
    graph.nodes[4].sources.extend(shortcut.sources);
    let last = classes(s, &graph, 3);
    graph.nodes.push(last);
    graph
}

#[test]
fn accepts_residual_sums() {
    let mut s = Stream(29);
    let graph = residual(&mut s);
    accepts(&mut s, &graph, 8);
    accepts(&mut s, &graph, 32);
}

#[test]
fn refuses_readers_that_disagree() {
    let mut s = Stream(31);
    let mut graph =
        net(&mut s, shape(1, 6, 6), &[(2, square(3, 1, 1), 1), (2, square(3, 2, 1), 1)]);
    let other = conv(&mut s, (0, shape(1, 6, 6)), 2, square(3, 2, 1));
    graph.nodes[1].sources.extend(other.sources);
    graph.validate().unwrap();
    let error = Plan::new(&graph, 8).unwrap_err();
    assert_eq!(error, crate::PlanError::Readers { tensor: 0 });
}

/// Rows of a kind, and a cell in them whose look-up has a neighbour to move to.
fn forge(plan: &Plan, w: &Witness, row: usize, column: usize, tag: u64, to: u64) -> Witness {
    let mut forged = w.clone();
    let old = (0..1u64 << 16).find(|v| Fr::from(*v) == w.cells[row][column]).unwrap();
    let out = |v: u64| if column < LANES { w_out(plan, w, row, column, v) } else { 0 };
    let (from, to_triple) = ((tag, old, out(old)), (tag, to, out(to)));
    forged.cells[row][column] = Fr::from(to);
    forged.multiplicities[plan.table.find(from).unwrap()] -= 1;
    forged.multiplicities[plan.table.find(to_triple).unwrap()] += 1;
    forged
}

/// The `out` that stays beside `hi`.
fn w_out(_: &Plan, w: &Witness, row: usize, column: usize, _: u64) -> u64 {
    (0..256).find(|v| Fr::from(*v) == w.cells[row][2 * LANES + column]).unwrap()
}

#[test]
fn soundness_row_03_rejects_a_remainder_of_a_convolution() {
    let mut s = Stream(37);
    let graph = residual(&mut s);
    let (plan, witness) = accepts(&mut s, &graph, 8);
    for node in 0..graph.nodes.len() {
        for value in [0, graph.nodes[node].shape.len() - 1] {
            let row = plan.sections.nodes[node].accumulators[value];
            let old = (0..1u64 << 16).find(|v| Fr::from(*v) == witness.cells[row][LANES]).unwrap();
            let forged = forge(&plan, &witness, row, LANES, plan.table.tag_lo, old ^ 4);
            assert!(!failures(&plan, forged).is_empty(), "node {node}, value {value}");
        }
    }
}

#[test]
fn rejects_a_spilled_value_that_is_off_by_one() {
    let mut s = Stream(41);
    let graph = residual(&mut s);
    let (plan, witness) = accepts(&mut s, &graph, 8);
    for node in 0..graph.nodes.len() - 1 {
        let (_, _, row) = plan.sections.nodes[node].spilled[1];
        for column in [0, LANES + 1, 3 * LANES - 1] {
            let mut forged = witness.clone();
            forged.cells[row][column] += Fr::ONE;
            assert!(!failures(&plan, forged).is_empty(), "node {node}, column {column}");
        }
    }
}

/// A maximum that is one too large: every difference grows by one and none is zero.
#[test]
fn soundness_row_01_rejects_a_maximum_that_no_value_attains() {
    let mut s = Stream(43);
    let graph = net(&mut s, shape(1, 4, 4), &[(1, square(3, 1, 1), 2)]);
    let (plan, witness) = accepts(&mut s, &graph, 8);
    let rows = &plan.sections.nodes[0];
    let small = |w: &Witness, row: usize, column: usize| {
        (0..1u64 << 16).find(|v| Fr::from(*v) == w.cells[row][column]).unwrap()
    };
    let mut forged = witness.clone();
    let mut replace = |row: usize, tag: u64, hi: u64, out: u64| {
        let before = (tag, small(&forged, row, 0), small(&forged, row, 2 * LANES));
        forged.multiplicities[plan.table.find(before).unwrap()] -= 1;
        forged.multiplicities[plan.table.find((tag, hi, out)).unwrap()] += 1;
        forged.cells[row][0] = Fr::from(hi);
        forged.cells[row][2 * LANES] = Fr::from(out);
    };
    let (tag_hi, tag_window) = (plan.table.divisions[0].tag_hi, plan.table.divisions[0].tag_window);
    let tag_window = tag_window.expect("a pooled node");
    let largest = small(&witness, rows.pooled[0], 0) + 1;
    let out = plan.table.rows.iter().find(|t| t.0 == tag_hi && t.1 == largest).unwrap().2;
    replace(rows.pooled[0], tag_hi, largest, out);
    for at in [0, 1, 4, 5] {
        let row = rows.accumulators[at];
        replace(row, tag_window, small(&witness, row, 0) + 1, NOT_CHOSEN);
    }
    let failures = failures(&plan, forged);
    assert!(!failures.is_empty() && failures.iter().all(|f| f.contains("claims")), "{failures:?}");
}

/// Two values of a window that both claim to be the largest.
#[test]
fn soundness_row_17_rejects_two_indicators_in_one_window() {
    let mut s = Stream(47);
    let graph = net(&mut s, shape(1, 4, 4), &[(1, square(3, 1, 1), 2)]);
    let (plan, witness) = accepts(&mut s, &graph, 8);
    let rows = &plan.sections.nodes[0];
    for at in [0, 1, 4, 5] {
        let mut forged = witness.clone();
        let cell = &mut forged.cells[rows.accumulators[at]][2 * LANES];
        *cell = Fr::from(NOT_CHOSEN + chosen(2)) - *cell;
        assert!(!failures(&plan, forged).is_empty());
    }
}

/// Rows between the chunks and a kernel's end must not lose the image.
#[test]
fn kernels_may_be_longer_than_their_images() {
    let mut s = Stream(53);
    let graph = net(&mut s, shape(1, 3, 3), &[(40, square(3, 1, 1), 1), (33, square(3, 1, 1), 1)]);
    let (plan, _) = accepts(&mut s, &graph, 8);
    assert!((0..plan.rows).any(|r| plan.is(Fx::Tap, r) && !plan.is(Fx::Lookup, r)));
}
