//! From float layers to the integers of a [`Sequence`].
//!
//! What the formulas are stands in `core::quant::sequence`. Chosen here, by calibration data: codes per unit of each
//! tensor. Every factor between two of them is rounded once, into weights, shifts and tables.

use dn_core::quant::sequence::{
    Embedding, Function, Layer, Linear, Residual as IntegerSum, Sequence,
};

use super::lower::{Lowered, Residual, Step};
use super::model::Dense;
use super::norms::Norms;
use super::output;
use super::scales::{best, integer, rounded, shift, weight};
use super::tables::attention;
use super::trace::Trace;
use crate::codes::Codes;
use crate::error::ImportError;
use crate::float::{apply_all, Scalar};

/// Bits of residual values.
pub(super) const RESIDUAL_BITS: u32 = 10;
/// Largest residual value.
pub(super) const RESIDUAL: f64 = ((1 << (RESIDUAL_BITS - 1)) - 1) as f64;
/// Largest value of 8 bits.
pub(super) const BYTE: f64 = 127.0;
/// Largest weight. Shifts are chosen by it; what cannot be shifted less may be larger.
const WEIGHT: f64 = 127.0;
/// Largest shift: remainders of more bits would be a table of their own.
const MAX_SHIFT: u32 = 14;
/// Largest constant of an accumulator, a quarter of what that may reach.
const MAX_CONSTANT: f64 = (1 << 22) as f64;
/// Quotients of a function's argument reach so far.
const ARGUMENT: f64 = 255.0;
/// Most quotients on each side of 0 that a function is told for; behind them it keeps its value.
const MAX_QUOTIENT: i64 = 1 << 14;

/// A model of integers, and what its numbers stand for.
#[derive(Clone, Debug)]
pub(super) struct Quantised {
    pub(super) model: Sequence,
    /// Codes per unit of each tensor; those of ids are 1.
    pub(super) scales: Vec<f64>,
    /// Float values of the answer's codes.
    pub(super) output: Codes,
}

/// Scales that all functions of one kind share, so that they are one table.
struct Shared {
    chain: Vec<Scalar>,
    argument: f64,
    value: f64,
}

struct Quantising<'a> {
    lowered: &'a Lowered,
    traces: &'a [Trace],
    norms: Norms,
    shared: Vec<Shared>,
    scales: Vec<f64>,
    layers: Vec<Layer>,
    output: Codes,
}

/// Quantises layers by traces of calibration data.
///
/// # Errors
/// [`ImportError::Sequence`] if a sum can leave the exact range.
pub(super) fn quantise(lowered: &Lowered, traces: &[Trace]) -> Result<Quantised, ImportError> {
    let mut residual = vec![0.0; lowered.steps.len() + 1];
    for (tensor, scale) in residual.iter_mut().enumerate().skip(1) {
        if matches!(lowered.steps[tensor - 1].2, Step::Residual(_)) {
            *scale = best(&numbers(traces, tensor), RESIDUAL, 0.5);
        }
    }
    let norms = Norms::of(lowered, traces, &residual);
    let mut quantising = Quantising {
        lowered,
        traces,
        norms,
        shared: shared(lowered, traces),
        scales: vec![1.0],
        layers: Vec::new(),
        output: Codes::uniform(1.0),
    };
    for (at, scale) in residual.iter().skip(1).enumerate() {
        quantising.layer(at, *scale);
    }
    let Quantising { scales, layers, output, .. } = quantising;
    let (tokens, vocabulary) = (lowered.tokens, lowered.vocabulary);
    let model = Sequence { tokens, vocabulary, layers };
    model.validate()?;
    if !output.fits(1, 1) {
        let reason = "the outputs are too large or too small for float32".to_owned();
        return Err(ImportError::Calibration { reason });
    }
    Ok(Quantised { model, scales, output })
}

/// All numbers of a tensor.
pub(super) fn numbers(traces: &[Trace], tensor: usize) -> Vec<f64> {
    traces.iter().flat_map(|t| &t.tensors[tensor]).copied().collect()
}

