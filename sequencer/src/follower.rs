//! Follows the rollup's events: what the chain says is what happened.
//!
//! Blocks are taken in order, once they have the configured depth, each exactly once: the events of
//! a range and the position behind it are stored in one transaction. The hash of each position is
//! remembered; when the chain has another block there, the follower goes back to the last position
//! that both know. Whoever sent the proof or closed the batch, tasks end here.

use anyhow::Result;
use dn_core::api::{Bytes32, Role};
use dn_core::task::{Reason, TaskEvent};

use crate::app::{now_ms, App};
use crate::chain::RollupEvent;
use crate::range::{self, Range};
use crate::store::{self, batches, blocks, nodes, tasks, Write};

/// Most blocks whose events are asked for at once.
const MAX_BLOCKS: u64 = 1_000;

/// Takes the next range of blocks, if there is one. True when something happened.
pub(crate) async fn follow(app: &App) -> Result<bool> {
    let head = app.chain.head().await?;
    let Some(safe) = (head + 1).checked_sub(app.limits.confirmations.max(1)) else {
        return Ok(false);
    };
    let position = blocks::last(&app.db).await?;
    if let Some((number, hash)) = position {
        if app.chain.block(number).await?.map(|b| b.hash) != Some(hash) {
            return rewind(app).await;
        }
    }
    let from = position.map_or(app.limits.first_block, |(number, _)| number + 1);
    if from > safe {
        return Ok(false);
    }
    let to = safe.min(from.saturating_add(MAX_BLOCKS - 1));
    let behind = position.map(|(_, hash)| hash);
    let Some(Range { events, last }) = range::read(&app.chain, behind, from, to).await? else {
        tracing::warn!(from, to, "the node's answers are not of one chain: asking again");
        return Ok(false);
    };
    let mut tx = store::write(&app.db).await?;
    for event in &events {
        apply(&mut tx, event).await?;
    }
    blocks::advance(&mut tx, to, last).await?;
    tx.commit().await?;
    if !events.is_empty() {
        app.notify();
    }
    Ok(!events.is_empty())
}

/// Goes back to the last position that is still on the chain.
async fn rewind(app: &App) -> Result<bool> {
    for (number, hash) in blocks::all(&app.db).await? {
        if app.chain.block(number).await?.map(|b| b.hash) == Some(hash) {
            tracing::error!(number, "the chain was reorganised below the configured depth");
            let mut tx = store::write(&app.db).await?;
            blocks::rewind(&mut tx, number).await?;
            tx.commit().await?;
            return Ok(true);
        }
    }
    tracing::error!("no remembered block is on the chain: reading it from the start");
    let mut tx = store::write(&app.db).await?;
    blocks::clear(&mut tx).await?;
    tx.commit().await?;
    Ok(true)
}

/// Applies one event. What has been applied before changes nothing.
async fn apply(tx: &mut Write, event: &RollupEvent) -> Result<()> {
    match event {
        RollupEvent::TaskProven { task_id, output_hash, is_paid } => {
            task_proven(tx, *task_id, *output_hash, *is_paid).await
        }
        RollupEvent::BatchProven { batch_id, prover, tx_hash, gas_used } => {
            if batches::set_proven(tx, *batch_id, *tx_hash, *gas_used).await? {
                nodes::count_completed(tx, *prover, Role::Prover).await?;
                tracing::info!(batch_id, %tx_hash, "batch proven");
            }
            Ok(())
        }
        RollupEvent::BatchExpired { batch_id } => {
            release(tx, *batch_id, "not proven in time").await
        }
    }
}

async fn task_proven(
    tx: &mut Write,
    task_id: Bytes32,
    output_hash: Bytes32,
    is_paid: bool,
) -> Result<()> {
    let Some(row) = tasks::find_for_write(tx, task_id).await? else {
        tracing::warn!(%task_id, "a task of another sequencer was proven");
        return Ok(());
    };
    if row.state()?.after(TaskEvent::Prove).is_err() {
        return Ok(());
    }
    let is_honest = row.output_hash()? == Some(output_hash);
    let reason = match (is_honest, is_paid) {
        (false, _) => Some(Reason::ReceiptContradicted),
        (true, false) => Some(Reason::Unpaid),
        (true, true) => None,
    };
    if let Some(reason) = reason {
        tracing::warn!(%task_id, ?reason, "proven");
    }
    Ok(tasks::set_proven(tx, &row, output_hash, reason, now_ms()).await?)
}

/// Ends a batch without a proof; its tasks wait for another one.
pub(crate) async fn release(tx: &mut Write, batch_id: u64, why: &str) -> Result<()> {
    if !batches::set_expired(tx, batch_id, why).await? {
        return Ok(());
    }
    for row in tasks::of_batch_for_write(tx, batch_id).await? {
        let reason = Some(Reason::BatchExpired);
        tasks::transition(tx, &row, TaskEvent::ExpireBatch, reason, now_ms()).await?;
    }
    tracing::error!(batch_id, why, "batch released");
    Ok(())
}
