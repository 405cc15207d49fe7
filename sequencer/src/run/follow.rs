//! Follows the rollup's events: what the chain says is what happened.
//!
//! Blocks are taken in order, once they have the configured depth, each exactly once: the events of
//! a range and the position behind it are stored in one transaction. The hash of each position is
//! remembered; when the chain has another block there, everything that was read behind the last
//! common one is taken back, commitments and proofs alike, and transactions are opened again.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use dn_core::api::{BatchState, Bytes32, Role};
use dn_core::statement;
use dn_core::task::{Reason, TaskEvent};
use dn_sdk::settlement::Outcome;

use super::adopt;
use super::settle::end_without_proof;
use crate::app::App;
use crate::chain::range::{self, Range};
use crate::chain::{Located, RollupEvent};
use crate::rules::observe::Seen;
use crate::rules::{admit, follow as rules};
use crate::store::batches::{Batch, End, Statement};
use crate::store::settled::{self, Settled};
use crate::store::task::{Life, Task};
use crate::store::{batches, blocks, nodes, outbox, payers, tasks, StoreError, Write};

/// Takes the next range of blocks, if there is one. True when there may be another.
pub(crate) async fn step(app: &App) -> Result<bool> {
    let head = app.chain.head().await?;
    let position = blocks::last(&app.store).await?;
    if let Some((number, hash)) = position {
        if app.chain.block(number).await?.map(|b| b.hash) != Some(hash) {
            return reorganised(app).await;
        }
    }
    let number = position.map(|(number, _)| number);
    let limits = app.limits;
    let next = rules::range(number, limits.first_block, head.number, limits.confirmations);
    let Some((from, to)) = next else {
        app.world.set_followed(app.now_ms());
        return Ok(false);
    };
    let behind = position.map(|(_, hash)| hash);
    let read = range::read(&*app.chain, behind, from, to).await?;
    let Some(Range { events, last }) = read else {
        tracing::warn!(from, to, "the node's answers are not of one chain: asking again");
        return Ok(false);
    };
    let statements = adopt::read(app, &events).await.context("read the proofs of others")?;
    take(app, events, statements, to, last).await.context("store the chain's events")?;
    if rules::range(Some(to), limits.first_block, head.number, limits.confirmations).is_none() {
        app.world.set_followed(app.now_ms());
    }
    Ok(true)
}

/// Statements of others, by the number of the batch that they prove.
type Statements = BTreeMap<u64, Option<Statement>>;

async fn take(
    app: &App,
    events: Vec<Located>,
    statements: Statements,
    to: u64,
    last: Bytes32,
) -> Result<()> {
    let now_ms = app.now_ms();
    let all = Arc::new((events, statements));
    let taken = app.write(move |tx| {
        let all = all.clone();
        Box::pin(async move {
            for event in &all.0 {
                apply(tx, event, &all.1, now_ms).await?;
            }
            blocks::advance(tx, to, last).await
        })
    });
    Ok(taken.await?)
}

/// Goes back to the last position that is still on the chain.
async fn reorganised(app: &App) -> Result<bool> {
    let remembered = blocks::all(&app.store).await?;
    let mut on_chain = Vec::new();
    for position in &remembered {
        let has = app.chain.block(position.0).await?.map(|b| b.hash) == Some(position.1);
        on_chain.push((*position, has));
        if has {
            break;
        }
    }
    let has = |p| on_chain.iter().any(|(known, has)| *known == p && *has);
    let fork = rules::fork(&remembered, has).map(|(number, _)| number);
    tracing::error!(?fork, "the chain was reorganised below the configured depth");
    rewind(app, fork).await?;
    Ok(true)
}

/// Takes back everything that was read behind a block; everything where there is none.
pub(crate) async fn rewind(app: &App, to: Option<u64>) -> Result<()> {
    let now_ms = app.now_ms();
    let behind = to.map_or(-1, |to| i64::try_from(to).unwrap_or(i64::MAX));
    let taken = app.write(move |tx| {
        Box::pin(async move {
            for batch in batches::touched_behind(tx, behind).await? {
                take_back(tx, &batch, behind, now_ms).await?;
            }
            outbox::reopen_behind(tx, behind, now_ms).await?;
            blocks::rewind(tx, to).await
        })
    });
    Ok(taken.await?)
}

async fn take_back(
    tx: &mut Write,
    batch: &Batch,
    behind: i64,
    now_ms: u64,
) -> Result<(), StoreError> {
    let is_behind = |block: Option<u64>| block.is_some_and(|b| i128::from(b) > i128::from(behind));
    let mut state = batch.state;
    let unsettled = settled::take_behind(tx, batch.id, behind).await?;
    if !unsettled.is_empty() {
        for (slot, task) in tasks::of_batch_for_write(tx, batch.id).await?.iter().enumerate() {
            let is_unsettled = unsettled.iter().any(|chunk| batch.chunk(*chunk).contains(&slot));
            if is_unsettled && matches!(task.life, Life::Proven { answer: Some(_), .. }) {
                let reason = Some(Reason::ChainReorganised);
                tasks::transition(tx, task, TaskEvent::Unprove, reason, now_ms).await?;
            }
        }
    }
    if state == BatchState::Proven && is_behind(batch.end_block) {
        batches::set_unproven(tx, batch.id, now_ms).await?;
        state = BatchState::Committed;
    }
    let is_open = matches!(state, BatchState::Committed | BatchState::ProofReady);
    if is_open && is_behind(batch.commit_block) {
        batches::set_uncommitted(tx, batch.id, now_ms).await?;
    }
    Ok(())
}

