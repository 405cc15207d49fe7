//! Gives channels and features steps of their own where the circuit does not see it.
//!
//! A convolution that reads `x_c / m_c` has its weights for channel `c` multiplied by `m_c`, one
//! that makes it has the row divided, and `max(x / m, 0) = max(x, 0) / m`. So a tensor between
//! linear operations may have a multiplier per channel, the input one per value where dense layers
//! read it, the output one per channel. An offset of the input goes into the biases of its readers
//! if these see no padding, one of the output into its own biases.
//!
//! Which steps are taken is in [`steps`], what the ends get in [`ends`]. Between units a table ends
//! at the codes that its range needs, so what reads it has no more quotients than that.

mod dead;
mod ends;
mod fold;
mod steps;
mod sums;

use super::range::Range;
use super::statistics::{Spread, Statistics};
use crate::codes::Codes;
use crate::float::geometry::reads_outside;
use crate::float::{Scalar, Term};
use crate::lower::{Lowered, Unit};

use dead::without_dead;
use fold::fold;
use steps::{Need, Tolerance};
use sums::{rows, Place};

/// Largest code in use.
const TOP: f64 = 127.0;
/// With fewer examples nothing gets a step of its own.
const FEW: usize = 4;
/// With fewer examples a value that does not vary may still do so.
const MANY: usize = 16;
/// Quotients that the scales leave: of all nodes together at most, of one at least.
const QUOTIENTS: (usize, usize) = (48_000, 512);

/// Between units: deviations of the next sums that coarse steps may add, and how far beyond the examples
/// steps of single channels reach where each shows one value of a channel. They round less, but they
/// saturate sooner at what the calibration data do not show; so only channels that need them get them.
const HIDDEN: (f64, f64) = (0.005, 0.5);

/// What the outputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outputs {
    /// Scores of classes: their order must stay.
    Scores,
    /// Quantities, each with its own scale.
    Quantities,
    /// Not known: quantities if they are far apart.
    Unknown,
}

/// A model with multipliers folded into its weights.
#[derive(Debug)]
pub(super) struct Equalised {
    pub(super) model: Lowered,
    /// Number `u` of its input stands for `offset + scale u`.
    pub(super) input: Codes,
    /// So does number `u` of its output.
    pub(super) output: Codes,
    /// Whether the outputs are compared with each other: one scale serves all.
    pub(super) is_scores: bool,
    /// The scale with which the input's codes cover what they should.
    pub(super) input_scale: f32,
    /// By unit: the range in front of the functions and behind them.
    pub(super) ranges: Vec<(Range, Range)>,
    /// By unit: the least scale in front of the functions that leaves few enough quotients.
    pub(super) floors: Vec<f32>,
}

/// What one tensor's numbers are divided by, and their steps.
#[derive(Clone, Debug)]
struct Tensor {
    /// One for all, one per channel, or one per value.
    multipliers: Vec<f64>,
    /// Float value of one code in the model as it was: as many as multipliers.
    steps: Vec<f64>,
    /// Codes from the lowest to the highest.
    span: f64,
}

/// Chooses multipliers and folds them in.
pub(super) fn equalise(model: &Lowered, statistics: &Statistics, outputs: Outputs) -> Equalised {
    let model = without_dead(model, statistics);
    let mut e = Equaliser::new(&model, statistics);
    let (input, offset) = e.input();
    let input_step = input.steps.iter().copied().fold(0.0, f64::max);
    e.tensors.push(input);
    let (mut ranges, mut floors) = (Vec::new(), Vec::new());
    let last = model.units.len() - 1;
    let mut output_offset = vec![0.0];
    for i in 0..=last {
        let (tensor, floor) = if i == last && ends::is_linear(&model.units[i]) {
            let (tensor, floor, offset) = e.output(outputs);
            output_offset = offset;
            (tensor, floor)
        } else {
            e.unit(i)
        };
        let (before, after) = &statistics.units[i];
        let margin = e.margin(model.units[i].output().positions());
        let is_shifted = i == last && ends::is_curved(&model.units[i]) && e.examples() >= FEW;
        if is_shifted {
            output_offset = vec![ends::middle(joined(after, &[1.0], &[0.0]))];
        }
        let none = &[0.0][..];
        let behind = if i == last { &output_offset[..] } else { none };
        let before = joined(before, &tensor.multipliers, if is_shifted { none } else { behind });
        let after = joined(after, &tensor.multipliers, behind);
        let after = if is_shifted { after.widened(margin) } else { after };
        ranges.push((before.widened(margin), after));
        floors.push(floor as f32);
        e.tensors.push(tensor);
    }
    let tensors = e.tensors;
    let codes = |t: &Tensor, offset: &[f64]| Codes {
        scale: t.multipliers.iter().map(|m| *m as f32).collect(),
        offset: offset.iter().map(|o| *o as f32).collect(),
    };
    Equalised {
        input: codes(&tensors[0], &offset),
        output: codes(&tensors[last + 1], &output_offset),
        is_scores: outputs != Outputs::Quantities && is_uniform(&tensors[last + 1], &output_offset),
        input_scale: input_step as f32,
        ranges,
        floors,
        model: fold(&model, &tensors, &offset, &output_offset),
    }
}

