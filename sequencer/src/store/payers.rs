//! What is remembered of users: their turns, their open tasks, what they left unpaid.

use dn_core::api::{Address, Bytes32, OrderView};

use super::columns::{b32, maybe_unsigned, signed, unsigned};
use super::{StoreError, Write};

/// What is remembered of a user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Payer {
    pub(crate) last_turn: Option<u64>,
    pub(crate) refused_until_ms: u64,
    /// Open tasks by model.
    pub(crate) open: Vec<(Bytes32, u64)>,
}

/// What is remembered of a user who is about to change.
pub(crate) async fn get(tx: &mut Write, payer: Address) -> Result<Payer, StoreError> {
    let sql = format!(
        "select last_turn, refused_until_ms from payer where payer = $1{}",
        tx.dialect.for_update()
    );
    let row: Option<(Option<i64>, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(payer.0.to_vec())
        .fetch_optional(&mut tx.db)
        .await?;
    let open: Vec<(Vec<u8>, i64)> =
        sqlx::query_as("select model_id, count from open_tasks where payer = $1 and count > 0")
            .bind(payer.0.to_vec())
            .fetch_all(&mut tx.db)
            .await?;
    let open = open.into_iter().map(|(id, n)| Ok((b32("model_id", &id)?, unsigned("count", n)?)));
    let open = open.collect::<Result<_, StoreError>>()?;
    let (last_turn, refused_until_ms) = row.unwrap_or_default();
    Ok(Payer {
        last_turn: maybe_unsigned("last_turn", last_turn)?,
        refused_until_ms: unsigned("refused_until_ms", refused_until_ms)?,
        open,
    })
}

/// Remembers the turn of a user's last task.
pub(crate) async fn set_turn(tx: &mut Write, payer: Address, turn: u64) -> Result<(), StoreError> {
    sqlx::query(
        "insert into payer (payer, last_turn) values ($1, $2)
         on conflict (payer) do update set last_turn = excluded.last_turn",
    )
    .bind(payer.0.to_vec())
    .bind(signed(turn))
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

/// Counts an answer that was proven and not paid. Returns how many there are.
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

/// Counts a task that begins or ends.
pub(crate) async fn count_open(
    tx: &mut Write,
    order: &OrderView,
    by: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into open_tasks (payer, model_id, count) values ($1, $2, $3)
         on conflict (payer, model_id) do update set count = open_tasks.count + $3",
    )
    .bind(order.user.0.to_vec())
    .bind(order.model_id.0.to_vec())
    .bind(by)
    .execute(&mut tx.db)
    .await?;
    Ok(())
}
