//! Brings batches to the chain: each goes its own way, and what fails with one fails with it alone.

use anyhow::{Context as _, Result};
use dn_core::api::BatchState;
use dn_core::task::{Reason, TaskEvent, TaskState};
use dn_sdk::{settlement, wire};

use super::form;
use crate::app::App;
use crate::chain::ChainError;
use crate::rules::settle::{self as rules, next, Facts, Step, World};
use crate::store::batches::{self, Batch, End, Terms};
use crate::store::outbox::{self, Kind, NewTx, OpenTx};
use crate::store::{settled, tasks, StoreError, Write};
use crate::{calls, invoices};

/// Gas of a commitment, which cannot be estimated before the one in front of it is in a block: about
/// 60,000 are used.
const COMMIT_GAS: u64 = 150_000;
/// How far a header is opened before the chain's time as it is known here: no block may be older.
const OPEN_MARGIN_S: u64 = 15;
/// The rollup's longest time from opening to proof.
const MAX_WINDOW_S: u64 = 86_400;
/// Gas limit over an estimate, in percent: storage may be colder than at the estimate.
const GAS_PERCENT: u64 = 125;
/// The same for each task: its account's word of nonces may be another one by then, which takes a slot that is empty.
const GAS_OF_NONCES: u64 = 25_000;
/// Tasks that a transaction settles, at most.
const MOST_TASKS: usize = 256;
/// Most gas of a transaction that every block takes: EIP-7825.
const MOST_GAS: u64 = 1 << 24;

/// Does the next step of every open batch.
pub(crate) async fn step(app: &App) -> Result<bool> {
    // Before the chain has been read, it is not known what is settled.
    if !app.world.has_followed() {
        return Ok(false);
    }
    let open = outbox::open(&app.store).await?;
    let mut commitments = open.iter().filter(|tx| tx.kind == Kind::Commit).count();
    for batch in batches::open(&app.store).await? {
        let world = World { chain_time_s: app.chain_time_s(), commitments };
        match settle(app, &batch, &open, world).await {
            Ok(has_committed) => commitments += usize::from(has_committed),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(batch_id = batch.id, error, "the batch's next step failed");
            }
        }
    }
    Ok(false)
}

/// Does one batch's next step. True when it sent a commitment.
async fn settle(app: &App, batch: &Batch, open: &[OpenTx], world: World) -> Result<bool> {
    let facts = facts(app, batch, open).await?;
    match next(&facts, world) {
        Step::Wait => Ok(false),
        Step::Commit => commit(app, batch).await.context("commit"),
        Step::Prove => {
            let calldata = calls::prove(app, batch.id).await?;
            call_rollup(app, Kind::Prove, batch, calldata).await.context("prove").map(|()| false)
        }
        Step::Settle(chunks) => {
            let calldata = calls::settle(app, batch.id, chunks).await?;
            call_rollup(app, Kind::Settle, batch, calldata).await.context("settle").map(|()| false)
        }
        Step::Expire => {
            let calldata = calls::expire(app, batch)?;
            call_rollup(app, Kind::Expire, batch, calldata).await.context("expire").map(|()| false)
        }
        Step::Release(why) => release(app, batch.id, why).await.map(|()| false),
    }
}

async fn facts(app: &App, batch: &Batch, open: &[OpenTx]) -> Result<Facts> {
    let is_formed = batch.state == BatchState::Formed && batch.terms.is_none();
    let is_active = !is_formed || app.chain.is_model_active(batch.model_id).await?;
    let are_invoices_missing = match (batch.state, batch.header_hash) {
        (BatchState::ProofReady, Some(hash)) => invoices::are_missing(app, batch, hash).await?,
        _ => false,
    };
    let settled = settled::chunks(&app.store, batch.id).await?;
    // Chunks are settled by what the chain holds, which has to be read first where others brought it.
    let chunks = if batch.proven_by.is_some() { batch.chunks } else { 0 };
    Ok(Facts {
        state: batch.state,
        is_numbered: batch.terms.is_some(),
        is_sending: open.iter().any(|tx| tx.batch_id == batch.id),
        deadline_s: batch.terms.map_or(0, |t| t.deadline_s),
        orders_end_s: batch.orders_end_s,
        refusals: batch.refusals,
        since_refusal_ms: app.now_ms().saturating_sub(batch.refused_at_ms),
        is_model_active: is_active,
        since_proof_ms: app.now_ms().saturating_sub(batch.proof_at_ms.unwrap_or(0)),
        are_invoices_missing,
        unsettled: (0..chunks)
            .filter(|chunk| !settled.contains(chunk))
            .fold(0, |mask, chunk| mask | 1 << chunk),
    })
}

