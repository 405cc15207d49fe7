//! Proof of Work and Reputation: what a worker is paid for.
//!
//! Score = contribution x quality x trust, bounded by stake; payouts share a pool by score. All
//! integers, all rounded down, so that payouts never exceed the pool. Equal to
//! `contracts/src/Powr.sol` by the vectors in `testdata/powr.json`.

use thiserror::Error;

use crate::statement::Score;
use crate::units::{mul_div_down, Fraction, ONE};

/// Largest confidence margin of one probe: int8 from -128 to 127.
const MAX_MARGIN: u64 = 255;

/// Why a batch's sums have no quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QualityError {
    /// Nothing was probed.
    #[error("the batch has no probes")]
    NoProbes,
    /// The sums contradict each other.
    #[error("{correct} of {count} probes cannot be correct")]
    MoreCorrectThanProbes {
        /// Correct probes.
        correct: u32,
        /// Probes.
        count: u32,
    },
}

/// Work done: units of the model version times items.
#[must_use]
pub fn contribution(work_units: u64, items: u32) -> u128 {
    u128::from(work_units) * u128::from(items)
}

/// Quality of a batch from the sums that its proof states: accuracy, scaled by 3/4 to 1 of
/// confidence.
///
/// # Errors
/// When there are no probes, or more correct ones than probes.
pub fn quality(score: Score) -> Result<Fraction, QualityError> {
    let Score { probe_count: count, probe_correct: correct, margin_sum } = score;
    if count == 0 {
        return Err(QualityError::NoProbes);
    }
    if correct > count {
        return Err(QualityError::MoreCorrectThanProbes { correct, count });
    }
    let one = u64::from(ONE);
    let accuracy = u64::from(correct) * one / u64::from(count);
    let most = MAX_MARGIN * u64::from(count);
    let confidence =
        u128::from(u64::from(margin_sum).min(most)) * u128::from(one) / u128::from(most);
    let factor = (3 * u128::from(one) + confidence) / 4;
    let quality = u128::from(accuracy) * factor / u128::from(one);
    Ok(Fraction(u32::try_from(quality).unwrap_or(ONE)))
}

/// Score of a worker in an epoch.
///
/// `work` is the sum of contribution times quality over its batches, `trust` its weight, `k` the
/// work that one wei of stake can answer for.
#[must_use]
pub fn score(work: u128, trust: Fraction, k: u128, stake_wei: u128) -> u128 {
    trust.times_down(work).min(k.saturating_mul(stake_wei))
}

/// Part of `pool` for `own` of `total` score; zero when there is no score. `own` is at most
/// `total`; then payouts never exceed the pool.
#[must_use]
pub fn payout(pool_wei: u128, own: u128, total: u128) -> u128 {
    mul_div_down(pool_wei, own.min(total), total).unwrap_or(0)
}

/// The golden vectors.
#[cfg(test)]
pub(crate) mod vectors {
    use std::collections::BTreeMap;

    /// One vector: numbers by name.
    pub(crate) type Row = BTreeMap<String, u128>;

    /// The vectors of a group.
    pub(crate) fn group(name: &str) -> Vec<Row> {
        type Groups = BTreeMap<String, BTreeMap<String, Vec<String>>>;
        let text = include_str!("../testdata/powr.json");
        let groups: Groups = serde_json::from_str(text).unwrap();
        let columns = &groups[name];
        let len = columns.values().next().unwrap().len();
        assert!(len > 0 && columns.values().all(|c| c.len() == len));
        let cell = |values: &[String], i: usize| values[i].parse().unwrap();
        let row = |i| columns.iter().map(|(k, v)| (k.clone(), cell(v, i))).collect();
        (0..len).map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::vectors::{group, Row};
    use super::*;

    fn small(row: &Row, name: &str) -> u32 {
        u32::try_from(row[name]).unwrap()
    }

    #[test]
    fn products_are_those_of_the_vectors() {
        for row in group("mul") {
            assert_eq!(Fraction(small(&row, "b")).times_down(row["a"]), row["out"], "{row:?}");
        }
    }

    #[test]
    fn contributions_are_those_of_the_vectors() {
        for row in group("contribution") {
            let units = u64::try_from(row["workUnits"]).unwrap();
            assert_eq!(contribution(units, small(&row, "items")), row["out"]);
        }
    }

    #[test]
    fn qualities_are_those_of_the_vectors() {
        for row in group("quality") {
            let score = Score {
                probe_count: small(&row, "probeCount"),
                probe_correct: small(&row, "probeCorrect"),
                margin_sum: small(&row, "marginSum"),
            };
            assert_eq!(quality(score), Ok(Fraction(small(&row, "out"))), "{row:?}");
        }
    }

    #[test]
    fn impossible_sums_have_no_quality() {
        let score =
            |probe_count, probe_correct| Score { probe_count, probe_correct, margin_sum: 0 };
        assert_eq!(quality(score(0, 0)), Err(QualityError::NoProbes));
        let error = QualityError::MoreCorrectThanProbes { correct: 3, count: 2 };
        assert_eq!(quality(score(2, 3)), Err(error));
    }

    #[test]
    fn scores_are_those_of_the_vectors() {
        for row in group("score") {
            let trust = Fraction(small(&row, "trust"));
            assert_eq!(score(row["work"], trust, row["k"], row["stake"]), row["out"]);
        }
    }

    #[test]
    fn payouts_are_those_of_the_vectors() {
        for row in group("payout") {
            assert_eq!(payout(row["pool"], row["score"], row["total"]), row["out"]);
        }
    }

    #[test]
    fn payouts_never_exceed_the_pool() {
        let scores = [1u128, 1, 3, u128::from(u64::MAX), 7 << 70, 12_345];
        let total: u128 = scores.iter().sum();
        for pool in [0, 1, 5, 1_000_000_007, u128::MAX >> 8] {
            let paid: u128 = scores.iter().map(|s| payout(pool, *s, total)).sum();
            assert!(paid <= pool && pool - paid < scores.len() as u128);
        }
    }

    #[test]
    fn splitting_an_identity_gains_nothing() {
        let (pool, total) = (1_000_000_007, 1 << 60);
        for own in [2u128, 1_000, (1 << 50) + 1] {
            let split = payout(pool, own / 2, total) + payout(pool, own - own / 2, total);
            assert!(split <= payout(pool, own, total));
        }
    }
}
