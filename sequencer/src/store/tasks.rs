//! Tasks: every change of state goes through [`transition`].

use dn_core::api::{Address, Bytes32, ReceiptView};
use dn_core::task::{Reason, TaskEvent, TaskState};
use sqlx::{AssertSqlSafe, FromRow};

use super::columns::{b32, signed, to_blob, unsigned};
use super::seal::Column;
use super::task::{Task, TaskRow};
use super::{events, labels, Store, StoreError, Write};

/// Tasks that one look for overdue ones takes.
const MAX_OVERDUE: i64 = 1_000;

async fn read_all(tx: &mut Write, query: Query<'_>) -> Result<Vec<Task>, StoreError> {
    let rows: Vec<TaskRow> = query.fetch_all(&mut tx.db).await?;
    rows.into_iter().map(|row| row.read(&tx.seal)).collect()
}

type Query<'q> =
    sqlx::query::QueryAs<'q, sqlx::Any, TaskRow, <sqlx::Any as sqlx::Database>::Arguments>;

fn select(condition: String) -> Query<'static> {
    sqlx::query_as(AssertSqlSafe(format!("select * from task where {condition}")))
}

/// A task.
pub(crate) async fn get(store: &Store, id: Bytes32) -> Result<Option<Task>, StoreError> {
    let row: Option<TaskRow> = sqlx::query_as("select * from task where task_id = $1")
        .bind(id.0.to_vec())
        .fetch_optional(&store.pool)
        .await?;
    row.map(|row| row.read(&store.seal)).transpose()
}

/// A task that is about to change.
pub(crate) async fn find(tx: &mut Write, id: Bytes32) -> Result<Option<Task>, StoreError> {
    let query = select(format!("task_id = $1{}", tx.dialect.for_update())).bind(id.0.to_vec());
    Ok(read_all(tx, query).await?.pop())
}

/// Number of tasks that have not ended.
pub(crate) async fn open_count(store: &Store) -> Result<u64, StoreError> {
    let (count,): (i64,) = sqlx::query_as(
        "select count(*) from task
          where state in ('queued', 'assigned', 'executed', 'committed')",
    )
    .fetch_one(&store.pool)
    .await?;
    unsigned("count", count)
}

/// Changes a task's state by the state machine and logs the event. A task leaves its batch when
/// the batch expires.
pub(crate) async fn transition(
    tx: &mut Write,
    task: &Task,
    event: TaskEvent,
    reason: Option<Reason>,
    now_ms: u64,
) -> Result<(), StoreError> {
    let state = task.state().after(event)?;
    let batch_id = if event == TaskEvent::ExpireBatch { None } else { task.batch_id() };
    sqlx::query(
        "update task set state = $1, reason = $2, batch_id = $3, updated_at_ms = $4
          where task_id = $5",
    )
    .bind(state.as_str())
    .bind(reason.map(Reason::as_str))
    .bind(batch_id.map(signed))
    .bind(signed(now_ms))
    .bind(task.id.0.to_vec())
    .execute(&mut tx.db)
    .await?;
    tx.has_queued |= state == TaskState::Queued;
    events::append(tx, task.id, state, reason, batch_id, now_ms).await
}

/// Number of tasks that wait for a worker, up to `most`.
pub(crate) async fn queued_count(store: &Store, most: u32) -> Result<u64, StoreError> {
    let query = sqlx::query_as(
        "select count(*) from (select seq from task where state = 'queued' limit $1) as waiting",
    );
    let (count,): (i64,) = query.bind(i64::from(most)).fetch_one(&store.pool).await?;
    unsigned("count", count)
}

/// What a worker may be given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) worker: Address,
    pub(crate) limit: u32,
    /// Orders that end before are left.
    pub(crate) after_s: u64,
    /// Tasks that this worker has failed are given to it again when they have waited since before:
    /// nobody else wants them.
    pub(crate) failed_before_ms: u64,
}

