//! The log of state changes.

use dn_core::api::{Bytes32, Event};
use dn_core::task::{Reason, TaskState};
use sqlx::{AssertSqlSafe, FromRow};

use super::columns::{b32, maybe_unsigned, signed, unsigned};
use super::{Store, StoreError, Write};

#[derive(FromRow)]
struct EventRow {
    seq: i64,
    task_id: Vec<u8>,
    state: String,
    reason: Option<String>,
    batch_id: Option<i64>,
    at_ms: i64,
}

impl EventRow {
    fn event(&self) -> Result<Event, StoreError> {
        let reason = self.reason.as_deref().map(Reason::parse);
        Ok(Event {
            seq: unsigned("seq", self.seq)?,
            task_id: b32("task_id", &self.task_id)?,
            state: TaskState::parse(&self.state).ok_or(StoreError::Corrupt("state"))?,
            reason: reason.map(|r| r.ok_or(StoreError::Corrupt("reason"))).transpose()?,
            batch_id: maybe_unsigned("batch_id", self.batch_id)?,
            at_ms: unsigned("at_ms", self.at_ms)?,
        })
    }
}

pub(crate) async fn append(
    tx: &mut Write,
    task_id: Bytes32,
    state: TaskState,
    reason: Option<Reason>,
    batch_id: Option<u64>,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into event (task_id, state, reason, batch_id, at_ms) values ($1, $2, $3, $4, $5)",
    )
    .bind(task_id.0.to_vec())
    .bind(state.as_str())
    .bind(reason.map(Reason::as_str))
    .bind(batch_id.map(signed))
    .bind(signed(now_ms))
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

const COLUMNS: &str = "seq, task_id, state, reason, batch_id, at_ms";

/// Events after `seq`, of all tasks, oldest first. What comes later has a higher number.
pub(crate) async fn after(store: &Store, seq: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
    let settled = store.dialect.is_settled_event();
    let sql = format!("select {COLUMNS} from event where seq > $1{settled} order by seq limit $2");
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(signed(seq)).bind(i64::from(limit));
    let rows: Vec<EventRow> = query.fetch_all(&store.pool).await?;
    rows.iter().map(EventRow::event).collect()
}

/// Events of one task after `seq`, oldest first.
pub(crate) async fn of_task(
    store: &Store,
    task_id: Bytes32,
    seq: u64,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let sql = format!(
        "select {COLUMNS} from event where task_id = $1 and seq > $2 order by seq limit $3"
    );
    let rows: Vec<EventRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(task_id.0.to_vec())
        .bind(signed(seq))
        .bind(i64::from(limit))
        .fetch_all(&store.pool)
        .await?;
    rows.iter().map(EventRow::event).collect()
}

/// Position of the newest event.
pub(crate) async fn last(store: &Store) -> Result<u64, StoreError> {
    let settled = store.dialect.is_settled_event();
    let sql = format!("select coalesce(max(seq), 0) from event where seq > 0{settled}");
    let (seq,): (i64,) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&store.pool).await?;
    unsigned("seq", seq)
}
