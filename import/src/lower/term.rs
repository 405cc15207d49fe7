//! The form of a term that the integer graph and the circuit expect.

use dn_core::quant::Shape;

use super::Unit;
use crate::float::geometry::reads;
use crate::float::{Linear, Term};

/// Zero taps to add (positive) or taps to drop (negative) in front and behind, per axis.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Change {
    front: isize,
    back: isize,
}

/// Multiply-accumulates of a term.
pub(super) fn macs(weights: usize, output: Shape) -> usize {
    weights.saturating_mul(output.positions())
}

/// Whether an operation only moves numbers of one tensor: each output is one of them, or zero.
pub(super) fn only_moves(linear: &Linear, shape: Shape) -> bool {
    let [term] = &linear.terms[..] else { return false };
    let is_one = |row: &[f32]| {
        let mut weights = row.iter().filter(|w| **w != 0.0);
        weights.next().is_none_or(|w| *w == 1.0) && weights.next().is_none()
    };
    linear.bias.iter().all(|b| *b == 0.0)
        && term.weights.chunks_exact(term.weights.len() / shape.channels).all(is_one)
}

/// Taps in front and behind that read padding only, for every output.
fn idle(term: &Term, axis: usize, from: usize, to: usize) -> Change {
    let g = &term.geometry;
    let kernel = g.kernel[axis];
    let is_idle = |tap: usize| (0..to).all(|o| !(0..from as i64).contains(&reads(g, axis, o, tap)));
    let most = (kernel - 1).min(g.pad[axis] / g.dilation[axis]);
    let front = (0..most).take_while(|t| is_idle(*t)).count();
    let back = (front + 1..kernel).rev().take_while(|t| is_idle(*t)).count();
    Change { front: -(front as isize), back: -(back as isize) }
}

/// Taps that make the padding at most as wide as the kernel and every window start inside.
fn missing(term: &Term, axis: usize, from: usize, to: usize) -> Change {
    let g = &term.geometry;
    let (pad, dilation) = (g.pad[axis], g.dilation[axis]);
    let beyond = ((to - 1) * g.stride[axis] + 1).saturating_sub(from + pad);
    let front = beyond.div_ceil(dilation);
    let reach = (g.kernel[axis] - 1) * dilation;
    let back = pad.saturating_sub(reach).div_ceil(dilation);
    Change { front: front as isize, back: back as isize }
}

/// Adds or drops taps.
fn change(term: &mut Term, changes: [Change; 2]) {
    if changes == [Change::default(); 2] {
        return;
    }
    let [rows, columns] = term.geometry.kernel;
    let taps = |old: usize, c: Change| old.saturating_add_signed(c.front + c.back);
    let kernel = [taps(rows, changes[0]), taps(columns, changes[1])];
    let old =
        |new: usize, c: Change, len: usize| new.checked_add_signed(-c.front).filter(|at| *at < len);
    let planes = term.weights.chunks_exact(rows * columns);
    let weights = planes.flat_map(|plane| {
        (0..kernel[0] * kernel[1]).map(move |n| {
            let (i, j) = (n / kernel[1], n % kernel[1]);
            match (old(i, changes[0], rows), old(j, changes[1], columns)) {
                (Some(i), Some(j)) => plane[i * columns + j],
                _ => 0.0,
            }
        })
    });
    term.weights = weights.collect();
    term.geometry.kernel = kernel;
    for (axis, c) in changes.into_iter().enumerate() {
        let shift = c.front * term.geometry.dilation[axis] as isize;
        term.geometry.pad[axis] = term.geometry.pad[axis].saturating_add_signed(shift);
    }
}

/// Drops the taps that never meet the input.
pub(super) fn trim(term: &mut Term, input: Shape, output: Shape) {
    let changes =
        [idle(term, 0, input.height, output.height), idle(term, 1, input.width, output.width)];
    change(term, changes);
}

/// Whether the kernel covers its input: a dense layer.
pub(crate) fn is_dense(term: &Term, input: Shape, output: Shape) -> bool {
    let g = &term.geometry;
    output.positions() == 1
        && g.kernel == [input.height, input.width]
        && g.pad == [0; 2]
        && (0..2).all(|a| g.dilation[a] == 1 || g.kernel[a] == 1)
}

/// Brings all terms of all units into the expected form.
pub(super) fn normalise(input: Shape, units: &mut [Unit]) {
    let mut shapes = vec![input];
    for unit in units {
        for term in &mut unit.linear.terms {
            let from = shapes[term.value];
            trim(term, from, unit.shape);
            let changes = [
                missing(term, 0, from.height, unit.shape.height),
                missing(term, 1, from.width, unit.shape.width),
            ];
            change(term, changes);
            for axis in 0..2 {
                if term.geometry.kernel[axis] == 1 {
                    term.geometry.dilation[axis] = 1;
                }
            }
            if is_dense(term, from, unit.shape) {
                term.geometry.stride = [1; 2];
            }
        }
        shapes.push(unit.output());
    }
}
