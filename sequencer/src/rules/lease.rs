//! Who gets how much work, and what the end of a lease means.

use dn_core::task::{Reason, TaskEvent};
use dn_core::units::Fraction;

/// Tasks that a worker may always hold: enough to earn trust with.
const LEAST_TASKS: u32 = 8;
/// Tasks that a fully trusted worker may hold.
const MOST_TASKS: u32 = 256;
/// Batches that a prover may hold: one to prove and one to fetch.
const MOST_BATCHES: u32 = 2;
/// Share of choices that ignore trust, so that new workers are tried: one in so many.
const EXPLORE: u64 = 16;

/// How much a node is trusted. The epochs of the contracts can stand behind it as well as what this
/// sequencer has seen.
pub(crate) trait Weight {
    /// The trust weight.
    fn weight(&self) -> Fraction;
}

impl Weight for dn_core::trust::Trust {
    fn weight(&self) -> Fraction {
        dn_core::trust::Trust::weight(*self)
    }
}

/// Tasks that a worker may hold at once.
pub(crate) fn task_allowance(trust: &impl Weight) -> u32 {
    let earned = u128::from(MOST_TASKS - LEAST_TASKS);
    let earned = trust.weight().times_down(earned);
    LEAST_TASKS + u32::try_from(earned).unwrap_or(0)
}

/// Batches that a prover may hold at once.
pub(crate) fn batch_allowance() -> u32 {
    MOST_BATCHES
}

/// A worker that asks for tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    /// Its trust weight.
    pub(crate) weight: Fraction,
    /// Tasks that it may still take.
    pub(crate) free: u32,
}

/// Which of those who ask is served next: with a probability proportional to weight squared times
/// free capacity, and now and then anybody. `roll` is a random number. `None` when nobody has
/// room.
pub(crate) fn choose(asking: &[Asking], roll: u64) -> Option<usize> {
    let explores = roll.is_multiple_of(EXPLORE);
    let share = |a: &Asking| -> u128 {
        if explores || a.free == 0 {
            return u128::from(a.free.min(1));
        }
        // 2^16 steps of weight; nobody with room is out of reach.
        let weight = u128::from(a.weight.0 >> 16);
        (weight * weight).max(1) * u128::from(a.free)
    };
    let total: u128 = asking.iter().map(share).sum();
    let mut left = u128::from(roll / EXPLORE) % total.max(1);
    (total > 0).then_some(())?;
    asking.iter().position(|a| {
        let own = share(a);
        if left < own {
            return true;
        }
        left -= own;
        false
    })
}

/// Tasks that one of `asking` workers is given of `queued`: a fair share, so that nobody who
/// asks first takes all.
pub(crate) fn share(queued: u64, asking: usize, free: u32) -> u32 {
    let share = queued.div_ceil(asking.max(1) as u64);
    u32::try_from(share).unwrap_or(u32::MAX).clamp(1, free.max(1))
}

/// Different workers whose leases of a task end without an answer before it is given up.
pub(crate) const MAX_WORKERS: u64 = 3;

/// What happens to a task whose lease ended without an answer. `failed` counts the *different*
/// workers that it happened to, this one included.
pub(crate) fn after_lease(failed: u64) -> (TaskEvent, Reason) {
    if failed >= MAX_WORKERS {
        (TaskEvent::GiveUp, Reason::Quarantined)
    } else {
        (TaskEvent::ExpireLease, Reason::LeaseExpired)
    }
}

/// How long a task that a worker has failed is kept for others.
const KEPT_FOR_OTHERS_MS: u64 = 10_000;

/// Tasks that wait since before are given to a worker that has failed them; others come first, if
/// there are any.
pub(crate) fn failed_before_ms(now_ms: u64, are_others_alive: bool) -> u64 {
    if are_others_alive {
        now_ms.saturating_sub(KEPT_FOR_OTHERS_MS)
    } else {
        now_ms
    }
}

/// How long leases last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// A lease ends so long after its node was last heard from.
    pub(crate) silence_ms: u64,
    /// A lease of a task ends so long after it was given, whatever is heard.
    pub(crate) hold_ms: u64,
}

impl Terms {
    /// When a task's lease ends that was given at `leased_ms` and whose worker is heard from now.
    pub(crate) fn end_ms(self, leased_ms: u64, now_ms: u64) -> u64 {
        now_ms.saturating_add(self.silence_ms).min(leased_ms.saturating_add(self.hold_ms))
    }

    /// Whether a lease has ended. One that ends later than any lease can was written under another
    /// clock.
    pub(crate) fn has_ended(self, end_ms: u64, now_ms: u64) -> bool {
        end_ms < now_ms || end_ms > now_ms.saturating_add(self.silence_ms.max(self.hold_ms))
    }
}

#[cfg(test)]
mod tests {
    use dn_core::units::ONE;

    use super::*;

    struct Fixed(u32);
    impl Weight for Fixed {
        fn weight(&self) -> Fraction {
            Fraction(self.0)
        }
    }

    #[test]
    fn a_worker_holds_as_much_as_it_is_trusted_with() {
        assert_eq!(task_allowance(&Fixed(0)), 8);
        assert_eq!(task_allowance(&Fixed(ONE)), 256);
        assert!(task_allowance(&Fixed(ONE / 2)) < 140);
    }

    #[test]
    fn work_goes_where_trust_is() {
        let asking = [
            Asking { weight: Fraction(ONE), free: 10 },
            Asking { weight: Fraction(ONE / 4), free: 10 },
            Asking { weight: Fraction(ONE), free: 0 },
        ];
        let mut got = [0u32; 3];
        for i in 0..16_000u64 {
            let roll = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            got[choose(&asking, roll).unwrap()] += 1;
        }
        assert_eq!(got[2], 0, "who has no room is given nothing");
        assert!(got[1] > 500, "who is new is tried: {got:?}");
        assert!(got[0] > 8 * got[1], "sixteen times the weight, less what is explored: {got:?}");
        assert_eq!(choose(&asking[2..], 5), None);
        assert_eq!(choose(&[], 5), None);
    }

    #[test]
    fn nobody_who_asks_first_takes_all() {
        assert_eq!(share(100, 4, 256), 25);
        assert_eq!(share(1, 4, 256), 1);
        assert_eq!(share(1000, 1, 8), 8);
    }

    #[test]
    fn only_different_workers_count() {
        assert_eq!(after_lease(2), (TaskEvent::ExpireLease, Reason::LeaseExpired));
        assert_eq!(after_lease(3), (TaskEvent::GiveUp, Reason::Quarantined));
    }

    #[test]
    fn a_failed_task_is_kept_for_others_and_not_for_ever() {
        assert_eq!(failed_before_ms(50_000, true), 40_000);
        assert_eq!(failed_before_ms(50_000, false), 50_000);
    }

    #[test]
    fn beats_extend_a_lease_up_to_its_hold() {
        let terms = Terms { silence_ms: 15_000, hold_ms: 30_000 };
        assert_eq!(terms.end_ms(0, 1_000), 16_000);
        assert_eq!(terms.end_ms(0, 20_000), 30_000);
        assert!(terms.has_ended(99, 100) && !terms.has_ended(100, 100));
        assert!(terms.has_ended(3_600_000, 100), "written by a clock that was an hour ahead");
    }
}
