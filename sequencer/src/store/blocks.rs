//! Positions of the chain follower, with the hashes of their blocks.

use dn_core::api::Bytes32;
use sqlx::AnyPool;

use super::{b32, signed, unsigned, StoreError, Write};

/// Positions that are remembered; a deeper reorganisation reads the chain from the start.
const REMEMBERED: u64 = 256;

fn read((number, hash): (i64, Vec<u8>)) -> Result<(u64, Bytes32), StoreError> {
    Ok((unsigned("number", number)?, b32("hash", &hash)?))
}

/// The last position, if any.
pub(crate) async fn last(db: &AnyPool) -> Result<Option<(u64, Bytes32)>, StoreError> {
    let query = "select number, hash from chain_block order by number desc limit 1";
    sqlx::query_as(query).fetch_optional(db).await?.map(read).transpose()
}

/// Every remembered position, last first.
pub(crate) async fn all(db: &AnyPool) -> Result<Vec<(u64, Bytes32)>, StoreError> {
    let query = "select number, hash from chain_block order by number desc";
    sqlx::query_as(query).fetch_all(db).await?.into_iter().map(read).collect()
}

/// Adds a position and forgets old ones.
pub(crate) async fn advance(tx: &mut Write, number: u64, hash: Bytes32) -> Result<(), StoreError> {
    sqlx::query("insert into chain_block (number, hash) values ($1, $2)")
        .bind(signed(number))
        .bind(hash.0.as_slice())
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "delete from chain_block where number <=
             (select number from chain_block order by number desc limit 1 offset $1)",
    )
    .bind(signed(REMEMBERED))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets what lies behind a position.
pub(crate) async fn rewind(tx: &mut Write, number: u64) -> Result<(), StoreError> {
    sqlx::query("delete from chain_block where number > $1")
        .bind(signed(number))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Forgets every position.
pub(crate) async fn clear(tx: &mut Write) -> Result<(), StoreError> {
    sqlx::query("delete from chain_block").execute(&mut **tx).await?;
    Ok(())
}
