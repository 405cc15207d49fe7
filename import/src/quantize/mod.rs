//! Quantises units to the integer semantics.
//!
//! ```text
//! s_v       scale of a unit's pre-activation
//! w_q       = round(w s_x 2^shift / s_v)       with the largest shift whose weights fit
//! bias_q    = round(bias 2^shift / s_v)
//! table     q -> round(f(q s_v) / s_y)
//! ```
//!
//! Inside, everything is symmetric (zero is code 0), and all rounding is to the nearest, halves up.
//!
//! First [`statistics`] looks at what values do on the calibration data, without the examples that
//! are out of line ([`outliers`]). [`equal`] folds into the weights what the circuit does not see:
//! steps of single features, channels and outputs, and offsets at the ends. Then two things are free:
//! the scales, and the largest shift of any channel. They start plainly, where each scale covers the
//! largest magnitude that matters; [`search`] moves them wherever the model's outputs come closer to
//! the float outputs and proving does not get dearer, and [`bias`] takes out what rounding does to
//! the means. The result is a function of the model and that data alone.

mod bias;
mod decisions;
mod equal;
mod outliers;
mod range;
mod rounding;
mod search;
mod statistics;

use dn_core::quant::{Activation, Graph, Node, MAX_SHIFT};

use crate::codes::Codes;
use crate::error::ImportError;
use crate::float::Scalar;
use crate::lower::{Lowered, Unit};

use equal::Equalised;
pub(crate) use equal::Outputs;
pub(crate) use range::to_int8;
use range::Range;
use rounding::Rounding;
use statistics::Statistics;

/// Bounds of the plain largest shift of a model.
const SHIFTS: [u32; 2] = [9, 11];
/// Weights of one sum up to which those shifts are enough.
const MANY_WEIGHTS: usize = 2048;
/// Root mean square of usual codes.
const USUAL_CODE: f64 = 50.0;

/// A quantised graph with the scales of its tensors.
#[derive(Clone, Debug)]
struct Quantized {
    graph: Graph,
    /// Of the input and behind each unit.
    scales: Vec<f32>,
    /// In front of the functions of each unit.
    inner: Vec<f32>,
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
    input_scale: f32,
    /// By unit: in front of the functions and behind them.
    ranges: &'a [(Range, Range)],
    /// By unit: the least scale in front of the functions that leaves few enough quotients.
    floors: &'a [f32],
}

/// A quantised model with all that its report needs.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The graph, on codes.
    pub(crate) graph: Graph,
    /// What the codes of input and output stand for.
    pub(crate) ends: [Codes; 2],
    /// The float model with multipliers folded into its weights.
    pub(crate) model: Lowered,
    /// What its input stands for.
    pub(crate) input: Codes,
    /// Whether the outputs are compared with each other.
    pub(crate) is_scores: bool,
    /// Scale of each tensor in it.
    pub(crate) scales: Vec<f32>,
    /// Examples that are out of line and did not count.
    pub(crate) dropped: Vec<usize>,
}

/// Quantises `model` by its values on `inputs`.
///
/// # Errors
/// [`ImportError::Calibration`] for inputs that say nothing, [`ImportError::Node`] for a unit that
/// no shift represents, [`ImportError::Quantized`] for a graph that breaks a rule.
pub(crate) fn quantize(
    model: &Lowered,
    inputs: &[Vec<f32>],
    outputs: Outputs,
) -> Result<Outcome, ImportError> {
    let model = &decisions::scaled(model, inputs);
    let statistics = Statistics::new(model, inputs)?;
    let equalised = equal::equalise(model, &statistics, outputs);
    let calibrated = Calibrated::new(&equalised);
    let choice = calibrated.plain();
    let plain = calibrated.build(&choice)?;
    let number = |x: &[f32]| equalised.input.numbers(x);
    let kept: Vec<Vec<f32>> = statistics.kept.iter().map(|i| number(&inputs[*i])).collect();
    let Quantized { graph, scales, .. } = search::refine(&calibrated, &kept, choice, plain);
    let ends = [equalised.input.times(scales[0]), equalised.output.times(scales[scales.len() - 1])];
    let Equalised { model, input, is_scores, .. } = equalised;
    let dropped = statistics.dropped;
    Ok(Outcome { graph, ends, model, input, is_scores, scales, dropped })
}

impl<'a> Calibrated<'a> {
    fn new(equalised: &'a Equalised) -> Self {
        let Equalised { model, input_scale, ranges, floors, .. } = equalised;
        Self { model, input_scale: *input_scale, ranges, floors }
    }

