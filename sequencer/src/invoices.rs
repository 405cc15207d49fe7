//! What workers are owed for, and their signatures for it: a worker is paid for the outputs of a chunk
//! that it signs for.

use std::collections::BTreeSet;
use std::time::Duration;

use alloy::primitives::{B256, U256};
use anyhow::{Context as _, Result};
use dn_core::api::{Address, Bytes32, InvoiceJob, ReceiptView, Role, SignedInvoice};
use dn_sdk::settlement::{compact, invoice_outputs};
use dn_sdk::{recover, wire, Invoice};
use tokio::time::{timeout_at, Instant};

use crate::app::App;
use crate::store::batches::{self, Batch};
use crate::store::task::Task;
use crate::store::{invoices, nodes, tasks, StoreError};

/// Pause between two looks for something to sign.
const LOOK: Duration = Duration::from_millis(500);
/// Signatures of one request that are looked at: each costs a look at its batch.
const MAX_SIGNED: usize = 64;

/// What a worker still has to sign for; waits until there is something.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn ask(
    app: &App,
    worker: Address,
    wait: Duration,
) -> Result<Vec<InvoiceJob>, StoreError> {
    let deadline = Instant::now() + wait;
    loop {
        let changed = app.store.writer.changed();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let jobs = jobs(app, worker).await?;
        if !jobs.is_empty() || Instant::now() >= deadline {
            return Ok(jobs);
        }
        let _ = timeout_at(deadline.min(Instant::now() + LOOK), changed).await;
    }
}

async fn jobs(app: &App, worker: Address) -> Result<Vec<InvoiceJob>, StoreError> {
    let mut jobs = Vec::new();
    for id in invoices::owing(&app.store, worker).await? {
        let Some(batch) = batches::get(&app.store, id).await? else { continue };
        let Some(batch_hash) = batch.header_hash else { continue };
        let signed = invoices::of_batch(&app.store, batch_hash).await?;
        let slots = tasks::of_batch(&app.store, id).await?;
        for chunk in 0..batch.chunks {
            let receipts = receipts(&batch, &slots, chunk, worker);
            if !receipts.is_empty() && !signed.contains_key(&(chunk, worker)) {
                jobs.push(InvoiceJob { batch_hash, chunk, receipts });
            }
        }
    }
    Ok(jobs)
}

/// The receipts of a worker in a chunk, in the order of their slots.
fn receipts(batch: &Batch, tasks: &[Task], chunk: u32, worker: Address) -> Vec<ReceiptView> {
    let tasks = tasks.get(batch.chunk(chunk)).unwrap_or_default();
    let receipts = tasks.iter().filter_map(|task| Some(&task.answer()?.receipt));
    receipts.filter(|receipt| receipt.worker == worker).cloned().collect()
}

/// Keeps signatures that are a worker's and of what it is owed. Others are nobody's loss but its own,
/// and those of a request that is too long are asked for again.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn take(
    app: &App,
    worker: Address,
    signed: Vec<SignedInvoice>,
) -> Result<(), StoreError> {
    let mut good = Vec::new();
    for invoice in signed.into_iter().take(MAX_SIGNED) {
        if is_good(app, worker, &invoice).await? {
            good.push(invoice);
        } else {
            let batch_hash = invoice.batch_hash;
            tracing::warn!(%worker, %batch_hash, chunk = invoice.chunk, "a claim that is none");
        }
    }
    if good.is_empty() {
        return Ok(());
    }
    app.write(move |tx| {
        let good = good.clone();
        Box::pin(async move {
            for invoice in &good {
                invoices::insert(tx, worker, invoice).await?;
            }
            Ok(())
        })
    })
    .await
}

async fn is_good(app: &App, worker: Address, signed: &SignedInvoice) -> Result<bool, StoreError> {
    let Some(id) = invoices::batch_of(&app.store, signed.batch_hash).await? else {
        return Ok(false);
    };
    let Some(batch) = batches::get(&app.store, id).await? else { return Ok(false) };
    let tasks = tasks::of_batch(&app.store, id).await?;
    let receipts = receipts(&batch, &tasks, signed.chunk, worker);
    let outputs = receipts.iter().map(|receipt| receipt.output_hash);
    let invoice = Invoice {
        batchHash: B256::from(signed.batch_hash.0),
        chunk: U256::from(signed.chunk),
        outputs: invoice_outputs(outputs),
    };
    let signer = recover(&invoice, &app.chain.domain().eip712(), &signed.signature.0);
    // In the form that the rollup takes.
    let is_compact = compact(&signed.signature.0).is_some();
    Ok(is_compact && !receipts.is_empty() && signer == Some(wire::address(worker)))
}

/// Whether a worker of the batch that is there has not signed yet.
///
/// # Errors
/// When database or chain do not answer.
pub(crate) async fn are_missing(app: &App, batch: &Batch, hash: Bytes32) -> Result<bool> {
    let signed = invoices::of_batch(&app.store, hash).await?;
    let tasks = tasks::of_batch(&app.store, batch.id).await?;
    let mut owed = BTreeSet::new();
    for chunk in 0..batch.chunks {
        for task in tasks.get(batch.chunk(chunk)).unwrap_or_default() {
            owed.extend(task.answer().map(|answer| (chunk, answer.receipt.worker)));
        }
    }
    let alive_since_ms = app.alive_since_ms();
    for (chunk, worker) in owed {
        if signed.contains_key(&(chunk, worker)) {
            continue;
        }
        let node =
            nodes::get(&app.store, worker, Role::Worker).await.context("ask for a worker")?;
        if node.is_some_and(|n| !n.is_barred && n.last_seen_ms >= alive_since_ms) {
            return Ok(true);
        }
    }
    Ok(false)
}
