//! Witnesses whose parts are each right by themselves: rows of two honest witnesses of the same tasks in different
//! orders, and witnesses of other models.

use std::ops::Range;

use dn_core::quant::{Geometry, Graph, Part, Source};
use dn_core::Width;

use super::checker::Checker;
use super::images::{classes, push, residual, shape, square};
use super::nets::Net;
use super::soundness::objections;
use super::weakening::challenges;
use super::{batch, is_exhaustive, Stream};
use crate::field::CoreFr;
use crate::plan::Frame;
use crate::witness::Witness;

/// A convolution, a pooled one with a residual sum, four classes; three chunks of slots.
pub(super) fn pooled(width: Width) -> Net {
    let mut s = Stream(161);
    let mut graph = Graph { input: shape(2, 4, 5), nodes: Vec::new() };
    push(&mut s, &mut graph, 3, square(3, 1, 1), 1);
    push(&mut s, &mut graph, 3, square(3, 1, 1), 2);
    let geometry = Geometry { groups: 3, ..Geometry::plain([1, 1]) };
    let skip = Source { part: Part::Sum, tensor: 1, geometry, weights: vec![90; 3] };
    graph.nodes[1].sources.push(skip);
    let last = classes(&mut s, &graph, 4);
    graph.nodes.push(last);
    of(&mut s, graph, width, 3)
}

fn of(s: &mut Stream, graph: Graph, width: Width, chunks: usize) -> Net {
    let slots = chunks * width.lanes();
    let tasks = batch(s, &graph, slots);
    Net::new(graph, Frame::new(slots, width), tasks)
}

const INPUT_HASHES: &str = "input hashes";
const INPUTS: &str = "inputs";
const QUALITY: &str = "quality";
const OUTPUT_HASHES: &str = "output hashes";

/// The rows of a plan by what they hold.
fn sections(net: &Net) -> Vec<(String, Range<usize>)> {
    let s = &net.plan.sections;
    let first = |rows: &mut dyn Iterator<Item = usize>| rows.min().expect("a section has rows");
    let inputs = first(&mut s.inputs.iter().map(|i| i.row));
    let nodes = s.nodes.iter().map(|node| {
        let spilled = node.spilled.iter().map(|(_, _, row)| *row);
        first(&mut node.accumulators.iter().chain(&node.pooled).copied().chain(spilled))
    });
    let named = [(INPUT_HASHES.to_owned(), s.input_hashes), (INPUTS.to_owned(), inputs)];
    let nodes = nodes.enumerate().map(|(i, row)| (format!("node {i}"), row));
    let last = [(QUALITY.to_owned(), s.quality), (OUTPUT_HASHES.to_owned(), s.output_hashes)];
    let starts: Vec<_> = named.into_iter().chain(nodes).chain(last).collect();
    let ends = starts[1..].iter().map(|(_, row)| *row).chain([net.plan.rows]);
    let ends: Vec<usize> = ends.collect();
    starts.into_iter().zip(ends).map(|((name, start), end)| (name, start..end)).collect()
}

/// The witness with some sections, and what they publish, from another one.
fn spliced(net: &Net, other: &Witness, names: &[&str]) -> Witness {
    let mut w = net.witness.clone();
    for (name, rows) in sections(net).into_iter().filter(|(name, _)| names.contains(&&**name)) {
        w.cells[rows.clone()].copy_from_slice(&other.cells[rows]);
        match &*name {
            INPUT_HASHES => w.statement.inputs.clone_from(&other.statement.inputs),
            QUALITY => w.statement.labels.clone_from(&other.statement.labels),
            OUTPUT_HASHES => w.statement.outputs.clone_from(&other.statement.outputs),
            _ => {}
        }
    }
    w
}

