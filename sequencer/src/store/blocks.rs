//! Positions of the chain follower, with the hashes of their blocks.

use dn_core::api::Bytes32;

use super::columns::{b32, signed, unsigned};
use super::{Store, StoreError, Write};
use crate::rules::follow::Position;

/// Positions that are remembered; a deeper reorganisation reads the chain from the start.
const REMEMBERED: u64 = 512;

fn read((number, hash): (i64, Vec<u8>)) -> Result<Position, StoreError> {
    Ok((unsigned("number", number)?, b32("hash", &hash)?))
}

/// The last position, if any.
pub(crate) async fn last(store: &Store) -> Result<Option<Position>, StoreError> {
    let query = "select number, hash from chain_block order by number desc limit 1";
    sqlx::query_as(query).fetch_optional(&store.pool).await?.map(read).transpose()
}

/// Whether a block has been read.
pub(crate) async fn has_reached(tx: &mut Write, number: u64) -> Result<bool, StoreError> {
    let query = sqlx::query("select 1 from chain_block where number >= $1 limit 1");
    Ok(query.bind(signed(number)).fetch_optional(&mut tx.db).await?.is_some())
}

/// Every remembered position, last first.
pub(crate) async fn all(store: &Store) -> Result<Vec<Position>, StoreError> {
    let query = "select number, hash from chain_block order by number desc";
    sqlx::query_as(query).fetch_all(&store.pool).await?.into_iter().map(read).collect()
}

/// Adds a position and forgets old ones.
pub(crate) async fn advance(tx: &mut Write, number: u64, hash: Bytes32) -> Result<(), StoreError> {
    sqlx::query("insert into chain_block (number, hash) values ($1, $2)")
        .bind(signed(number))
        .bind(hash.0.to_vec())
        .execute(&mut tx.db)
        .await?;
    sqlx::query(
        "delete from chain_block where number <=
             (select number from chain_block order by number desc limit 1 offset $1)",
    )
    .bind(signed(REMEMBERED))
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

/// Forgets what lies behind a position; every position where there is none.
pub(crate) async fn rewind(tx: &mut Write, to: Option<u64>) -> Result<(), StoreError> {
    sqlx::query("delete from chain_block where number > $1")
        .bind(to.map_or(-1, signed))
        .execute(&mut tx.db)
        .await?;
    Ok(())
}
