//! Moves scales and the largest shift to where the outputs are best.
//!
//! The error of a choice is the sum over calibration examples of the squared distance between the
//! float outputs and the outputs of its integer graph. From the plain choice on, one thing at a
//! time is moved as long as the error falls: the shift upwards, each scale down or up by a factor,
//! a coarse one first. A finer scale rounds less and saturates more, so the error decides about
//! clipping too.
//!
//! What a choice costs in proving is the rows of its table: `2^shift` remainders, and the quotients
//! of each node. No choice may take more than the plain one would if every tensor used all of int8;
//! what tensors behind functions leave unused pays for precision.

use dn_core::quant::{resume, Graph};
use rayon::prelude::*;

use super::{bias, to_int8, Calibrated, Choice, Quantized};

/// Fewer examples say too little.
const MIN_EXAMPLES: usize = 32;
/// Multiply-accumulates of one look at the error: about a tenth of a second.
const MACS: u64 = 1 << 26;
/// Multiply-accumulates of all looks together, some seconds; then the search ends where it is.
const ALL_MACS: u64 = 1 << 33;
/// Models for which the fewest examples are more than that take the plain choice.
const MAX_MACS: u64 = 1 << 28;
/// Share of the plain choice's rows, with all of int8 in every tensor, that a choice may take: the
/// plain one leaves room beyond the examples, which precision may use up.
const BUDGET: (i64, i64) = (23, 20);
/// Factors of scales: the fourth, eighth and sixteenth root of 2.
const STEPS: [f32; 3] = [1.189_207_1, 1.090_507_7, 1.044_273_8];
/// Share of its first value below which no scale goes: what is cut off on the examples says too
/// little about what would be on others.
const LEAST: f32 = 0.9;
/// Rounds over all scales with one factor.
const SWEEPS: usize = 2;

/// The best choice within the budget that the search from `choice` finds.
pub(super) fn refine(
    calibrated: &Calibrated<'_>,
    inputs: &[Vec<f32>],
    choice: Choice,
    quantized: Quantized,
) -> Quantized {
    let macs = quantized.graph.macs().max(1);
    let examples = usize::try_from(MACS / macs).unwrap_or(usize::MAX).max(MIN_EXAMPLES);
    if inputs.len() < MIN_EXAMPLES || macs.saturating_mul(examples as u64) > MAX_MACS {
        return quantized;
    }
    let inputs = &inputs[..examples.min(inputs.len())];
    let output = |x: &Vec<f32>| calibrated.model.run(x).pop().map(|v| v.output);
    let targets = inputs.par_iter().map(|x| output(x).unwrap_or_default()).collect();
    let graph = &quantized.graph;
    let budget = rows(graph, Graph::widest_quotient_range) * BUDGET.0 / BUDGET.1;
    let (tensors, error) = (vec![Vec::new(); inputs.len()], f64::INFINITY);
    let first = choice.scales.clone();
    let best = Best { choice, quantized, tensors, error };
    let looks = ALL_MACS / (macs * inputs.len() as u64);
    let mut search = Search { calibrated, inputs, targets, budget, first, best, looks };
    (search.best.tensors, search.best.error) = search.run(&search.best.quantized);
    for step in STEPS {
        for _ in 0..SWEEPS {
            if !search.sweep(step) {
                break;
            }
        }
    }
    search.centre();
    search.best.quantized
}

/// Rows of a graph's table that depend on the choice.
fn rows(graph: &Graph, quotients: fn(&Graph, usize) -> (i64, i64)) -> i64 {
    let of = |node: usize| {
        let (low, high) = quotients(graph, node);
        high - low + 1
    };
    let shifts = graph.nodes.iter().flat_map(|n| n.shift.iter().copied());
    (0..graph.nodes.len()).map(of).sum::<i64>() + (1 << shifts.fold(0, u32::max))
}

struct Search<'a> {
    calibrated: &'a Calibrated<'a>,
    inputs: &'a [Vec<f32>],
    /// Float outputs.
    targets: Vec<Vec<f32>>,
    /// Most rows.
    budget: i64,
    /// Scales of the plain choice.
    first: Vec<f32>,
    best: Best,
    /// Choices that may still be run.
    looks: u64,
}

/// The best choice so far.
struct Best {
    choice: Choice,
    quantized: Quantized,
    /// Tensors of each example.
    tensors: Vec<Vec<Vec<i8>>>,
    error: f64,
}

