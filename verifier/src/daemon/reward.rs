//! The reward of a report: announced by a hash before the fault is slashed, and opened afterwards, so
//! that nobody gains by copying the report.

use std::time::Duration;

use alloy::primitives::{keccak256, Address, B256, U256};
use alloy::providers::DynProvider;
use alloy::signers::SignerSync as _;
use alloy::sol_types::SolValue as _;
use anyhow::{Context as _, Result};
use dn_core::api::BatchSlot;
use dn_sdk::contracts::Staking::{self, StakingInstance};
use dn_sdk::{wire, Account};

/// Longest wait for a transaction to be in a block.
pub(super) const INCLUSION: Duration = Duration::from_secs(60);
/// `IStaking.Role.Worker`.
const WORKER_ROLE: u8 = 0;

/// An announced report.
pub(super) struct Reward<'a> {
    staking: StakingInstance<&'a DynProvider>,
    rollup: Address,
    salt: B256,
}

impl<'a> Reward<'a> {
    /// Announces that the account knows of a false receipt, unless it has done so before. The salt
    /// follows from the account's key and the evidence, so that it is known after a crash, too.
    pub(super) async fn announce(
        account: &'a Account,
        (rollup, staking): (Address, Address),
        slot: &BatchSlot,
    ) -> Result<Self> {
        let staking = Staking::new(staking, &account.provider);
        let evidence = keccak256(&slot.receipt.signature.0);
        let seed = keccak256([b"deepnode reward".as_slice(), evidence.as_slice()].concat());
        let salt = keccak256(account.signer.sign_hash_sync(&seed)?.as_bytes());
        let commitment = keccak256((account.address(), evidence, salt).abi_encode());
        if staking.announcedIn(commitment).call().await?.is_zero() {
            let pending = staking.announce(commitment).send().await?;
            pending.with_timeout(Some(INCLUSION)).get_receipt().await.context("announce")?;
        }
        Ok(Self { staking, rollup, salt })
    }

    /// Opens the announcement of a slashed fault. Without it all but the victim's part burns, so a
    /// failure is told and no more.
    pub(super) async fn claim(&self, batch: u64, slot: &BatchSlot) {
        let claimed = self.try_claim(batch, slot).await;
        if let Err(error) = claimed {
            let error = format!("{error:#}");
            tracing::warn!(task_id = %slot.task_id, error, "the reward is not claimed");
        }
    }

    async fn try_claim(&self, batch: u64, slot: &BatchSlot) -> Result<()> {
        // The rollup names a worker's fault by the batch.
        let fault = B256::from(U256::from(batch));
        let worker = wire::address(slot.worker);
        let holding = self.staking.holdingId(self.rollup, WORKER_ROLE, worker, fault);
        let holding = holding.call().await?;
        let pending = self.staking.claimReward(holding, self.salt).send().await?;
        pending.with_timeout(Some(INCLUSION)).get_receipt().await?;
        Ok(())
    }
}
