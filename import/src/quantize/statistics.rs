//! What values do on the calibration data: per channel in front of and behind the functions of each
//! unit, per value of the input, without the examples that are out of line.

use rayon::prelude::*;

use super::outliers;
use super::range::Range;
use crate::error::ImportError;
use crate::lower::{Lowered, Values};

/// Multiply-accumulates that are spent on looking at examples: a few seconds.
const MACS: usize = 1 << 32;
/// Examples that are looked at however large the model is.
const MIN_EXAMPLES: usize = 4;

/// Values of one channel, or one value over examples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub(super) range: Range,
    sum: f64,
    squares: f64,
    count: f64,
}

impl Spread {
    pub(super) fn of(values: &[f32]) -> Self {
        let sum = values.iter().map(|v| f64::from(*v)).sum();
        let squares = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        Self { range: Range::of(values), sum, squares, count: values.len() as f64 }
    }

    fn join(self, other: Self) -> Self {
        Self {
            range: self.range.join(other.range),
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
            count: self.count + other.count,
        }
    }

    pub(super) fn variance(&self) -> f64 {
        let mean = self.sum / self.count;
        (self.squares / self.count - mean * mean).max(0.0)
    }

    /// Whether the value was the same throughout.
    pub(super) fn is_constant(&self) -> bool {
        self.range.low == self.range.high
    }
}

/// One example's values, by unit and channel, in front of the functions and behind them.
type Example = Vec<(Vec<Spread>, Vec<Spread>)>;

/// What the values of a model do.
#[derive(Debug)]
pub(super) struct Statistics {
    /// By value of the input.
    pub(super) input: Vec<Spread>,
    /// By unit and channel: in front of the functions and behind them.
    pub(super) units: Example,
    /// Examples that count.
    pub(super) kept: Vec<usize>,
    /// Examples that are out of line.
    pub(super) dropped: Vec<usize>,
}

impl Statistics {
    /// Runs the examples, all of them where that does not take too long.
    ///
    /// # Errors
    /// [`ImportError::Calibration`] without examples or where no value varies,
    /// [`ImportError::Node`] where values are not finite.
    pub(super) fn new(model: &Lowered, inputs: &[Vec<f32>]) -> Result<Self, ImportError> {
        let bad = |reason: &str| ImportError::Calibration { reason: reason.to_owned() };
        let count = (MACS / model.macs().max(1)).max(MIN_EXAMPLES).min(inputs.len());
        let inputs = &inputs[..count];
        if inputs.is_empty() {
            return Err(bad("there are no examples"));
        }
        if inputs.iter().flatten().all(|v| *v == inputs[0][0]) {
            return Err(bad("all of its values are the same; scales need real inputs"));
        }
        let examples: Vec<Example> = inputs.par_iter().map(|x| example(model, x)).collect();
        for (i, unit) in model.units.iter().enumerate() {
            let of = |e: &Example| e[i].0.iter().chain(&e[i].1).all(|s| s.range.is_finite());
            if !examples.iter().all(of) {
                return Err(unit.origin.error("its values are not finite on the calibration data"));
            }
        }
        let magnitudes = examples.iter().map(|e| e.iter().map(|u| largest(&u.0)).collect());
        let dropped = outliers::find(inputs, &magnitudes.collect::<Vec<_>>());
        let kept: Vec<usize> = (0..count).filter(|i| !dropped.contains(i)).collect();
        let value = |i: usize| kept.iter().map(|e| inputs[*e][i]).collect::<Vec<f32>>();
        let input = (0..model.input.len()).map(|i| Spread::of(&value(i))).collect();
        let units = kept.iter().map(|e| examples[*e].clone()).reduce(join);
        Ok(Self { input, units: units.unwrap_or_default(), kept, dropped })
    }
}

fn largest(channels: &[Spread]) -> f32 {
    channels.iter().map(|s| s.range.magnitude()).fold(0.0, f32::max)
}

fn example(model: &Lowered, x: &[f32]) -> Example {
    let by_channel = |v: &[f32], channels: usize| {
        v.chunks_exact(v.len() / channels).map(Spread::of).collect::<Vec<_>>()
    };
    let unit = |(values, unit): (Values, &crate::lower::Unit)| {
        let channels = unit.shape.channels;
        (by_channel(&values.pooled, channels), by_channel(&values.output, channels))
    };
    model.run(x).into_iter().zip(&model.units).map(unit).collect()
}

fn join(a: Example, b: Example) -> Example {
    let channels = |a: Vec<Spread>, b: Vec<Spread>| {
        a.into_iter().zip(b).map(|(a, b)| a.join(b)).collect::<Vec<_>>()
    };
    let units = a.into_iter().zip(b);
    units.map(|(a, b)| (channels(a.0, b.0), channels(a.1, b.1))).collect()
}
