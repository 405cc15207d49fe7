//! Quantises units to the integer semantics.
//!
//! ```text
//! s_v       scale of a unit's pre-activation: the largest magnitude that matters / 127
//! w_q       = round(w s_x 2^shift / s_v)       with the largest shift whose weights fit
//! bias_q    = round(bias 2^shift / s_v)
//! table     q -> round(f(q s_v) / s_y)
//! ```
//!
//! Everything is symmetric (zero is code 0) and all rounding is to the nearest, halves up. The
//! shift is one per channel, so every channel has weights as fine as its own largest one allows, up to
//! a shift that keeps proving cheap.

use dn_core::quant::{Activation, Graph, Node, Source, MAX_ABS_ACCUMULATOR};
use rayon::prelude::*;

use crate::error::ImportError;
use crate::float::{Scalar, Term};
use crate::lower::{Lowered, Unit};

/// Largest int8 magnitude in use by scales.
const LIMIT: f32 = 127.0;
/// Largest weight of convolutions and dense layers.
const WEIGHT_LIMIT: f64 = 127.0;
/// Largest weight of terms that only scale channels or average, where nothing else sets the shift.
const ALONE_LIMIT: f64 = 2047.0;
/// Largest weight of any term.
const ANY_LIMIT: f64 = 16_384.0;
/// Points at which a function is compared with its value at the end of a range.
const SAMPLES: usize = 4096;

/// A quantised graph with the scales of its ends.
pub(crate) struct Quantized {
    pub(crate) graph: Graph,
    pub(crate) input_scale: f32,
    pub(crate) output_scale: f32,
}

/// Smallest and largest value seen.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    low: f32,
    high: f32,
}

impl Range {
    /// The range of `values`; infinite if one of them is not finite.
    fn of(values: &[f32]) -> Self {
        if values.iter().any(|v| !v.is_finite()) {
            return Self { low: f32::NEG_INFINITY, high: f32::INFINITY };
        }
        let none = Self { low: f32::INFINITY, high: f32::NEG_INFINITY };
        values.iter().fold(none, |r, v| Self { low: r.low.min(*v), high: r.high.max(*v) })
    }

    fn join(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    fn scale(self) -> f32 {
        scale(self.low.abs().max(self.high.abs()))
    }

    /// The part of the range, up to one sample, outside of which `chain` is constant.
    fn that_matters(self, chain: &[Scalar]) -> Self {
        let point = |i: usize| self.low + (self.high - self.low) * i as f32 / SAMPLES as f32;
        let value = |i: usize| crate::float::apply_all(chain, point(i));
        let from_low = (0..=SAMPLES).take_while(|i| value(*i) == value(0)).count();
        let from_high = (0..=SAMPLES).rev().take_while(|i| value(*i) == value(SAMPLES)).count();
        if from_low > SAMPLES {
            return self;
        }
        let high = (SAMPLES + 1).saturating_sub(from_high).min(SAMPLES);
        Self { low: point(from_low.saturating_sub(1)), high: point(high) }
    }
}

/// `m / 127`, or 1 for a tensor that is zero throughout.
fn scale(m: f32) -> f32 {
    let scale = m / LIMIT;
    if scale.is_normal() {
        scale
    } else {
        1.0
    }
}

/// Nearest integer, halves up, saturated to int8.
pub(crate) fn to_int8(x: f32) -> i8 {
    (x + 0.5).floor().clamp(-128.0, 127.0) as i8
}

/// Ranges in front of the functions and behind them.
type Ranges = Vec<(Range, Range)>;

fn join(a: Ranges, b: Ranges) -> Ranges {
    a.into_iter().zip(b).map(|(a, b)| (a.0.join(b.0), a.1.join(b.1))).collect()
}

/// Quantises `model` by the ranges that `inputs` reach.
///
/// # Errors
/// [`ImportError::Calibration`] without inputs, [`ImportError::Node`] for a unit that no shift
/// represents, [`ImportError::Quantized`] for a graph that breaks a rule.
pub(crate) fn quantize(model: &Lowered, inputs: &[Vec<f32>]) -> Result<Quantized, ImportError> {
    let ranges = |x: &Vec<f32>| -> Ranges {
        let values = model.run(x);
        values.iter().map(|v| (Range::of(&v.pooled), Range::of(&v.output))).collect()
    };
    let ranges = inputs.par_iter().map(ranges).reduce_with(join);
    let ranges = ranges
        .ok_or_else(|| ImportError::Calibration { reason: "there are no examples".to_owned() })?;
    let seen = inputs.iter().map(|x| Range::of(x)).reduce(Range::join);
    let mut scales = vec![seen.map_or(1.0, Range::scale)];
    let largest_shift = largest_shift(model);
    let mut graph = Graph { input: model.input, nodes: Vec::new() };
    for (unit, (before, after)) in model.units.iter().zip(ranges) {
        if ![before.low, before.high, after.low, after.high].iter().all(|v| v.is_finite()) {
            return Err(unit.origin.error("its values are not finite on the calibration data"));
        }
        let inner = match unit.exact {
            Some(_) => scales[unit.linear.terms[0].value],
            None => before.that_matters(&unit.chain).scale(),
        };
        let (activation, outer) = table(&unit.chain, inner, after);
        let (sources, bias, shift) = {
            let scales = &scales;
            Rounding { model, unit, scales, inner, largest_shift }.node()?
        };
        let Unit { shape, pool, .. } = *unit;
        graph.nodes.push(Node { shape, sources, bias, shift, pool, activation });
        scales.push(outer);
    }
    graph.validate()?;
    Ok(Quantized { graph, input_scale: scales[0], output_scale: scales[scales.len() - 1] })
}

/// The codes of `chain` from codes of scale `inner`, and their scale.
fn table(chain: &[Scalar], inner: f32, after: Range) -> (Activation, f32) {
    match chain {
        [] => (Activation::identity(), inner),
        [Scalar::Relu] => (Activation::relu(), inner),
        _ => {
            let outer = after.scale();
            let value = |q: i8| crate::float::apply_all(chain, f32::from(q) * inner) / outer;
            (Activation((i8::MIN..=i8::MAX).map(|q| to_int8(value(q))).collect()), outer)
        }
    }
}

/// Sources, biases and shifts of a node.
type Integers = (Vec<Source>, Vec<i32>, Vec<u32>);

/// Rounds the weights of one unit.
struct Rounding<'a> {
    model: &'a Lowered,
    unit: &'a Unit,
    /// Scales of all earlier tensors.
    scales: &'a [f32],
    /// Scale of the pre-activation.
    inner: f32,
    largest_shift: u32,
}

