//! Row programs that fold kernels.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use dn_core::Width;

use crate::system::steering::weight_lanes;

/// One row of a program. `W` takes the weights; where `tap` is set, `K` takes `W`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// As many as stand side by side, or none; the last one gets `e^0`.
    pub(crate) weights: Vec<Fr>,
    pub(crate) fold: bool,
    pub(crate) word: bool,
    pub(crate) tap: bool,
    pub(crate) reset: bool,
    pub(crate) step: bool,
    pub(crate) claim: bool,
}

/// Rows that leave a kernel in `K`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Program(pub(crate) Vec<Step>);

/// Weights as rows, padded in front; rows of zeros in front are left out.
fn weight_rows(weights: &[Fr], width: Width) -> Vec<Step> {
    let lanes = weight_lanes(width);
    let pad = weights.len().next_multiple_of(lanes) - weights.len();
    let padded: Vec<Fr> =
        std::iter::repeat_n(Fr::ZERO, pad).chain(weights.iter().copied()).collect();
    let rows: Vec<Vec<Fr>> = padded.chunks_exact(lanes).map(<[Fr]>::to_vec).collect();
    let first = rows.iter().position(|r| r.iter().any(|w| *w != Fr::ZERO));
    let first = first.unwrap_or(rows.len() - 1);
    let step = |(i, weights)| Step { weights, fold: i > 0, ..Step::default() };
    rows[first..].iter().cloned().enumerate().map(step).collect()
}

impl Program {
    /// Folds weights, with the last output at `e^0`, for the claim `claims` further on.
    pub(crate) fn dense(weights: &[Fr], claims: usize, width: Width) -> Self {
        Self::taps(&[(0, weights.to_vec())], claims, width)
    }

    /// The same, with the weights scaled by omega.
    pub(crate) fn words(weights: &[Fr], width: Width) -> Self {
        Self::dense(weights, 0, width).times_omega()
    }

    /// The same program with its weights scaled by omega.
    pub(crate) fn times_omega(mut self) -> Self {
        self.0.iter_mut().for_each(|s| s.word = true);
        self
    }

    /// `sum_taps z^exponent weights`, exponents not negative and descending.
    pub(crate) fn taps(taps: &[(i64, Vec<Fr>)], claims: usize, width: Width) -> Self {
        let mut rows: Vec<Step> = Vec::new();
        for (i, (exponent, weights)) in taps.iter().enumerate() {
            let mut tap = weight_rows(weights, width);
            let gap = if i == 0 { 0 } else { (taps[i - 1].0 - exponent) as usize };
            let missing = gap.saturating_sub(tap.len());
            tap.splice(..0, std::iter::repeat_n(Step::default(), missing));
            tap.iter_mut().take(gap).for_each(|s| s.step = true);
            if let Some(last) = tap.last_mut() {
                last.tap = true;
                last.reset = i == 0;
            }
            rows.append(&mut tap);
        }
        let tail = taps.last().map_or(0, |t| t.0 as usize);
        rows.extend((0..tail).map(|_| Step { step: true, ..Step::default() }));
        rows.extend((0..claims).map(|_| Step { claim: true, ..Step::default() }));
        Self(rows)
    }
}
