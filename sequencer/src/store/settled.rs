//! Chunks of batches that the chain has settled.

use dn_core::api::Bytes32;

use super::columns::{signed, unsigned};
use super::{Store, StoreError, Write};

/// Where a chunk was settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    pub(crate) chunk: u32,
    pub(crate) block: Option<u64>,
    pub(crate) tx_hash: Option<Bytes32>,
    /// Of its transaction. Of several chunks that one settled, the first has it.
    pub(crate) gas: Option<u64>,
}

/// Notes that a chunk is settled. False when that was known.
pub(crate) async fn insert(tx: &mut Write, batch: u64, new: Settled) -> Result<bool, StoreError> {
    let hash = new.tx_hash.map(|hash| hash.0.to_vec());
    let (with_it,): (i64,) =
        sqlx::query_as("select count(*) from settled where batch_id = $1 and tx_hash = $2")
            .bind(signed(batch))
            .bind(hash.clone())
            .fetch_one(&mut tx.db)
            .await?;
    let gas = new.gas.filter(|_| with_it == 0);
    let done = sqlx::query(
        "insert into settled (batch_id, chunk, block, tx_hash, gas) values ($1, $2, $3, $4, $5)
         on conflict (batch_id, chunk) do nothing",
    )
    .bind(signed(batch))
    .bind(i64::from(new.chunk))
    .bind(new.block.map(signed))
    .bind(hash)
    .bind(gas.map(signed))
    .execute(&mut tx.db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The settled chunks of a batch, in order.
pub(crate) async fn chunks(store: &Store, batch: u64) -> Result<Vec<u32>, StoreError> {
    let rows: Vec<(i64,)> =
        sqlx::query_as("select chunk from settled where batch_id = $1 order by chunk")
            .bind(signed(batch))
            .fetch_all(&store.pool)
            .await?;
    rows.into_iter().map(|(chunk,)| read(chunk)).collect()
}

/// Takes back what was settled behind a block. Returns the chunks.
pub(crate) async fn take_behind(
    tx: &mut Write,
    batch: u64,
    block: i64,
) -> Result<Vec<u32>, StoreError> {
    let rows: Vec<(i64,)> =
        sqlx::query_as("delete from settled where batch_id = $1 and block > $2 returning chunk")
            .bind(signed(batch))
            .bind(block)
            .fetch_all(&mut tx.db)
            .await?;
    rows.into_iter().map(|(chunk,)| read(chunk)).collect()
}

fn read(chunk: i64) -> Result<u32, StoreError> {
    u32::try_from(unsigned("chunk", chunk)?).map_err(|_| StoreError::Corrupt("chunk"))
}
