//! Runs a transformer in float.

use super::model::{Attention, Dense, Kind, Norm, TokenModel};
use crate::float::apply_all;

impl TokenModel {
    /// The output for one sequence of ids, `[tokens, channels]`.
    ///
    /// # Panics
    /// If there are not as many ids as tokens.
    pub(crate) fn run(&self, ids: &[usize]) -> Vec<f64> {
        assert_eq!(ids.len(), self.tokens, "ids of a sequence");
        let mut values = vec![Vec::new()];
        for op in &self.ops {
            let value = self.one(&op.kind, op.channels, ids, &values);
            values.push(value);
        }
        values.pop().unwrap_or_default()
    }

    fn one(&self, kind: &Kind, channels: usize, ids: &[usize], values: &[Vec<f64>]) -> Vec<f64> {
        match kind {
            Kind::Embedding { table } => rows(table, channels, ids),
            Kind::Dense(dense) => dense.run(&values[dense.of], self.tokens),
            Kind::Function { of, chain } => functions(chain, &values[*of]),
            Kind::Sum { of, table } => {
                let start = if table.is_empty() {
                    vec![0.0; self.tokens * channels]
                } else {
                    table.clone()
                };
                of.iter().fold(start, |sum, v| added(sum, &values[*v]))
            }
            Kind::Norm(norm) => norm.run(&values[norm.of], self.tokens),
            Kind::Attention(attention) => {
                attention.run(attention.reads.map(|v| &values[v][..]), self.tokens)
            }
            Kind::ArgMax { of } => {
                let rows = values[*of].chunks_exact(self.channels(*of));
                rows.map(|row| crate::arg_max(row) as f64).collect()
            }
        }
    }
}

/// Rows of a table.
pub(super) fn rows(table: &[f64], channels: usize, ids: &[usize]) -> Vec<f64> {
    ids.iter().flat_map(|id| &table[id * channels..(id + 1) * channels]).copied().collect()
}

/// Functions of every number.
pub(super) fn functions(chain: &[crate::float::Scalar], x: &[f64]) -> Vec<f64> {
    x.iter().map(|v| f64::from(apply_all(chain, *v as f32))).collect()
}

pub(super) fn added(mut sum: Vec<f64>, x: &[f64]) -> Vec<f64> {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
    sum
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Dense {
    pub(super) fn run(&self, x: &[f64], tokens: usize) -> Vec<f64> {
        let inputs = x.len() / tokens;
        let token = |x| {
            let outputs = self.weights.chunks_exact(inputs).zip(&self.bias);
            outputs.map(move |(row, bias)| bias + dot(row, x))
        };
        x.chunks_exact(inputs).flat_map(token).collect()
    }
}

impl Norm {
    pub(super) fn run(&self, x: &[f64], tokens: usize) -> Vec<f64> {
        let channels = x.len() / tokens;
        let token = |x: &[f64]| -> Vec<f64> {
            let mean = if self.is_centred { x.iter().sum::<f64>() / x.len() as f64 } else { 0.0 };
            let square = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64;
            let root = (square + self.epsilon).sqrt();
            let affine = self.gain.iter().zip(&self.shift);
            x.iter()
                .zip(affine)
                .map(|(v, (gain, shift))| (v - mean) / root * gain + shift)
                .collect()
        };
        x.chunks_exact(channels).flat_map(token).collect()
    }
}

impl Attention {
    pub(super) fn run(&self, [q, k, v]: [&[f64]; 3], tokens: usize) -> Vec<f64> {
        let channels = q.len() / tokens;
        let depth = channels / self.heads;
        let mut out = vec![0.0; q.len()];
        for head in 0..self.heads {
            let at = |n: usize| n * channels + head * depth..n * channels + (head + 1) * depth;
            for i in 0..tokens {
                let seen = if self.is_causal { i + 1 } else { tokens };
                let scores: Vec<f64> =
                    (0..seen).map(|j| self.scale * dot(&q[at(i)], &k[at(j)])).collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let powers: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
                let sum: f64 = powers.iter().sum();
                for (j, power) in powers.iter().enumerate() {
                    let weighed = v[at(j)].iter().map(|v| v * power / sum);
                    out[at(i)].iter_mut().zip(weighed).for_each(|(out, v)| *out += v);
                }
            }
        }
        out
    }
}