/// The queued tasks whose turn it is, all of the model whose turn it is.
pub(crate) async fn next_queued(tx: &mut Write, want: Wanted) -> Result<Vec<Task>, StoreError> {
    let failed =
        "(select 1 from missed where missed.task_id = task.task_id and missed.worker = $2)";
    let condition = format!(
        "state = 'queued' and expires_at_s > $1 and (updated_at_ms <= $3 or not exists {failed})"
    );
    let (after, worker) = (signed(want.after_s), want.worker.0.to_vec());
    let first: Option<(Vec<u8>,)> = sqlx::query_as(AssertSqlSafe(format!(
        "select model_id from task where {condition} order by turn limit 1"
    )))
    .bind(after)
    .bind(worker.clone())
    .bind(signed(want.failed_before_ms))
    .fetch_optional(&mut tx.db)
    .await?;
    let Some((model,)) = first else { return Ok(Vec::new()) };
    let lock = tx.dialect.skip_locked();
    let query = select(format!("{condition} and model_id = $4 order by turn, seq limit $5{lock}"))
        .bind(after)
        .bind(worker)
        .bind(signed(want.failed_before_ms))
        .bind(model)
        .bind(i64::from(want.limit));
    read_all(tx, query).await
}

/// Gives a task to a worker under a new fence.
pub(crate) async fn lease(
    tx: &mut Write,
    task: &Task,
    worker: Address,
    ends_ms: u64,
    now_ms: u64,
) -> Result<u64, StoreError> {
    transition(tx, task, TaskEvent::Assign, None, now_ms).await?;
    sqlx::query(
        "update task set worker = $1, fence = fence + 1, leased_at_ms = $2, lease_expires_ms = $3,
             output = null, output_hash = null, receipt_signature = null
          where task_id = $4",
    )
    .bind(worker.0.to_vec())
    .bind(signed(now_ms))
    .bind(signed(ends_ms))
    .bind(task.id.0.to_vec())
    .execute(&mut tx.db)
    .await?;
    Ok(task.fence + 1)
}

/// The tasks that a worker holds.
pub(crate) async fn held(tx: &mut Write, worker: Address) -> Result<Vec<Task>, StoreError> {
    let lock = tx.dialect.for_update();
    let query = select(format!("worker = $1 and state = 'assigned' order by seq{lock}"));
    read_all(tx, query.bind(worker.0.to_vec())).await
}

/// Number of tasks that a worker holds.
pub(crate) async fn held_count(tx: &mut Write, worker: Address) -> Result<u32, StoreError> {
    let query =
        sqlx::query_as("select count(*) from task where worker = $1 and state = 'assigned'");
    let (count,): (i64,) = query.bind(worker.0.to_vec()).fetch_one(&mut tx.db).await?;
    u32::try_from(count).map_err(|_| StoreError::Corrupt("count"))
}

/// As [`held_count`], outside a change.
pub(crate) async fn held_by(store: &Store, worker: Address) -> Result<u32, StoreError> {
    let query =
        sqlx::query_as("select count(*) from task where worker = $1 and state = 'assigned'");
    let (count,): (i64,) = query.bind(worker.0.to_vec()).fetch_one(&store.pool).await?;
    u32::try_from(count).map_err(|_| StoreError::Corrupt("count"))
}

/// Moves the end of a lease.
pub(crate) async fn extend_lease(
    tx: &mut Write,
    id: Bytes32,
    ends_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query("update task set lease_expires_ms = $1 where task_id = $2 and state = 'assigned'")
        .bind(signed(ends_ms))
        .bind(id.0.to_vec())
        .execute(&mut tx.db)
        .await?;
    Ok(())
}