struct Equaliser<'a> {
    model: &'a Lowered,
    statistics: &'a Statistics,
    /// Quotients that one node should have at most.
    quotients: f64,
    /// Those that are done.
    tensors: Vec<Tensor>,
}

impl<'a> Equaliser<'a> {
    fn new(model: &'a Lowered, statistics: &'a Statistics) -> Self {
        let quotients = (QUOTIENTS.0 / model.units.len()).max(QUOTIENTS.1) as f64;
        Self { model, statistics, quotients, tensors: Vec::new() }
    }

    fn examples(&self) -> usize {
        self.statistics.kept.len()
    }

    /// How far beyond the examples others may reach, where each shows so many values of a channel.
    fn margin(&self, positions: usize) -> f32 {
        1.0 + 2.0 / (self.examples().max(FEW) as f32 * alike(positions) as f32).sqrt()
    }

    /// The tensor behind unit `i`, and the least scale that leaves few enough quotients.
    fn unit(&self, i: usize) -> (Tensor, f64) {
        let unit = &self.model.units[i];
        if unit.exact.is_some() {
            let read = &self.tensors[unit.linear.terms[0].value];
            return (Tensor { multipliers: vec![1.0], ..read.clone() }, 0.0);
        }
        let (before, after) = &self.statistics.units[i];
        let positions = unit.output().positions();
        let margin = self.margin(positions);
        let reach = self.reach(i);
        let furthest = reach.iter().copied().fold(0.0, f64::max);
        let floor = furthest / self.quotients;
        let is_positive = matches!(unit.chain[..], [Scalar::Relu | Scalar::Clip(..)]);
        if !self.is_free(i + 1) {
            let range = joined(before, &[1.0], &[0.0]).widened(margin);
            let inner = f64::from(range.that_matters(&unit.chain).scale()).max(floor);
            if is_homogeneous(&unit.chain) {
                let span = self.span(before, &[1.0], (inner, is_positive, margin));
                return (Tensor { multipliers: vec![1.0], steps: vec![inner], span }, floor);
            }
            let after = joined(after, &[1.0], &[0.0]);
            let span = if after.low >= 0.0 { TOP } else { 2.0 * TOP };
            return (
                Tensor { multipliers: vec![1.0], steps: vec![after.scale().into()], span },
                floor,
            );
        }
        let needs = self.needs(i, &reach);
        let read = unit.linear.terms.first().map(|t| &self.tensors[t.value]);
        let (steps, floor) = match read {
            Some(read) if unit.is_mean() && read.multipliers.len() == needs.len() => {
                self.of_mean(&needs, read)
            }
            _ => {
                let (noise, beyond) = HIDDEN;
                let tolerance = Tolerance { noise, margin: 1.0 + beyond / alike(positions).sqrt() };
                (steps::of(&needs, tolerance, floor), floor)
            }
        };
        let mut tensor = Tensor::of(steps);
        let step = tensor.steps.iter().copied().fold(0.0, f64::max);
        tensor.span = self.span(before, &tensor.multipliers, (step, is_positive, margin));
        (tensor, floor)
    }

    /// Codes from the lowest to the highest of a tensor whose table ends where its range does.
    fn span(
        &self,
        before: &[Spread],
        multipliers: &[f64],
        (step, is_positive, margin): (f64, bool, f32),
    ) -> f64 {
        let range = joined(before, multipliers, &[0.0]).widened(margin);
        let codes = (f64::from(range.magnitude()) / step).ceil().min(TOP);
        if is_positive {
            codes
        } else {
            2.0 * codes
        }
    }

