//! How far the integers are from the floats.

use dn_core::quant::resume;
use rayon::prelude::*;

use crate::examples::{classes, Calibration};
use crate::float::FloatModel;
use crate::quantize::Outcome;

/// Multiply-accumulates that are spent on a comparison: a few seconds.
const MACS: usize = 1 << 31;
/// Examples that are compared however large the model is.
const MIN_EXAMPLES: usize = 8;

/// The integer model beside the float model, on examples.
#[derive(Clone, Debug, PartialEq)]
pub struct Fidelity {
    /// Examples that were compared: all of them where that does not take too long.
    pub examples: usize,
    /// Root mean square of the outputs' differences, over the deviation of the float outputs from
    /// their mean. Outputs with scales of their own are compared in these.
    pub error: f64,
    /// The same over the deviation of all outputs of all examples from their common mean: small where
    /// outputs differ much more from each other than from example to example.
    pub overall: f64,
    /// The same for each output channel by itself.
    pub outputs: Vec<f64>,
    /// Share of examples with the same class, in `[0, 1]`; `None` where outputs are no scores.
    pub agreement: Option<f64>,
    /// Share of right classes as floats and as integers; `None` without such labels.
    pub accuracy: Option<Accuracy>,
    /// Share of input values that no code stands for, in `[0, 1]`.
    pub saturated_inputs: f64,
    /// By node of the graph.
    pub layers: Vec<Layer>,
}

/// Accuracy of the float and of the quantised model on the same examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// Share of examples whose class is the label, in `[0, 1]`.
    pub float: f64,
    /// The same for the quantised model.
    pub int8: f64,
}

/// One node of the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The ONNX node that it is made from.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Root mean square of the difference over the deviation of the float values, as they are
    /// behind all nodes in front of it.
    pub error: f64,
    /// How much of it is not in what it reads.
    pub added: f64,
    /// Share of values that no code stands for.
    pub saturated: f64,
    /// Smallest and largest float value, in steps of its codes, which reach from -128 to 127.
    pub reach: [f64; 2],
}

impl Fidelity {
    /// The layers that add the most, worst first.
    #[must_use]
    pub fn worst(&self, count: usize) -> Vec<&Layer> {
        let mut layers: Vec<&Layer> = self.layers.iter().collect();
        layers.sort_by(|a, b| b.added.total_cmp(&a.added));
        layers.truncate(count);
        layers
    }
}

/// Differences of one tensor's values, or of those of a channel.
#[derive(Clone, Copy, Debug)]
struct Sums {
    count: f64,
    difference: f64,
    sum: f64,
    squares: f64,
    saturated: f64,
    /// Smallest and largest float value, in steps.
    reach: [f64; 2],
}

impl Sums {
    fn of(float: &[f32], codes: &[i8], scale: f32) -> Self {
        let [difference, sum, squares, saturated] = [0.0; 4];
        let reach = [f64::INFINITY, f64::NEG_INFINITY];
        let mut s = Self { count: float.len() as f64, difference, sum, squares, saturated, reach };
        for (v, q) in float.iter().zip(codes) {
            let (v, steps) = (f64::from(*v), v / scale);
            s.difference += (v - f64::from(scale) * f64::from(*q)).powi(2);
            s.sum += v;
            s.squares += v * v;
            s.saturated += f64::from(u8::from(!(-129.0..=128.0).contains(&steps)));
            s.reach = [s.reach[0].min(steps.into()), s.reach[1].max(steps.into())];
        }
        s
    }

    fn join(self, o: Self) -> Self {
        Self {
            count: self.count + o.count,
            difference: self.difference + o.difference,
            sum: self.sum + o.sum,
            squares: self.squares + o.squares,
            saturated: self.saturated + o.saturated,
            reach: [self.reach[0].min(o.reach[0]), self.reach[1].max(o.reach[1])],
        }
    }

    /// Deviation of the float values, at least `least`.
    fn deviation(&self, least: f64) -> f64 {
        let mean = self.sum / self.count;
        (self.squares / self.count - mean * mean).max(0.0).sqrt().max(least)
    }

    fn error(&self, deviation: f64) -> f64 {
        (self.difference / self.count).sqrt() / deviation
    }
}

/// One example's sums: by tensor, and by channel of the output.
struct Compared {
    tensors: Vec<Sums>,
    channels: Vec<Sums>,
    outputs: [Vec<f32>; 2],
}