/// Stores a worker's answer.
pub(crate) async fn set_result(
    tx: &mut Write,
    task: &Task,
    output: &[i8],
    receipt: &ReceiptView,
    now_ms: u64,
) -> Result<(), StoreError> {
    transition(tx, task, TaskEvent::Execute, None, now_ms).await?;
    sqlx::query(
        "update task set output = $1, output_hash = $2, started_at_ms = $3, finished_at_ms = $4,
             receipt_signature = $5, lease_expires_ms = null where task_id = $6",
    )
    .bind(tx.seal.close(task.id, Column::Output, &to_blob(output)))
    .bind(receipt.output_hash.0.to_vec())
    .bind(signed(receipt.started_at_ms))
    .bind(signed(receipt.finished_at_ms))
    .bind(receipt.signature.0.clone())
    .bind(task.id.0.to_vec())
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

/// Notes that a worker's lease of a task ended without an answer. Returns how many different
/// workers that has happened to.
pub(crate) async fn miss(tx: &mut Write, id: Bytes32, worker: Address) -> Result<u64, StoreError> {
    let sql = "insert into missed (task_id, worker) values ($1, $2) on conflict do nothing";
    sqlx::query(sql).bind(id.0.to_vec()).bind(worker.0.to_vec()).execute(&mut tx.db).await?;
    let query = sqlx::query_as("select count(*) from missed where task_id = $1");
    let (count,): (i64,) = query.bind(id.0.to_vec()).fetch_one(&mut tx.db).await?;
    unsigned("count", count)
}

/// The workers whose lease of a task ended without an answer; they are forgotten.
pub(crate) async fn take_missed(tx: &mut Write, id: Bytes32) -> Result<Vec<Address>, StoreError> {
    let query = sqlx::query_as("delete from missed where task_id = $1 returning worker");
    let rows: Vec<(Vec<u8>,)> = query.bind(id.0.to_vec()).fetch_all(&mut tx.db).await?;
    rows.iter().map(|(w,)| super::columns::address("worker", w)).collect()
}

/// Tasks on a lease that ends before `now_ms`, or later than any lease can.
pub(crate) async fn overdue_leases(
    tx: &mut Write,
    now_ms: u64,
    latest_ms: u64,
) -> Result<Vec<Task>, StoreError> {
    let lock = tx.dialect.skip_locked();
    let query = select(format!(
        "state = 'assigned' and (lease_expires_ms < $1 or lease_expires_ms > $2)
          order by seq limit $3{lock}"
    ))
    .bind(signed(now_ms))
    .bind(signed(latest_ms))
    .bind(MAX_OVERDUE);
    read_all(tx, query).await
}

/// Tasks whose order ends before it can be committed.
pub(crate) async fn expired(tx: &mut Write, now_s: u64) -> Result<Vec<Task>, StoreError> {
    let lock = tx.dialect.skip_locked();
    let query = select(format!(
        "state in ('queued', 'assigned', 'executed') and expires_at_s <= $1
          order by seq limit $2{lock}"
    ))
    .bind(signed(now_s))
    .bind(MAX_OVERDUE);
    read_all(tx, query).await
}

/// What waits for a batch of a model.
#[derive(Clone, Copy, Debug, FromRow)]
pub(crate) struct Ready {
    pub(crate) count: i64,
    pub(crate) oldest_ms: i64,
    pub(crate) shortest_s: i64,
}

/// What waits for a batch of a model, of orders that end after `after_s`.
pub(crate) async fn ready(
    store: &Store,
    model_id: Bytes32,
    after_s: u64,
) -> Result<Ready, StoreError> {
    Ok(sqlx::query_as(
        "select count(*) as count, coalesce(min(updated_at_ms), 0) as oldest_ms,
             coalesce(min(expires_at_s), 0) as shortest_s
           from task where state = 'executed' and model_id = $1 and expires_at_s > $2",
    )
    .bind(model_id.0.to_vec())
    .bind(signed(after_s))
    .fetch_one(&store.pool)
    .await?)
}

/// Executed tasks of a model: orders that end first come first.
pub(crate) async fn executed(
    tx: &mut Write,
    model_id: Bytes32,
    limit: u32,
    after_s: u64,
) -> Result<Vec<Task>, StoreError> {
    let lock = tx.dialect.skip_locked();
    let query = select(format!(
        "state = 'executed' and model_id = $1 and expires_at_s > $2
          order by expires_at_s, seq limit $3{lock}"
    ))
    .bind(model_id.0.to_vec())
    .bind(signed(after_s))
    .bind(i64::from(limit));
    read_all(tx, query).await
}

/// The users of tasks that wait for a batch of a model.
pub(crate) async fn waiting_users(
    store: &Store,
    model_id: Bytes32,
    limit: u32,
    after_s: u64,
) -> Result<Vec<Address>, StoreError> {
    let rows: Vec<(Vec<u8>,)> = sqlx::query_as(
        "select distinct payer from (select payer from task
              where state = 'executed' and model_id = $1 and expires_at_s > $2
              order by expires_at_s, seq limit $3) as waiting order by payer",
    )
    .bind(model_id.0.to_vec())
    .bind(signed(after_s))
    .bind(i64::from(limit))
    .fetch_all(&store.pool)
    .await?;
    rows.iter().map(|(payer,)| super::columns::address("payer", payer)).collect()
}

