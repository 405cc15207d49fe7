//! Ends leases and orders that have run out, and forms batches.

use alloy::primitives::keccak256;
use alloy::sol_types::SolValue as _;
use anyhow::{Context as _, Result};
use dn_core::api::{BatchState, Bytes32, HeaderView};
use dn_core::task::{Reason, TaskEvent};
use dn_sdk::contracts::IInferenceRollup::Slot;
use dn_sdk::wire;

use crate::app::{millis, now_ms, App};
use crate::models::Model;
use crate::store::tasks::TaskRow;
use crate::store::{self, batches, nodes, tasks, StoreError};

/// A task is committed only while its order is good for so much longer: the block comes later.
const COMMIT_MARGIN_S: u64 = 15;

/// Ends leases whose workers are silent and orders whose deadline has passed.
pub(crate) async fn expire(app: &App) -> Result<(), StoreError> {
    let now = now_ms();
    let mut tx = store::write(&app.db).await?;
    let overdue = tasks::overdue_leases(&mut tx, now).await?;
    for task in &overdue {
        let (event, reason) = if task.attempts >= app.limits.max_attempts {
            (TaskEvent::GiveUp, Reason::TooManyAttempts)
        } else {
            (TaskEvent::ExpireLease, Reason::LeaseExpired)
        };
        tracing::warn!(task_id = %task.id()?, attempts = task.attempts, "lease expired");
        tasks::transition(&mut tx, task, event, Some(reason), now).await?;
    }
    let expired = tasks::expired(&mut tx, now / 1000 + COMMIT_MARGIN_S).await?;
    for task in &expired {
        tracing::info!(task_id = %task.id()?, "order expired");
        let reason = Some(Reason::OrderExpired);
        tasks::transition(&mut tx, task, TaskEvent::ExpireOrder, reason, now).await?;
    }
    tx.commit().await?;
    if !overdue.is_empty() || !expired.is_empty() {
        app.notify();
    }
    Ok(())
}

/// Forms the next batch of some model, if one is due and no other waits for its commitment:
/// batch ids are given in the order of the chain.
pub(crate) async fn form(app: &App) -> Result<()> {
    if batches::oldest_in(&app.db, BatchState::Formed).await?.is_some() {
        return Ok(());
    }
    for model in app.models.iter() {
        if form_for(app, model).await? {
            app.notify();
            return Ok(());
        }
    }
    Ok(())
}

async fn form_for(app: &App, model: &Model) -> Result<bool> {
    let now = now_ms();
    let batch_id = app.chain.next_batch_id().await.context("read the next batch id")?;
    let mut tx = store::write(&app.db).await?;
    let slots = model.view.batch_slots;
    let after_s = now / 1000 + COMMIT_MARGIN_S;
    let ready = tasks::executed(&mut tx, model.view.model_id, slots, after_s).await?;
    if !is_due(app, &ready, slots, now)? {
        return Ok(false);
    }
    let Some(prover) = nodes::idlest_prover(&mut tx, app.alive_since_ms()).await? else {
        tracing::debug!(tasks = ready.len(), "no prover is alive");
        return Ok(false);
    };
    let domain = app.chain.domain();
    let header = HeaderView {
        chain_id: domain.chain_id,
        rollup: domain.rollup,
        batch_id,
        model_id: model.view.model_id,
        slots_hash: slots_hash(&ready)?,
        prover,
        deadline: (now + millis(app.limits.proving_window)) / 1000,
    };
    let header_hash = header_hash(&header);
    let batch = batches::NewBatch { header, header_hash, count: ready.len() };
    batches::insert(&mut tx, &batch, now).await?;
    for (slot, task) in ready.iter().enumerate() {
        tasks::put_in_batch(&mut tx, task, batch_id, slot, now).await?;
    }
    tx.commit().await.context("store the batch")?;
    tracing::info!(batch_id, tasks = ready.len(), slots, %prover, "batch formed");
    Ok(true)
}

fn is_due(app: &App, ready: &[TaskRow], slots: u32, now: u64) -> Result<bool, StoreError> {
    let Some(oldest) = ready.first() else { return Ok(false) };
    let waited = now.saturating_sub(oldest.view()?.updated_at_ms);
    Ok(ready.len() >= slots as usize || waited >= millis(app.limits.batch_wait))
}

/// Hash of the tasks and workers of a batch, as the header has it.
fn slots_hash(tasks: &[TaskRow]) -> Result<Bytes32, StoreError> {
    Ok(Bytes32(keccak256(slots(tasks)?.abi_encode()).0))
}

/// The slots of a batch as the rollup takes them.
pub(crate) fn slots(tasks: &[TaskRow]) -> Result<Vec<Slot>, StoreError> {
    let slot = |task: &TaskRow| {
        let worker = task.worker()?.ok_or(StoreError::Corrupt("worker"))?;
        Ok(Slot { taskId: task.id()?.0.into(), worker: wire::address(worker) })
    };
    tasks.iter().map(slot).collect()
}

fn header_hash(header: &HeaderView) -> Bytes32 {
    Bytes32(keccak256(wire::rollup_header(header).abi_encode()).0)
}
