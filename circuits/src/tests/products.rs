//! Products of two tensors: accepted whatever the factors are, and each cell bound by the claims.

use dn_core::quant::{Activation, Geometry, Graph, Node, Part, Shape, Source};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::checker::Checker;
use super::images::{classes, conv, push, shape, square};
use super::nets::{set_pair, small, Net};
use super::soundness::{objections, only};
use super::weakening::challenges;
use super::{batch, chain, dense, failures, Stream};
use crate::field::CoreFr;
use crate::plan::{Frame, Plan};
use crate::system::columns::Ch;
use crate::system::kind::Kind;
use crate::witness::Witness;
use dn_core::Width;

/// A source that reads each value at its own place, with one weight for each channel.
fn own(s: &mut Stream, part: Part, tensor: usize, channels: usize) -> Source {
    let geometry = Geometry { groups: channels, ..Geometry::plain([1, 1]) };
    Source { part, tensor, geometry, weights: (0..channels).map(|_| s.int8(4).into()).collect() }
}

fn product(s: &mut Stream, shape: Shape, sources: Vec<Source>) -> Node {
    Node {
        shape,
        sources,
        bias: (0..shape.channels).map(|_| i32::from(s.int8(100))).collect(),
        shift: (0..shape.channels).map(|c| 8 + (c as u32 % 3)).collect(),
        pool: 1,
        activation: Activation::identity(),
    }
}

/// Multiplies the last tensor by itself, by a mixture of itself, or by a gate of each channel. Nothing else reads
/// that tensor.
pub(super) fn multiply(s: &mut Stream, graph: &mut Graph) {
    let tensor = graph.nodes.len();
    let image = graph.shape(tensor);
    let channels = image.channels;
    let left = own(s, Part::Left, tensor, channels);
    let rest = own(s, Part::Sum, tensor, channels);
    match s.next(3) {
        0 => {
            let right = own(s, Part::Right, tensor, channels);
            let node = product(s, image, vec![left, right]);
            graph.nodes.push(node);
        }
        1 => {
            let mut mixed = conv(s, (tensor, image), channels, square(1, 1, 0)).sources;
            mixed[0].part = Part::Right;
            mixed[0].weights.iter_mut().for_each(|w| *w /= 5);
            let right = own(s, Part::Right, tensor, channels);
            let node = product(s, image, vec![mixed.remove(0), left, rest, right]);
            graph.nodes.push(node);
        }
        _ => {
            push(s, graph, channels, square(1, 1, 0), 1);
            let gate = classes(s, graph, channels);
            graph.nodes.push(gate);
            let geometry = Geometry {
                pad: [image.height - 1, image.width - 1],
                groups: channels,
                ..Geometry::plain([image.height, image.width])
            };
            let weights = vec![1; channels * geometry.taps()];
            let gate = Source { part: Part::Right, tensor: graph.nodes.len(), geometry, weights };
            let node = product(s, image, vec![rest, left, gate]);
            graph.nodes.push(node);
        }
    }
}

/// A gate of each channel beside a residual sum on an image, then a dense square; several chunks of slots.
fn net(width: Width) -> Net {
    let mut s = Stream(113);
    let mut graph = Graph { input: shape(1, 5, 4), nodes: Vec::new() };
    push(&mut s, &mut graph, 3, square(3, 1, 1), 1);
    while graph.nodes.len() < 4 {
        graph.nodes.truncate(1);
        multiply(&mut s, &mut graph);
    }
    let hidden = classes(&mut s, &graph, 4);
    graph.nodes.push(hidden);
    let tensor = graph.nodes.len();
    let sources = vec![
        dense_source(&mut s, Part::Left, tensor, [4, 5]),
        dense_source(&mut s, Part::Right, tensor, [4, 5]),
        dense_source(&mut s, Part::Sum, tensor, [4, 5]),
    ];
    let square = product(&mut s, Shape::vector(5), sources);
    graph.nodes.push(square);
    let tasks = batch(&mut s, &graph, 3 * width.lanes() - 2);
    Net::new(graph, Frame::new(3 * width.lanes(), width), tasks)
}

