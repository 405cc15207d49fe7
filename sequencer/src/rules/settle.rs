//! The next step of a batch towards the chain.
//!
//! ```text
//! formed --commit--> (number) --event--> committed --proof--> proof ready --prove--> --event--> proven
//!    ^                  |                    |                     |                              |
//!    +---lost, refused--+                    +------deadline-------+                chunks of it, settle  
//!                                            +--expire--> --event--> expired
//! ```
//!
//! A proof waits a moment for the signatures of the workers that it pays.
//!
//! What happened is what the chain's events say, at the configured depth; a transaction that was
//! sent changes nothing by itself. So each batch goes its way alone: what holds one up holds up
//! no other.

use dn_core::api::BatchState;

/// Commitments on their way at once. Each depends on the one before it, so a lost one costs the
/// gas of those behind it.
const MAX_COMMITMENTS: usize = 16;
/// Refusals of a proof after which it is tried again only now and then, until its deadline.
const MAX_REFUSALS: u64 = 3;
/// Pause between two tries of what the contract refuses.
const REFUSED_PAUSE_MS: u64 = 60_000;
/// How long a proof waits for workers to claim their shares.
const INVOICE_WAIT_MS: u64 = 15_000;
/// A proof waits for nothing when its deadline is so near.
const DEADLINE_MARGIN_S: u64 = 60;

/// What is known of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Where it is.
    pub(crate) state: BatchState,
    /// Whether it has a number of the chain: a commitment has been signed.
    pub(crate) is_numbered: bool,
    /// Whether a transaction of it is on its way.
    pub(crate) is_sending: bool,
    /// Last second at which it can be proven; 0 before it has a header.
    pub(crate) deadline_s: u64,
    /// When the first of its orders ends.
    pub(crate) orders_end_s: u64,
    /// Times that the contract refused its last step, and how long ago it did so last.
    pub(crate) refusals: u64,
    pub(crate) since_refusal_ms: u64,
    /// Whether the registry lets its model be used.
    pub(crate) is_model_active: bool,
    /// How long its proof has been there, and whether a worker that is there has not claimed its share.
    pub(crate) since_proof_ms: u64,
    pub(crate) are_invoices_missing: bool,
    /// Bit `i`: its chunk `i` is not settled. The rollup has so many bits, too.
    pub(crate) unsettled: u32,
}

/// What is known of the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    /// The chain's time.
    pub(crate) chain_time_s: u64,
    /// Commitments on their way.
    pub(crate) commitments: usize,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, until something happens.
    Wait,
    /// Give it the next number and send its header.
    Commit,
    /// Send its proof.
    Prove,
    /// Settle these chunks of it, or the first of them: bit `i` for chunk `i`.
    Settle(u32),
    /// Close it on chain: its time is over.
    Expire,
    /// Give its tasks back; the chain has never heard of it.
    Release(&'static str),
}

/// The next step.
pub(crate) fn next(batch: &Facts, world: World) -> Step {
    if batch.is_sending {
        return Step::Wait;
    }
    let is_paused = batch.refusals > 0 && batch.since_refusal_ms < REFUSED_PAUSE_MS;
    match batch.state {
        BatchState::Formed if batch.is_numbered => Step::Wait,
        BatchState::Formed => {
            let margin = super::form::COMMIT_MARGIN_S / 2;
            if batch.orders_end_s <= world.chain_time_s.saturating_add(margin) {
                Step::Release("an order ends before it can be committed")
            } else if !batch.is_model_active {
                Step::Release("the registry does not let the model be used")
            } else if batch.refusals >= MAX_REFUSALS {
                Step::Release("the contract refuses the commitment")
            } else if world.commitments >= MAX_COMMITMENTS {
                Step::Wait
            } else {
                Step::Commit
            }
        }
        BatchState::Committed | BatchState::ProofReady if batch.deadline_s < world.chain_time_s => {
            if is_paused {
                Step::Wait
            } else {
                Step::Expire
            }
        }
        BatchState::ProofReady if waits_for_invoices(batch, world) => Step::Wait,
        BatchState::ProofReady if batch.refusals < MAX_REFUSALS || !is_paused => Step::Prove,
        BatchState::Proven if !is_paused => settling(batch),
        BatchState::Committed
        | BatchState::ProofReady
        | BatchState::Proven
        | BatchState::Expired => Step::Wait,
    }
}

