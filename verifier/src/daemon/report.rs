//! Reporting workers whose receipts contradict a proof.

use alloy::contract::Error as CallError;
use alloy::primitives::U256;
use alloy::providers::PendingTransactionError;
use anyhow::Result;
use dn_core::api::{BatchView, ChainView};
use dn_core::{chunks, statement};
use dn_sdk::contracts::InferenceRollup::{self, InferenceRollupErrors};
use dn_sdk::{settlement, wire, Account};
use dn_service::metrics;
use thiserror::Error;

use super::check::{self, Checked};
use super::reward::{Reward, INCLUSION};

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The worker lost stake by it.
    Slashed,
    /// It had been reported before.
    Known,
    /// The rollup does not take it: the worker has no stake, or another report was faster.
    Refused,
}

/// Why it is not known what became of a report.
#[derive(Debug, Error)]
enum ReportError {
    #[error("call the rollup")]
    Call(#[from] CallError),
    #[error("the batch has no header, no prover or no statement")]
    Batch,
    #[error("wait for the report")]
    Pending(#[from] PendingTransactionError),
}

/// Submits every receipt that contradicts the proof, whatever becomes of the others. Returns how
/// many were slashed.
///
/// # Errors
/// When the chain did not answer about one of them. All can be submitted again.
pub(super) async fn all(
    account: &Account,
    chain: &ChainView,
    batch: &BatchView,
    checked: &Checked,
) -> Result<u32> {
    let (mut slashed, mut lost) = (0, None);
    for place in checked.contradicted.iter().copied() {
        let Some(slot) = batch.slots.get(place) else { continue };
        match one(account, chain, batch, checked, place).await {
            Ok(outcome) => {
                let name = match outcome {
                    Outcome::Slashed => "slashed",
                    Outcome::Known => "known",
                    Outcome::Refused => "refused",
                };
                metrics::counter!(metrics::RECEIPTS_REPORTED, "outcome" => name).increment(1);
                let (task_id, worker) = (slot.task_id, slot.worker);
                tracing::warn!(%task_id, %worker, outcome = name, "false receipt reported");
                slashed += u32::from(outcome == Outcome::Slashed);
            }
            Err(error) => lost = Some(error),
        }
    }
    lost.map_or(Ok(slashed), |error| Err(error.into()))
}

async fn one(
    account: &Account,
    chain: &ChainView,
    batch: &BatchView,
    checked: &Checked,
    place: usize,
) -> Result<Outcome, ReportError> {
    let rollup = InferenceRollup::new(wire::address(chain.rollup), &account.provider);
    let (slot, instances) = (&batch.slots[place], &checked.instances);
    let (header, prover) = batch.header.as_ref().zip(batch.prover).ok_or(ReportError::Batch)?;
    let size = statement::slots(instances.len()).ok_or(ReportError::Batch)?;
    let in_chunk = |chunk: &usize| chunks::slots(size, *chunk).contains(&place);
    let index = (0..chunks::count(size)).find(in_chunk).ok_or(ReportError::Batch)?;
    if rollup.isSlashed(header.batch_id, wire::address(slot.worker)).call().await? {
        return Ok(Outcome::Known);
    }
    let staking = rollup.staking().call().await?;
    // A report is worth more than its reward: it goes on without.
    let reward = Reward::announce(account, (*rollup.address(), staking), slot).await;
    let reward = reward
        .inspect_err(|error| tracing::warn!(error = format!("{error:#}"), "no reward announced"));
    let slots = check::slots(batch);
    let opening = settlement::opening(instances, &slots, wire::address(prover), &[index]);
    let report = rollup.slashReceipt(
        wire::rollup_header(header),
        settlement::chunk(size, index, &slots),
        opening.ok_or(ReportError::Batch)?,
        U256::from(place - chunks::slots(size, index).start),
        wire::rollup_receipt(&slot.receipt),
        slot.receipt.signature.0.clone().into(),
    );
    match report.send().await {
        Ok(pending) => {
            let receipt = pending.with_timeout(Some(INCLUSION)).get_receipt().await?;
            if !receipt.status() {
                return Ok(Outcome::Refused);
            }
            if let Ok(reward) = reward {
                reward.claim(header.batch_id, slot).await;
            }
            Ok(Outcome::Slashed)
        }
        Err(error) if error.as_revert_data().is_some() => {
            let reason = error.as_decoded_interface_error::<InferenceRollupErrors>();
            tracing::warn!(task_id = %slot.task_id, ?reason, "the rollup does not take the report");
            Ok(Outcome::Refused)
        }
        Err(error) => Err(error.into()),
    }
}
