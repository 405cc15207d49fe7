//! Between which ends the codes of scores lie.

use super::scales::rounded;
use super::trace::Trace;

/// Tokens whose scores are looked at.
const SAMPLED: usize = 2_048;
/// Codes behind the first one.
const STEPS: f64 = 254.0;
/// Shares of the scores' range that are tried, in sixteenths: the lowest ones may be cut off.
const SIXTEENTHS: std::ops::RangeInclusive<u32> = 5..=16;

/// The ends at which the softmax of scores changes least.
pub(super) fn ends(traces: &[Trace], tensor: usize, channels: usize) -> [f64; 2] {
    let all: Vec<&[f64]> =
        traces.iter().flat_map(|t| t.tensors[tensor].chunks_exact(channels)).collect();
    let step = all.len().div_ceil(SAMPLED).max(1);
    let sample: Vec<&[f64]> = all.iter().step_by(step).copied().collect();
    let high = all.iter().copied().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
    let low = all.iter().copied().flatten().copied().fold(f64::INFINITY, f64::min);
    if !(high - low).is_finite() || high <= low {
        return [low.min(0.0) - 1.0, high.max(0.0) + 1.0];
    }
    let cut = |n: u32| [high - (high - low) * f64::from(n) / 16.0, high];
    let change = |ends: &[f64; 2]| sample.iter().map(|row| divergence(row, *ends)).sum::<f64>();
    let tried = SIXTEENTHS.map(cut).map(|ends| (change(&ends), ends));
    tried.min_by(|a, b| a.0.total_cmp(&b.0)).map_or([low, high], |(_, ends)| ends)
}

/// How far logarithms of the softmax of codes are from those of the scores: on what the model expects, and as much on all
/// ids alike, since it is what the model does not expect that costs the most when it comes.
fn divergence(row: &[f64], [low, high]: [f64; 2]) -> f64 {
    let step = (high - low) / STEPS;
    let code = |x: &f64| low + step * rounded((x - low) / step).clamp(-1.0, STEPS);
    let codes: Vec<f64> = row.iter().map(code).collect();
    let (right, got) = (log_softmax(row), log_softmax(&codes));
    let share = (row.len() as f64).recip();
    right.iter().zip(&got).map(|(p, q)| (p.exp() + share) * (p - q).abs()).sum()
}

/// Logarithms of a softmax.
pub(super) fn log_softmax(row: &[f64]) -> Vec<f64> {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|x| (x - most).exp()).sum();
    row.iter().map(|x| x - most - sum.ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_scores_far_below_the_others_are_cut_off() {
        let mut row: Vec<f64> = (0..200).map(|i| f64::from(i) / 100.0).collect();
        let ends_of = |row: &[f64]| {
            let tensors = vec![Vec::new(), row.to_vec()];
            ends(&[Trace { tensors, arguments: Vec::new() }], 1, row.len())
        };
        assert_eq!(ends_of(&row)[0], 0.0);
        row.push(-3.0);
        let [low, high] = ends_of(&row);
        assert!((-3.0..=0.0).contains(&low) && high == 1.99, "{low} {high}");
    }
}