/// What has been refused together is tried one by one, each in turn: a chunk that the contract refuses holds up no other.
fn settling(batch: &Facts) -> Step {
    let chunks = batch.unsettled;
    if chunks == 0 {
        return Step::Wait;
    }
    if batch.refusals == 0 {
        return Step::Settle(chunks);
    }
    let turn = batch.refusals % u64::from(chunks.count_ones());
    // Without the ones before its turn; the lowest that is left.
    let rest = (0..turn).fold(chunks, |rest, _| rest & (rest - 1));
    Step::Settle(rest & rest.wrapping_neg())
}

fn waits_for_invoices(batch: &Facts, world: World) -> bool {
    batch.are_invoices_missing
        && batch.since_proof_ms < INVOICE_WAIT_MS
        && world.chain_time_s.saturating_add(DEADLINE_MARGIN_S) < batch.deadline_s
}

/// The number of the next commitment. `pending` are the numbers on their way, in order; `next` is the
/// chain's. `None` while one in front is missing: those behind it have no effect, so none is added.
pub(crate) fn number(next: u64, pending: &[u64]) -> Option<u64> {
    let ahead = pending.iter().copied().filter(|n| *n >= next);
    ahead.into_iter().try_fold(next, |expected, n| (n == expected).then_some(expected + 1))
}

/// The rollup's word on a batch, at the block that the follower has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnChain {
    /// Nothing has this number.
    Absent,
    /// Something else has this number.
    Foreign,
    /// Committed, and neither proven nor closed.
    Open,
    /// Proven.
    Proven,
    /// Closed without a proof.
    Expired,
}

/// What has to be mended when database and contract differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    /// They agree.
    Nothing,
    /// Its number is another's: it is committed again under a new one.
    Renumber,
    /// The commitment was missed.
    Commit,
    /// The proof was missed.
    Prove,
    /// The end was missed.
    Expire,
}