fn dense_source(s: &mut Stream, part: Part, tensor: usize, [from, to]: [usize; 2]) -> Source {
    let weights = (0..from * to).map(|_| s.int8(2).into()).collect();
    Source { part, tensor, geometry: Geometry::plain([1, 1]), weights }
}

/// Left and right cell of a lane.
fn cells(width: Width, lane: usize) -> [usize; 2] {
    [lane, width.lanes() + lane]
}

/// The first row, the last one, and one between them.
fn sample(rows: &[usize]) -> impl Iterator<Item = usize> + '_ {
    let last = rows.len().saturating_sub(1);
    [0, last / 2, last].into_iter().filter_map(|at| rows.get(at).copied())
}

#[test]
fn accepts_products_in_every_layout() {
    for width in Width::ALL {
        let net = net(width);
        assert!((0..net.plan.rows).any(|row| net.plan.kind(row) == Kind::Product));
        let failures = failures(&net.plan, net.witness.clone());
        assert!(failures.is_empty(), "{failures:?}");
    }
}

/// One value, one channel, one chunk: the claims take more rows than there are values.
#[test]
fn accepts_the_smallest_product() {
    let mut s = Stream(127);
    for width in Width::ALL {
        let mut graph = chain(1, vec![dense(&mut s, 1, 1, 0, false)]);
        let node = product(
            &mut s,
            Shape::vector(1),
            vec![
                Source { part: Part::Left, ..graph.nodes[0].sources[0].clone() },
                Source { part: Part::Right, tensor: 1, ..graph.nodes[0].sources[0].clone() },
            ],
        );
        graph.nodes.push(node);
        let mut tasks = batch(&mut s, &graph, 3);
        tasks.iter_mut().for_each(|task| task.label = None);
        let net = Net::new(graph, Frame::of(3, width), tasks);
        assert!(failures(&net.plan, net.witness.clone()).is_empty());
    }
}

/// Each factor off by one; both such that the product stays; exchanged; and other lanes' factors.
#[test]
fn soundness_row_26_rejects_other_factors_whatever_their_product() {
    for width in Width::ALL {
        let net = net(width);
        let c = Checker::new(&net.plan, challenges());
        let offset = Fr::from(crate::system::rows::product::FACTOR_OFFSET);
        for (node, rows) in net.plan.sections.nodes.iter().enumerate() {
            for first in sample(&rows.factors) {
                let [left, right] = cells(width, 1);
                let row = &net.witness.cells[first];
                let (a, b) = (row[left] - offset, row[right] - offset);
                let rejected = |changes: &[(usize, Fr)]| {
                    let mut w = net.witness.clone();
                    changes.iter().for_each(|(cell, x)| w.cells[first][*cell] = *x + offset);
                    let what = format!("node {node}, row {first}");
                    assert_eq!(objections(&c, &c.grid(&w)), only("claims/claims"), "{what}");
                };
                rejected(&[(left, a + Fr::ONE)]);
                rejected(&[(right, b + Fr::ONE)]);
                rejected(&[(left, a.double()), (right, b * Fr::from(2).invert().unwrap())]);
                rejected(&[(left, -a - Fr::ONE), (right, -b)]);
                if a != b {
                    rejected(&[(left, b), (right, a)]);
                }
                let [other, _] = cells(width, 2);
                if row[other] != row[left] {
                    rejected(&[(left, row[other] - offset), (other, a)]);
                }
            }
        }
    }
}

/// The accumulator of another product, split and looked up as it should be.
#[test]
fn soundness_row_26_rejects_another_product() {
    for width in Width::ALL {
        let net = net(width);
        let c = Checker::new(&net.plan, challenges());
        for (node, rows) in net.plan.sections.nodes.iter().enumerate() {
            for row in sample(&rows.accumulators).filter(|_| !rows.factors.is_empty()) {
                let hi = small(net.witness.cells[row][1]);
                let neighbours = [hi + 1, hi.wrapping_sub(1)];
                let beside = |hi| super::nets::out_of(&net.plan, row, hi).map(|out| (hi, out));
                let (hi, out) = neighbours.into_iter().find_map(beside).unwrap();
                let mut w = net.witness.clone();
                set_pair(&net.plan, &mut w, row, 1, hi, out);
                let objections = objections(&c, &c.grid(&w));
                assert!(objections.contains("claims/claims"), "node {node}: {objections:?}");
            }
        }
    }
}

