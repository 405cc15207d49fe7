//! Tasks.

use dn_core::api::{Amount, Bytes, Bytes32, OrderView, ReceiptView, SubmitTask, TaskView};
use dn_core::task::{Reason, TaskEvent, TaskState};
use sqlx::AnyPool;
use sqlx::FromRow;

use super::{
    address, b32, events, from_blob, maybe_b32, signed, to_blob, unsigned, StoreError, Write,
};

/// A task as it is stored.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct TaskRow {
    task_id: Vec<u8>,
    model_id: Vec<u8>,
    payer: Vec<u8>,
    input: Vec<u8>,
    salt: Vec<u8>,
    input_hash: Vec<u8>,
    max_fee: String,
    deadline_bits: i64,
    nonce_bits: i64,
    pub(crate) signature: Vec<u8>,
    state: String,
    reason: Option<String>,
    worker: Option<Vec<u8>>,
    fence: i64,
    lease_expires_ms: Option<i64>,
    pub(crate) attempts: i64,
    output: Option<Vec<u8>>,
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
    pub(crate) fn id(&self) -> Result<Bytes32, StoreError> {
        b32("task_id", &self.task_id)
    }

    pub(crate) fn model_id(&self) -> Result<Bytes32, StoreError> {
        b32("model_id", &self.model_id)
    }

    pub(crate) fn salt(&self) -> Result<Bytes32, StoreError> {
        b32("salt", &self.salt)
    }

    pub(crate) fn input_hash(&self) -> Result<Bytes32, StoreError> {
        b32("input_hash", &self.input_hash)
    }

    pub(crate) fn output_hash(&self) -> Result<Option<Bytes32>, StoreError> {
        maybe_b32("output_hash", self.output_hash.as_ref())
    }

    pub(crate) fn input(&self) -> Vec<i8> {
        from_blob(&self.input)
    }

    pub(crate) fn fence(&self) -> Result<u64, StoreError> {
        unsigned("fence", self.fence)
    }

    pub(crate) fn lease_expires_ms(&self) -> Result<u64, StoreError> {
        unsigned("lease_expires_ms", self.lease_expires_ms.unwrap_or(0))
    }

    pub(crate) fn worker(&self) -> Result<Option<dn_core::api::Address>, StoreError> {
        self.worker.as_ref().map(|w| address("worker", w)).transpose()
    }

    pub(crate) fn state(&self) -> Result<TaskState, StoreError> {
        TaskState::parse(&self.state).ok_or(StoreError::Corrupt("state"))
    }

    pub(crate) fn order(&self) -> Result<OrderView, StoreError> {
        let max_fee: Amount = self.max_fee.parse().map_err(|_| StoreError::Corrupt("max_fee"))?;
        Ok(OrderView {
            user: address("payer", &self.payer)?,
            model_id: self.model_id()?,
            input_hash: self.input_hash()?,
            max_fee,
            deadline: u64::from_le_bytes(self.deadline_bits.to_le_bytes()),
            nonce: u64::from_le_bytes(self.nonce_bits.to_le_bytes()),
        })
    }

    /// The worker's receipt, from `executed` on.
    pub(crate) fn receipt(&self) -> Result<Option<ReceiptView>, StoreError> {
        let (Some(output_hash), Some(signature), Some(worker)) =
            (self.output_hash()?, &self.receipt_signature, self.worker()?)
        else {
            return Ok(None);
        };
        Ok(Some(ReceiptView {
            task_id: self.id()?,
            model_id: self.model_id()?,
            input_hash: self.input_hash()?,
            output_hash,
            started_at_ms: unsigned("started_at_ms", self.started_at_ms.unwrap_or(0))?,
            finished_at_ms: unsigned("finished_at_ms", self.finished_at_ms.unwrap_or(0))?,
            worker,
            signature: Bytes(signature.clone()),
        }))
    }

    /// The task as its user sees it, without the transaction of its batch.
    pub(crate) fn view(&self) -> Result<TaskView, StoreError> {
        let reason = self.reason.as_deref().map(Reason::parse);
        Ok(TaskView {
            task_id: self.id()?,
            model_id: self.model_id()?,
            user: address("payer", &self.payer)?,
            state: self.state()?,
            reason: reason.map(|r| r.ok_or(StoreError::Corrupt("reason"))).transpose()?,
            output: self.output.as_deref().map(from_blob),
            output_hash: self.output_hash()?,
            proven_output_hash: maybe_b32("proven_output", self.proven_output_hash.as_ref())?,
            receipt: self.receipt()?,
            batch_id: self.batch_id.map(|id| unsigned("batch_id", id)).transpose()?,
            tx_hash: None,
            created_at_ms: unsigned("created_at_ms", self.created_at_ms)?,
            updated_at_ms: unsigned("updated_at_ms", self.updated_at_ms)?,
        })
    }
}