/// One pair of scales for all layers with the same function.
fn shared(lowered: &Lowered, traces: &[Trace]) -> Vec<Shared> {
    let mut kinds: Vec<(Vec<Scalar>, Vec<usize>)> = Vec::new();
    for (at, (_, _, step)) in lowered.steps.iter().enumerate() {
        match step {
            Step::Linear(_, chain) if !chain.is_empty() => {
                match kinds.iter_mut().find(|(known, _)| known == chain) {
                    Some((_, layers)) => layers.push(at),
                    None => kinds.push((chain.clone(), vec![at])),
                }
            }
            _ => {}
        }
    }
    let one = |(chain, layers): (Vec<Scalar>, Vec<usize>)| {
        let of = |get: fn(&Trace, usize) -> &[f64]| -> Vec<f64> {
            let parts = layers.iter().flat_map(|at| traces.iter().map(move |t| get(t, *at)));
            parts.flatten().copied().collect()
        };
        let arguments = of(|t, at| &t.arguments[at]);
        let values = of(|t, at| &t.tensors[at + 1]);
        let (argument, value) = (best(&arguments, ARGUMENT, 0.6), best(&values, BYTE, 0.6));
        Shared { chain, argument, value }
    };
    kinds.into_iter().map(one).collect()
}

impl Quantising<'_> {
    /// Adds a layer; `scale` is that of a residual tensor.
    fn layer(&mut self, at: usize, scale: f64) {
        let lowered = self.lowered;
        let (layer, scale) = match &lowered.steps[at].2 {
            Step::Embedding(table) => embedding(table, lowered.steps[at].1),
            Step::Linear(dense, chain) => self.linear(at, dense, chain),
            Step::Residual(sum) => (Layer::Residual(self.sum(sum, scale)), scale),
            Step::Norm { of, epsilon } => {
                let layer =
                    self.norms.layer(*of, lowered.channels(*of), *epsilon, self.scales[*of]);
                (Layer::Norm(layer), self.norms.scale)
            }
            Step::Attention(own) => {
                let scales = own.reads.map(|t| self.scales[t]);
                (Layer::Attention(attention(own, lowered.tokens, scales)), scales[2])
            }
            Step::ArgMax(of) => {
                self.output = Codes::uniform(1.0);
                (Layer::ArgMax { tensor: *of }, 1.0)
            }
        };
        self.layers.push(layer);
        self.scales.push(scale);
    }

    fn linear(&mut self, at: usize, dense: &Dense, chain: &[Scalar]) -> (Layer, f64) {
        let from = self.scales[dense.of];
        if let Some(kind) = self.shared.iter().find(|kind| kind.chain == chain) {
            let (argument, value) = (kind.argument, kind.value);
            let mut layer = linear(dense, from, argument, false);
            layer.function = self.function(&layer, chain, argument, value);
            self.told(at, value, 0.0);
            return (Layer::Linear(layer), value);
        }
        if self.is_scores(at) {
            let ends = output::ends(self.traces, at + 1, self.lowered.channels(at + 1));
            let (scale, middle) = (2.0 * BYTE / (ends[1] - ends[0]), (ends[0] + ends[1]) / 2.0);
            let mut moved = dense.clone();
            moved.bias.iter_mut().for_each(|b| *b -= middle);
            self.told(at, scale, middle);
            // Scores are compared with each other, so they are rounded alike.
            return (Layer::Linear(linear(&moved, from, scale, true)), scale);
        }
        let mut scale = best(&numbers(self.traces, at + 1), BYTE, 0.35);
        let mut is_uniform = false;
        for (_, _, step) in &self.lowered.steps {
            let Step::Attention(attention) = step else { continue };
            let [query, key, value] = attention.reads;
            if [query, key].contains(&(at + 1)) {
                let most = [query, key].map(|t| largest(&numbers(self.traces, t)));
                let scales = super::tables::score_scales(most, attention.scale);
                scale = scales[usize::from(key == at + 1)];
            }
            is_uniform |= value == at + 1;
        }
        self.told(at, scale, 0.0);
        (Layer::Linear(linear(dense, from, scale, is_uniform)), scale)
    }

    /// Whether a layer's values are scores of token ids: the answer, or what its largest is taken of.
    fn is_scores(&self, at: usize) -> bool {
        let last = self.lowered.steps.len() - 1;
        let is_read = matches!(self.lowered.steps[last].2, Step::ArgMax(of) if of == at + 1);
        at == last || is_read
    }

    /// What the answer's codes stand for, if a layer gives it.
    fn told(&mut self, at: usize, scale: f64, offset: f64) {
        if at + 1 == self.lowered.steps.len() {
            let (scale, offset) = (vec![scale.recip() as f32], vec![offset as f32]);
            self.output = Codes { scale, offset };
        }
    }

    fn sum(&self, sum: &Residual, scale: f64) -> IntegerSum {
        let (carried, bits) = (scale / self.scales[sum.shortcut], RESIDUAL_BITS);
        let factor = |d: &Dense| scale / self.scales[d.of];
        let weights = sum.branch.as_ref().map(|d| (d.of, factor(d), &d.weights));
        let mut by = match &weights {
            Some((_, factor, weights)) => {
                shift(weights.iter().map(|w| w * factor), WEIGHT, MAX_SHIFT)
            }
            None => RESIDUAL_BITS,
        };
        let constants = sum.bias.iter().chain(&sum.positions).map(|b| b * scale);
        let constants = constants.chain([carried * RESIDUAL]);
        by = by.min(shift(constants, MAX_CONSTANT, MAX_SHIFT));
        let branch = weights.map(|(of, factor, weights)| {
            (of, weights.iter().map(|w| weight(w * factor, by)).collect())
        });
        IntegerSum {
            shortcut: (sum.shortcut, integer(carried, by)),
            branch,
            bias: sum.bias.iter().map(|b| integer(b * scale, by)).collect(),
            positions: sum.positions.iter().map(|p| integer(p * scale, by)).collect(),
            shift: by,
            bits,
        }
    }

    /// A function at every quotient that its layer can have, without ends that say nothing new.
    fn function(&self, layer: &Linear, chain: &[Scalar], argument: f64, value: f64) -> Function {
        let inputs = layer.weights.len() / layer.bias.len();
        let reach = |(o, row): (usize, &[i16])| {
            let weights: i64 = row.iter().map(|w| i64::from(w.unsigned_abs())).sum();
            ((128 * weights + i64::from(layer.bias[o].unsigned_abs())) >> layer.shift[o]) + 1
        };
        let rows = layer.weights.chunks_exact(inputs).enumerate();
        let reach = rows.map(reach).max().unwrap_or(0).min(MAX_QUOTIENT);
        let at = |q: i64| -> i8 {
            let y = f64::from(apply_all(chain, (q as f64 / argument) as f32)) * value;
            let y = if y.is_finite() { rounded(y) } else { 0.0 };
            y.clamp(i8::MIN.into(), i8::MAX.into()) as i8
        };
        let values: Vec<i8> = (-reach..=reach).map(at).collect();
        let front = values.iter().take_while(|v| **v == values[0]).count() - 1;
        let last = values[values.len() - 1];
        let behind = values.iter().rev().take_while(|v| **v == last).count() - 1;
        let end = (values.len() - behind).max(front + 1);
        Function { first: (front as i64 - reach) as i32, values: values[front..end].to_vec() }
    }
}

