//! Composes linear operations that follow each other.
//!
//! A convolution with stride `s2`, padding `p2`, dilation `d2` behind one with `s1`, `p1`, `d1` reads
//!
//! ```text
//! x[(o s2 + t2 d2 - p2) s1 + t1 d1 - p1] = x[o s1 s2 + (t2 d2 s1 + t1 d1) - (p2 s1 + p1)]
//! ```
//!
//! so it is one convolution, with taps at the sums of the offsets. That is exact unless the outer
//! one reads padding where the inner one, continued, would read numbers.

use dn_core::quant::{Geometry, Shape, MAX_LEN};

use super::term::{macs, trim};
use crate::float::geometry::{reads, reads_outside};
use crate::float::{FloatModel, Kind, Linear, Term};

/// Composes wherever all readers of an operation can take it and the work does not grow.
pub(super) fn compose(model: &mut FloatModel) {
    let mut index = 0;
    while index + 1 < model.ops.len() {
        if let Some(changed) = absorb(model, index) {
            for (reader, linear) in changed {
                model.ops[reader].kind = Kind::Linear(linear);
            }
        }
        index += 1;
    }
    let output = model.ops.len();
    model.keep_only(output);
}

/// The readers of operation `index` without it.
fn absorb(model: &FloatModel, index: usize) -> Option<Vec<(usize, Linear)>> {
    let value = index + 1;
    let Kind::Linear(inner) = &model.ops[index].kind else { return None };
    let shape = model.ops[index].shape;
    if is_mean(inner, shape) && inner.terms[0].geometry.taps() > MANY_TAPS {
        return None;
    }
    let reading: Vec<usize> = (value..model.ops.len())
        .filter(|i| model.ops[*i].kind.operands().contains(&value))
        .collect();
    let mut before: usize = inner.terms.iter().map(|t| macs(t.weights.len(), shape)).sum();
    let mut after = 0usize;
    let mut plans = 0;
    for reader in &reading {
        let Kind::Linear(outer) = &model.ops[*reader].kind else { return None };
        let to = model.ops[*reader].shape;
        for term in outer.terms.iter().filter(|t| t.value == value) {
            if inner.bias.iter().any(|b| *b != 0.0) && reads_outside(&term.geometry, shape, to) {
                return None;
            }
            before = before.saturating_add(macs(term.weights.len(), to));
            for source in &inner.terms {
                let from = model.shape(source.value);
                let plan = Plan::new((term, to), (source, shape), from)?;
                after = after.saturating_add(macs(plan.trimmed_len(from, to), to));
                plans += 1;
            }
        }
    }
    let is_free = reading.len() == 1 && plans == 1 && is_average(inner, shape);
    if reading.is_empty() || (after > before && !is_free) {
        return None;
    }
    Some(reading.into_iter().map(|r| (r, substitute(model, r, index))).collect())
}

/// Operation `reader` with `index` put into it. Both are linear.
fn substitute(model: &FloatModel, reader: usize, index: usize) -> Linear {
    let (Kind::Linear(outer), Kind::Linear(inner)) =
        (&model.ops[reader].kind, &model.ops[index].kind)
    else {
        unreachable!("only linear operations are composed");
    };
    let (to, shape) = (model.ops[reader].shape, model.ops[index].shape);
    let mut linear = Linear { terms: Vec::new(), bias: outer.bias.clone() };
    for term in &outer.terms {
        if term.value != index + 1 {
            linear.terms.push(term.clone());
            continue;
        }
        add_bias(&mut linear.bias, term, &inner.bias, to);
        for source in &inner.terms {
            let from = model.shape(source.value);
            if let Some(plan) = Plan::new((term, to), (source, shape), from) {
                let mut composed = plan.compose(term, source, [from.channels, to.channels], shape);
                trim(&mut composed, from, to);
                linear.terms.push(composed);
            }
        }
    }
    linear
}

/// Adds what a constant input, `bias[c]` in channel `c`, gives.
fn add_bias(sum: &mut [f32], term: &Term, bias: &[f32], to: Shape) {
    let groups = term.geometry.groups;
    let (inputs, outputs) = (bias.len() / groups, to.channels / groups);
    let taps = term.geometry.taps();
    for (o, sum) in sum.iter_mut().enumerate() {
        let first = o / outputs * inputs;
        for c in 0..inputs {
            let weights = &term.weights[(o * inputs + c) * taps..][..taps];
            *sum += weights.iter().sum::<f32>() * bias[first + c];
        }
    }
}

/// Taps of a mean that stays a node of its own: joined with its reader, so little would be left of
/// each weight that rounding decides about it.
const MANY_TAPS: usize = 64;

/// Whether an operation is the mean over each window of each channel.
fn is_mean(linear: &Linear, shape: Shape) -> bool {
    let [term] = &linear.terms[..] else { return false };
    term.geometry.groups == shape.channels
        && term.weights.len() == shape.channels * term.geometry.taps()
        && term.weights.iter().all(|w| *w == term.weights[0])
        && linear.bias.iter().all(|b| *b == 0.0)
}