/// Applies one event. What has been applied before changes nothing.
async fn apply(
    tx: &mut Write,
    located: &Located,
    statements: &Statements,
    now_ms: u64,
) -> Result<(), StoreError> {
    let block = Some(located.number);
    match located.event {
        RollupEvent::BatchCommitted { number, header_hash, tx_hash } => {
            let Some(batch) = batches::by_number(tx, number).await? else { return Ok(()) };
            if batch.header_hash == Some(header_hash) {
                let (id, block) = (batch.id, located.number);
                return batches::set_committed(tx, id, Some(tx_hash), block, now_ms).await;
            }
            tracing::error!(batch_id = batch.id, number, "the number is another batch's");
            batches::clear_terms(tx, batch.id, "its number is another's", now_ms).await
        }
        RollupEvent::ChunkSettled { number, chunk, outcomes, tx_hash, gas_used } => {
            let Some(batch) = batches::by_number(tx, number).await? else { return Ok(()) };
            // The gas of a proof counts what it settles.
            let gas = (batch.end_tx != Some(tx_hash)).then_some(gas_used);
            let settled = Settled { chunk, block, tx_hash: Some(tx_hash), gas };
            let is_paid = |slot| Outcome::of(outcomes, slot).is_paid();
            chunk_settled(tx, &batch, settled, is_paid, now_ms).await
        }
        RollupEvent::BatchProven { number, prover, tx_hash, gas_used } => {
            let Some(batch) = batches::by_number(tx, number).await? else { return Ok(()) };
            if batch.state == BatchState::Proven {
                return Ok(());
            }
            let end = End { tx_hash: Some(tx_hash), block, gas: Some(gas_used) };
            if let Some(statement) = statements.get(&number) {
                batches::set_statement(tx, batch.id, statement.as_ref(), now_ms).await?;
            }
            batches::set_proven(tx, batch.id, end, now_ms).await?;
            let seen = Seen { finished: 1, ..Seen::default() };
            nodes::observe(tx, prover, Role::Prover, seen);
            tracing::info!(batch_id = batch.id, number, %tx_hash, "batch proven");
            Ok(())
        }
        RollupEvent::BatchExpired { number, tx_hash } => {
            let Some(batch) = batches::by_number(tx, number).await? else { return Ok(()) };
            let end = End { tx_hash: Some(tx_hash), block, gas: None };
            end_without_proof(tx, batch.id, "not proven in time", end, now_ms).await
        }
    }
}

/// Ends the tasks of a settled chunk. `is_paid` is asked for each of its slots. While the batch's statement is unknown
/// nothing changes: the contract is compared with again.
pub(crate) async fn chunk_settled(
    tx: &mut Write,
    batch: &Batch,
    chunk: Settled,
    is_paid: impl Fn(usize) -> bool,
    now_ms: u64,
) -> Result<(), StoreError> {
    let Some(instances) = batch.instances.as_deref() else {
        tracing::error!(batch_id = batch.id, "a batch is settled whose proof is not here");
        return Ok(());
    };
    if !settled::insert(tx, batch.id, chunk).await? {
        return Ok(());
    }
    batches::touch(tx, batch.id, now_ms).await?;
    let slots = batch.chunk(chunk.chunk);
    let tasks = tasks::of_batch_for_write(tx, batch.id).await?;
    let outputs_at = statement::outputs_at(statement::slots(instances.len()).unwrap_or(0));
    for (slot, task) in tasks.iter().enumerate().filter(|(slot, _)| slots.contains(slot)) {
        let Some(output) = instances.get(outputs_at + slot) else { continue };
        task_proven(tx, task, *output, is_paid(slot - slots.start), now_ms).await?;
    }
    Ok(())
}

/// Ends a task as proven.
async fn task_proven(
    tx: &mut Write,
    task: &Task,
    output_hash: Bytes32,
    is_paid: bool,
    now_ms: u64,
) -> Result<(), StoreError> {
    let task_id = task.id;
    if task.state().after(TaskEvent::Prove).is_err() {
        return Ok(());
    }
    let receipt = task.answer().map(|a| a.receipt.clone());
    let is_honest = receipt.as_ref().is_some_and(|r| r.output_hash == output_hash);
    let reason = match (is_honest, is_paid) {
        (false, _) => Some(Reason::ReceiptContradicted),
        (true, false) => Some(Reason::Unpaid),
        (true, true) => None,
    };
    if let Some(reason) = reason {
        tracing::warn!(%task_id, ?reason, "proven");
    }
    tasks::set_proven(tx, task, output_hash, reason, now_ms).await?;
    if !is_paid {
        let unpaid = payers::count_unpaid(tx, task.order.user).await?;
        let until_ms = now_ms.saturating_add(admit::refusal_ms(unpaid));
        payers::refuse_until(tx, task.order.user, until_ms).await?;
    }
    let Some(receipt) = receipt else { return Ok(()) };
    let seen =
        Seen { right: u64::from(is_honest), wrong: u64::from(!is_honest), ..Seen::default() };
    nodes::observe(tx, receipt.worker, Role::Worker, seen);
    if !is_honest {
        super::distrust::bar(tx, receipt.worker, now_ms).await?;
    }
    Ok(())
}
