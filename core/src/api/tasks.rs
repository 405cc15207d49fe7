//! What users see.

use serde::{Deserialize, Serialize};

use super::encoding::{Address, Amount, Bytes, Bytes32};
use crate::task::{Reason, TaskState};
use crate::{bundle, labels};

/// A user's order, as it is signed by EIP-712. Its digest is the task's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OrderView {
    /// Pays.
    pub user: Address,
    /// The model that answers.
    pub model_id: Bytes32,
    /// Commitment to the input.
    pub input_hash: Bytes32,
    /// Most that the user pays, in token wei.
    pub max_fee: Amount,
    /// Last unix second at which a batch with this task may be committed.
    pub deadline: u64,
    /// Makes equal orders different.
    pub nonce: u64,
    /// Random, or keccak256 of a label and a random salt: nobody sees which, until the task is proven.
    pub tag: Bytes32,
}

/// Opens an order's tag: what the answer should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LabelOpening {
    /// The class.
    #[cfg_attr(feature = "openapi", schema(maximum = 65535))]
    pub class: u16,
    /// What was hashed with it.
    pub salt: Bytes32,
}

impl LabelOpening {
    /// Whether the tag is the one of this class and salt.
    #[must_use]
    pub fn opens(&self, tag: Bytes32) -> bool {
        labels::tag(self.class, &self.salt.0) == tag.0
    }
}

/// Makes an order one of several that are signed together, as an EIP-712 `Bundle`: `size` orders of one user with the
/// same model, fee and deadline, whose nonces follow each other within one word of 64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BundleView {
    /// Orders of the bundle: 2 to 64. One by itself is signed as an order.
    #[cfg_attr(feature = "openapi", schema(minimum = 2, maximum = 64))]
    pub size: u8,
    /// The order's place: its nonce less that of the first one.
    #[cfg_attr(feature = "openapi", schema(maximum = 63))]
    pub index: u8,
    /// From its input's commitment to their root, the lowest first.
    pub inputs: Vec<Bytes32>,
    /// From its tag to their root.
    pub tags: Vec<Bytes32>,
}

impl BundleView {
    fn climb(&self, leaf: Bytes32, path: &[Bytes32]) -> Option<Bytes32> {
        let path: Vec<bundle::Node> = path.iter().map(|node| node.0).collect();
        bundle::climb(leaf.0, self.size.into(), self.index.into(), &path).map(Bytes32)
    }

    /// Roots over the inputs and the tags of the bundle that an order belongs to, and the nonce of its first order.
    /// `None` where no bundle has such an order.
    #[must_use]
    pub fn roots(&self, order: &OrderView) -> Option<(Bytes32, Bytes32, u64)> {
        let first = order.nonce.checked_sub(self.index.into())?;
        let has_room =
            self.size > 1 && usize::from(self.size) + (first % 64) as usize <= bundle::MAX_SIZE;
        let inputs = self.climb(order.input_hash, &self.inputs)?;
        let tags = self.climb(order.tag, &self.tags)?;
        has_room.then_some((inputs, tags, first))
    }
}

/// `POST /v1/tasks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SubmitTask {
    /// The quantised input, of the model's length.
    pub input: Vec<i8>,
    /// Salt of the commitments: a random big-endian field element.
    pub salt: Bytes32,
    /// The order.
    pub order: OrderView,
    /// The user's 65-byte signature: of the order, or of the bundle.
    pub signature: Bytes,
    /// Where the order is one of several that are signed together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleView>,
    /// Opens the order's tag: the batch's score then counts this task, for the user's own statistics. Only the prover
    /// sees it before the batch is proven; it weighs nothing in pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelOpening>,
}

/// A worker's signed statement about one execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReceiptView {
    /// The task.
    pub task_id: Bytes32,
    /// The model that was run.
    pub model_id: Bytes32,
    /// Commitment to the input.
    pub input_hash: Bytes32,
    /// Commitment to the output.
    pub output_hash: Bytes32,
    /// Start of the execution, by the worker's clock.
    pub started_at_ms: u64,
    /// End of the execution, by the worker's clock.
    pub finished_at_ms: u64,
    /// The worker.
    pub worker: Address,
    /// The worker's 65-byte EIP-712 signature of the fields above, `worker` excepted.
    pub signature: Bytes,
}

/// A task as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskView {
    /// EIP-712 digest of the order.
    pub task_id: Bytes32,
    /// The model.
    pub model_id: Bytes32,
    /// Pays.
    pub user: Address,
    /// Where the task is in its life.
    pub state: TaskState,
    /// Why it is there, when that is not the ordinary course.
    pub reason: Option<Reason>,
    /// The worker's answer, from `executed` on, for the task's user alone. Not verified before
    /// `proven`. Forgotten some time after the task has ended.
    pub output: Option<Vec<i8>>,
    /// Commitment to the answer.
    pub output_hash: Option<Bytes32>,
    /// The commitment that was proven, from `proven` on.
    pub proven_output_hash: Option<Bytes32>,
    /// The worker's receipt.
    pub receipt: Option<ReceiptView>,
    /// The batch that holds the task.
    pub batch_id: Option<u64>,
    /// The transaction that proved the batch.
    pub tx_hash: Option<Bytes32>,
    /// When the task became durable.
    pub created_at_ms: u64,
    /// Last change of state.
    pub updated_at_ms: u64,
}

/// A model that the sequencer serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelView {
    /// Keccak-256 of the package.
    pub model_id: Bytes32,
    /// Name for people.
    pub name: String,
    /// Task category in which the model competes.
    pub service: String,
    /// int8 values in an input.
    pub input_len: usize,
    /// int8 values in an output.
    pub output_len: usize,
    /// Float value of one input step: one for all values, one per channel, or one per value, row-major.
    pub input_scale: Vec<f32>,
    /// Float value of input code 0; as many as scales.
    pub input_offset: Vec<f32>,
    /// Float value of one output step: one for all values, one per channel, or one per value, row-major.
    pub output_scale: Vec<f32>,
    /// Float value of output code 0; as many as scales.
    pub output_offset: Vec<f32>,
    /// Classes that a label can name; 0 where outputs are no classes.
    pub classes: usize,
    /// Tasks in a batch.
    pub batch_slots: u32,
    /// Work of one task.
    pub work_units: u64,
    /// Fee of one task.
    pub price: Amount,
    /// Receives the royalty.
    pub developer: Address,
    /// Data contract with the verifying key.
    pub vk: Address,
    /// Input commitment of a padding slot.
    pub null_input_hash: Bytes32,
}

/// The rollup that a sequencer serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChainView {
    /// The chain's id.
    pub chain_id: u64,
    /// The rollup contract; with the chain id it is the EIP-712 domain.
    pub rollup: Address,
    /// The token of fees and stakes.
    pub token: Address,
    /// Stakes of nodes.
    pub staking: Address,
    /// Registered models.
    pub registry: Address,
    /// The account that commits batches.
    pub sequencer: Address,
}

/// A change of state, in the order of `seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Position in the log; also the id of the server-sent event.
    pub seq: u64,
    /// The task.
    pub task_id: Bytes32,
    /// Its state from here on.
    pub state: TaskState,
    /// Why, when that is not the ordinary course.
    pub reason: Option<Reason>,
    /// The batch, once there is one.
    pub batch_id: Option<u64>,
    /// When.
    pub at_ms: u64,
}
