//! How far the integers of a transformer are from its floats.

use rayon::prelude::*;

use super::output::log_softmax;
use super::{ImportedSequence, Kind, TokenExamples};
use crate::fidelity::Layer;

/// Multiply-accumulates that are spent on a comparison: a few seconds.
const MACS: u64 = 1 << 32;
/// Examples that are compared however large the model is.
const MIN_EXAMPLES: u64 = 8;

/// The integer model beside the float model, on sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenFidelity {
    /// Sequences that were compared.
    pub examples: usize,
    /// Root mean square of the outputs' differences, over the deviation of the float outputs from their mean.
    pub error: f64,
    /// Share of tokens at which both name the same channel, in `[0, 1]`.
    pub agreement: f64,
    /// Mean cross entropy in nats of what was to be predicted, as floats and as integers; `None` where there is nothing
    /// to predict, or outputs are no scores of ids.
    pub loss: Option<TokenLoss>,
    /// By layer of the sequence.
    pub layers: Vec<Layer>,
}

/// Cross entropy of the float and of the quantised model on the same predictions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenLoss {
    /// Predictions.
    pub count: usize,
    /// Mean of the float model, in nats.
    pub float: f64,
    /// The same of the integers.
    pub integers: f64,
}

impl TokenFidelity {
    /// The layers that add the most, worst first.
    #[must_use]
    pub fn worst(&self, count: usize) -> Vec<&Layer> {
        let mut layers: Vec<&Layer> = self.layers.iter().collect();
        layers.sort_by(|a, b| b.added.total_cmp(&a.added));
        layers.truncate(count);
        layers
    }
}

/// Sums over the numbers of one tensor.
#[derive(Clone, Copy, Debug)]
struct Sums {
    count: f64,
    sum: f64,
    squares: f64,
    difference: f64,
    saturated: f64,
    reach: [f64; 2],
}

impl Sums {
    const NONE: Self = Self {
        count: 0.0,
        sum: 0.0,
        squares: 0.0,
        difference: 0.0,
        saturated: 0.0,
        reach: [f64::INFINITY, f64::NEG_INFINITY],
    };

    /// Of floats and codes, of which there are `scale` per unit from `offset`; those saturate beyond `ends`.
    fn of(float: &[f64], codes: &[i16], scale: f64, offset: f64, ends: (i64, i64)) -> Self {
        let mut all = Self::NONE;
        for (x, q) in float.iter().zip(codes) {
            let steps = (x - offset) * scale;
            all.count += 1.0;
            all.sum += x;
            all.squares += x * x;
            all.difference += (x - offset - f64::from(*q) / scale).powi(2);
            let inside = ends.0 as f64 - 1.0..=ends.1 as f64 + 1.0;
            all.saturated += f64::from(u8::from(!inside.contains(&steps)));
            all.reach = [all.reach[0].min(steps), all.reach[1].max(steps)];
        }
        all
    }

    fn join(self, o: Self) -> Self {
        Self {
            count: self.count + o.count,
            sum: self.sum + o.sum,
            squares: self.squares + o.squares,
            difference: self.difference + o.difference,
            saturated: self.saturated + o.saturated,
            reach: [self.reach[0].min(o.reach[0]), self.reach[1].max(o.reach[1])],
        }
    }

    /// Root mean square of the difference over the deviation of the floats.
    fn error(&self) -> f64 {
        let mean = self.sum / self.count;
        let deviation = (self.squares / self.count - mean * mean).max(0.0).sqrt();
        (self.difference / self.count).sqrt() / deviation.max(f64::MIN_POSITIVE)
    }
}

/// What one sequence gives.
struct Compared {
    tensors: Vec<Sums>,
    same: usize,
    losses: Vec<[f64; 2]>,
}