/// Whether an operation is the mean over windows that do not overlap: it may join its reader even
/// where that repeats weights, since the reader then rounds for both.
fn is_average(linear: &Linear, shape: Shape) -> bool {
    is_mean(linear, shape)
        && linear.terms.iter().all(|term| {
            let g = &term.geometry;
            (g.stride[0] >= g.kernel[0] || shape.height == 1)
                && (g.stride[1] >= g.kernel[1] || shape.width == 1)
                && g.pad == [0; 2]
        })
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

/// The geometry of a composition.
struct Plan {
    geometry: Geometry,
    /// Distance in taps of the result between taps of the outer and of the inner kernel.
    step: [[usize; 2]; 2],
}

impl Plan {
    /// `None` where the composition is not exact or too large.
    fn new(
        (outer, to): (&Term, Shape),
        (inner, middle): (&Term, Shape),
        from: Shape,
    ) -> Option<Self> {
        let (g2, g1) = (&outer.geometry, &inner.geometry);
        let extents =
            [(from.height, middle.height, to.height), (from.width, middle.width, to.width)];
        let mut geometry =
            Geometry { groups: gcd(g1.groups, g2.groups), ..Geometry::plain([1, 1]) };
        let mut step = [[0; 2]; 2];
        for (axis, extents) in extents.into_iter().enumerate() {
            if !is_exact(g2, g1, axis, extents) {
                return None;
            }
            let outer_step = g1.stride[axis].checked_mul(g2.dilation[axis])?;
            let steps = [(g2.kernel[axis], outer_step), (g1.kernel[axis], g1.dilation[axis])];
            let used = steps.into_iter().filter(|(kernel, _)| *kernel > 1).map(|(_, step)| step);
            let dilation = used.fold(0, gcd).max(1);
            geometry.dilation[axis] = dilation;
            step[axis] = steps.map(|(_, step)| step / dilation);
            let last = steps.map(|(kernel, step)| (kernel - 1).checked_mul(step / dilation));
            geometry.kernel[axis] = last[0]?.checked_add(last[1]?)?.checked_add(1)?;
            geometry.stride[axis] = g1.stride[axis].checked_mul(g2.stride[axis])?;
            geometry.pad[axis] =
                g2.pad[axis].checked_mul(g1.stride[axis])?.checked_add(g1.pad[axis])?;
            if geometry.pad[axis].max(geometry.stride[axis]) > MAX_LEN {
                return None;
            }
        }
        let row = (from.channels / geometry.groups).checked_mul(to.channels)?;
        let taps = geometry.kernel[0].checked_mul(geometry.kernel[1])?;
        (row.checked_mul(taps)? <= MAX_LEN).then_some(Self { geometry, step })
    }

    /// Number of weights behind [`trim`].
    fn trimmed_len(&self, from: Shape, to: Shape) -> usize {
        // All planes have the same taps.
        let Self { geometry, .. } = *self;
        let mut plane = Term { value: 0, geometry, weights: vec![0.0; geometry.taps()] };
        trim(&mut plane, from, to);
        plane.geometry.taps() * (from.channels / self.geometry.groups) * to.channels
    }

    /// The composed term; `channels` are those of its input and output.
    fn compose(&self, outer: &Term, inner: &Term, channels: [usize; 2], middle: Shape) -> Term {
        let [from, to] = channels;
        let (g2, g1, g) = (&outer.geometry, &inner.geometry, self.geometry);
        let inputs = from / g.groups;
        let (outer_inputs, outer_outputs) = (middle.channels / g2.groups, to / g2.groups);
        let (inner_inputs, inner_outputs) = (from / g1.groups, middle.channels / g1.groups);
        let mut weights = vec![0.0; to * inputs * g.taps()];
        for o in 0..to {
            let first = o / (to / g.groups) * inputs;
            for n in 0..outer_inputs {
                let m = o / outer_outputs * outer_inputs + n;
                let a = &outer.weights[(o * outer_inputs + n) * g2.taps()..][..g2.taps()];
                for k in 0..inner_inputs {
                    let c = m / inner_outputs * inner_inputs + k - first;
                    let b = &inner.weights[(m * inner_inputs + k) * g1.taps()..][..g1.taps()];
                    let plane = &mut weights[(o * inputs + c) * g.taps()..][..g.taps()];
                    self.add_product((a, g2.kernel[1]), (b, g1.kernel[1]), plane);
                }
            }
        }
        Term { value: inner.value, geometry: g, weights }
    }

    /// Adds the composition of two planes of taps, each with its number of columns.
    fn add_product(&self, a: (&[f32], usize), b: (&[f32], usize), plane: &mut [f32]) {
        let [rows, columns] = self.step;
        for (i, a_weight) in a.0.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            for (j, b_weight) in b.0.iter().enumerate() {
                let row = i / a.1 * rows[0] + j / b.1 * rows[1];
                let column = i % a.1 * columns[0] + j % b.1 * columns[1];
                plane[row * self.geometry.kernel[1] + column] += a_weight * b_weight;
            }
        }
    }
}

/// Whether the inner kernel, continued, reads nothing wherever the outer one reads padding.
fn is_exact(
    outer: &Geometry,
    inner: &Geometry,
    axis: usize,
    (from, middle, to): (usize, usize, usize),
) -> bool {
    let reads_nothing = |m: i64| {
        let first = m * inner.stride[axis] as i64 - inner.pad[axis] as i64;
        (0..inner.kernel[axis])
            .all(|t| !(0..from as i64).contains(&(first + (t * inner.dilation[axis]) as i64)))
    };
    let outside = |o: usize, t: usize| {
        Some(reads(outer, axis, o, t)).filter(|m| !(0..middle as i64).contains(m))
    };
    (0..outer.kernel[axis]).all(|t| (0..to).filter_map(|o| outside(o, t)).all(reads_nothing))
}