/// Stores a new task. Does nothing when the task is there already.
pub(crate) async fn insert(
    tx: &mut Write,
    task_id: Bytes32,
    task: &SubmitTask,
    now_ms: u64,
) -> Result<(), StoreError> {
    let order = &task.order;
    let done = sqlx::query(
        "insert into task (task_id, model_id, payer, input, salt, input_hash, max_fee,
             deadline_bits, nonce_bits, signature, expires_at_s, state, created_at_ms, updated_at_ms)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'queued', $12, $13)
         on conflict (task_id) do nothing",
    )
    .bind(task_id.0.as_slice())
    .bind(order.model_id.0.as_slice())
    .bind(order.user.0.as_slice())
    .bind(to_blob(&task.input))
    .bind(task.salt.0.as_slice())
    .bind(order.input_hash.0.as_slice())
    .bind(order.max_fee.to_string())
    .bind(i64::from_le_bytes(order.deadline.to_le_bytes()))
    .bind(i64::from_le_bytes(order.nonce.to_le_bytes()))
    .bind(task.signature.0.as_slice())
    .bind(signed(order.deadline))
    .bind(signed(now_ms))
    .bind(signed(now_ms))
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 1 {
        events::append(tx, task_id, TaskState::Queued, None, None, now_ms).await?;
    }
    Ok(())
}

/// The task that `payer` has submitted under `key`.
pub(crate) async fn by_idempotency_key(
    tx: &mut Write,
    payer: dn_core::api::Address,
    key: &str,
) -> Result<Option<Bytes32>, StoreError> {
    let row: Option<(Vec<u8>,)> =
        sqlx::query_as("select task_id from idempotency where payer = $1 and key = $2")
            .bind(payer.0.as_slice())
            .bind(key)
            .fetch_optional(&mut **tx)
            .await?;
    row.map(|(id,)| b32("task_id", &id)).transpose()
}

