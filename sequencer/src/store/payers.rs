//! What is remembered of users: their turns, their open tasks, what they left unpaid.

use dn_core::api::{Address, Bytes32};

use super::columns::{b32, maybe_unsigned, signed, unsigned};
use super::{Store, StoreError, Write};

/// What is remembered of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Payer {
    /// The turn of its last queued task.
    pub(crate) last_turn: Option<u64>,
    /// Until when its tasks are refused.
    pub(crate) refused_until_ms: u64,
    /// Open tasks by model.
    pub(crate) open: Vec<(Bytes32, u64)>,
}

/// What is remembered of a user.
pub(crate) async fn get(store: &Store, payer: Address) -> Result<Payer, StoreError> {
    let row: Option<(i64,)> = sqlx::query_as("select refused_until_ms from payer where payer = $1")
        .bind(payer.0.to_vec())
        .fetch_optional(&store.pool)
        .await?;
    let open: Vec<(Vec<u8>, i64)> = sqlx::query_as(
        "select model_id, count(*) from task
          where payer = $1 and state in ('queued', 'assigned', 'executed', 'committed')
          group by model_id",
    )
    .bind(payer.0.to_vec())
    .fetch_all(&store.pool)
    .await?;
    let (last_turn,): (Option<i64>,) =
        sqlx::query_as("select max(turn) from task where payer = $1 and state = 'queued'")
            .bind(payer.0.to_vec())
            .fetch_one(&store.pool)
            .await?;
    let open = open.iter().map(|(id, n)| Ok((b32("model_id", id)?, unsigned("count", *n)?)));
    Ok(Payer {
        last_turn: maybe_unsigned("last_turn", last_turn)?,
        refused_until_ms: unsigned("refused_until_ms", row.map_or(0, |(until,)| until))?,
        open: open.collect::<Result<_, StoreError>>()?,
    })
}

/// Counts an answer that was not paid. Returns how many there are.
pub(crate) async fn count_unpaid(tx: &mut Write, payer: Address) -> Result<u64, StoreError> {
    let (unpaid,): (i64,) = sqlx::query_as(
        "insert into payer (payer, unpaid) values ($1, 1)
         on conflict (payer) do update set unpaid = payer.unpaid + 1 returning unpaid",
    )
    .bind(payer.0.to_vec())
    .fetch_one(&mut tx.db)
    .await?;
    unsigned("unpaid", unpaid)
}

/// Refuses a user for a while.
pub(crate) async fn refuse_until(
    tx: &mut Write,
    payer: Address,
    until_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query("update payer set refused_until_ms = $1 where payer = $2")
        .bind(signed(until_ms))
        .bind(payer.0.to_vec())
        .execute(&mut tx.db)
        .await?;
    Ok(())
}
