//! The Dynamic Trust Weight: what a worker's past says about its next task.
//!
//! Four smoothed observations and a history of work make one fraction. Observations climb slowly
//! and fall fast; speed and uptime never buy back missing or wrong work, because the weight is
//! multiplied by the smaller of completion and accuracy. Equal to `contracts/src/Powr.sol` by the
//! vectors in `testdata/powr.json`.

use crate::units::{Fraction, ONE};

/// Rises of every observation: a sixty-fourth of the distance per epoch.
const RISE: u32 = 6;
/// Falls of accuracy: an eighth of the distance per epoch.
pub const FAST_FALL: u32 = 3;
/// Falls of completion, uptime and speed: a sixteenth of the distance per epoch.
pub const SLOW_FALL: u32 = 4;
/// Share of the history that is forgotten per epoch: a sixty-fourth.
const FORGET: u32 = 6;
/// Work at which the history counts one half.
const HALF_HISTORY: u128 = 1 << 40;
/// Weights of completion, accuracy, uptime, speed and history; they sum to `2^WEIGHT_BITS`.
const WEIGHTS: [u64; 5] = [19_661, 22_938, 9_830, 6_554, 6_553];
const WEIGHT_BITS: u32 = 16;

/// What was seen of a worker in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Leased tasks that it finished in time.
    pub completion: Fraction,
    /// Answers that the proofs confirmed.
    pub accuracy: Fraction,
    /// Time in which it was heard from.
    pub uptime: Fraction,
    /// Latency against the median of its peers.
    pub speed: Fraction,
    /// Work units that it did.
    pub units: u64,
}

/// A worker's smoothed observations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Of finished tasks.
    pub completion: Fraction,
    /// Of right answers.
    pub accuracy: Fraction,
    /// Of presence.
    pub uptime: Fraction,
    /// Of latency.
    pub speed: Fraction,
    /// Decaying sum of work units; stays below `64 * 2^64 + 64`.
    pub history: u128,
}

impl Default for Trust {
    /// A worker that has done nothing yet.
    fn default() -> Self {
        let quarter = Fraction(ONE / 4);
        Self { completion: quarter, accuracy: quarter, uptime: quarter, speed: quarter, history: 0 }
    }
}

/// Moves `mean` towards `sample`: a sixty-fourth of the distance up, `2^-fall` of it down, rounded
/// down but at least one step.
#[must_use]
pub fn observe(mean: Fraction, sample: Fraction, fall: u32) -> Fraction {
    let (m, s) = (mean.0, sample.0);
    match s.cmp(&m) {
        std::cmp::Ordering::Greater => Fraction(m + ((s - m) >> RISE).max(1)),
        std::cmp::Ordering::Less => Fraction(m - ((m - s) >> fall).max(1)),
        std::cmp::Ordering::Equal => mean,
    }
}

/// The history after an epoch with `units` of work.
#[must_use]
pub fn advance_history(history: u128, units: u64) -> u128 {
    history - (history >> FORGET) + u128::from(units)
}

/// The history as a fraction that approaches one, rounded down.
#[must_use]
pub fn history_fraction(history: u128) -> Fraction {
    Fraction::of_down(history, history + HALF_HISTORY).unwrap_or(Fraction::ZERO)
}

impl Trust {
    /// After one more epoch.
    #[must_use]
    pub fn after(self, seen: Observed) -> Self {
        Self {
            completion: observe(self.completion, seen.completion, SLOW_FALL),
            accuracy: observe(self.accuracy, seen.accuracy, FAST_FALL),
            uptime: observe(self.uptime, seen.uptime, SLOW_FALL),
            speed: observe(self.speed, seen.speed, SLOW_FALL),
            history: advance_history(self.history, seen.units),
        }
    }

    /// Weighted mean of observations and history, rounded down.
    #[must_use]
    pub fn base(self) -> Fraction {
        let parts = [
            self.completion,
            self.accuracy,
            self.uptime,
            self.speed,
            history_fraction(self.history),
        ];
        let sum: u64 = WEIGHTS.iter().zip(parts).map(|(w, part)| w * u64::from(part.0)).sum();
        // The weights sum to 2^WEIGHT_BITS, so the mean is at most ONE.
        Fraction(u32::try_from(sum >> WEIGHT_BITS).unwrap_or(ONE))
    }

    /// The trust weight: `base * min(completion, accuracy)`, rounded down.
    #[must_use]
    pub fn weight(self) -> Fraction {
        let limit = self.completion.min(self.accuracy);
        let weight = self.base().times_down(u128::from(limit.0));
        Fraction(u32::try_from(weight).unwrap_or(ONE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::powr::vectors::{group, Row};

    fn fraction(row: &Row, name: &str) -> Fraction {
        Fraction(u32::try_from(row[name]).unwrap())
    }

    #[test]
    fn observations_are_those_of_the_vectors() {
        for row in group("observe") {
            let fall = u32::try_from(row["shift"]).unwrap();
            let out = observe(fraction(&row, "m"), fraction(&row, "s"), fall);
            assert_eq!(out, fraction(&row, "out"), "{row:?}");
        }
    }

    #[test]
    fn histories_are_those_of_the_vectors() {
        for row in group("history") {
            let next = advance_history(row["h"], u64::try_from(row["units"]).unwrap());
            assert_eq!(next, row["next"]);
            assert_eq!(history_fraction(next), fraction(&row, "hist"));
        }
    }

    #[test]
    fn weights_are_those_of_the_vectors() {
        for row in group("trust") {
            let trust = Trust {
                completion: fraction(&row, "c"),
                accuracy: fraction(&row, "a"),
                uptime: fraction(&row, "u"),
                speed: fraction(&row, "s"),
                history: row["h"],
            };
            assert_eq!(trust.base(), fraction(&row, "base"));
            assert_eq!(trust.weight(), fraction(&row, "out"));
        }
    }

    #[test]
    fn a_worker_s_life_is_that_of_the_vectors() {
        let mut trust = Trust::default();
        for row in group("worker") {
            trust = trust.after(Observed {
                completion: fraction(&row, "c"),
                accuracy: fraction(&row, "a"),
                uptime: fraction(&row, "u"),
                speed: fraction(&row, "s"),
                units: u64::try_from(row["units"]).unwrap(),
            });
            assert_eq!(trust.weight(), fraction(&row, "trust"));
        }
    }

    #[test]
    fn a_better_observation_never_lowers_the_weight() {
        for step in 0..64u32 {
            let low = Fraction(step * (ONE / 64));
            let high = Fraction(low.0 + ONE / 64);
            for change in [
                |t: &mut Trust, x| t.completion = x,
                |t: &mut Trust, x| t.accuracy = x,
                |t: &mut Trust, x| t.uptime = x,
                |t: &mut Trust, x| t.speed = x,
            ] {
                let [mut worse, mut better] = [Trust::default(); 2];
                change(&mut worse, low);
                change(&mut better, high);
                assert!(worse.weight() <= better.weight());
            }
        }
    }
}
