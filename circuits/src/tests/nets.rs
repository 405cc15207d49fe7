//! Models and batches that between them have every kind of row, and ways to forge their cells.

use std::sync::Arc;

use dn_core::quant::{Activation, Geometry, Graph, Node, Part, Shape, Source};
use ff::PrimeField;
use halo2_proofs::halo2curves::bn256::Fr;

use super::images::{classes, push, shape, square};
use super::{batch, chain, dense, Stream};
use crate::field::CoreFr;
use crate::plan::{Frame, Plan};
use crate::system::steering::Fx;
use crate::witness::{Slot, Witness};
use dn_core::Width;

/// A laid-out model with one batch.
pub(super) struct Net {
    pub(super) graph: Graph,
    pub(super) plan: Arc<Plan>,
    pub(super) witness: Witness,
    pub(super) tasks: Vec<Slot>,
}

impl Net {
    pub(super) fn new(graph: Graph, frame: impl Into<Frame>, tasks: Vec<Slot>) -> Self {
        graph.validate().unwrap();
        let plan = Arc::new(Plan::new(&graph, frame).unwrap());
        let witness = Witness::new(&graph, &plan, &tasks, CoreFr::from(3u8)).unwrap();
        Self { graph, plan, witness, tasks }
    }

    /// Strided and padded convolutions, a residual sum over two layers, a pool, a dense layer; at least
    /// four chunks of slots, the last three slots are padding.
    pub(super) fn everything() -> Self {
        Self::everything_of(Width::Default)
    }

    /// The same in another layout.
    pub(super) fn everything_of(width: Width) -> Self {
        let mut s = Stream(61);
        let mut graph = Graph { input: shape(1, 8, 8), nodes: Vec::new() };
        push(&mut s, &mut graph, 2, square(3, 2, 1), 1);
        push(&mut s, &mut graph, 2, square(3, 1, 1), 1);
        push(&mut s, &mut graph, 2, square(3, 1, 1), 2);
        let identity = Geometry { groups: 2, ..Geometry::plain([1, 1]) };
        graph.nodes[2].sources.push(Source {
            part: Part::Sum,
            tensor: 1,
            geometry: identity,
            weights: vec![90; 2],
        });
        let last = classes(&mut s, &graph, 9);
        graph.nodes.push(last);
        for node in &mut graph.nodes {
            let channels = 0..node.shape.channels as u32;
            node.shift = channels.map(|c| 8 + c % 2).collect();
        }
        let slots = (4 * width.lanes()).max(32);
        let tasks = batch(&mut s, &graph, slots - 3);
        Self::new(graph, Frame::new(slots, width), tasks)
    }

    /// Two dense layers behind an input whose commitment takes two permutations.
    pub(super) fn long() -> Self {
        Self::long_of(Width::Default)
    }

    /// The same in another layout.
    pub(super) fn long_of(width: Width) -> Self {
        let mut s = Stream(67);
        let layers = vec![dense(&mut s, 100, 9, 9, true), dense(&mut s, 9, 10, 8, false)];
        let graph = chain(100, layers);
        let tasks = batch(&mut s, &graph, 6);
        Self::new(graph, Frame::of(8, width), tasks)
    }

    /// Outputs that are constant bytes, and one probe of class `label` in slot 0.
    pub(super) fn constant(bytes: &[u8], label: Option<u16>) -> Self {
        Self::constant_of(Width::Default, bytes, label)
    }

    /// The same in another layout.
    pub(super) fn constant_of(width: Width, bytes: &[u8], label: Option<u16>) -> Self {
        let bias = bytes.iter().map(|b| i32::from(*b) - 128).collect();
        let weights = vec![0; 6 * bytes.len()];
        let input = Shape::vector(6);
        let node = Node::dense((0, input), weights, bias, 0, Activation::identity());
        let graph = Graph { input, nodes: vec![node] };
        let slot = Slot { input: vec![1, -2, 3, 4, -5, 6], salt: CoreFr::from(8u8), label };
        Self::new(graph, Frame::of(8, width), vec![slot])
    }
}

/// The value of a small cell.
pub(super) fn small(x: Fr) -> u64 {
    let bytes = x.to_repr();
    let bytes: &[u8] = bytes.as_ref();
    assert!(bytes[8..].iter().all(|b| *b == 0), "{x:?} is no small value");
    bytes[..8].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

fn tag(plan: &Plan, fx: Fx, row: usize) -> u64 {
    small(plan.fx(fx, row))
}

/// Writes `hi` and `out` of a lane and moves its look-up along. The pair must be in the table.
pub(super) fn set_pair(plan: &Plan, w: &mut Witness, row: usize, lane: usize, hi: u64, out: u64) {
    let (tag, lanes) = (tag(plan, Fx::TagA, row), plan.width.lanes());
    let [old_hi, old_out] = [lane, 2 * lanes + lane].map(|c| small(w.cells[row][c]));
    w.multiplicities[plan.table.find((tag, old_hi, old_out)).unwrap()] -= 1;
    w.multiplicities[plan.table.find((tag, hi, out)).unwrap()] += 1;
    w.cells[row][lane] = Fr::from(hi);
    w.cells[row][2 * lanes + lane] = Fr::from(out);
}

/// The same for `lo`.
pub(super) fn set_lo(plan: &Plan, w: &mut Witness, row: usize, lane: usize, lo: u64) {
    let (tag, lanes) = (tag(plan, Fx::TagB, row), plan.width.lanes());
    let old = small(w.cells[row][lanes + lane]);
    w.multiplicities[plan.table.find((tag, old, 0)).unwrap()] -= 1;
    w.multiplicities[plan.table.find((tag, lo, 0)).unwrap()] += 1;
    w.cells[row][lanes + lane] = Fr::from(lo);
}

/// What the table has beside `hi`, for sections that are functions of it.
pub(super) fn out_of(plan: &Plan, row: usize, hi: u64) -> Option<u64> {
    let tag = tag(plan, Fx::TagA, row);
    plan.table.rows.iter().find(|t| t.0 == tag && t.1 == hi).map(|t| t.2)
}

/// Changes one cell of a look-up and everything that must follow it for the look-up to hold;
/// `false` when no neighbour is in the table.
pub(super) fn move_along(plan: &Plan, w: &mut Witness, row: usize, column: usize) -> bool {
    let lanes = plan.width.lanes();
    let lane = column % lanes;
    let old = small(w.cells[row][column]);
    let hi = small(w.cells[row][lane]);
    let out = small(w.cells[row][2 * lanes + lane]);
    if column / lanes == 2 {
        let a = tag(plan, Fx::TagA, row);
        let other = plan.table.rows.iter().find(|t| (t.0, t.1) == (a, hi) && t.2 != out);
        let other = other.copied();
        other.into_iter().for_each(|t| set_pair(plan, w, row, lane, hi, t.2));
        return other.is_some();
    }
    for new in [old ^ 1, old + 1, old.wrapping_sub(1)] {
        let (a, b) = (tag(plan, Fx::TagA, row), tag(plan, Fx::TagB, row));
        let has = |triple| plan.table.find(triple).is_some();
        if column / lanes == 1 && has((b, new, 0)) {
            set_lo(plan, w, row, lane, new);
            return true;
        }
        if column / lanes == 0 {
            let beside = if has((a, new, out)) { Some(out) } else { out_of(plan, row, new) };
            if let Some(beside) = beside {
                set_pair(plan, w, row, lane, new, beside);
                return true;
            }
        }
    }
    false
}
