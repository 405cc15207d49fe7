//! Tables of an attention.

use dn_core::quant::sequence::{Attention as Integers, MAX_ABS_LONG};

use super::model::Attention;
use super::quantise::BYTE;
use super::scales::rounded;

/// Codes per unit of a score: the exponential of one code is `exp(-1/8)`.
const UNIT: f64 = 8.0;
/// The exponential of no difference.
const EXPONENTIAL: f64 = 31.0;
/// Bits of the quotients of weighed sums.
const CONTEXT_BITS: u32 = 12;
/// Largest inverse of a sum with one key.
const INVERSE: f64 = (1 << 12) as f64;
/// Share of the largest query and key that their codes reach.
const CLIP: f64 = 0.9;
/// Largest shift.
const MAX_SHIFT: i32 = 14;

/// The shift of scores for the largest query and key, and what both scales must be multiplied by.
fn score_shift(most: [f64; 2], factor: f64) -> (u32, f64) {
    let [query, key] = most.map(|most| BYTE / (most.max(f64::MIN_POSITIVE) * CLIP));
    let full = query * key / factor;
    let shift = (full / UNIT).log2().floor().clamp(0.0, MAX_SHIFT.into());
    (shift as u32, (shift.exp2() * UNIT / full).sqrt())
}

/// Codes per unit of queries and keys: near the full range, and such that their product is a score by a shift.
pub(super) fn score_scales(most: [f64; 2], factor: f64) -> [f64; 2] {
    let (_, times) = score_shift(most, factor);
    most.map(|most| times * BYTE / (most.max(f64::MIN_POSITIVE) * CLIP))
}

/// The integers of an attention whose queries, keys and values have so many codes per unit. Its values have those of
/// what it weighs.
pub(super) fn attention(own: &Attention, tokens: usize, [query, key, _]: [f64; 3]) -> Integers {
    let modulus = tokens as f64 + 1.0;
    let sum = |exponential: f64| modulus * exponential + 1.0;
    let fits = |e: &f64| (BYTE + 1.0) * tokens as f64 * sum(*e) < MAX_ABS_LONG as f64 / 2.0;
    let top = (1..=EXPONENTIAL as i32).rev().map(f64::from).find(fits).unwrap_or(1.0);
    let exponential = |h: i32| rounded(top * (-f64::from(h) / UNIT).exp());
    let exponentials: Vec<f64> = (0..).map(exponential).take_while(|e| *e > 0.0).collect();
    // Products of scores are codes of UNIT per unit behind this shift.
    let score_shift = (query * key / own.scale / UNIT).log2().round().max(0.0) as u32;
    let largest = (BYTE + 1.0) * tokens as f64 * sum(top);
    let context_shift = (largest.log2().ceil() as u32).saturating_sub(CONTEXT_BITS);
    let smallest = sum(top);
    let shift = (INVERSE * smallest).log2() - f64::from(context_shift);
    let shift = shift.floor().clamp(0.0, MAX_SHIFT.into()) as u32;
    let scale = f64::from(context_shift + shift).exp2();
    let count = tokens * top as usize;
    let inverse = |a: usize| if a == 0 { 0.0 } else { rounded(scale / sum(a as f64)) };
    let [query, key, value] = own.reads;
    Integers {
        query,
        key,
        value,
        heads: own.heads,
        is_causal: own.is_causal,
        score_shift,
        // Both are far below the ends of their types.
        exponentials: exponentials.iter().map(|e| *e as u16).collect(),
        inverses: (0..=count).map(|a| inverse(a) as u32).collect(),
        context_shift,
        shift,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_queries_and_keys_are_scores_by_a_shift() {
        for (most, factor) in [([4.0, 3.0], 0.25), ([0.1, 9.0], 1.0), ([30.0, 50.0], 0.125)] {
            let (shift, times) = score_shift(most, factor);
            let [query, key] = score_scales(most, factor);
            let unit = f64::from(shift).exp2() * UNIT * factor;
            assert!((query * key / unit - 1.0).abs() < 1e-9, "{most:?}");
            assert!(times <= 1.0 + 1e-9, "{most:?}");
        }
    }
}
