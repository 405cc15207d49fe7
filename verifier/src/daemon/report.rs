//! Reporting workers whose receipts contradict a proof.

use alloy::contract::Error as CallError;
use alloy::providers::PendingTransactionError;
use anyhow::Result;
use dn_core::api::{BatchSlot, BatchView, ChainView};
use dn_sdk::contracts::InferenceRollup::{self, InferenceRollupErrors};
use dn_sdk::{wire, Account};
use dn_service::metrics;
use thiserror::Error;

use super::check::Checked;
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
    for slot in checked.contradicted.iter().filter_map(|i| batch.slots.get(*i)) {
        match one(account, chain, slot).await {
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
    slot: &BatchSlot,
) -> Result<Outcome, ReportError> {
    let rollup = InferenceRollup::new(wire::address(chain.rollup), &account.provider);
    let receipt = wire::rollup_receipt(&slot.receipt);
    if rollup.isSlashed(receipt.taskId, wire::address(slot.worker)).call().await? {
        return Ok(Outcome::Known);
    }
    let order = wire::rollup_order(&slot.order);
    let staking = rollup.staking().call().await?;
    // A report is worth more than its reward: it goes on without.
    let reward = Reward::announce(account, (*rollup.address(), staking), slot).await;
    let reward = reward
        .inspect_err(|error| tracing::warn!(error = format!("{error:#}"), "no reward announced"));
    let signature = slot.receipt.signature.0.clone().into();
    match rollup.slashReceipt(order, receipt, signature).send().await {
        Ok(pending) => {
            let receipt = pending.with_timeout(Some(INCLUSION)).get_receipt().await?;
            if !receipt.status() {
                return Ok(Outcome::Refused);
            }
            if let Ok(reward) = reward {
                reward.claim(slot).await;
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
