//! Quantises units to the integer semantics.
//!
//! ```text
//! s_v       scale of a unit's pre-activation
//! w_q       = round(w s_x 2^shift / s_v)       with the largest shift whose weights fit
//! bias_q    = round(bias 2^shift / s_v)
//! table     q -> round(f(q s_v) / s_y)
//! ```
//!
//! Everything is symmetric (zero is code 0) and all rounding is to the nearest, halves up.
//!
//! Two things are free: the scales, and the largest shift of any channel. They start plainly, where
//! each scale covers the largest magnitude that matters; then [`search`] moves them wherever the
//! model's outputs come closer to the float outputs on the calibration data and proving does not
//! get dearer. The result is a function of the model and that data alone.

mod range;
mod rounding;
mod search;

use dn_core::quant::{Activation, Graph, Node};
use rayon::prelude::*;

use crate::error::ImportError;
use crate::float::Scalar;
use crate::lower::{Lowered, Unit};

pub(crate) use range::to_int8;
use range::Range;
use rounding::Rounding;

/// Bounds of the plain largest shift of a model.
const SHIFTS: [u32; 2] = [9, 11];

/// A quantised graph with the scales of its ends.
#[derive(Clone, Debug)]
pub(crate) struct Quantized {
    pub(crate) graph: Graph,
    pub(crate) input_scale: f32,
    pub(crate) output_scale: f32,
}

/// What is free to choose.
#[derive(Clone, Debug)]
struct Choice {
    /// Scales of the input and of each unit's pre-activation. An exact unit has that of the tensor
    /// it reads instead.
    scales: Vec<f32>,
    /// Largest shift of any channel. Proving takes a table of `2^shift` rows.
    largest_shift: u32,
}

/// A model with what its values reach on the calibration data.
struct Calibrated<'a> {
    model: &'a Lowered,
    input: Range,
    /// By unit: in front of the functions and behind them.
    ranges: Ranges,
}

/// Ranges in front of the functions and behind them.
type Ranges = Vec<(Range, Range)>;

fn join(a: Ranges, b: Ranges) -> Ranges {
    a.into_iter().zip(b).map(|(a, b)| (a.0.join(b.0), a.1.join(b.1))).collect()
}

/// Quantises `model` by its values on `inputs`.
///
/// # Errors
/// [`ImportError::Calibration`] without inputs, [`ImportError::Node`] for a unit that no shift
/// represents, [`ImportError::Quantized`] for a graph that breaks a rule.
pub(crate) fn quantize(model: &Lowered, inputs: &[Vec<f32>]) -> Result<Quantized, ImportError> {
    let calibrated = Calibrated::new(model, inputs)?;
    let choice = calibrated.plain();
    let quantized = calibrated.build(&choice)?;
    Ok(search::refine(&calibrated, inputs, choice, quantized))
}

impl<'a> Calibrated<'a> {
    fn new(model: &'a Lowered, inputs: &[Vec<f32>]) -> Result<Self, ImportError> {
        let ranges = |x: &Vec<f32>| -> Ranges {
            let values = model.run(x);
            values.iter().map(|v| (Range::of(&v.pooled), Range::of(&v.output))).collect()
        };
        let ranges = inputs.par_iter().map(ranges).reduce_with(join);
        let input = inputs.iter().map(|x| Range::of(x)).reduce(Range::join);
        let (Some(ranges), Some(input)) = (ranges, input) else {
            return Err(ImportError::Calibration { reason: "there are no examples".to_owned() });
        };
        for (unit, (before, after)) in model.units.iter().zip(&ranges) {
            if ![before.low, before.high, after.low, after.high].iter().all(|v| v.is_finite()) {
                let reason = "its values are not finite on the calibration data";
                return Err(unit.origin.error(reason));
            }
        }
        Ok(Self { model, input, ranges })
    }

    /// Scales that cover everything that matters, and a largest shift whose table is small beside
    /// the model's activations.
    fn plain(&self) -> Choice {
        let units = self.model.units.iter().zip(&self.ranges);
        let inner = units.map(|(unit, (before, _))| before.that_matters(&unit.chain).scale());
        let activations: usize = self.model.units.iter().map(|u| u.shape.len()).sum();
        Choice {
            scales: std::iter::once(self.input.scale()).chain(inner).collect(),
            largest_shift: activations.max(1).ilog2().clamp(SHIFTS[0], SHIFTS[1]),
        }
    }

    /// The graph of a choice.
    fn build(&self, choice: &Choice) -> Result<Quantized, ImportError> {
        let model = self.model;
        let mut scales = vec![choice.scales[0]];
        let mut graph = Graph { input: model.input, nodes: Vec::new() };
        for (i, unit) in model.units.iter().enumerate() {
            let inner = match unit.exact {
                Some(_) => scales[unit.linear.terms[0].value],
                None => choice.scales[i + 1],
            };
            let (activation, outer) = table(&unit.chain, inner, self.ranges[i].1);
            let largest_shift = choice.largest_shift;
            let rounding = Rounding { model, unit, scales: &scales, inner, largest_shift };
            let (sources, bias, shift) = rounding.node()?;
            let Unit { shape, pool, .. } = *unit;
            graph.nodes.push(Node { shape, sources, bias, shift, pool, activation });
            scales.push(outer);
        }
        graph.validate()?;
        Ok(Quantized { graph, input_scale: scales[0], output_scale: scales[scales.len() - 1] })
    }
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