/// Compares on examples that are inputs of the model.
pub(super) fn compare(imported: &ImportedSequence, examples: &TokenExamples) -> TokenFidelity {
    let most = (MACS / imported.package.macs().max(1)).max(MIN_EXAMPLES);
    let count = examples.ids.len().min(usize::try_from(most).unwrap_or(usize::MAX));
    let compared: Vec<Compared> =
        (0..count).into_par_iter().map(|i| one(imported, examples, i)).collect();
    let none = vec![Sums::NONE; imported.lowered.steps.len() + 1];
    let tensors = compared.iter().fold(none, |all, one| {
        all.into_iter().zip(&one.tensors).map(|(a, b)| a.join(*b)).collect()
    });
    let losses: Vec<[f64; 2]> = compared.iter().flat_map(|c| &c.losses).copied().collect();
    let mean = |i: usize| losses.iter().map(|l| l[i]).sum::<f64>() / losses.len() as f64;
    let loss = (!losses.is_empty()).then(|| TokenLoss {
        count: losses.len(),
        float: mean(0),
        integers: mean(1),
    });
    let same: usize = compared.iter().map(|c| c.same).sum();
    let errors: Vec<f64> =
        tensors.iter().map(|t| if t.count > 0.0 { t.error() } else { 0.0 }).collect();
    TokenFidelity {
        examples: count,
        error: errors.last().copied().unwrap_or(0.0),
        agreement: same as f64 / (count * imported.model.tokens).max(1) as f64,
        loss,
        layers: layers(imported, &tensors, &errors),
    }
}

fn layers(imported: &ImportedSequence, tensors: &[Sums], errors: &[f64]) -> Vec<Layer> {
    let reads = imported.package.model.layers.iter().map(dn_core::quant::sequence::Layer::reads);
    let steps = imported.lowered.steps.iter().zip(reads).enumerate();
    let layer =
        |(i, ((origin, ..), reads)): (usize, (&(crate::float::Origin, _, _), Vec<usize>))| {
            let read = reads.iter().map(|t| errors[*t]).fold(0.0, f64::max);
            Layer {
                node: origin.node.clone(),
                op: origin.op.clone(),
                error: errors[i + 1],
                added: (errors[i + 1] - read).max(0.0),
                saturated: tensors[i + 1].saturated / tensors[i + 1].count.max(1.0),
                reach: tensors[i + 1].reach,
            }
        };
    steps.map(layer).collect()
}

fn one(imported: &ImportedSequence, examples: &TokenExamples, example: usize) -> Compared {
    let (ids, package) = (&examples.ids[example], &imported.package);
    let float = imported.lowered.trace(ids).tensors;
    let codes = package.model.trace(&package.quantize_ids(ids)).tensors;
    let last = codes.len() - 1;
    let tensor = |t: usize| {
        if t == 0 {
            return Sums::NONE;
        }
        let offset = if t == last { f64::from(package.output.offset[0]) } else { 0.0 };
        Sums::of(&float[t], &codes[t], imported.scales[t], offset, package.model.values(t))
    };
    let channels = package.model.channels(last);
    let right = imported.model.run(ids);
    let values: Vec<f64> = codes[last].iter().map(|q| package.value(*q)).collect();
    let rows = || right.chunks_exact(channels).zip(values.chunks_exact(channels));
    let same = rows()
        .filter(|(a, b)| match channels {
            1 => a == b,
            _ => crate::arg_max(a) == crate::arg_max(b),
        })
        .count();
    let is_scores = channels == imported.model.vocabulary && channels > 1;
    let labels = examples.labels(example, imported.is_causal());
    let loss = |(label, (a, b)): (Option<usize>, (&[f64], &[f64]))| {
        let label = label.filter(|label| is_scores && *label < channels)?;
        Some([-log_softmax(a)[label], -log_softmax(b)[label]])
    };
    let losses = labels.into_iter().zip(rows()).filter_map(loss).collect();
    Compared { tensors: (0..=last).map(tensor).collect(), same, losses }
}

impl ImportedSequence {
    /// Whether its outputs are classes and no scores.
    #[must_use]
    pub fn names_classes(&self) -> bool {
        matches!(self.model.ops.last().map(|op| &op.kind), Some(Kind::ArgMax { .. }))
    }
}