/// Gives the batch the next number and sends its header.
async fn commit(app: &App, batch: &Batch) -> Result<bool> {
    let Some(prover) = form::idle_prover(app).await? else { return Ok(false) };
    let next = app.chain.next_number().await?;
    let pending = batches::pending_numbers(&app.store).await?;
    let Some(number) = rules::number(next, &pending) else { return Ok(false) };
    let chain_s = app.chain_time_s();
    let opened_s = chain_s.saturating_sub(OPEN_MARGIN_S);
    let deadline_s = (chain_s + app.proving_window_s()).min(opened_s + MAX_WINDOW_S);
    let terms = Terms { number, prover, opened_s, deadline_s };
    let numbered = batch.under(terms);
    let header = numbered.header(app.chain.domain()).context("a numbered batch has a header")?;
    let hash = settlement::header_hash(&wire::rollup_header(&header));
    let calldata = calls::commit(app, &numbered)?;
    // Only the chain's next number can be tried: the others depend on those before them.
    if number == next {
        if let Err(error) = app.chain.estimate(&calldata).await {
            return refused(app, batch, error).await.map(|()| false);
        }
    }
    let new = signed(app, Kind::Commit, batch.id, COMMIT_GAS, calldata).await?;
    let (id, now_ms, record) = (batch.id, app.now_ms(), new.clone());
    let recorded = app.write(move |tx| {
        let record = record.clone();
        Box::pin(async move {
            let batch = batches::get_for_write(tx, id).await?;
            if batch.state != BatchState::Formed || batch.terms.is_some() {
                return Ok(false);
            }
            batches::set_terms(tx, id, terms, hash, now_ms).await?;
            outbox::record(tx, &record, now_ms).await?;
            Ok(true)
        })
    });
    if recorded.await? {
        super::send::first(app, &new).await;
    }
    Ok(true)
}

/// Tries, records and sends a call that depends on nothing which is on its way.
async fn call_rollup(app: &App, kind: Kind, batch: &Batch, calldata: Vec<u8>) -> Result<()> {
    let gas = match app.chain.estimate(&calldata).await {
        Ok(gas) => {
            let nonces = GAS_OF_NONCES * batch.batch_slots.min(MOST_TASKS) as u64;
            (gas.saturating_mul(GAS_PERCENT) / 100 + nonces).min(MOST_GAS.max(gas))
        }
        Err(error) => return refused(app, batch, error).await,
    };
    let new = signed(app, kind, batch.id, gas, calldata).await?;
    let (record, now_ms, seen) = (new.clone(), app.now_ms(), batch.clone());
    let recorded = app.write(move |tx| {
        let (record, seen) = (record.clone(), seen.clone());
        Box::pin(async move {
            let now = batches::get_for_write(tx, seen.id).await?;
            let is_as_seen = now.state == seen.state && now.terms == seen.terms;
            if !is_as_seen || outbox::is_sending(tx, seen.id).await? {
                return Ok(false);
            }
            outbox::record(tx, &record, now_ms).await?;
            Ok(true)
        })
    });
    if recorded.await? {
        super::send::first(app, &new).await;
    }
    Ok(())
}

/// Signs a call under the next nonce.
async fn signed(
    app: &App,
    kind: Kind,
    batch_id: u64,
    gas_limit: u64,
    calldata: Vec<u8>,
) -> Result<NewTx> {
    let market = app.chain.market().await?;
    let fee = crate::rules::outbox::Fee { max: market.max.min(app.limits.max_fee), ..market };
    let fee = crate::rules::outbox::Fee { tip: fee.tip.min(fee.max), ..fee };
    let used = outbox::open_nonces(&app.store).await?;
    let mut nonce = app.chain.nonce().await?;
    // The lowest that is free: a gap would hold up everything behind it.
    while used.contains(&nonce) {
        nonce += 1;
    }
    let signed = app.chain.sign(nonce, gas_limit, fee, &calldata)?;
    Ok(NewTx { kind, batch_id, gas_limit, calldata, fee, signed })
}

/// Notes a refusal by the contract; any other error is the caller's.
async fn refused(app: &App, batch: &Batch, error: ChainError) -> Result<()> {
    let ChainError::Refused { reason, is_proof } = error else { return Err(error.into()) };
    tracing::error!(batch_id = batch.id, reason, "the contract refuses");
    let (id, now_ms) = (batch.id, app.now_ms());
    let noted = app.write(move |tx| {
        let reason = reason.clone();
        Box::pin(async move {
            batches::count_refusal(tx, id, &reason, now_ms).await?;
            if is_proof {
                batches::drop_proof(tx, id).await?;
            }
            Ok(())
        })
    });
    Ok(noted.await?)
}

/// Gives the tasks of a batch back that the chain has never heard of.
async fn release(app: &App, id: u64, why: &'static str) -> Result<()> {
    let (now_ms, end) = (app.now_ms(), End { tx_hash: None, block: None, gas: None });
    Ok(app.write(move |tx| Box::pin(end_without_proof(tx, id, why, end, now_ms))).await?)
}

/// Ends a batch without a proof; its tasks wait for another one.
pub(crate) async fn end_without_proof(
    tx: &mut Write,
    id: u64,
    why: &str,
    end: End,
    now_ms: u64,
) -> Result<(), StoreError> {
    let batch = batches::get_for_write(tx, id).await?;
    if matches!(batch.state, BatchState::Proven | BatchState::Expired) {
        return Ok(());
    }
    for task in tasks::of_batch_for_write(tx, id).await? {
        // One that was proven by another batch has its end already.
        if task.state() != TaskState::Committed {
            continue;
        }
        let reason = Some(Reason::BatchExpired);
        tasks::transition(tx, &task, TaskEvent::ExpireBatch, reason, now_ms).await?;
    }
    batches::set_expired(tx, id, why, end, now_ms).await?;
    tracing::error!(batch_id = id, why, "batch released");
    Ok(())
}
