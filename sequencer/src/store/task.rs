//! A task as rules see it: read from its row once, so that what cannot be cannot be said.

use dn_core::api::{Address, Amount, BundleView, Bytes, Bytes32, OrderView, ReceiptView, TaskView};
use dn_core::task::{Reason, TaskState};
use sqlx::FromRow;

use super::columns::{address, b32, from_blob, maybe_address, maybe_b32, maybe_unsigned, unsigned};
use super::seal::Column;
use super::{Seal, StoreError};

/// A worker's hold on a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) worker: Address,
    pub(crate) leased_at_ms: u64,
    pub(crate) ends_ms: u64,
}

/// What a worker has signed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) receipt: ReceiptView,
    /// The output, until it is forgotten.
    pub(crate) output: Option<Vec<i8>>,
}

/// Where a task is in its life, with what it has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Queued,
    Assigned(Lease),
    Executed(Answer),
    Committed(Answer, u64),
    /// The answer is missing where the chain knew the task better than this database.
    Proven {
        answer: Option<Answer>,
        batch: Option<u64>,
        proven: Bytes32,
    },
    Refunded,
    Failed,
}

/// A task.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) id: Bytes32,
    pub(crate) order: OrderView,
    pub(crate) signature: Bytes,
    /// Where the order is one of several that are signed together.
    pub(crate) bundle: Option<BundleView>,
    pub(crate) fence: u64,
    /// Its place in the queue.
    pub(crate) turn: u64,
    pub(crate) life: Life,
    pub(crate) reason: Option<Reason>,
    pub(crate) created_at_ms: u64,
    pub(crate) updated_at_ms: u64,
    secret: Option<Vec<u8>>,
}

/// What only the user, the worker and the prover see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Secret {
    pub(crate) input: Vec<i8>,
    pub(crate) salt: Bytes32,
}

impl Secret {
    pub(crate) fn sealed(&self, seal: &Seal, task: Bytes32) -> Vec<u8> {
        let plain = [&self.salt.0[..], &super::columns::to_blob(&self.input)].concat();
        seal.close(task, Column::Input, &plain)
    }
}

impl Task {
    pub(crate) fn state(&self) -> TaskState {
        match self.life {
            Life::Queued => TaskState::Queued,
            Life::Assigned(_) => TaskState::Assigned,
            Life::Executed(_) => TaskState::Executed,
            Life::Committed(..) => TaskState::Committed,
            Life::Proven { .. } => TaskState::Proven,
            Life::Refunded => TaskState::Refunded,
            Life::Failed => TaskState::Failed,
        }
    }

    /// The answer, from `executed` on.
    pub(crate) fn answer(&self) -> Option<&Answer> {
        match &self.life {
            Life::Executed(answer) | Life::Committed(answer, _) => Some(answer),
            Life::Proven { answer, .. } => answer.as_ref(),
            Life::Queued | Life::Assigned(_) | Life::Refunded | Life::Failed => None,
        }
    }

    /// The batch that holds the task.
    pub(crate) fn batch_id(&self) -> Option<u64> {
        match &self.life {
            Life::Committed(_, batch) => Some(*batch),
            Life::Proven { batch, .. } => *batch,
            _ => None,
        }
    }

    /// Input and salt.
    ///
    /// # Errors
    /// When they have been forgotten, or were sealed under another key.
    pub(crate) fn secret(&self, seal: &Seal) -> Result<Secret, StoreError> {
        let sealed = self.secret.as_ref().ok_or(StoreError::Missing("input"))?;
        let plain = seal.open(self.id, Column::Input, sealed)?;
        let (salt, input) = plain.split_first_chunk().ok_or(StoreError::Corrupt("input"))?;
        Ok(Secret { input: from_blob(input), salt: Bytes32(*salt) })
    }

    /// The task as its user sees it.
    pub(crate) fn view(&self) -> TaskView {
        let answer = self.answer();
        let proven_output_hash = match self.life {
            Life::Proven { proven, .. } => Some(proven),
            _ => None,
        };
        TaskView {
            task_id: self.id,
            model_id: self.order.model_id,
            user: self.order.user,
            state: self.state(),
            reason: self.reason,
            output: answer.and_then(|a| a.output.clone()),
            output_hash: answer.map(|a| a.receipt.output_hash),
            proven_output_hash,
            receipt: answer.map(|a| a.receipt.clone()),
            batch_id: self.batch_id(),
            tx_hash: None,
            created_at_ms: self.created_at_ms,
            updated_at_ms: self.updated_at_ms,
        }
    }
}

/// A place among the orders of one signature, as it is stored.
pub(super) fn bundle_text(bundle: Option<&BundleView>) -> Result<Option<String>, StoreError> {
    let text = bundle.map(serde_json::to_string).transpose();
    text.map_err(|_| StoreError::Corrupt("bundle"))
}

fn read_bundle(text: Option<&str>) -> Result<Option<BundleView>, StoreError> {
    let bundle = text.map(serde_json::from_str).transpose();
    bundle.map_err(|_| StoreError::Corrupt("bundle"))
}

