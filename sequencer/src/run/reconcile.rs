//! Compares every numbered batch with the contract, at the block that has been read.
//!
//! Events can be missed: a node that answers with an empty list, a reorganisation that nobody
//! remembers. The contract's own record is the truth, and whatever differs is mended by it.

use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result};
use dn_core::api::BatchState;

use super::adopt::{self, Proven};
use super::{follow, settle};
use crate::app::App;
use crate::chain::{BatchStatus, ChainError};
use crate::rules::settle::{reconcile, OnChain, Repair};
use crate::store::batches::{self, Batch, End};
use crate::store::outbox::OpenTx;
use crate::store::settled::{self, Settled};
use crate::store::{blocks, outbox, tasks};

/// Compares all open batches.
pub(crate) async fn step(app: &App) -> Result<bool> {
    let Some((block, hash)) = blocks::last(&app.store).await? else { return Ok(false) };
    if app.chain.block(block).await?.map(|b| b.hash) != Some(hash) {
        return Ok(false);
    }
    let open = outbox::open(&app.store).await?;
    let mut unmended = 0;
    for batch in batches::open(&app.store).await? {
        if let Err(error) = one(app, &batch, &open, block).await {
            // A node that keeps no old states cannot say how it was at that block; the next may.
            let is_silent = matches!(error.downcast_ref(), Some(ChainError::Unavailable(_)));
            unmended += usize::from(!is_silent);
            let error = format!("{error:#}");
            tracing::warn!(batch_id = batch.id, error, "not compared with the contract");
        }
    }
    app.world.unmended.store(unmended, Ordering::Relaxed);
    Ok(false)
}

async fn one(app: &App, batch: &Batch, open: &[OpenTx], block: u64) -> Result<()> {
    let (Some(terms), Some(hash)) = (batch.terms, batch.header_hash) else { return Ok(()) };
    let record = app.chain.batch_at(terms.number, block).await?;
    let on_chain = match record.status {
        BatchStatus::None => OnChain::Absent,
        _ if record.header_hash != hash => OnChain::Foreign,
        BatchStatus::Committed => OnChain::Open,
        BatchStatus::Proven => OnChain::Proven,
        BatchStatus::Expired => OnChain::Expired,
    };
    let is_sending = open.iter().any(|tx| tx.batch_id == batch.id);
    let repair = reconcile(batch.state, is_sending, on_chain);
    let known = settled::chunks(&app.store, batch.id).await?;
    let missed = |chunk: &u32| record.settled >> chunk & 1 == 1 && !known.contains(chunk);
    let missed: Vec<u32> = (0..batch.chunks).filter(missed).collect();
    let is_unread = repair == Repair::Prove
        || (on_chain == OnChain::Proven
            && batch.state == BatchState::Proven
            && batch.proven_by.is_none());
    if repair == Repair::Nothing && missed.is_empty() && !is_unread {
        return Ok(());
    }
    let proven = match is_unread {
        true => {
            let whole = batches::get(&app.store, batch.id).await?.context("the batch is gone")?;
            Some(adopt::find(app, &whole, terms.number, whole.end_tx).await?)
        }
        false => None,
    };
    // Between the two looks it may have been followed.
    let still = batches::get(&app.store, batch.id).await?.context("the batch is gone")?;
    let position = blocks::last(&app.store).await?;
    if still.updated_at_ms != batch.updated_at_ms || position.map(|(n, _)| n) != Some(block) {
        return Ok(());
    }
    tracing::error!(batch_id = batch.id, number = terms.number, state = ?batch.state, ?on_chain, ?repair, "database and contract differ");
    dn_service::metrics::counter!(dn_service::metrics::REPAIRS).increment(1);
    if let Some(Proven::Theirs(statement)) = proven {
        let (id, now_ms) = (batch.id, app.now_ms());
        let set = app.write(move |tx| {
            let statement = statement.clone();
            Box::pin(
                async move { batches::set_statement(tx, id, statement.as_ref(), now_ms).await },
            )
        });
        set.await?;
    }
    mend(app, batch, repair, block).await?;
    settle_missed(app, batch, &missed, block).await
}

async fn mend(app: &App, batch: &Batch, repair: Repair, block: u64) -> Result<()> {
    let (id, now_ms) = (batch.id, app.now_ms());
    let end = End { tx_hash: None, block: Some(block), gas: None };
    match repair {
        Repair::Nothing => Ok(()),
        Repair::Renumber => {
            let why = "the contract does not have it";
            Ok(app.write(move |tx| Box::pin(batches::clear_terms(tx, id, why, now_ms))).await?)
        }
        Repair::Commit => {
            let set = batches::set_committed;
            Ok(app.write(move |tx| Box::pin(set(tx, id, None, block, now_ms))).await?)
        }
        Repair::Expire => {
            let why = "not proven in time";
            Ok(app
                .write(move |tx| Box::pin(settle::end_without_proof(tx, id, why, end, now_ms)))
                .await?)
        }
        Repair::Prove => {
            let set = batches::set_proven;
            Ok(app.write(move |tx| Box::pin(set(tx, id, end, now_ms))).await?)
        }
    }
}

/// Ends the tasks of chunks whose settlement was missed. Whose nonce is used has paid.
async fn settle_missed(app: &App, batch: &Batch, missed: &[u32], block: u64) -> Result<()> {
    let (id, now_ms) = (batch.id, app.now_ms());
    for chunk in missed.iter().copied() {
        let tasks = tasks::of_batch(&app.store, id).await?;
        let mut paid = Vec::new();
        for task in tasks.get(batch.chunk(chunk)).unwrap_or_default() {
            let (user, nonce) = (task.order.user, task.order.nonce);
            paid.push(app.chain.is_used_at(user, nonce, block).await?);
        }
        let ended = app.write(move |tx| {
            let paid = paid.clone();
            Box::pin(async move {
                let batch = batches::get_for_write(tx, id).await?;
                let settled = Settled { chunk, block: Some(block), tx_hash: None, gas: None };
                let is_paid = |slot: usize| paid.get(slot).copied().unwrap_or(false);
                follow::chunk_settled(tx, &batch, settled, is_paid, now_ms).await
            })
        });
        ended.await?;
    }
    Ok(())
}
