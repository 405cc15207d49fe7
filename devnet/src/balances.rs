//! Everybody's DN.

use alloy::primitives::U256;
use anyhow::Result;
use dn_sdk::contracts::{DnToken, InferenceRollup};

use crate::{Accounts, Deployment};

/// DN in the rollup, in the vault of stakes and in existence, in wei.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balances {
    /// Escrow or credit of each member inside the rollup.
    pub members: Vec<(String, U256)>,
    /// Tokens in the rollup that wait to be burned.
    pub to_burn: U256,
    /// Tokens that the rollup contract holds.
    pub rollup_tokens: U256,
    /// Tokens that the staking contract holds.
    pub staked_tokens: U256,
    /// Tokens in existence.
    pub supply: U256,
}

impl Balances {
    pub(crate) async fn read(accounts: &Accounts, contracts: &Deployment) -> Result<Self> {
        let provider = &accounts.sequencer.provider;
        let rollup = InferenceRollup::new(contracts.rollup, provider);
        let token = DnToken::new(contracts.token, provider);
        let mut members = Vec::new();
        for (name, account) in accounts.named() {
            members.push((name, rollup.balanceOf(account.address()).call().await?));
        }
        Ok(Self {
            members,
            to_burn: rollup.toBurn().call().await?,
            rollup_tokens: token.balanceOf(contracts.rollup).call().await?,
            staked_tokens: token.balanceOf(contracts.staking).call().await?,
            supply: token.totalSupply().call().await?,
        })
    }

    /// What the members have in the rollup together.
    #[must_use]
    pub fn sum(&self) -> U256 {
        self.members.iter().map(|(_, amount)| *amount).sum()
    }

    /// Whether every token is accounted for: the rollup holds just what it owes, and since
    /// `before` nothing appeared or vanished but what was burned.
    #[must_use]
    pub fn balance_since(&self, before: &Self) -> bool {
        let held = |b: &Self| b.rollup_tokens + b.staked_tokens;
        let burned = before.supply.saturating_sub(self.supply);
        self.sum() + self.to_burn == self.rollup_tokens && held(before) == held(self) + burned
    }
}
