//! Every tensor of a lowered transformer, in float.

use super::lower::{Lowered, Step};
use super::model::Norm;
use super::run::{added, functions, rows};

/// Tensors of one sequence, `[tokens, channels]`; those of the ids are empty.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub(super) tensors: Vec<Vec<f64>>,
    /// By layer: what a function is of; empty where there is none.
    pub(super) arguments: Vec<Vec<f64>>,
}

impl Lowered {
    /// Channels of a tensor.
    pub(super) fn channels(&self, tensor: usize) -> usize {
        tensor.checked_sub(1).map_or(1, |at| self.steps[at].1)
    }

    /// Numbers of a trace.
    pub(super) fn numbers(&self) -> usize {
        let of = |(_, channels, step): &(_, usize, Step)| match step {
            Step::Linear(_, chain) if !chain.is_empty() => 2 * channels,
            _ => *channels,
        };
        self.tokens * self.steps.iter().map(of).sum::<usize>()
    }

    pub(super) fn trace(&self, ids: &[usize]) -> Trace {
        let mut trace = Trace { tensors: vec![Vec::new()], arguments: Vec::new() };
        for (_, channels, step) in &self.steps {
            let (tensor, argument) = self.step(step, *channels, ids, &trace.tensors);
            trace.tensors.push(tensor);
            trace.arguments.push(argument);
        }
        trace
    }

    fn step(
        &self,
        step: &Step,
        channels: usize,
        ids: &[usize],
        tensors: &[Vec<f64>],
    ) -> (Vec<f64>, Vec<f64>) {
        let tensor = match step {
            Step::Embedding(table) => rows(table, channels, ids),
            Step::Linear(dense, chain) => {
                let sums = dense.run(&tensors[dense.of], self.tokens);
                if !chain.is_empty() {
                    return (functions(chain, &sums), sums);
                }
                sums
            }
            Step::Residual(sum) => {
                let bias = || (0..self.tokens).flat_map(|_| &sum.bias).copied().collect();
                let dense = |d: &super::model::Dense| d.run(&tensors[d.of], self.tokens);
                let branch = sum.branch.as_ref().map_or_else(bias, dense);
                let branch =
                    if sum.positions.is_empty() { branch } else { added(branch, &sum.positions) };
                added(branch, &tensors[sum.shortcut])
            }
            Step::Norm { of, epsilon } => {
                let norm = Norm {
                    of: *of,
                    is_centred: false,
                    epsilon: *epsilon,
                    gain: vec![1.0; channels],
                    shift: vec![0.0; channels],
                };
                norm.run(&tensors[*of], self.tokens)
            }
            Step::Attention(attention) => {
                attention.run(attention.reads.map(|t| &tensors[t][..]), self.tokens)
            }
            Step::ArgMax(of) => {
                let rows = tensors[*of].chunks_exact(self.channels(*of));
                rows.map(|row| crate::arg_max(row) as f64).collect()
            }
        };
        (tensor, Vec::new())
    }
}
