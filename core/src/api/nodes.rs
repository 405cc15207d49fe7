//! What workers and provers say and hear.

use serde::{Deserialize, Serialize};

use super::encoding::{Address, Bytes, Bytes32};
use super::tasks::ReceiptView;

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Executes tasks.
    Worker,
    /// Proves batches.
    Prover,
}

/// `GET /v1/node/challenge?node=&role=`: what a node signs to register. It is good for one registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Challenge {
    /// Differs after each registration of the node, so that an old signature opens nothing.
    pub challenge: Bytes32,
}

/// `POST /v1/node/register`. The node proves that it holds its key by an EIP-712 signature of
/// `Register(address node,uint8 role,bytes32 challenge)`, role 0 for workers and 1 for provers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The node's account: it signs receipts and is paid.
    pub node: Address,
    /// What it does.
    pub role: Role,
    /// The [`Challenge`] that the sequencer gave last.
    pub challenge: Bytes32,
    /// The 65-byte signature.
    pub signature: Bytes,
}

/// Answer to [`Register`]. Later requests carry `Authorization: Bearer <token>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// Authenticates the node until it registers again or the session ends. A refusal with the code
    /// `unauthorized` says that it has ended: register again.
    pub token: Bytes32,
    /// Chain of the rollup.
    pub chain_id: u64,
    /// The rollup contract; with the chain id it is the EIP-712 domain of receipts.
    pub rollup: Address,
    /// A node is expected to be heard from this often.
    pub heartbeat_ms: u64,
}

/// `POST /v1/node/lease`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LeaseRequest {
    /// Most tasks that are wanted.
    pub limit: u32,
    /// How long to wait for a first task.
    #[serde(default)]
    pub wait_ms: u64,
}

/// A task on lease. All tasks of one answer are of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeasedTask {
    /// The task.
    pub task_id: Bytes32,
    /// Names this lease: a result under an older one is refused.
    pub fence: u64,
    /// When the lease ends unless the node is heard from.
    pub expires_at_ms: u64,
    /// The model to run.
    pub model_id: Bytes32,
    /// The quantised input.
    pub input: Vec<i8>,
    /// Salt of both commitments.
    pub salt: Bytes32,
    /// Commitment to the input; a worker checks it before it signs.
    pub input_hash: Bytes32,
}

/// `POST /v1/node/heartbeat`: extends the leases that are named. A lease that a node no longer
/// names, because it was started again or gave up, ends by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Beat {
    /// Tasks that the node is working on.
    #[serde(default)]
    pub tasks: Vec<Bytes32>,
    /// Batches that the node is proving.
    #[serde(default)]
    pub batches: Vec<u64>,
}

/// `POST /v1/node/invoices`: a worker's signatures for what it is owed, and its question for more of
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Invoices {
    /// What it has signed since.
    #[serde(default)]
    pub signed: Vec<SignedInvoice>,
    /// How long to wait until there is something to sign.
    #[serde(default)]
    pub wait_ms: u64,
}

/// A worker's claim of its share of a chunk: an EIP-712 signature of
/// `Invoice(bytes32 batchHash,uint256 chunk,bytes32 outputs)`, where `outputs` is the keccak256 of its output
/// commitments there, one behind the other in the order of their slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedInvoice {
    /// Hash of the batch's header.
    pub batch_hash: Bytes32,
    /// The chunk, counted from 0.
    pub chunk: u32,
    /// The 65-byte signature.
    pub signature: Bytes,
}

/// A claim to sign: a worker signs it if the receipts are its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvoiceJob {
    /// Hash of the batch's header.
    pub batch_hash: Bytes32,
    /// The chunk, counted from 0.
    pub chunk: u32,
    /// The worker's receipts of its tasks there, in the order of their slots.
    pub receipts: Vec<ReceiptView>,
}

/// `POST /v1/node/result`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TaskResult {
    /// Fence of the lease.
    pub fence: u64,
    /// The answer.
    pub output: Vec<i8>,
    /// The signed receipt.
    pub receipt: ReceiptView,
}

/// The five parts of a node's trust weight, and the weight: fractions of `ONE = 2^32 - 1`, as
/// `dn_core::trust` makes them from what the sequencer has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrustView {
    /// Work that it was given and finished in time.
    pub completion: u32,
    /// Answers that proofs confirmed.
    pub accuracy: u32,
    /// Time in which it was heard from.
    pub uptime: u32,
    /// Latency against that of its peers.
    pub speed: u32,
    /// Work that it has done, half at 2^40 units.
    pub history: u32,
    /// What work is given by.
    pub weight: u32,
}

/// A node as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeView {
    /// Its account.
    pub node: Address,
    /// What it does.
    pub role: Role,
    /// When it was last heard from.
    pub last_seen_ms: u64,
    /// Whether it has been heard from lately.
    pub is_alive: bool,
    /// Tasks executed or batches proven.
    pub completed: u64,
    /// What it is trusted with, and why.
    pub trust: TrustView,
    /// Work that it holds on lease.
    pub held: u32,
    /// Most work that it may hold at once, by trust.
    pub allowance: u32,
    /// Whether it is given no work, because a proof contradicted its receipt.
    pub is_barred: bool,
}

/// One slot of a proving job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProofSlot {
    /// The quantised input.
    pub input: Vec<i8>,
    /// Salt of both commitments.
    pub salt: Bytes32,
    /// The class that the answer should have, if the user tells one.
    pub label: Option<u16>,
}

/// `POST /v1/node/proof-job`: a batch to prove, on lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProofJob {
    /// The batch.
    pub batch_id: u64,
    /// Names this lease: a proof under an older one is refused.
    pub fence: u64,
    /// When the lease ends unless the node is heard from.
    pub expires_at_ms: u64,
    /// The model.
    pub model_id: Bytes32,
    /// Path of the package on the sequencer.
    pub package_path: String,
    /// Slots of the circuit; the ones after the tasks are padding.
    pub batch_slots: u32,
    /// Hash of the batch's header. Public input 1 binds the proof to it and to the prover's account.
    pub batch_hash: Bytes32,
    /// The tasks, in order.
    pub slots: Vec<ProofSlot>,
}

/// `POST /v1/node/proof-result`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProofResult {
    /// The batch.
    pub batch_id: u64,
    /// Fence of the lease.
    pub fence: u64,
    /// Public inputs in the order of the statement.
    pub instances: Vec<Bytes32>,
    /// The transcript.
    pub proof: Bytes,
    /// CPU time of witness, proof and self-check, as the prover measured it.
    pub cpu_ms: u64,
}
