//! The log of state changes.

use dn_core::api::{Bytes32, Event};
use dn_core::task::{Reason, TaskState};
use sqlx::{AssertSqlSafe, FromRow};

use super::columns::{b32, maybe_unsigned, signed, unsigned};
use super::{Dialect, Store, StoreError, Write};

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
    tx.has_event = true;
    Ok(())
}

const COLUMNS: &str = "seq, task_id, state, reason, batch_id, at_ms";

/// Events with numbers from `after + 1` to `upto`, of all tasks, oldest first.
pub(crate) async fn between(
    store: &Store,
    after: u64,
    upto: u64,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let sql =
        format!("select {COLUMNS} from event where seq > $1 and seq <= $2 order by seq limit $3");
    let rows: Vec<EventRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(signed(after))
        .bind(signed(upto))
        .bind(i64::from(limit))
        .fetch_all(&store.pool)
        .await?;
    rows.iter().map(EventRow::event).collect()
}

/// The transactions that were running: none below `lowest`, and none from `next` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) lowest: u64,
    pub(crate) next: u64,
}

/// Which transactions are running. One writer alone leaves none behind.
pub(crate) async fn running(store: &Store) -> Result<Running, StoreError> {
    if store.dialect == Dialect::Sqlite {
        return Ok(Running { lowest: 0, next: 0 });
    }
    let (lowest, next): (i64, i64) = sqlx::query_as(
        "select pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint
           from pg_current_snapshot() as s",
    )
    .fetch_one(&store.pool)
    .await?;
    Ok(Running { lowest: unsigned("xmin", lowest)?, next: unsigned("xmax", next)? })
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
    let query = sqlx::query_as("select coalesce(max(seq), 0) from event");
    let (seq,): (i64,) = query.fetch_one(&store.pool).await?;
    unsigned("seq", seq)
}
