//! Attention of one sequence.

use super::model::Attention;
use super::rounding::{rounded, saturated};

/// Every number between queries and outputs; rows are heads, then tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attended {
    /// Products of queries and keys, `[heads, tokens, tokens]`, also of keys that are not seen.
    pub scores: Vec<i64>,
    /// Largest quotient of the keys that a token sees, `[heads, tokens]`.
    pub maxima: Vec<i64>,
    /// `[heads, tokens, tokens]`, those of keys that are not seen 0.
    pub exponentials: Vec<i64>,
    /// Their sums, `[heads, tokens]`.
    pub sums: Vec<i64>,
    /// What the sums' sections say, `[heads, tokens]`.
    pub inverses: Vec<i64>,
    /// Values weighed by exponentials, `[tokens, channels]`.
    pub contexts: Vec<i64>,
    /// Their quotients, times the inverse, `[tokens, channels]`.
    pub products: Vec<i64>,
}

impl Attention {
    /// Attends; the tensors are `[tokens, channels]`. Returns the outputs likewise.
    pub(super) fn attend(&self, [q, k, v]: [&[i16]; 3], tokens: usize) -> (Attended, Vec<i16>) {
        let (channels, modulus) = (q.len() / tokens, tokens as i64 + 1);
        let depth = channels / self.heads;
        let mut a = Attended {
            contexts: vec![0; q.len()],
            products: vec![0; q.len()],
            ..Attended::default()
        };
        let mut out = vec![0; q.len()];
        for head in 0..self.heads {
            let at = |n: usize| n * channels + head * depth..n * channels + (head + 1) * depth;
            for i in 0..tokens {
                let scores: Vec<i64> = (0..tokens).map(|j| product(&q[at(i)], &k[at(j)])).collect();
                let seen = self.seen(i, tokens);
                let quotient = |s: &i64| rounded(*s, self.score_shift);
                let largest = scores[..seen].iter().map(quotient).max().unwrap_or(0);
                let exponentials = scores.iter().enumerate().map(|(j, s)| {
                    let difference = largest - quotient(s);
                    let one = i64::from(difference == 0);
                    if j < seen {
                        modulus * self.exponential(difference) + one
                    } else {
                        0
                    }
                });
                let exponentials: Vec<i64> = exponentials.collect();
                let sum: i64 = exponentials.iter().sum();
                let inverse = i64::from(self.inverses[((sum - 1) / modulus) as usize]);
                for d in at(i) {
                    let weighed = exponentials.iter().enumerate().map(|(j, e)| {
                        let value = v[j * channels + d % channels];
                        e * i64::from(value)
                    });
                    a.contexts[d] = weighed.sum();
                    a.products[d] = rounded(a.contexts[d], self.context_shift) * inverse;
                    out[d] = saturated(rounded(a.products[d], self.shift), i8::BITS);
                }
                a.scores.extend(scores);
                a.exponentials.extend(exponentials);
                a.maxima.push(largest);
                a.sums.push(sum);
                a.inverses.push(inverse);
            }
        }
        (a, out)
    }
}

fn product(a: &[i16], b: &[i16]) -> i64 {
    a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum()
}
