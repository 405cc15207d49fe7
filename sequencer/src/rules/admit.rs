//! Whether a task is taken: room in the queue, and a user who can pay and has paid.

/// What is known when a task arrives. Amounts are in token wei.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Tasks of all users that have not ended.
    pub(crate) open: u64,
    /// Tasks of this user that have not ended.
    pub(crate) open_of_user: u64,
    /// What these tasks cost.
    pub(crate) owed: u128,
    /// Price of the new one.
    pub(crate) price: u128,
    /// What the user's escrow holds.
    pub(crate) escrow: u128,
    /// Until when the user is refused because earlier answers were not paid; 0 if they were.
    pub(crate) refused_until_ms: u64,
    /// The time.
    pub(crate) now_ms: u64,
}

/// Limits of the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Open tasks of all users.
    pub(crate) open: u64,
    /// Open tasks of one user.
    pub(crate) open_of_user: u64,
}

/// Why a task is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    QueueFull,
    UserQueueFull { limit: u64 },
    Unpaid { until_ms: u64 },
    Escrow { needed: u128 },
}

/// First refusal after an answer that was proven and not paid; doubles with each further one.
const FIRST_REFUSAL_MS: u64 = 3_600_000;
/// Longest such refusal: a week.
const LONGEST_REFUSAL_MS: u64 = 7 * 24 * 3_600_000;

/// Whether the task is taken.
pub(crate) fn admit(facts: Facts, limits: Limits) -> Result<(), Refusal> {
    if facts.refused_until_ms > facts.now_ms {
        return Err(Refusal::Unpaid { until_ms: facts.refused_until_ms });
    }
    if facts.open >= limits.open {
        return Err(Refusal::QueueFull);
    }
    if facts.open_of_user >= limits.open_of_user {
        return Err(Refusal::UserQueueFull { limit: limits.open_of_user });
    }
    let needed = facts.owed.saturating_add(facts.price);
    if facts.escrow < needed {
        return Err(Refusal::Escrow { needed });
    }
    Ok(())
}

/// How long a user is refused whose `unpaid`-th answer was proven and not paid.
pub(crate) fn refusal_ms(unpaid: u64) -> u64 {
    let doublings = u32::try_from(unpaid.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    (FIRST_REFUSAL_MS << doublings).min(LONGEST_REFUSAL_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { open: 10, open_of_user: 5 };

    fn facts() -> Facts {
        let (owed, price, escrow) = (20, 10, 30);
        Facts { open: 3, open_of_user: 2, owed, price, escrow, refused_until_ms: 0, now_ms: 100 }
    }

    #[test]
    fn an_escrow_must_cover_open_tasks_and_the_new_one() {
        assert_eq!(admit(facts(), LIMITS), Ok(()));
        let short = Facts { escrow: 29, ..facts() };
        assert_eq!(admit(short, LIMITS), Err(Refusal::Escrow { needed: 30 }));
        let huge = Facts { owed: u128::MAX, ..facts() };
        assert!(admit(huge, LIMITS).is_err(), "sums do not wrap");
    }

    #[test]
    fn the_queue_is_bounded_in_all_and_by_user() {
        assert_eq!(admit(Facts { open: 10, ..facts() }, LIMITS), Err(Refusal::QueueFull));
        let full = admit(Facts { open_of_user: 5, ..facts() }, LIMITS);
        assert_eq!(full, Err(Refusal::UserQueueFull { limit: 5 }));
    }

    #[test]
    fn who_did_not_pay_waits_longer_each_time() {
        let banned = Facts { refused_until_ms: 101, ..facts() };
        assert_eq!(admit(banned, LIMITS), Err(Refusal::Unpaid { until_ms: 101 }));
        assert_eq!(admit(Facts { refused_until_ms: 100, ..facts() }, LIMITS), Ok(()));
        assert_eq!([1, 2, 3].map(refusal_ms), [3_600_000, 7_200_000, 14_400_000]);
        assert_eq!(refusal_ms(u64::MAX), LONGEST_REFUSAL_MS);
    }
}