/// A task as it is stored.
#[derive(Clone, Debug, FromRow)]
pub(super) struct TaskRow {
    task_id: Vec<u8>,
    model_id: Vec<u8>,
    payer: Vec<u8>,
    input: Option<Vec<u8>>,
    output: Option<Vec<u8>>,
    input_hash: Vec<u8>,
    max_fee: String,
    deadline_bits: i64,
    nonce_bits: i64,
    tag: Vec<u8>,
    signature: Vec<u8>,
    bundle: Option<String>,
    state: String,
    reason: Option<String>,
    turn: i64,
    worker: Option<Vec<u8>>,
    fence: i64,
    leased_at_ms: Option<i64>,
    lease_expires_ms: Option<i64>,
    output_hash: Option<Vec<u8>>,
    started_at_ms: Option<i64>,
    finished_at_ms: Option<i64>,
    receipt_signature: Option<Vec<u8>>,
    proven_output_hash: Option<Vec<u8>>,
    batch_id: Option<i64>,
    created_at_ms: i64,
    updated_at_ms: i64,
}

impl TaskRow {
    /// Reads the row.
    pub(super) fn read(self, seal: &Seal) -> Result<Task, StoreError> {
        let reason = self.reason.as_deref().map(Reason::parse);
        let id = b32("task_id", &self.task_id)?;
        let max_fee: Amount = self.max_fee.parse().map_err(|_| StoreError::Corrupt("max_fee"))?;
        let order = OrderView {
            user: address("payer", &self.payer)?,
            model_id: b32("model_id", &self.model_id)?,
            input_hash: b32("input_hash", &self.input_hash)?,
            max_fee,
            deadline: u64::from_le_bytes(self.deadline_bits.to_le_bytes()),
            nonce: u64::from_le_bytes(self.nonce_bits.to_le_bytes()),
            tag: b32("tag", &self.tag)?,
        };
        let life = self.life(id, &order, seal)?;
        Ok(Task {
            id,
            order,
            life,
            signature: self.signature.into(),
            bundle: read_bundle(self.bundle.as_deref())?,
            fence: unsigned("fence", self.fence)?,
            turn: unsigned("turn", self.turn)?,
            reason: reason.map(|r| r.ok_or(StoreError::Corrupt("reason"))).transpose()?,
            created_at_ms: unsigned("created_at_ms", self.created_at_ms)?,
            updated_at_ms: unsigned("updated_at_ms", self.updated_at_ms)?,
            secret: self.input,
        })
    }

    fn life(&self, id: Bytes32, order: &OrderView, seal: &Seal) -> Result<Life, StoreError> {
        let answer = || self.answer(id, order, seal);
        let batch = maybe_unsigned("batch_id", self.batch_id)?;
        match TaskState::parse(&self.state).ok_or(StoreError::Corrupt("state"))? {
            TaskState::Queued => Ok(Life::Queued),
            TaskState::Assigned => Ok(Life::Assigned(self.lease()?)),
            TaskState::Executed => {
                Ok(Life::Executed(answer()?.ok_or(StoreError::Corrupt("receipt"))?))
            }
            TaskState::Committed => Ok(Life::Committed(
                answer()?.ok_or(StoreError::Corrupt("receipt"))?,
                batch.ok_or(StoreError::Corrupt("batch_id"))?,
            )),
            TaskState::Proven => {
                let proven = maybe_b32("proven_output_hash", self.proven_output_hash.as_ref())?;
                let proven = proven.ok_or(StoreError::Corrupt("proven_output_hash"))?;
                Ok(Life::Proven { answer: answer()?, batch, proven })
            }
            TaskState::Refunded => Ok(Life::Refunded),
            TaskState::Failed => Ok(Life::Failed),
        }
    }

    fn lease(&self) -> Result<Lease, StoreError> {
        let worker = maybe_address("worker", self.worker.as_ref())?;
        Ok(Lease {
            worker: worker.ok_or(StoreError::Corrupt("worker"))?,
            leased_at_ms: unsigned("leased_at_ms", self.leased_at_ms.unwrap_or(0))?,
            ends_ms: unsigned("lease_expires_ms", self.lease_expires_ms.unwrap_or(0))?,
        })
    }

    fn answer(
        &self,
        id: Bytes32,
        order: &OrderView,
        seal: &Seal,
    ) -> Result<Option<Answer>, StoreError> {
        let worker = maybe_address("worker", self.worker.as_ref())?;
        let output_hash = maybe_b32("output_hash", self.output_hash.as_ref())?;
        let (Some(worker), Some(output_hash), Some(signature)) =
            (worker, output_hash, &self.receipt_signature)
        else {
            return Ok(None);
        };
        let receipt = ReceiptView {
            task_id: id,
            model_id: order.model_id,
            input_hash: order.input_hash,
            output_hash,
            started_at_ms: unsigned("started_at_ms", self.started_at_ms.unwrap_or(0))?,
            finished_at_ms: unsigned("finished_at_ms", self.finished_at_ms.unwrap_or(0))?,
            worker,
            signature: Bytes(signature.clone()),
        };
        // The receipt holds without it: an output that cannot be read is one that was forgotten.
        let output = self.output.as_ref().and_then(|o| seal.open(id, Column::Output, o).ok());
        Ok(Some(Answer { receipt, output: output.map(|o| from_blob(&o)) }))
    }
}