/// A user's committed tasks, by model.
pub(crate) async fn committed_by_model(
    store: &Store,
    payer: Address,
) -> Result<Vec<(Bytes32, u64)>, StoreError> {
    let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(
        "select model_id, count(*) from task where payer = $1 and state = 'committed'
          group by model_id",
    )
    .bind(payer.0.to_vec())
    .fetch_all(&store.pool)
    .await?;
    rows.iter().map(|(id, n)| Ok((b32("model_id", id)?, unsigned("count", *n)?))).collect()
}

/// A worker's answers that no batch has taken yet.
pub(crate) async fn executed_by(tx: &mut Write, worker: Address) -> Result<Vec<Task>, StoreError> {
    let lock = tx.dialect.for_update();
    let query = select(format!("worker = $1 and state = 'executed' order by seq{lock}"));
    read_all(tx, query.bind(worker.0.to_vec())).await
}

/// Puts a task into a slot of a batch.
pub(crate) async fn put_in_batch(
    tx: &mut Write,
    task: &Task,
    batch_id: u64,
    slot: usize,
    now_ms: u64,
) -> Result<(), StoreError> {
    let state = task.state().after(TaskEvent::Commit)?;
    sqlx::query(
        "update task set state = $1, reason = null, batch_id = $2, slot = $3, updated_at_ms = $4
          where task_id = $5",
    )
    .bind(state.as_str())
    .bind(signed(batch_id))
    .bind(signed(slot as u64))
    .bind(signed(now_ms))
    .bind(task.id.0.to_vec())
    .execute(&mut tx.db)
    .await?;
    events::append(tx, task.id, state, None, Some(batch_id), now_ms).await
}

/// The tasks of a batch in the order of its slots.
pub(crate) async fn of_batch(store: &Store, batch_id: u64) -> Result<Vec<Task>, StoreError> {
    let rows: Vec<TaskRow> = select("batch_id = $1 order by slot".into())
        .bind(signed(batch_id))
        .fetch_all(&store.pool)
        .await?;
    rows.into_iter().map(|row| row.read(&store.seal)).collect()
}

/// The tasks of a batch that is about to change.
pub(crate) async fn of_batch_for_write(
    tx: &mut Write,
    batch_id: u64,
) -> Result<Vec<Task>, StoreError> {
    let lock = tx.dialect.for_update();
    let query = select(format!("batch_id = $1 order by slot{lock}")).bind(signed(batch_id));
    read_all(tx, query).await
}

/// Stores what was proven about a task.
pub(crate) async fn set_proven(
    tx: &mut Write,
    task: &Task,
    output_hash: Bytes32,
    reason: Option<Reason>,
    now_ms: u64,
) -> Result<(), StoreError> {
    transition(tx, task, TaskEvent::Prove, reason, now_ms).await?;
    sqlx::query("update task set proven_output_hash = $1 where task_id = $2")
        .bind(output_hash.0.to_vec())
        .bind(task.id.0.to_vec())
        .execute(&mut tx.db)
        .await?;
    Ok(())
}

/// Forgets inputs, salts, outputs and labels of tasks that ended before `before_ms`.
pub(crate) async fn forget(tx: &mut Write, before_ms: u64) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "update task set input = null, output = null
          where seq in (select seq from task
                         where state in ('proven', 'refunded', 'failed') and updated_at_ms < $1
                           and input is not null order by seq limit $2)",
    )
    .bind(signed(before_ms))
    .bind(MAX_OVERDUE)
    .execute(&mut tx.db)
    .await?;
    labels::forget(tx).await?;
    Ok(done.rows_affected())
}