    /// Scales that cover everything that matters, and a largest shift whose table is small beside
    /// the model's activations.
    fn plain(&self) -> Choice {
        let units = self.model.units.iter().zip(self.ranges).zip(self.floors);
        let inner = units.map(|((unit, (before, _)), floor)| {
            before.that_matters(&unit.chain).scale().max(*floor)
        });
        let activations: usize = self.model.units.iter().map(|u| u.shape.len()).sum();
        Choice {
            scales: std::iter::once(self.input_scale).chain(inner).collect(),
            largest_shift: activations.max(1).ilog2().clamp(SHIFTS[0], SHIFTS[1]).max(self.wide()),
        }
    }

    /// The shift at which what is rounded off so many weights stays near half a code, for sums of
    /// very many.
    fn wide(&self) -> u32 {
        let units = self.model.units.iter().filter(|u| u.exact.is_none() && !u.is_mean());
        let weights = units.map(|u| {
            u.linear.terms.iter().map(|t| t.weights.len() / u.shape.channels).sum::<usize>()
        });
        let most = weights.max().unwrap_or(0);
        if most <= MANY_WEIGHTS {
            return 0;
        }
        let rounded = (most as f64 / 12.0).sqrt() * USUAL_CODE;
        ((2.0 * rounded).log2().ceil() as u32).min(MAX_SHIFT)
    }

    /// The graph of a choice.
    fn build(&self, choice: &Choice) -> Result<Quantized, ImportError> {
        let model = self.model;
        let (mut scales, mut inners) = (vec![choice.scales[0]], Vec::new());
        let mut graph = Graph { input: model.input, nodes: Vec::new() };
        for (i, unit) in model.units.iter().enumerate() {
            let inner = match unit.exact {
                Some(_) => scales[unit.linear.terms[0].value],
                None => whole(unit, &scales, choice, i),
            };
            let (before, after) = self.ranges[i];
            let (mut activation, outer) = table(&unit.chain, inner, after);
            if unit.exact.is_none() && outer == inner && i + 1 < model.units.len() {
                end_at(&mut activation, (before.magnitude() / inner).ceil());
            }
            let largest_shift = choice.largest_shift;
            let rounding = Rounding { model, unit, scales: &scales, inner, largest_shift };
            let (sources, bias, shift) = rounding.node()?;
            let Unit { shape, pool, .. } = *unit;
            graph.nodes.push(Node { shape, sources, bias, shift, pool, activation });
            scales.push(outer);
            inners.push(inner);
        }
        graph.validate()?;
        Ok(Quantized { graph, scales, inner: inners })
    }
}

/// The scale that a choice has in front of a unit's functions. The weights of a mean are one number;
/// it becomes an integer, so that nothing of it is rounded, and the scale follows.
fn whole(unit: &Unit, scales: &[f32], choice: &Choice, i: usize) -> f32 {
    let wanted = choice.scales[i + 1];
    if !unit.is_mean() {
        return wanted;
    }
    let term = &unit.linear.terms[0];
    let one = term.weights[0] * scales[term.value] * (1u32 << choice.largest_shift) as f32;
    one / (one / wanted).floor().max(1.0)
}

/// Ends a table at the codes that the range needs: what reads it has so many quotients less.
fn end_at(Activation(table): &mut Activation, magnitude: f32) {
    let code = magnitude.clamp(1.0, 127.0) as i8;
    table.iter_mut().for_each(|q| *q = (*q).clamp(-code, code));
}

/// The codes of `chain` from codes of scale `inner`, and their scale.
fn table(chain: &[Scalar], inner: f32, after: Range) -> (Activation, f32) {
    match chain {
        [] => (Activation::identity(), inner),
        [Scalar::Relu] => (Activation::relu(), inner),
        _ => {
            let outer = after.scale();
            let chain = cut_by_codes(chain, inner);
            let value = |q: i8| crate::float::apply_all(&chain, f32::from(q) * inner) / outer;
            (Activation((i8::MIN..=i8::MAX).map(|q| to_int8(value(q))).collect()), outer)
        }
    }
}

/// The chain, where it begins by cutting off fractions, on codes of scale `inner`: whole numbers lie
/// up to half a code away from their codes.
fn cut_by_codes(chain: &[Scalar], inner: f32) -> Vec<Scalar> {
    let mut chain = chain.to_vec();
    let mut reach = inner / 2.0;
    for function in &mut chain {
        match function {
            Scalar::Affine(a, _) => reach *= a.abs(),
            Scalar::Trunc(slack) => {
                *slack = slack.max(reach.min(0.5));
                break;
            }
            _ => break,
        }
    }
    chain
}