/// Compares on the first examples. What comes out is held against the file's own arithmetic, tensors on the way against
/// what was made of it.
pub(crate) fn compare(file: &FloatModel, outcome: &Outcome, examples: &Calibration) -> Fidelity {
    let count = (MACS / outcome.model.macs().max(1)).max(MIN_EXAMPLES).min(examples.x.len());
    let compare = |x: &Vec<f32>| one(file, outcome, x);
    let compared: Vec<Compared> = examples.x[..count].par_iter().map(compare).collect();
    let join = |list: fn(&Compared) -> &Vec<Sums>| {
        let zip =
            |a: Vec<Sums>, b: Vec<Sums>| a.into_iter().zip(b).map(|(a, b)| a.join(b)).collect();
        compared.iter().map(|c| list(c).clone()).reduce(zip).unwrap_or_default()
    };
    let (tensors, channels) = (join(|c| &c.tensors), join(|c| &c.channels));
    let step = |t: usize| f64::from(outcome.scales[t]);
    let errors: Vec<f64> =
        tensors.iter().enumerate().map(|(t, s)| s.error(s.deviation(step(t)))).collect();
    let last = tensors.len() - 1;
    let whole = tensors[last].deviation(step(last));
    let own = |s: &Sums| s.error(s.deviation(step(last).max(whole / 16.0)));
    let side = |i: usize| compared.iter().map(|c| c.outputs[i].clone()).collect::<Vec<_>>();
    let (float, int8) = (side(0), side(1));
    let labelled = Calibration {
        y: examples.y.as_ref().map(|y| y[..count].to_vec()),
        ..Calibration::default()
    };
    let accuracy = labelled.accuracy(&float).zip(labelled.accuracy(&int8));
    let is_scores = outcome.is_scores && channels.len() == float[0].len() && channels.len() > 1
        || accuracy.is_some();
    let same = || classes(&float).iter().zip(classes(&int8)).filter(|(a, b)| **a == *b).count();
    Fidelity {
        examples: count,
        error: errors[last],
        overall: overall(&float, &int8),
        outputs: channels.iter().map(own).collect(),
        agreement: is_scores.then(|| same() as f64 / count as f64),
        accuracy: accuracy.map(|(float, int8)| Accuracy { float, int8 }),
        saturated_inputs: tensors[0].saturated / tensors[0].count,
        layers: layers(outcome, &tensors, &errors),
    }
}

/// Root mean square of all differences over the deviation of all float values.
fn overall(float: &[Vec<f32>], int8: &[Vec<f32>]) -> f64 {
    let values = || float.iter().flatten().map(|v| f64::from(*v));
    let count = values().count() as f64;
    let mean = values().sum::<f64>() / count;
    let deviation = (values().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
    let others = int8.iter().flatten().map(|v| f64::from(*v));
    let difference = values().zip(others).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / count;
    difference.sqrt() / deviation.max(f64::MIN_POSITIVE)
}

fn layers(outcome: &Outcome, tensors: &[Sums], errors: &[f64]) -> Vec<Layer> {
    let layer = |(i, unit): (usize, &crate::lower::Unit)| {
        let read = unit.terms().map(|t| errors[t.value]).fold(0.0, f64::max);
        Layer {
            node: unit.origin.node.clone(),
            op: unit.origin.op.clone(),
            error: errors[i + 1],
            added: (errors[i + 1] - read).max(0.0),
            saturated: tensors[i + 1].saturated / tensors[i + 1].count,
            reach: tensors[i + 1].reach,
        }
    };
    outcome.model.units.iter().enumerate().map(layer).collect()
}

fn one(file: &FloatModel, outcome: &Outcome, x: &[f32]) -> Compared {
    let numbers = outcome.input.numbers(x);
    let mut codes = vec![outcome.ends[0].quantize(x)];
    resume(&outcome.graph, &mut codes);
    let values = outcome.model.run(&numbers);
    let floats = std::iter::once(&numbers).chain(values.iter().map(|v| &v.output));
    let sums = floats.zip(&codes).zip(&outcome.scales).map(|((f, q), s)| Sums::of(f, q, *s));
    let tensors = sums.collect();
    let (float, last) = (&values[values.len() - 1].output, &codes[codes.len() - 1]);
    let scale = outcome.scales[codes.len() - 1];
    let positions = outcome.graph.shape(codes.len() - 1).positions();
    let pairs = float.chunks_exact(positions).zip(last.chunks_exact(positions));
    let channels = pairs.map(|(f, q)| Sums::of(f, q, scale)).collect();
    let outputs = [file.run(x), outcome.ends[1].dequantize(last)];
    Compared { tensors, channels, outputs }
}
