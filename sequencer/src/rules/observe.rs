//! What a node's trust is after what was seen of it.
//!
//! The sequencer closes a window of observation every [`WINDOW_MS`] and moves each node's trust by
//! `dn_core::trust`, as the contracts' epochs do by what validators attest. A window in which a node
//! had nothing to do leaves what it would have shown unchanged.

use dn_core::trust::{Observed, Trust};
use dn_core::units::Fraction;

/// Length of a window.
pub(crate) const WINDOW_MS: u64 = 10_000;

/// What was counted of a node in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Tasks answered, batches proven.
    pub(crate) finished: u64,
    /// Leases of tasks, answered by another since, that ended without an answer.
    pub(crate) missed: u64,
    /// Answers that a proof confirmed.
    pub(crate) right: u64,
    /// Answers that a proof contradicted.
    pub(crate) wrong: u64,
    /// Time from lease to answer, summed.
    pub(crate) latency_ms: u64,
    /// Work units done.
    pub(crate) units: u64,
    /// Whether it was heard from.
    pub(crate) is_alive: bool,
}

impl Seen {
    /// Counts what was seen besides.
    pub(crate) fn add(&mut self, other: Self) {
        self.finished += other.finished;
        self.missed += other.missed;
        self.right += other.right;
        self.wrong += other.wrong;
        self.latency_ms += other.latency_ms;
        self.units += other.units;
        self.is_alive |= other.is_alive;
    }

    /// Mean time from lease to answer.
    fn mean_ms(&self) -> Option<u64> {
        (self.finished > 0).then(|| self.latency_ms / self.finished)
    }
}

/// Median of the mean latencies of all nodes that answered; what a node's speed is measured by.
pub(crate) fn median_ms<'a>(seen: impl Iterator<Item = &'a Seen>) -> Option<u64> {
    let mut means: Vec<u64> = seen.filter_map(Seen::mean_ms).collect();
    means.sort_unstable();
    means.get(means.len() / 2).copied()
}

/// The trust after a window.
pub(crate) fn after(trust: Trust, seen: Seen, median_ms: Option<u64>) -> Trust {
    let share = |part: u64, other: u64, unchanged: Fraction| {
        let whole = u128::from(part) + u128::from(other);
        Fraction::of_down(u128::from(part), whole).unwrap_or(unchanged)
    };
    let speed = seen.mean_ms().zip(median_ms).map_or(trust.speed, |(own, median)| {
        // Answers within a few milliseconds of each other are equally fast.
        let (own, median) = (u128::from(own.max(10)), u128::from(median.max(10)));
        Fraction::of_down(median.min(own), own).unwrap_or(trust.speed)
    });
    trust.after(Observed {
        completion: share(seen.finished, seen.missed, trust.completion),
        accuracy: share(seen.right, seen.wrong, trust.accuracy),
        uptime: if seen.is_alive { Fraction::ONE } else { Fraction::ZERO },
        speed,
        units: seen.units,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Seen {
        Seen {
            finished: 50,
            right: 50,
            latency_ms: 1_000,
            units: 50_000,
            is_alive: true,
            ..Seen::default()
        }
    }

    fn after_windows(mut trust: Trust, seen: Seen, windows: u32) -> Trust {
        for _ in 0..windows {
            trust = after(trust, seen, Some(20));
        }
        trust
    }

    #[test]
    fn a_worker_that_holds_tasks_loses_most_of_its_weight_in_three_minutes() {
        let trusted = after_windows(Trust::default(), good(), 1_000);
        let hoarder = Seen { finished: 0, missed: 20, is_alive: true, ..Seen::default() };
        let fallen = after_windows(trusted, hoarder, 18);
        assert!(fallen.weight().0 < trusted.weight().0 / 4, "{fallen:?}");
    }

    #[test]
    fn who_has_nothing_to_do_keeps_its_completion() {
        let idle = Seen { is_alive: true, ..Seen::default() };
        let trust = after_windows(Trust::default(), idle, 10);
        assert_eq!(trust.completion, Trust::default().completion);
        assert_eq!(trust.accuracy, Trust::default().accuracy);
        assert!(trust.uptime > Trust::default().uptime);
    }

    #[test]
    fn slow_answers_cost_speed() {
        let slow = Seen { latency_ms: 50_000, ..good() };
        let trust = after_windows(Trust::default(), slow, 60);
        assert!(trust.speed < Trust::default().speed);
        assert_eq!(median_ms([good(), good(), slow].iter()), Some(20));
        assert_eq!(median_ms([Seen::default()].iter()), None);
    }
}