/// Remembers that `key` stands for a task.
pub(crate) async fn remember_key(
    tx: &mut Write,
    payer: dn_core::api::Address,
    key: &str,
    task_id: Bytes32,
) -> Result<(), StoreError> {
    sqlx::query("insert into idempotency (payer, key, task_id) values ($1, $2, $3)")
        .bind(payer.0.as_slice())
        .bind(key)
        .bind(task_id.0.as_slice())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(crate) async fn get(db: &AnyPool, id: Bytes32) -> Result<Option<TaskRow>, StoreError> {
    let query = sqlx::query_as("select * from task where task_id = $1");
    Ok(query.bind(id.0.as_slice()).fetch_optional(db).await?)
}

pub(crate) async fn get_for_write(tx: &mut Write, id: Bytes32) -> Result<TaskRow, StoreError> {
    find_for_write(tx, id).await?.ok_or(StoreError::Missing("task"))
}

pub(crate) async fn find_for_write(
    tx: &mut Write,
    id: Bytes32,
) -> Result<Option<TaskRow>, StoreError> {
    let query = sqlx::query_as("select * from task where task_id = $1");
    Ok(query.bind(id.0.as_slice()).fetch_optional(&mut **tx).await?)
}

/// Number of tasks that have not ended.
pub(crate) async fn open_count(tx: &mut Write) -> Result<u64, StoreError> {
    let (count,): (i64,) = sqlx::query_as(
        "select count(*) from task
          where state in ('queued', 'assigned', 'executed', 'committed')",
    )
    .fetch_one(&mut **tx)
    .await?;
    unsigned("count", count)
}

/// Number of a payer's tasks that have not ended, by model.
pub(crate) async fn open_by_model(
    tx: &mut Write,
    payer: dn_core::api::Address,
) -> Result<Vec<(Bytes32, u64)>, StoreError> {
    let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(
        "select model_id, count(*) from task
          where payer = $1 and state in ('queued', 'assigned', 'executed', 'committed')
          group by model_id",
    )
    .bind(payer.0.as_slice())
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(|(id, n)| Ok((b32("model_id", &id)?, unsigned("count", n)?))).collect()
}

/// Changes a task's state by the state machine and logs the event. A task leaves its batch when
/// the batch expires.
pub(crate) async fn transition(
    tx: &mut Write,
    row: &TaskRow,
    event: TaskEvent,
    reason: Option<Reason>,
    now_ms: u64,
) -> Result<(), StoreError> {
    let state = row.state()?.after(event)?;
    let batch_id = if event == TaskEvent::ExpireBatch { None } else { row.batch_id };
    sqlx::query(
        "update task set state = $1, reason = $2, batch_id = $3, updated_at_ms = $4 where task_id = $5",
    )
    .bind(state.as_str())
    .bind(reason.map(Reason::as_str))
    .bind(batch_id)
    .bind(signed(now_ms))
    .bind(row.task_id.as_slice())
    .execute(&mut **tx)
    .await?;
    events::append(tx, row.id()?, state, reason, batch_id, now_ms).await
}

/// Whether a task waits for a worker.
pub(crate) async fn is_any_queued(db: &AnyPool) -> Result<bool, StoreError> {
    let query = sqlx::query("select seq from task where state = 'queued' limit 1");
    Ok(query.fetch_optional(db).await?.is_some())
}

/// The oldest queued tasks of the model that has waited longest.
pub(crate) async fn next_queued(
    tx: &mut Write,
    limit: u32,
    now_s: u64,
) -> Result<Vec<TaskRow>, StoreError> {
    Ok(sqlx::query_as(
        "select * from task
          where state = 'queued' and expires_at_s > $1
            and model_id = (select model_id from task
                             where state = 'queued' and expires_at_s > $1 order by seq limit 1)
          order by seq limit $2",
    )
    .bind(signed(now_s))
    .bind(i64::from(limit))
    .fetch_all(&mut **tx)
    .await?)
}

/// Gives a task to a worker under a new fence.
pub(crate) async fn lease(
    tx: &mut Write,
    row: &TaskRow,
    worker: dn_core::api::Address,
    expires_ms: u64,
    now_ms: u64,
) -> Result<TaskRow, StoreError> {
    transition(tx, row, TaskEvent::Assign, None, now_ms).await?;
    sqlx::query(
        "update task set worker = $1, fence = fence + 1, attempts = attempts + 1,
             lease_expires_ms = $2 where task_id = $3",
    )
    .bind(worker.0.as_slice())
    .bind(signed(expires_ms))
    .bind(row.task_id.as_slice())
    .execute(&mut **tx)
    .await?;
    get_for_write(tx, row.id()?).await
}

/// Extends a worker's lease of a task, if it still has it.
pub(crate) async fn extend_lease(
    tx: &mut Write,
    id: Bytes32,
    worker: dn_core::api::Address,
    expires_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update task set lease_expires_ms = $1
          where task_id = $2 and worker = $3 and state = 'assigned'",
    )
    .bind(signed(expires_ms))
    .bind(id.0.as_slice())
    .bind(worker.0.as_slice())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores a worker's answer.
pub(crate) async fn set_result(
    tx: &mut Write,
    row: &TaskRow,
    output: &[i8],
    receipt: &ReceiptView,
    now_ms: u64,
) -> Result<(), StoreError> {
    transition(tx, row, TaskEvent::Execute, None, now_ms).await?;
    sqlx::query(
        "update task set output = $1, output_hash = $2, started_at_ms = $3, finished_at_ms = $4,
             receipt_signature = $5, lease_expires_ms = null where task_id = $6",
    )
    .bind(to_blob(output))
    .bind(receipt.output_hash.0.as_slice())
    .bind(signed(receipt.started_at_ms))
    .bind(signed(receipt.finished_at_ms))
    .bind(receipt.signature.0.as_slice())
    .bind(row.task_id.as_slice())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Tasks on a lease that has ended.
pub(crate) async fn overdue_leases(
    tx: &mut Write,
    now_ms: u64,
) -> Result<Vec<TaskRow>, StoreError> {
    let query = sqlx::query_as(
        "select * from task where state = 'assigned' and lease_expires_ms < $1 limit 1000",
    );
    Ok(query.bind(signed(now_ms)).fetch_all(&mut **tx).await?)
}

/// Tasks that can no longer be committed in time.
pub(crate) async fn expired(tx: &mut Write, now_s: u64) -> Result<Vec<TaskRow>, StoreError> {
    let query = sqlx::query_as(
        "select * from task
          where state in ('queued', 'assigned', 'executed') and expires_at_s <= $1 limit 1000",
    );
    Ok(query.bind(signed(now_s)).fetch_all(&mut **tx).await?)
}

/// Executed tasks of a model, oldest first.
pub(crate) async fn executed(
    tx: &mut Write,
    model_id: Bytes32,
    limit: u32,
    expires_after_s: u64,
) -> Result<Vec<TaskRow>, StoreError> {
    Ok(sqlx::query_as(
        "select * from task where state = 'executed' and model_id = $1 and expires_at_s > $2
          order by seq limit $3",
    )
    .bind(model_id.0.as_slice())
    .bind(signed(expires_after_s))
    .bind(i64::from(limit))
    .fetch_all(&mut **tx)
    .await?)
}

/// Puts a task into a slot of a batch.
pub(crate) async fn put_in_batch(
    tx: &mut Write,
    row: &TaskRow,
    batch_id: u64,
    slot: usize,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query("update task set batch_id = $1, slot = $2 where task_id = $3")
        .bind(signed(batch_id))
        .bind(signed(slot as u64))
        .bind(row.task_id.as_slice())
        .execute(&mut **tx)
        .await?;
    let row = get_for_write(tx, row.id()?).await?;
    transition(tx, &row, TaskEvent::Commit, None, now_ms).await
}

/// The tasks of a batch in the order of its slots.
pub(crate) async fn of_batch(db: &AnyPool, batch_id: u64) -> Result<Vec<TaskRow>, StoreError> {
    let query = sqlx::query_as("select * from task where batch_id = $1 order by slot");
    Ok(query.bind(signed(batch_id)).fetch_all(db).await?)
}

/// The tasks of a batch, inside a change.
pub(crate) async fn of_batch_for_write(
    tx: &mut Write,
    batch_id: u64,
) -> Result<Vec<TaskRow>, StoreError> {
    let query = sqlx::query_as("select * from task where batch_id = $1 order by slot");
    Ok(query.bind(signed(batch_id)).fetch_all(&mut **tx).await?)
}

/// Stores what was proven about a task.
pub(crate) async fn set_proven(
    tx: &mut Write,
    row: &TaskRow,
    output_hash: Bytes32,
    reason: Option<Reason>,
    now_ms: u64,
) -> Result<(), StoreError> {
    transition(tx, row, TaskEvent::Prove, reason, now_ms).await?;
    sqlx::query("update task set proven_output_hash = $1 where task_id = $2")
        .bind(output_hash.0.as_slice())
        .bind(row.task_id.as_slice())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