/// Bounds of the largest shift of a model.
const SHIFTS: [u32; 2] = [9, 11];

/// The largest shift that a model may use: proving takes a table of `2^shift` rows, so that many
/// should be few beside the model's activations.
fn largest_shift(model: &Lowered) -> u32 {
    let activations: usize = model.units.iter().map(|u| u.shape.len()).sum();
    activations.max(1).ilog2().clamp(SHIFTS[0], SHIFTS[1])
}

impl Rounding<'_> {
    fn node(&self) -> Result<Integers, ImportError> {
        let channels = self.unit.shape.channels;
        let terms = &self.unit.linear.terms;
        let mut weights: Vec<Vec<i16>> = vec![Vec::new(); terms.len()];
        let (mut bias, mut shift) = (Vec::new(), Vec::new());
        for channel in 0..channels {
            let chosen = (0..=self.first_shift(channel))
                .rev()
                .find_map(|s| self.channel(channel, s).map(|rounded| (s, rounded)));
            let (s, (rows, b)) = chosen.ok_or_else(|| {
                self.unit.origin.error("its outputs are too small for its weights")
            })?;
            weights.iter_mut().zip(rows).for_each(|(all, row)| all.extend(row));
            bias.push(b);
            shift.push(s);
        }
        let source = |(term, weights): (&Term, Vec<i16>)| Source {
            tensor: term.value,
            geometry: term.geometry,
            weights,
        };
        Ok((terms.iter().zip(weights).map(source).collect(), bias, shift))
    }

    /// Weights of one channel as multiples of the pre-activation's step, per input code.
    fn row<'b>(&self, term: &'b Term, channel: usize) -> impl Iterator<Item = f64> + 'b {
        let len = term.weights.len() / self.unit.shape.channels;
        let factor = f64::from(self.scales[term.value]) / f64::from(self.inner);
        let exact = self.unit.exact.is_some();
        let factor = if exact { 1.0 } else { factor };
        term.weights[channel * len..][..len].iter().map(move |w| f64::from(*w) * factor)
    }

    /// The largest shift that the sizes of the weights allow.
    fn first_shift(&self, channel: usize) -> u32 {
        if self.unit.exact.is_some() {
            return 0;
        }
        let terms = &self.unit.linear.terms;
        let is_light = |t: &&Term| self.is_light(t);
        let alone = terms.iter().all(|t| self.is_light(t));
        let limit = |t: &Term| match (is_light(&t), alone) {
            (false, _) => WEIGHT_LIMIT,
            (true, true) => ALONE_LIMIT,
            (true, false) => ANY_LIMIT,
        };
        let largest = |t: &Term| self.row(t, channel).fold(0.0, |m: f64, w| m.max(w.abs()));
        let room = terms.iter().map(|t| (limit(t) + 0.49) / largest(t)).fold(f64::MAX, f64::min);
        room.log2().floor().clamp(0.0, f64::from(self.largest_shift)) as u32
    }

    /// Whether a term only scales channels or takes means: its weights do not limit others.
    fn is_light(&self, term: &Term) -> bool {
        let channels = self.model.shape(term.value).channels;
        let taps = term.geometry.taps();
        term.geometry.groups == channels
            && self.unit.shape.channels == channels
            && term.weights.chunks_exact(taps).all(|plane| plane.iter().all(|w| *w == plane[0]))
    }

    /// Rows of weights, one per term, and the bias at a shift, if they keep all bounds.
    fn channel(&self, channel: usize, shift: u32) -> Option<(Vec<Vec<i16>>, i32)> {
        let step = f64::from(1u32 << shift);
        let round = |v: f64| (v * step + 0.5).floor();
        let small = |w: f64| (w.abs() <= ANY_LIMIT).then_some(w as i16);
        let row = |t: &Term| self.row(t, channel).map(|w| small(round(w))).collect();
        let rows: Option<Vec<Vec<i16>>> = self.unit.linear.terms.iter().map(row).collect();
        let rows = rows?;
        let bias = match self.unit.exact {
            Some(bias) => f64::from(bias),
            None => round(f64::from(self.unit.linear.bias[channel]) / f64::from(self.inner)),
        };
        let sum: i64 = rows.iter().flatten().map(|w| i64::from(*w).abs()).sum();
        let reach = (128 * sum) as f64 + bias.abs() + step;
        (reach <= MAX_ABS_ACCUMULATOR as f64).then_some((rows, bias as i32))
    }
}
