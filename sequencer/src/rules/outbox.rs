//! The next step of a transaction.
//!
//! A transaction is recorded before it is sent and stays open until its nonce is consumed at the
//! configured depth. Until then its outcome is unknown, whatever a node says: it is sent again, and
//! after a while under the same nonce for a higher fee.

/// Fees per gas, in wei.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fee {
    /// Most that is paid in all.
    pub(crate) max: u128,
    /// Most that is paid to the block's author.
    pub(crate) tip: u128,
}

impl Fee {
    /// The lowest fee that replaces this one: nodes ask for a tenth more; this is an eighth.
    fn next(self) -> Self {
        Self { max: self.max + self.max / 8 + 1, tip: self.tip + self.tip / 8 + 1 }
    }

    fn or_more(self, other: Self) -> Self {
        Self { max: self.max.max(other.max), tip: self.tip.max(other.tip) }
    }
}

/// Pause between two times that a transaction is sent.
const RESEND_MS: u64 = 4_000;
/// How long a consumed nonce without a receipt may be a node that lags.
const LAG_MS: u64 = 30_000;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// In a block, and it did what it should.
    Mined,
    /// In a block, without effect.
    Reverted,
    /// Another transaction took its nonce.
    Replaced,
}

/// What is known of a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Whether one of its variants is in a block and succeeded there.
    pub(crate) mined: Option<bool>,
    /// Whether the follower has reached that block.
    pub(crate) is_followed: bool,
    /// How long its nonce is known to be consumed, if it is.
    pub(crate) consumed_ms: Option<u64>,
    /// How long ago it was sent last, and priced last.
    pub(crate) since_sent_ms: u64,
    pub(crate) since_priced_ms: u64,
    /// What it pays, what is asked at this moment, and the most that may be paid.
    pub(crate) fee: Fee,
    pub(crate) market: Fee,
    pub(crate) cap: u128,
    /// How long a fee is given a chance.
    pub(crate) bump_after_ms: u64,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, until something happens.
    Wait,
    /// Its outcome is known.
    Close(Outcome),
    /// Send it again as it is.
    Resend,
    /// Send it for a higher fee, under the same nonce.
    Reprice(Fee),
    /// Send it again as it is; a higher fee is not allowed, which a person should know.
    AtCap,
}

/// The next step.
pub(crate) fn next(tx: &Facts) -> Step {
    if let Some(is_success) = tx.mined {
        if !tx.is_followed {
            return Step::Wait;
        }
        return Step::Close(if is_success { Outcome::Mined } else { Outcome::Reverted });
    }
    if let Some(consumed_ms) = tx.consumed_ms {
        return if consumed_ms < LAG_MS { Step::Wait } else { Step::Close(Outcome::Replaced) };
    }
    if tx.since_priced_ms >= tx.bump_after_ms {
        let fee = tx.fee.next().or_more(tx.market);
        if fee.max <= tx.cap {
            return Step::Reprice(Fee { tip: fee.tip.min(fee.max), ..fee });
        }
        return if tx.since_sent_ms < RESEND_MS { Step::Wait } else { Step::AtCap };
    }
    if tx.since_sent_ms >= RESEND_MS {
        return Step::Resend;
    }
    Step::Wait
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            mined: None,
            is_followed: false,
            consumed_ms: None,
            since_sent_ms: 0,
            since_priced_ms: 0,
            fee: Fee { max: 1_000, tip: 80 },
            market: Fee { max: 900, tip: 100 },
            cap: 5_000,
            bump_after_ms: 30_000,
        }
    }

    #[test]
    fn only_a_consumed_nonce_ends_a_transaction() {
        assert_eq!(next(&facts()), Step::Wait);
        let mined = Facts { mined: Some(true), ..facts() };
        assert_eq!(next(&mined), Step::Wait, "before its events are known");
        assert_eq!(next(&Facts { is_followed: true, ..mined }), Step::Close(Outcome::Mined));
        let reverted = Facts { mined: Some(false), is_followed: true, ..facts() };
        assert_eq!(next(&reverted), Step::Close(Outcome::Reverted));
        let lagging = Facts { consumed_ms: Some(0), since_sent_ms: 99_999, ..facts() };
        assert_eq!(next(&lagging), Step::Wait);
        let gone = Facts { consumed_ms: Some(30_000), ..facts() };
        assert_eq!(next(&gone), Step::Close(Outcome::Replaced));
    }

    #[test]
    fn what_is_not_mined_is_sent_again_and_then_for_more() {
        assert_eq!(next(&Facts { since_sent_ms: 4_000, ..facts() }), Step::Resend);
        let old = Facts { since_priced_ms: 30_000, ..facts() };
        assert_eq!(next(&old), Step::Reprice(Fee { max: 1_126, tip: 100 }));
        let Step::Reprice(fee) = next(&old) else { panic!() };
        assert!(fee.max * 10 >= facts().fee.max * 11 && fee.tip * 10 >= facts().fee.tip * 11);
        let spike = Facts { market: Fee { max: 4_000, tip: 1 }, ..old };
        assert_eq!(next(&spike), Step::Reprice(Fee { max: 4_000, tip: 91 }));
    }

    #[test]
    fn a_fee_has_a_cap() {
        let dear = Facts { since_priced_ms: 30_000, cap: 1_100, ..facts() };
        assert_eq!(next(&Facts { since_sent_ms: 4_000, ..dear }), Step::AtCap);
        assert_eq!(next(&dear), Step::Wait);
    }
}
