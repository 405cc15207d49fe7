//! Hands batches to provers and keeps the proofs that they bring.

use std::sync::Arc;

use dn_core::api::{Address, BatchState, Bytes32, ProofResult, Role};
use dn_core::statement;

use crate::app::App;
use crate::clock::millis;
use crate::rules::lease::batch_allowance;
use crate::rules::observe::Seen;
use crate::run::distrust;
use crate::store::batches::{self, Batch, LeftAlone};
use crate::store::task::Task;
use crate::store::{nodes, StoreError};

/// Leases a batch to a prover, if there is one that it may prove. Returns when the lease ends.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn lease(app: &App, prover: Address) -> Result<Option<(Batch, u64)>, StoreError> {
    let (now_ms, chain_s) = (app.now_ms(), app.chain_time_s());
    let by_others = now_ms.saturating_sub(millis(app.limits.orphan_after));
    let alive_since_ms = app.alive_since_ms();
    let ends_ms = now_ms.saturating_add(app.limits.lease.silence_ms);
    let leased = app.write(move |tx| {
        Box::pin(async move {
            nodes::touch(tx, prover, Role::Prover, now_ms);
            if batches::held_count(tx, prover, now_ms).await? >= batch_allowance() {
                return Ok(None);
            }
            // Who is alone need not wait for others.
            let others = nodes::is_other_alive(tx, prover, Role::Prover, alive_since_ms).await?;
            let before_ms =
                LeftAlone { by_others, by_itself: if others { by_others } else { now_ms } };
            let next = batches::next_to_prove(tx, prover, before_ms, now_ms, chain_s).await?;
            let Some(next) = next else { return Ok(None) };
            // Whoever had it before, or should have taken it, has left it alone.
            let idle = next.lease.map(|l| l.node).or(next.terms.map(|t| t.prover));
            if let Some(idle) = idle.filter(|idle| *idle != prover) {
                let seen = Seen { missed: 1, ..Seen::default() };
                nodes::observe(tx, idle, Role::Prover, seen);
            }
            Ok(Some(batches::lease(tx, next.id, prover, ends_ms, now_ms).await?))
        })
    });
    Ok(leased.await?.map(|batch| (batch, ends_ms)))
}

/// Keeps a proof that has been verified, and bars the workers that it contradicts. False when the
/// batch is another prover's by now, or needs no proof any more.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn keep(
    app: &App,
    slots: &[Task],
    result: ProofResult,
) -> Result<bool, StoreError> {
    let (liars, now_ms) = (liars(slots, &result.instances), app.now_ms());
    let result = Arc::new(result);
    app.write(move |tx| {
        let (result, liars) = (result.clone(), liars.clone());
        Box::pin(async move {
            let batch = batches::get_for_write(tx, result.batch_id).await?;
            if batch.fence != result.fence || batch.state != BatchState::Committed {
                return Ok(false);
            }
            batches::set_proof(tx, &result, now_ms).await?;
            for worker in liars {
                distrust::bar(tx, worker, now_ms).await?;
            }
            Ok(true)
        })
    })
    .await
}

/// Workers whose receipts say another output than a verified proof.
fn liars(slots: &[Task], instances: &[Bytes32]) -> Vec<Address> {
    let count = statement::slots(instances.len()).unwrap_or(0);
    let proven = instances.iter().skip(statement::outputs_at(count));
    let differs = slots.iter().zip(proven).filter_map(|(task, proven)| {
        let receipt = &task.answer()?.receipt;
        (receipt.output_hash != *proven).then_some(receipt.worker)
    });
    differs.collect()
}
