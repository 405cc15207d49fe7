//! The log of state changes.

use dn_core::api::{Bytes32, Event};
use dn_core::task::{Reason, TaskState};
use sqlx::AnyPool;
use sqlx::FromRow;

use super::{b32, signed, unsigned, StoreError, Write};

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
            batch_id: self.batch_id.map(|id| unsigned("batch_id", id)).transpose()?,
            at_ms: unsigned("at_ms", self.at_ms)?,
        })
    }
}

pub(crate) async fn append(
    tx: &mut Write,
    task_id: Bytes32,
    state: TaskState,
    reason: Option<Reason>,
    batch_id: Option<i64>,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into event (task_id, state, reason, batch_id, at_ms) values ($1, $2, $3, $4, $5)",
    )
    .bind(task_id.0.as_slice())
    .bind(state.as_str())
    .bind(reason.map(Reason::as_str))
    .bind(batch_id)
    .bind(signed(now_ms))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Events after `seq`, of one task or of all, oldest first.
pub(crate) async fn after(
    db: &AnyPool,
    task_id: Option<Bytes32>,
    seq: u64,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let rows: Vec<EventRow> = match task_id {
        Some(id) => {
            sqlx::query_as(
                "select * from event where task_id = $1 and seq > $2 order by seq limit $3",
            )
            .bind(id.0.as_slice())
            .bind(signed(seq))
            .bind(i64::from(limit))
            .fetch_all(db)
            .await?
        }
        None => {
            sqlx::query_as("select * from event where seq > $1 order by seq limit $2")
                .bind(signed(seq))
                .bind(i64::from(limit))
                .fetch_all(db)
                .await?
        }
    };
    rows.iter().map(EventRow::event).collect()
}

/// Position of the newest event.
pub(crate) async fn last(db: &AnyPool) -> Result<u64, StoreError> {
    let (seq,): (i64,) =
        sqlx::query_as("select coalesce(max(seq), 0) from event").fetch_one(db).await?;
    unsigned("seq", seq)
}