/// Multiplicities and score do not depend on the order of tasks, so that look-ups and sums hold in every splice.
#[test]
fn rejects_rows_of_two_orders_of_the_same_tasks() {
    for width in Width::ALL {
        let lanes = width.lanes();
        let mut s = Stream(171);
        let graph = residual(&mut s);
        let is_short = width != Width::Default && !is_exhaustive();
        let residual = (!is_short).then(|| of(&mut s, graph, width, 4));
        for net in [pooled(width)].into_iter().chain(residual) {
            let mut tasks = net.tasks.clone();
            tasks.swap(1, lanes + 1);
            tasks.swap(2, 3);
            let other =
                Witness::new(&net.graph, &net.plan, &tasks, CoreFr::from(3u8)).expect("a witness");
            assert_eq!(other.multiplicities, net.witness.multiplicities);
            assert_eq!(other.statement.score, net.witness.statement.score);
            let c = Checker::new(&net.plan, challenges());
            let rejects = |names: &[&str]| {
                let w = spliced(&net, &other, names);
                !objections(&c, &c.grid(&w)).is_empty()
            };
            let all = sections(&net);
            let all: Vec<&str> = all.iter().map(|(name, _)| &**name).collect();
            assert!(!rejects(&all), "the other order is honest");
            for name in &all {
                assert!(rejects(&[name]), "{} {name}", width.name());
            }
            for pair in
                [[INPUT_HASHES, OUTPUT_HASHES], [QUALITY, OUTPUT_HASHES], [INPUT_HASHES, INPUTS]]
            {
                assert!(rejects(&pair), "{} {pair:?}", width.name());
            }
        }
    }
}

/// Exchanges elements `a` and `b` of every `len` weights of a node.
fn exchange(graph: &mut Graph, node: usize, len: usize, pairs: &[(usize, usize)]) {
    for kernel in graph.nodes[node].sources[0].weights.chunks_mut(len) {
        pairs.iter().for_each(|(a, b)| kernel.swap(*a, *b));
    }
}

/// Weights in other places: what is convolved, multiplied and summed has the same numbers.
#[test]
fn rejects_witnesses_of_models_with_weights_in_other_places() {
    type Change = fn(&mut Graph);
    let changes: [(&str, Change); 7] = [
        ("kernels transposed", |g| exchange(g, 0, 9, &[(1, 3), (2, 6), (5, 7)])),
        ("kernels turned round", |g| exchange(g, 0, 9, &[(0, 8), (1, 7), (2, 6), (3, 5)])),
        ("kernels rolled by one", |g| {
            g.nodes[0].sources[0].weights.chunks_mut(9).for_each(|k| k.rotate_left(1));
        }),
        ("input channels exchanged", |g| {
            g.nodes[0].sources[0].weights.chunks_mut(18).for_each(|k| k.rotate_left(9));
        }),
        ("rows of a dense layer exchanged", |g| {
            let weights = &mut g.nodes[2].sources[0].weights;
            let len = weights.len() / 4;
            (0..len).for_each(|i| weights.swap(i, len + i));
        }),
        ("columns of a dense layer exchanged", |g| {
            let len = g.nodes[2].sources[0].weights.len() / 4;
            exchange(g, 2, len, &[(0, 5)]);
        }),
        ("taps of a pooled node exchanged", |g| exchange(g, 1, 9, &[(0, 8)])),
    ];
    for width in Width::ALL {
        let net = pooled(width);
        let c = Checker::new(&net.plan, challenges());
        let mut witnesses = 0;
        for (name, change) in changes {
            let mut graph = net.graph.clone();
            change(&mut graph);
            assert_ne!(graph, net.graph, "{name}");
            // Values that the plan's table does not hold have no witness at all.
            let Ok(w) = Witness::new(&graph, &net.plan, &net.tasks, CoreFr::from(3u8)) else {
                continue;
            };
            witnesses += 1;
            assert!(!objections(&c, &c.grid(&w)).is_empty(), "{} {name}", width.name());
        }
        assert!(witnesses > 3, "{witnesses} of the changes have a witness");
    }
}
