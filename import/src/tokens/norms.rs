//! Norms of a model: one scale and one shift for all, so that their tables differ as little as possible.

use dn_core::quant::sequence::Norm;

use super::lower::{Lowered, Step};
use super::quantise::{numbers, BYTE, RESIDUAL};
use super::scales::{best, rounded};
use super::trace::Trace;

/// Largest root: a value times it stays below `2^20`.
const ROOT: f64 = 2_047.0;
/// Most entries of a table of roots.
const ROOTS: i64 = 1 << 11;
/// Roots may be so many times as large as on calibration data before they saturate.
const MARGIN: f64 = 1.25;
/// Largest shift of products.
const MAX_SHIFT: u32 = 14;

/// What all norms share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Norms {
    /// Codes per unit of their values.
    pub(super) scale: f64,
    shift: u32,
}

impl Norms {
    /// By the smallest token of each: no root of the calibration data saturates.
    pub(super) fn of(lowered: &Lowered, traces: &[Trace], residual: &[f64]) -> Self {
        let (mut values, mut smallest) = (Vec::new(), f64::INFINITY);
        for (at, (_, channels, step)) in lowered.steps.iter().enumerate() {
            let Step::Norm { of, .. } = step else { continue };
            values.extend(numbers(traces, at + 1));
            for token in numbers(traces, *of).chunks_exact(*channels) {
                let square = token.iter().map(|x| x * x).sum::<f64>() / *channels as f64;
                smallest = smallest.min(square.sqrt() * residual[*of]);
            }
        }
        let scale = best(&values, BYTE, 0.35);
        let root = MARGIN * scale / smallest.max(1.0);
        let fits = |shift: &u32| root * f64::from(*shift).exp2() <= ROOT;
        let shift = (0..=MAX_SHIFT).rev().find(fits).unwrap_or(0);
        Self { scale, shift }
    }

    /// The norm of a residual tensor of so many codes per unit.
    pub(super) fn layer(&self, of: usize, channels: usize, epsilon: f64, scale: f64) -> Norm {
        let most = channels as i64 * (RESIDUAL as i64 + 1).pow(2);
        let square_shift = (0..u32::BITS).find(|s| most >> s < ROOTS).unwrap_or(0);
        let root = |h: i64| {
            let square = (h as f64 + 0.5) * f64::from(square_shift).exp2() / channels as f64;
            let root = (square + epsilon * scale * scale).sqrt();
            // At most [`ROOT`].
            rounded(self.scale * f64::from(self.shift).exp2() / root).min(ROOT) as u16
        };
        let roots = (0..=most >> square_shift).map(root).collect();
        Norm { tensor: of, square_shift, roots, shift: self.shift }
    }
}