/// Compares a numbered batch with the chain. `is_sending` excuses what has not arrived.
pub(crate) fn reconcile(state: BatchState, is_sending: bool, on_chain: OnChain) -> Repair {
    use BatchState as S;
    match (state, on_chain) {
        (S::Formed, OnChain::Absent) if is_sending => Repair::Nothing,
        (S::Formed | S::Committed | S::ProofReady, OnChain::Absent | OnChain::Foreign) => {
            Repair::Renumber
        }
        (S::Formed, OnChain::Open) => Repair::Commit,
        (S::Formed | S::Committed | S::ProofReady, OnChain::Proven) => Repair::Prove,
        (S::Formed | S::Committed | S::ProofReady, OnChain::Expired) => Repair::Expire,
        (S::Committed | S::ProofReady, OnChain::Open) | (S::Proven | S::Expired, _) => {
            Repair::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(state: BatchState) -> Facts {
        Facts {
            state,
            is_numbered: state != BatchState::Formed,
            is_sending: false,
            deadline_s: 1_000,
            orders_end_s: 1_000,
            refusals: 0,
            since_refusal_ms: 0,
            is_model_active: true,
            since_proof_ms: 0,
            are_invoices_missing: false,
            unsettled: 0,
        }
    }

    const WORLD: World = World { chain_time_s: 500, commitments: 0 };

    #[test]
    fn a_batch_goes_its_way() {
        assert_eq!(next(&batch(BatchState::Formed), WORLD), Step::Commit);
        assert_eq!(next(&batch(BatchState::Committed), WORLD), Step::Wait);
        assert_eq!(next(&batch(BatchState::ProofReady), WORLD), Step::Prove);
        let late = World { chain_time_s: 1_001, ..WORLD };
        assert_eq!(next(&batch(BatchState::Committed), late), Step::Expire);
        assert_eq!(next(&batch(BatchState::ProofReady), late), Step::Expire);
        assert_eq!(next(&batch(BatchState::Proven), late), Step::Wait);
        let rest = Facts { unsettled: 0b1_0100, ..batch(BatchState::Proven) };
        assert_eq!(next(&rest, late), Step::Settle(0b1_0100));
    }

    #[test]
    fn a_refused_chunk_holds_up_no_other() {
        let rest = Facts {
            unsettled: 0b1011,
            since_refusal_ms: REFUSED_PAUSE_MS,
            ..batch(BatchState::Proven)
        };
        let tried = [1, 2, 3, 4].map(|refusals| next(&Facts { refusals, ..rest }, WORLD));
        assert_eq!(tried, [0b10, 0b1000, 0b1, 0b10].map(Step::Settle));
        let now = Facts { refusals: 1, since_refusal_ms: 0, ..rest };
        assert_eq!(next(&now, WORLD), Step::Wait);
    }

    #[test]
    fn a_proof_waits_a_moment_for_its_workers() {
        let unclaimed = Facts { are_invoices_missing: true, ..batch(BatchState::ProofReady) };
        assert_eq!(next(&unclaimed, WORLD), Step::Wait);
        let waited = Facts { since_proof_ms: INVOICE_WAIT_MS, ..unclaimed };
        assert_eq!(next(&waited, WORLD), Step::Prove);
        let pressed = World { chain_time_s: 940, ..WORLD };
        assert_eq!(next(&unclaimed, pressed), Step::Prove);
    }

    #[test]
    fn only_so_many_commitments_are_on_their_way() {
        let crowded = World { commitments: 16, ..WORLD };
        assert_eq!(next(&batch(BatchState::Formed), crowded), Step::Wait);
        let sending = Facts { is_sending: true, ..batch(BatchState::ProofReady) };
        assert_eq!(next(&sending, WORLD), Step::Wait);
    }

    #[test]
    fn what_cannot_be_committed_gives_its_tasks_back() {
        let off = Facts { is_model_active: false, ..batch(BatchState::Formed) };
        assert!(matches!(next(&off, WORLD), Step::Release(_)));
        let late = Facts { orders_end_s: 510, ..batch(BatchState::Formed) };
        assert!(matches!(next(&late, WORLD), Step::Release(_)));
        let refused = Facts { refusals: 3, ..batch(BatchState::Formed) };
        assert!(matches!(next(&refused, WORLD), Step::Release(_)));
    }

    #[test]
    fn numbers_have_no_gap() {
        assert_eq!(number(5, &[]), Some(5));
        assert_eq!(number(5, &[3, 4, 5, 6]), Some(7));
        assert_eq!(number(5, &[6, 7]), None, "5 was lost: these will have no effect");
        assert_eq!(number(5, &[5, 7]), None);
    }

    #[test]
    fn a_refused_proof_is_tried_again_now_and_then() {
        let refused =
            Facts { refusals: 3, since_refusal_ms: 59_999, ..batch(BatchState::ProofReady) };
        assert_eq!(next(&refused, WORLD), Step::Wait);
        let rested = Facts { since_refusal_ms: 60_000, ..refused };
        assert_eq!(next(&rested, WORLD), Step::Prove);
    }

    #[test]
    fn the_contract_is_right() {
        use BatchState as S;
        assert_eq!(reconcile(S::Formed, true, OnChain::Absent), Repair::Nothing);
        assert_eq!(reconcile(S::Formed, false, OnChain::Absent), Repair::Renumber);
        assert_eq!(reconcile(S::Committed, false, OnChain::Absent), Repair::Renumber);
        assert_eq!(reconcile(S::ProofReady, false, OnChain::Foreign), Repair::Renumber);
        assert_eq!(reconcile(S::ProofReady, true, OnChain::Proven), Repair::Prove);
        assert_eq!(reconcile(S::Committed, true, OnChain::Expired), Repair::Expire);
        assert_eq!(reconcile(S::Proven, false, OnChain::Proven), Repair::Nothing);
    }
}