    /// Steps behind a mean, and the least scale: its weights stay one number, which an integer can be.
    fn of_mean(&self, needs: &[Need], read: &Tensor) -> (Vec<f64>, f64) {
        let most = |value: fn(&Need) -> f64| {
            needs.iter().zip(&read.multipliers).fold(0f64, |m, (n, k)| m.max(value(n) / k))
        };
        let floor = most(|n| n.furthest) / self.quotients;
        let step = steps::positive(most(|n| n.reach) / TOP).max(floor);
        (read.multipliers.iter().map(|m| m * step).collect(), floor)
    }

    /// What the channels of unit `i` need, by how far they reach.
    fn needs(&self, i: usize, reach: &[f64]) -> Vec<Need> {
        let (chain, before) = (&self.model.units[i].chain, &self.statistics.units[i].0);
        let weights = self.importance(i + 1, before.len());
        let need = |((spread, furthest), weight): ((&Spread, &f64), f64)| {
            let (reach, room) = magnitude(spread.range, chain);
            let is_constant = reach == 0.0 || spread.is_constant();
            Need { reach, room, is_constant, weight, furthest: *furthest }
        };
        before.iter().zip(reach).zip(weights).map(need).collect()
    }

    /// Whether a product reads a tensor: its factors have one step each.
    fn is_factor(&self, tensor: usize) -> bool {
        let factors = self.model.units.iter().flat_map(|u| u.factors.iter().flatten());
        factors.into_iter().any(|t| t.value == tensor)
    }

    /// Whether all readers of a tensor, and the unit that makes it, allow steps of single channels.
    fn is_free(&self, tensor: usize) -> bool {
        let unit = &self.model.units[tensor - 1];
        let mut readers = self.readers(tensor).map(|(u, _)| u.exact.is_none()).peekable();
        self.examples() >= FEW
            && unit.exact.is_none()
            && !self.is_factor(tensor)
            && is_homogeneous(&unit.chain)
            && readers.peek().is_some()
            && readers.all(|free| free)
    }

    /// The terms that read a tensor, with their units.
    fn readers(&self, tensor: usize) -> impl Iterator<Item = (&'a Unit, &'a Term)> {
        let units = self.model.units.iter();
        units.flat_map(|u| u.terms().map(move |t| (u, t))).filter(move |(_, t)| t.value == tensor)
    }
}

impl Tensor {
    /// With these steps; the largest one has the multiplier 1. Codes go from -127 to 127.
    fn of(steps: Vec<f64>) -> Self {
        let largest = steps.iter().copied().fold(0.0, f64::max);
        let multipliers = steps.iter().map(|s| s / largest).collect();
        Self { multipliers, steps, span: 2.0 * TOP }
    }
}

/// What so many values of a channel say of its range: neighbours are alike, so no more than one side
/// of an image does.
fn alike(positions: usize) -> f64 {
    (positions as f64).sqrt()
}

/// Whether all channels have one step and one offset.
fn is_uniform(tensor: &Tensor, offsets: &[f64]) -> bool {
    let same = |list: &[f64]| list.iter().all(|v| *v == list[0]);
    same(&tensor.multipliers) && same(offsets)
}

/// Whether `f(m x) = m f(x)` for positive `m`.
fn is_homogeneous(chain: &[Scalar]) -> bool {
    match chain {
        [] | [Scalar::Relu | Scalar::LeakyRelu(_) | Scalar::Abs] => true,
        // What it cuts off lies beyond the codes of every channel whose step is its own.
        [Scalar::Clip(low, _)] => *low == 0.0,
        _ => false,
    }
}

/// Largest magnitude that changes the value of a homogeneous function, and how far such values are
/// from their middle.
fn magnitude(range: Range, chain: &[Scalar]) -> (f64, f64) {
    let (low, high) = (range.low.max(0.0), range.high.max(0.0));
    let (magnitude, room) = match chain {
        [Scalar::Relu] => (high, high - low),
        [Scalar::Clip(_, end)] => (high.min(*end), high.min(*end) - low.min(*end)),
        _ => (range.magnitude(), range.half()),
    };
    (magnitude.into(), room.into())
}

/// The range of all channels, each less its offset and over its multiplier.
fn joined(channels: &[Spread], multipliers: &[f64], offsets: &[f64]) -> Range {
    let of = |list: &[f64], c: usize| list[c * list.len() / channels.len()] as f32;
    let range = |(c, s): (usize, &Spread)| {
        let (offset, multiplier) = (of(offsets, c), of(multipliers, c));
        Range { low: s.range.low - offset, high: s.range.high - offset }.over(multiplier)
    };
    let ranges = channels.iter().enumerate().map(range);
    ranges.reduce(Range::join).unwrap_or(Range { low: 0.0, high: 0.0 })
}