impl Search<'_> {
    /// Moves the biases, if that helps.
    fn centre(&mut self) {
        let quantized = bias::centre(self.calibrated, self.inputs, &self.best.quantized);
        if quantized.graph.validate().is_err() {
            return;
        }
        let (tensors, error) = self.run(&quantized);
        if error < self.best.error {
            let choice = self.best.choice.clone();
            self.best = Best { choice, quantized, tensors, error };
        }
    }

    /// Moves everything once. True if something was moved.
    fn sweep(&mut self, step: f32) -> bool {
        let mut moved = self.repeat(|choice| choice.largest_shift += 1);
        for i in (0..self.best.choice.scales.len()).rev() {
            // A step is where its bias puts it, whatever its scale.
            let is_free = i.checked_sub(1).is_none_or(|unit| {
                let unit = &self.calibrated.model.units[unit];
                unit.exact.is_none() && unit.step().is_none()
            });
            moved |= is_free
                && (self.repeat(|choice| choice.scales[i] /= step)
                    || self.repeat(|choice| choice.scales[i] *= step));
        }
        moved
    }

    /// Makes a move as often as it helps. True if it did.
    fn repeat(&mut self, change: impl Fn(&mut Choice)) -> bool {
        let mut moved = false;
        loop {
            let mut choice = self.best.choice.clone();
            change(&mut choice);
            if !self.take(choice) {
                return moved;
            }
            moved = true;
        }
    }

    /// Takes a choice that is possible, within the budget, and better.
    fn take(&mut self, choice: Choice) -> bool {
        if choice.scales.iter().zip(&self.first).any(|(scale, first)| *scale < LEAST * first) {
            return false;
        }
        let Ok(quantized) = self.calibrated.build(&choice) else { return false };
        if rows(&quantized.graph, Graph::quotient_range) > self.budget {
            return false;
        }
        let Some(left) = self.looks.checked_sub(1) else { return false };
        self.looks = left;
        let (tensors, error) = self.run(&quantized);
        let is_better = error < self.best.error;
        if is_better {
            self.best = Best { choice, quantized, tensors, error };
        }
        is_better
    }

    /// Tensors of each example, and the error. Nodes that are those of the best choice are not run
    /// again.
    fn run(&self, quantized: &Quantized) -> (Vec<Vec<Vec<i8>>>, f64) {
        let Quantized { graph, scales, .. } = quantized;
        let (input_scale, output_scale) = (scales[0], scales[scales.len() - 1]);
        let best = &self.best.quantized;
        let pairs = graph.nodes.iter().zip(&best.graph.nodes);
        let same = 1 + pairs.take_while(|(a, b)| a == b).count();
        let same = if input_scale == best.scales[0] { same } else { 0 };
        let tensors = |(x, known): (&Vec<f32>, &Vec<Vec<i8>>)| {
            let mut tensors = known[..same.min(known.len())].to_vec();
            if tensors.is_empty() {
                tensors.push(x.iter().map(|v| to_int8(v / input_scale)).collect());
            }
            resume(graph, &mut tensors);
            tensors
        };
        let examples = self.inputs.par_iter().zip(&self.best.tensors);
        let tensors: Vec<Vec<Vec<i8>>> = examples.map(tensors).collect();
        let distance = |(q, t): (&i8, &f32)| f64::from(f32::from(*q) * output_scale - t);
        let outputs = tensors.iter().filter_map(|t| t.last()).zip(&self.targets);
        let of = |(q, t): (&Vec<i8>, &Vec<f32>)| -> f64 {
            q.iter().zip(t).map(|pair| distance(pair).powi(2)).sum()
        };
        let error = outputs.map(of).sum();
        (tensors, error)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dn_core::quant::execute;

    use super::*;
    use crate::float::FloatModel;
    use crate::lower::{lower, Lowered};
    use crate::quantize::equal::{self, Outputs};
    use crate::quantize::statistics::Statistics;

    fn distance(model: &Lowered, q: &Quantized, x: &[f32]) -> f64 {
        let codes: Vec<i8> = x.iter().map(|v| to_int8(v / q.scales[0])).collect();
        let output = execute(&q.graph, &codes);
        let target = model.run(x).pop().unwrap().output;
        let scale = q.scales[q.scales.len() - 1];
        let one = |(q, t): (&i8, &f32)| f64::from(f32::from(*q) * scale - t).powi(2);
        output.iter().zip(&target).map(one).sum()
    }

    #[test]
    fn the_search_lowers_the_error_within_the_budget_and_is_deterministic() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        let nets = [
            ("digits/mlp.onnx", "digits/calibration.npz"),
            ("nets/mobilenet_tiny.onnx", "nets/mobilenet_tiny_calibration.npz"),
        ];
        for (model, examples) in nets {
            let bytes = std::fs::read(root.join(model)).unwrap();
            let model =
                lower(&FloatModel::read(&bytes, &crate::Reading::default()).unwrap().0).unwrap();
            let x = crate::npz::read(&root.join(examples)).unwrap().x;
            let statistics = Statistics::new(&model, &x).unwrap();
            let equalised = equal::equalise(&model, &statistics, Outputs::Scores);
            let x: Vec<Vec<f32>> = x.iter().map(|x| equalised.input.numbers(x)).collect();
            let calibrated = Calibrated::new(&equalised);
            let choice = calibrated.plain();
            let plain = calibrated.build(&choice).unwrap();
            let refine = || refine(&calibrated, &x, choice.clone(), plain.clone());
            let refined = refine();
            let error =
                |q: &Quantized| x.iter().map(|x| distance(&equalised.model, q, x)).sum::<f64>();
            assert!(error(&refined) < error(&plain));
            let budget = rows(&plain.graph, Graph::widest_quotient_range) * BUDGET.0 / BUDGET.1;
            assert!(rows(&refined.graph, Graph::quotient_range) <= budget);
            assert_eq!(refine().graph, refined.graph);
        }
    }
}