/// Factors that are wrong in two lanes so that their sum stays pass where tau and lambda are known, and only there:
/// each lane is multiplied on its own.
#[test]
fn soundness_row_26_lanes_do_not_make_up_for_each_other() {
    let net = net(Width::Default);
    let row = net.plan.sections.nodes[3].factors[2];
    let offset = Fr::from(crate::system::rows::product::FACTOR_OFFSET);
    let [[left, right], [other, beside]] = [3, 4].map(|lane| cells(Width::Default, lane));
    let lambda = Fr::from(3);
    let mut known = challenges();
    known[Ch::Tau as usize] = Fr::ONE;
    known[Ch::Lambda as usize] = lambda;
    // d (b + 3) - d' (b' + 3) = 0
    let mut w = net.witness.clone();
    let by = w.cells[row][beside] - offset + lambda;
    let other_by = w.cells[row][right] - offset + lambda;
    w.cells[row][left] += by;
    w.cells[row][other] -= other_by;
    let c = Checker::new(&net.plan, known);
    assert!(c.failures(&c.grid(&w)).is_empty(), "the forgery does not even fit known challenges");
    let c = Checker::new(&net.plan, challenges());
    assert_eq!(objections(&c, &c.grid(&w)), only("claims/claims"));
}

/// What a known lambda is worth: a left and a right factor that are wrong together.
#[test]
fn soundness_row_26_the_claims_of_factors_are_kept_apart_by_lambda() {
    let net = net(Width::Default);
    let row = net.plan.sections.nodes[3].factors[0];
    let offset = Fr::from(crate::system::rows::product::FACTOR_OFFSET);
    let [left, right] = cells(Width::Default, 0);
    let mut known = challenges();
    let lambda = Fr::from(3);
    known[Ch::Lambda as usize] = lambda;
    // a b + 3 a + 9 b = (a + 9) (b + 3) - 27 stays where one factor doubles and the other is halved.
    let mut w = net.witness.clone();
    let (a, b) = (w.cells[row][left] - offset, w.cells[row][right] - offset);
    let half = Fr::from(2).invert().unwrap();
    w.cells[row][left] = (a + lambda.square()).double() - lambda.square() + offset;
    w.cells[row][right] = (b + lambda) * half - lambda + offset;
    let c = Checker::new(&net.plan, known);
    assert!(c.failures(&c.grid(&w)).is_empty(), "the forgery does not even fit lambda = 3");
    let c = Checker::new(&net.plan, challenges());
    assert_eq!(objections(&c, &c.grid(&w)), only("claims/claims"));
    assert!(!failures(&net.plan, w).is_empty());
}

/// Rows of products are counted before they are written, and other graphs have none.
#[test]
fn a_product_takes_two_rows_for_each_value_and_chunk() {
    let mut s = Stream(131);
    let mut graph = Graph { input: shape(2, 4, 4), nodes: Vec::new() };
    push(&mut s, &mut graph, 2, square(3, 1, 1), 1);
    let sources = vec![own(&mut s, Part::Left, 1, 2), own(&mut s, Part::Right, 1, 2)];
    let node = product(&mut s, graph.shape(1), sources);
    graph.nodes.push(node);
    let plan = Plan::new(&graph, 16).unwrap();
    let tasks = batch(&mut s, &graph, 16);
    assert!(Witness::new(&graph, &plan, &tasks, CoreFr::from(1u8)).is_ok());
    let of = |kind| (0..plan.rows).filter(|row| plan.kind(*row) == kind).count();
    assert_eq!(of(Kind::Product), 2 * 16 * 2);
    assert_eq!(plan.rows, crate::estimate::estimate(&graph, 16).unwrap().rows);
}

pub(super) fn nets() -> impl Iterator<Item = Net> {
    Width::ALL.into_iter().map(net)
}