/// A table of ids, as fine as residual values are.
fn embedding(table: &[f64], channels: usize) -> (Layer, f64) {
    let scale = match largest(table) {
        0.0 => 1.0,
        most => RESIDUAL / most,
    };
    let table = table.iter().map(|x| weight(x * scale, 0)).collect();
    (Layer::Embedding(Embedding { channels, table }), scale)
}

/// A dense layer from one scale to another, saturating. All channels have one shift if it is uniform.
fn linear(dense: &Dense, from: f64, to: f64, is_uniform: bool) -> Linear {
    let (outputs, factor) = (dense.bias.len(), to / from);
    let rows: Vec<&[f64]> = dense.weights.chunks_exact(dense.weights.len() / outputs).collect();
    let own = |o: usize| {
        let weights = rows[o].iter().map(|w| w * factor);
        let constant = std::iter::once(dense.bias[o] * to);
        shift(weights, WEIGHT, MAX_SHIFT).min(shift(constant, MAX_CONSTANT, MAX_SHIFT))
    };
    let mut shifts: Vec<u32> = (0..outputs).map(own).collect();
    if let (true, Some(least)) = (is_uniform, shifts.iter().min().copied()) {
        shifts.fill(least);
    }
    let channel = |o: usize| rows[o].iter().map(move |w| w * factor);
    let weights = (0..outputs).flat_map(|o| {
        let by = shifts[o];
        channel(o).map(move |w| weight(w, by))
    });
    Linear {
        tensor: dense.of,
        weights: weights.collect(),
        bias: (0..outputs).map(|o| integer(dense.bias[o] * to, shifts[o])).collect(),
        shift: shifts,
        function: Function::saturate(),
    }
}

pub(super) fn largest(numbers: &[f64]) -> f64 {
    numbers.iter().fold(0.0, |most, x| x.abs().max(most))
}
