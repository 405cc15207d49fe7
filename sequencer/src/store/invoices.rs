//! Workers' claims of their shares.

use std::collections::BTreeMap;

use dn_core::api::{Address, Bytes32, SignedInvoice};

use super::columns::{address, unsigned};
use super::{Store, StoreError, Write};

/// Signatures of a batch's workers, by chunk and worker.
pub(crate) type Invoices = BTreeMap<(u32, Address), Vec<u8>>;

/// Stores a claim whose signature has been checked.
pub(crate) async fn insert(
    tx: &mut Write,
    worker: Address,
    invoice: &SignedInvoice,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into invoice (batch_hash, chunk, worker, signature) values ($1, $2, $3, $4)
         on conflict (batch_hash, chunk, worker) do nothing",
    )
    .bind(invoice.batch_hash.0.to_vec())
    .bind(i64::from(invoice.chunk))
    .bind(worker.0.to_vec())
    .bind(invoice.signature.0.clone())
    .execute(&mut tx.db)
    .await?;
    Ok(())
}

/// The claims for a header.
pub(crate) async fn of_batch(store: &Store, hash: Bytes32) -> Result<Invoices, StoreError> {
    let rows: Vec<(i64, Vec<u8>, Vec<u8>)> =
        sqlx::query_as("select chunk, worker, signature from invoice where batch_hash = $1")
            .bind(hash.0.to_vec())
            .fetch_all(&store.pool)
            .await?;
    let read = |(chunk, worker, signature): (i64, Vec<u8>, Vec<u8>)| {
        let chunk = u32::try_from(unsigned("chunk", chunk)?);
        let chunk = chunk.map_err(|_| StoreError::Corrupt("chunk"))?;
        Ok(((chunk, address("worker", &worker)?), signature))
    };
    rows.into_iter().map(read).collect()
}

/// Numbered batches with tasks of a worker that are not settled.
pub(crate) async fn owing(store: &Store, worker: Address) -> Result<Vec<u64>, StoreError> {
    let rows: Vec<(i64,)> = sqlx::query_as(
        "select distinct batch.id from task join batch on batch.id = task.batch_id
          where task.worker = $1 and task.state = 'committed' and batch.header_hash is not null
          order by batch.id",
    )
    .bind(worker.0.to_vec())
    .fetch_all(&store.pool)
    .await?;
    rows.into_iter().map(|(id,)| unsigned("id", id)).collect()
}

/// The batch with this header.
pub(crate) async fn batch_of(store: &Store, hash: Bytes32) -> Result<Option<u64>, StoreError> {
    let row: Option<(i64,)> = sqlx::query_as("select id from batch where header_hash = $1")
        .bind(hash.0.to_vec())
        .fetch_optional(&store.pool)
        .await?;
    row.map(|(id,)| unsigned("id", id)).transpose()
}

/// Forgets the claims of batches that are settled or ended.
pub(crate) async fn forget(tx: &mut Write) -> Result<(), StoreError> {
    let sql = "delete from invoice where batch_hash in
        (select header_hash from batch where state = 'expired' or (state = 'proven' and chunks <=
            (select count(*) from settled where settled.batch_id = batch.id)))";
    sqlx::query(sql).execute(&mut tx.db).await?;
    Ok(())
}
