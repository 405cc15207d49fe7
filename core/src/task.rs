//! The life of a task: the one state machine.
//!
//! ```text
//! queued --> assigned --> executed --> committed --> proven
//!    ^          |          |  ^             | ^         |
//!    +--lease---+          |  +---expired---+ +--reorg--+
//!    +------distrusted-----+
//! ```
//!
//! A task that is not proven ends as `refunded` (nothing was charged) or `failed` (nobody could
//! run it; nothing was charged either). Charging happens on chain, with the proof. Ends are final,
//! but for a proof that the chain itself takes back.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where a task is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Durable, waiting for a worker.
    Queued,
    /// On lease to a worker.
    Assigned,
    /// Answered; the answer is attested by its worker's receipt, not verified.
    Executed,
    /// In a batch whose tasks are fixed.
    Committed,
    /// The chain has accepted a proof of the answer. Final, as far as the chain is.
    Proven,
    /// Ended before its batch was proven; nothing was charged. Final.
    Refunded,
    /// Nobody could run it; nothing was charged. Final.
    Failed,
}

/// Why a task left the ordinary course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The worker's lease ended without a result.
    LeaseExpired,
    /// The order's deadline passed before a batch was committed.
    OrderExpired,
    /// The batch was not proven in time; the task waits for another one.
    BatchExpired,
    /// Leases of too many different workers ended without a result.
    Quarantined,
    /// The input is damaged or was sealed under another key, so nobody can answer or prove it.
    InputLost,
    /// The worker's receipts are false; another one answers.
    WorkerDistrusted,
    /// The chain was reorganised and has forgotten the proof, which is sent again.
    ChainReorganised,
    /// Proven, but the user's escrow was short.
    Unpaid,
    /// Proven, and the proven output is another one than the worker's receipt says.
    ReceiptContradicted,
}

/// What happens to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskEvent {
    /// A worker leases it.
    Assign,
    /// The lease ends without a result; the task may be leased again.
    ExpireLease,
    /// The lease ends without a result, as those of too many other workers did.
    GiveUp,
    /// A result with a valid receipt arrives.
    Execute,
    /// A batch takes it.
    Commit,
    /// Its batch expires.
    ExpireBatch,
    /// The chain accepts the proof of its batch.
    Prove,
    /// The order can no longer be served: its deadline passes, its input is lost, or it is not paid.
    ExpireOrder,
    /// A proof contradicts another receipt of its worker.
    Distrust,
    /// The chain forgets the proof of its batch.
    Unprove,
}

/// An event that cannot happen in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{event:?} cannot happen to a task that is {state:?}")]
pub struct IllegalTransition {
    /// The state.
    pub state: TaskState,
    /// The event.
    pub event: TaskEvent,
}

impl TaskState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Assigned,
        Self::Executed,
        Self::Committed,
        Self::Proven,
        Self::Refunded,
        Self::Failed,
    ];

    /// The state after `event`.
    ///
    /// # Errors
    /// When the event cannot happen in this state.
    pub fn after(self, event: TaskEvent) -> Result<Self, IllegalTransition> {
        use TaskEvent as E;
        match (self, event) {
            (Self::Queued, E::Assign) => Ok(Self::Assigned),
            (Self::Assigned, E::ExpireLease) => Ok(Self::Queued),
            (Self::Assigned, E::GiveUp) => Ok(Self::Failed),
            (Self::Assigned, E::Execute) => Ok(Self::Executed),
            (Self::Executed, E::Commit) => Ok(Self::Committed),
            (Self::Committed, E::ExpireBatch) => Ok(Self::Executed),
            // The chain's word is final, whatever was known here.
            (Self::Queued | Self::Assigned | Self::Executed | Self::Committed, E::Prove) => {
                Ok(Self::Proven)
            }
            (Self::Queued | Self::Assigned | Self::Executed, E::ExpireOrder) => Ok(Self::Refunded),
            (Self::Executed, E::Distrust) => Ok(Self::Queued),
            (Self::Proven, E::Unprove) => Ok(Self::Committed),
            (state, event) => Err(IllegalTransition { state, event }),
        }
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Proven | Self::Refunded | Self::Failed)
    }

    /// Whether a user who waits for the answer has waited long enough.
    #[must_use]
    pub fn is_answered(self) -> bool {
        matches!(self, Self::Executed | Self::Committed) || self.is_final()
    }

    /// Name in the interface and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Assigned => "assigned",
            Self::Executed => "executed",
            Self::Committed => "committed",
            Self::Proven => "proven",
            Self::Refunded => "refunded",
            Self::Failed => "failed",
        }
    }

    /// Reads [`Self::as_str`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::LeaseExpired,
        Self::OrderExpired,
        Self::BatchExpired,
        Self::Quarantined,
        Self::InputLost,
        Self::WorkerDistrusted,
        Self::ChainReorganised,
        Self::Unpaid,
        Self::ReceiptContradicted,
    ];

    /// Name in the interface and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeaseExpired => "lease_expired",
            Self::OrderExpired => "order_expired",
            Self::BatchExpired => "batch_expired",
            Self::Quarantined => "quarantined",
            Self::InputLost => "input_lost",
            Self::WorkerDistrusted => "worker_distrusted",
            Self::ChainReorganised => "chain_reorganised",
            Self::Unpaid => "unpaid",
            Self::ReceiptContradicted => "receipt_contradicted",
        }
    }

    /// Reads [`Self::as_str`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [TaskEvent; 10] = [
        TaskEvent::Assign,
        TaskEvent::ExpireLease,
        TaskEvent::GiveUp,
        TaskEvent::Execute,
        TaskEvent::Commit,
        TaskEvent::ExpireBatch,
        TaskEvent::Prove,
        TaskEvent::ExpireOrder,
        TaskEvent::Distrust,
        TaskEvent::Unprove,
    ];

    #[test]
    fn the_ordinary_course_ends_proven() {
        let course = [TaskEvent::Assign, TaskEvent::Execute, TaskEvent::Commit, TaskEvent::Prove];
        let end = course.into_iter().try_fold(TaskState::Queued, TaskState::after);
        assert_eq!(end, Ok(TaskState::Proven));
    }

    #[test]
    fn only_the_chain_takes_an_end_back() {
        for state in TaskState::ALL.into_iter().filter(|s| s.is_final()) {
            for event in EVENTS {
                if (state, event) == (TaskState::Proven, TaskEvent::Unprove) {
                    assert_eq!(state.after(event), Ok(TaskState::Committed));
                    continue;
                }
                assert_eq!(state.after(event), Err(IllegalTransition { state, event }));
            }
        }
    }

    #[test]
    fn a_committed_task_cannot_expire_by_its_order() {
        assert!(TaskState::Committed.after(TaskEvent::ExpireOrder).is_err());
    }

    #[test]
    fn names_are_those_of_the_interface() {
        for state in TaskState::ALL {
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(json, format!("\"{}\"", state.as_str()));
            assert_eq!(TaskState::parse(state.as_str()), Some(state));
        }
    }
}
