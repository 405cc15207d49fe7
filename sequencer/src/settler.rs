//! Brings batches to the chain: commitments, proofs, refunds.
//!
//! One step of [`tick`] looks at the database and the chain and does the next thing. Whatever it
//! was interrupted in, the next step sees: the chain's own record of a batch decides where the
//! batch is, and a transaction is recorded before it is sent. Only one transaction is open at a
//! time, and it stays open until its nonce is consumed.

use alloy::primitives::U256;
use alloy::sol_types::SolCall as _;
use anyhow::{Context as _, Result};
use dn_core::api::BatchState;
use dn_sdk::contracts::InferenceRollup::{commitBatchCall, proveBatchCall, refundBatchCall};
use dn_sdk::wire;

use crate::app::{now_ms, App};
use crate::chain::{BatchStatus, ChainError};
use crate::store::batches::BatchRow;
use crate::store::outbox::{Kind, OpenTx, Outcome};
use crate::store::{self, batches, outbox, tasks, StoreError};
use crate::{batcher, follower};

/// Refusals by the contract after which a commitment is dropped and a proof left to its deadline.
const MAX_FAILURES: i64 = 3;

/// Does the next step, if there is one.
pub(crate) async fn tick(app: &App) -> Result<()> {
    batcher::expire(app).await.context("expire leases and orders")?;
    while follower::follow(app).await.context("follow the chain")? {}
    if let Some(open) = outbox::open(&app.db).await? {
        return follow(app, &open).await.context("follow a transaction");
    }
    if let Some(batch) = batches::oldest_in(&app.db, BatchState::Formed).await? {
        return commit(app, &batch).await.context("commit a batch");
    }
    if let Some(batch) = batches::overdue(&app.db, now_ms() / 1000).await? {
        return close(app, &batch).await.context("close an overdue batch");
    }
    if let Some(batch) = batches::next_to_settle(&app.db, MAX_FAILURES).await? {
        return prove(app, &batch).await.context("prove a batch");
    }
    batcher::form(app).await.context("form a batch")
}

/// Sees whether the open transaction is in a block; sends it again while it is not.
async fn follow(app: &App, open: &OpenTx) -> Result<()> {
    let (batch_id, kind, hash) = (open.batch_id()?, open.kind()?, open.hash()?);
    if let Some(included) = app.chain.included(hash).await? {
        if included.confirmations < app.limits.confirmations {
            return Ok(());
        }
        let outcome = if included.is_success { Outcome::Mined } else { Outcome::Reverted };
        tracing::info!(batch_id, ?kind, %hash, ?outcome, gas = included.gas_used, "transaction");
        outbox::close(&app.db, open.id, outcome, Some(included.gas_used)).await?;
        if outcome == Outcome::Reverted {
            note_failure(app, batch_id, kind, "the transaction reverted").await?;
        }
        return Ok(());
    }
    if app.chain.nonce().await? > open.nonce()? {
        tracing::error!(batch_id, ?kind, %hash, "another transaction took the nonce");
        outbox::close(&app.db, open.id, Outcome::Replaced, None).await?;
        return Ok(());
    }
    if let Err(error) = app.chain.send(&open.raw).await {
        tracing::debug!(batch_id, ?kind, %error, "the node has the transaction already");
    }
    Ok(())
}

/// Records and sends a transaction. A refusal by the contract is noted with the batch.
async fn send(app: &App, kind: Kind, batch_id: u64, calldata: Vec<u8>) -> Result<()> {
    let tx = match app.chain.sign(calldata).await {
        Ok(tx) => tx,
        Err(ChainError::Reverts(why)) => {
            tracing::error!(batch_id, ?kind, why, "the contract refuses");
            return Ok(note_failure(app, batch_id, kind, &why).await?);
        }
        Err(error) => return Err(error.into()),
    };
    outbox::record(&app.db, kind, batch_id, &tx, now_ms()).await?;
    if let Err(error) = app.chain.send(&tx.raw).await {
        tracing::warn!(batch_id, ?kind, %error, "the transaction's outcome is unknown");
    }
    Ok(())
}

async fn note_failure(app: &App, id: u64, kind: Kind, why: &str) -> Result<(), StoreError> {
    batches::set_failure(&app.db, id, why, kind == Kind::Prove).await
}

async fn commit(app: &App, batch: &BatchRow) -> Result<()> {
    let id = batch.id()?;
    let on_chain = app.chain.batch(id).await?;
    if on_chain.header_hash == batch.header_hash()? {
        let mut tx = store::write(&app.db).await?;
        batches::set_committed(&mut tx, id, now_ms()).await?;
        tx.commit().await?;
        tracing::info!(batch_id = id, "batch committed");
        app.notify();
        return Ok(());
    }
    if app.chain.next_batch_id().await? > id {
        return drop_batch(app, id, "another batch has this id").await;
    }
    if batch.attempts >= MAX_FAILURES {
        return drop_batch(app, id, "the contract refuses the commitment").await;
    }
    if batch.deadline_s()? < now_ms() / 1000 {
        return drop_batch(app, id, "the commitment came too late").await;
    }
    let header = wire::rollup_header(&batch.header(app.chain.domain())?);
    send(app, Kind::Commit, id, commitBatchCall { header }.abi_encode()).await
}

async fn prove(app: &App, batch: &BatchRow) -> Result<()> {
    let id = batch.id()?;
    if app.chain.batch(id).await?.status == BatchStatus::Proven {
        return Ok(());
    }
    let rows = tasks::of_batch(&app.db, id).await?;
    let orders: Result<Vec<_>, StoreError> =
        rows.iter().map(|r| Ok(wire::rollup_order(&r.order()?))).collect();
    let instances = batch.instances()?.ok_or(StoreError::Corrupt("instances"))?;
    let proof = batch.proof.clone().ok_or(StoreError::Corrupt("proof"))?;
    let call = proveBatchCall {
        header: wire::rollup_header(&batch.header(app.chain.domain())?),
        slots: batcher::slots(&rows)?,
        orders: orders?,
        signatures: rows.iter().map(|r| r.signature.clone().into()).collect(),
        instances: instances.iter().map(|w| U256::from_be_bytes(w.0)).collect(),
        proof: proof.into(),
    };
    send(app, Kind::Prove, id, call.abi_encode()).await
}

/// Closes a batch that was not proven in time. How it ended, the follower sees.
async fn close(app: &App, batch: &BatchRow) -> Result<()> {
    let id = batch.id()?;
    match app.chain.batch(id).await?.status {
        BatchStatus::Proven | BatchStatus::Expired => Ok(()),
        BatchStatus::None | BatchStatus::Committed => {
            send(app, Kind::Refund, id, refundBatchCall { batchId: id }.abi_encode()).await
        }
    }
}

/// Drops a batch that the chain never took.
async fn drop_batch(app: &App, id: u64, why: &str) -> Result<()> {
    let mut tx = store::write(&app.db).await?;
    follower::release(&mut tx, id, why).await?;
    tx.commit().await?;
    app.notify();
    Ok(())
}
