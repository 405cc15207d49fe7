//! Steps and offsets of the input and of the output.

use super::steps::{self, Need, Tolerance};
use super::{is_homogeneous, reads_outside, Equaliser, Outputs, Spread, Tensor, Unit, FEW, TOP};
use crate::lower::is_dense;
use crate::quantize::range::Range;

/// How many times further all outputs together reach than one by itself before they are taken for
/// different quantities.
const APART: f32 = 16.0;
/// Most quotients of the last node that its steps leave.
const QUOTIENTS: f64 = 4096.0;
/// Deviations of the first sums that the input's rounding may add.
const NOISE: f64 = 0.005;
/// An offset below this share of the reach is left out.
const SLIGHT: f64 = 0.125;

/// Whether a unit's numbers are sums: the last one may then have any scales and offsets.
pub(super) fn is_linear(unit: &Unit) -> bool {
    unit.exact.is_none() && unit.chain.is_empty()
}

/// Whether its last function ends in a table of its own, which may subtract an offset.
pub(super) fn is_curved(unit: &Unit) -> bool {
    unit.exact.is_none() && !is_homogeneous(&unit.chain)
}

/// What shares a step at the input.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Grain {
    All,
    Channel,
    Value,
}

impl Equaliser<'_> {
    /// The input, and the offsets of its steps.
    pub(super) fn input(&self) -> (Tensor, Vec<f64>) {
        let grain = self.input_grain();
        let shape = self.model.input;
        let values = &self.statistics.input;
        let join = |s: &[Spread]| s.iter().map(|s| s.range).reduce(Range::join);
        let ranges: Vec<Range> = match grain {
            Grain::All => join(values).into_iter().collect(),
            Grain::Channel => values.chunks_exact(shape.positions()).filter_map(join).collect(),
            Grain::Value => values.iter().map(|s| s.range).collect(),
        };
        let padded = self.readers(0).any(|(u, t)| reads_outside(&t.geometry, shape, u.shape));
        let may_shift = grain != Grain::All && !padded;
        let offset: Vec<f64> =
            ranges.iter().map(|r| if may_shift { middle(*r) } else { 0.0 }).collect();
        let weights = self.importance(0, ranges.len());
        let need = |((range, offset), weight): ((&Range, &f64), f64)| Need {
            reach: reach(*range, *offset),
            room: range.half().into(),
            is_constant: range.low == range.high,
            weight,
            furthest: 0.0,
        };
        let needs: Vec<Need> = ranges.iter().zip(&offset).zip(weights).map(need).collect();
        let steps = match grain {
            Grain::All => vec![steps::positive(needs[0].reach / TOP)],
            Grain::Channel | Grain::Value => {
                let margin = self.margin(if grain == Grain::Value { 1 } else { shape.positions() });
                steps::of(&needs, Tolerance { noise: NOISE, margin: margin.into() }, 0.0)
            }
        };
        (Tensor::of(steps), offset)
    }

    fn input_grain(&self) -> Grain {
        let shape = self.model.input;
        let exact = self.readers(0).any(|(u, _)| u.exact.is_some());
        if self.examples() < FEW || exact || self.is_factor(0) {
            Grain::All
        } else if self.readers(0).all(|(u, t)| is_dense(t, shape, u.shape)) {
            Grain::Value
        } else {
            Grain::Channel
        }
    }

    /// The output of a linear last unit, its least scale, and the offsets.
    pub(super) fn output(&self, outputs: Outputs) -> (Tensor, f64, Vec<f64>) {
        let i = self.model.units.len() - 1;
        let spreads = &self.statistics.units[i].0;
        let furthest = self.reach(i);
        let whole = spreads.iter().map(|s| s.range).reduce(Range::join);
        let whole = whole.unwrap_or(Range { low: 0.0, high: 0.0 });
        let single = match outputs {
            _ if self.examples() < FEW => false,
            Outputs::Scores => false,
            Outputs::Quantities => true,
            Outputs::Unknown => are_apart(spreads, whole),
        };
        let offset: Vec<f64> = match self.examples() {
            n if n < FEW => vec![0.0; spreads.len()],
            _ if single => spreads.iter().map(|s| middle(s.range)).collect(),
            _ => vec![middle(whole); spreads.len()],
        };
        let quotients = self.quotients.min(QUOTIENTS);
        let step = |range: Range, offset: f64, furthest: f64| {
            let covering = reach(range, offset) / TOP;
            covering.max(furthest / quotients)
        };
        let most = furthest.iter().copied().fold(0.0, f64::max);
        let steps: Vec<f64> = if single {
            let own = spreads.iter().zip(&offset).zip(&furthest);
            own.map(|((s, o), f)| step(s.range, *o, *f)).collect()
        } else {
            vec![steps::positive(step(whole, offset[0], most)); spreads.len()]
        };
        let largest = steps::positive(steps.iter().copied().fold(0.0, f64::max));
        let steps = steps.iter().map(|s| if *s > 0.0 { *s } else { largest }).collect();
        let tensor = Tensor::of(steps);
        let over = furthest.iter().zip(&tensor.multipliers).map(|(f, m)| f / m);
        (tensor.clone(), over.fold(0.0, f64::max) / quotients, offset)
    }
}

/// Whether one step cannot serve all outputs.
fn are_apart(spreads: &[Spread], whole: Range) -> bool {
    let halves = spreads.iter().map(|s| s.range.half()).filter(|half| *half > 0.0);
    whole.half() > APART * halves.fold(f32::INFINITY, f32::min)
}

/// The offset in whose middle a range lies; 0 where that gains little.
pub(super) fn middle(range: Range) -> f64 {
    let (low, high) = (f64::from(range.low), f64::from(range.high));
    let middle = (low + high) / 2.0;
    if middle.abs() < SLIGHT * (high - low) / 2.0 {
        0.0
    } else {
        // As the package has it.
        f64::from(middle as f32)
    }
}

/// Largest distance of a range's ends from an offset.
fn reach(range: Range, offset: f64) -> f64 {
    (f64::from(range.low) - offset).abs().max((f64::from(range.high) - offset).abs())
}
