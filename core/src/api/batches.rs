//! What everybody can see about batches.

use serde::{Deserialize, Serialize};

use super::encoding::{Address, Bytes, Bytes32};
use super::tasks::{BundleView, OrderView, ReceiptView};

/// Life of a batch. `Proven` and `Expired` are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// Its tasks are fixed; the commitment is on its way to the chain.
    Formed,
    /// The chain holds its header.
    Committed,
    /// A proof has been verified by the sequencer and is on its way to the chain.
    ProofReady,
    /// The chain has accepted the proof. It pays with it, or chunk by chunk after it.
    Proven,
    /// Closed without a proof; nothing was charged.
    Expired,
}

impl BatchState {
    /// Name in the interface and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Formed => "formed",
            Self::Committed => "committed",
            Self::ProofReady => "proof_ready",
            Self::Proven => "proven",
            Self::Expired => "expired",
        }
    }

    /// Reads [`Self::as_str`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Formed, Self::Committed, Self::ProofReady, Self::Proven, Self::Expired];
        all.into_iter().find(|s| s.as_str() == name)
    }
}

/// The header whose hash the chain holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeaderView {
    /// Chain of the rollup.
    pub chain_id: u64,
    /// The rollup contract.
    pub rollup: Address,
    /// Position among the rollup's batches.
    pub batch_id: u64,
    /// The model.
    pub model_id: Bytes32,
    /// Hash of the tasks' orders and workers.
    pub slots_hash: Bytes32,
    /// Unix second that the deadlines of its orders are held against.
    pub opened_at: u64,
    /// Last unix second at which the batch may be proven.
    pub deadline: u64,
}

/// One real task of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchSlot {
    /// The task.
    pub task_id: Bytes32,
    /// The worker that is paid, if it claims its share.
    pub worker: Address,
    /// The user's order.
    pub order: OrderView,
    /// The user's signature: of the order, or of its bundle.
    pub signature: Bytes,
    /// Where the order is one of several that are signed together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleView>,
    /// The worker's receipt.
    pub receipt: ReceiptView,
}

/// Quality of a batch, summed over the tasks with a label. Users choose their own labels, so it says something to them
/// and weighs nothing in pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScoreView {
    /// Tasks with a label.
    pub labelled: u32,
    /// Of these, answers whose largest value is the label's alone.
    pub correct: u32,
    /// Sum of the margins by which they are, in steps of an output.
    pub margin_sum: u32,
}

/// A batch with everything that is needed to check it, inputs and outputs excepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchView {
    /// Names the batch here. The chain numbers batches by itself: `header.batch_id`.
    pub id: u64,
    /// Where the batch is in its life.
    pub state: BatchState,
    /// The model of all its tasks.
    pub model_id: Bytes32,
    /// Its header, while a commitment of it is on its way or on the chain.
    pub header: Option<HeaderView>,
    /// Its tasks, in order. Empty in lists.
    pub slots: Vec<BatchSlot>,
    /// Number of tasks.
    pub count: u32,
    /// What its proof says of the tasks with a label. Missing in lists.
    pub score: Option<ScoreView>,
    /// Whose proof it is: receives the proving share.
    pub prover: Option<Address>,
    /// Chunks of it that have tasks: each is settled by itself.
    pub chunks: u32,
    /// How many of them are settled.
    pub settled: u32,
    /// The transaction that committed it.
    pub commit_tx: Option<Bytes32>,
    /// The transaction that proved it.
    pub prove_tx: Option<Bytes32>,
    /// Gas of that transaction and of those that settled the rest of it.
    pub prove_gas: Option<u64>,
    /// Time from commitment to a proof that the sequencer had verified.
    pub proving_ms: Option<u64>,
    /// CPU time of the proof, as the prover measured it.
    pub prove_cpu_ms: Option<u64>,
    /// What went wrong last, if anything.
    pub reason: Option<String>,
    /// When the batch was formed.
    pub created_at_ms: u64,
}

/// `GET /v1/batches/{id}/proof` as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProofView {
    /// Public inputs in the order of the statement.
    pub instances: Vec<Bytes32>,
    /// The transcript.
    pub proof: Bytes,
}
