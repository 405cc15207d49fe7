//! Everybody's DN.

use alloy::primitives::U256;
use anyhow::Result;
use dn_sdk::contracts::{DnToken, InferenceRollup};

use crate::{Accounts, Deployment};

/// DN in the rollup, in the vault of stakes, in the epochs' pool, in wallets and in existence, in wei.
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
    /// Tokens that the epochs contract holds: claims and the next pool.
    pub pool_tokens: U256,
    /// Tokens in the members' own accounts.
    pub wallet_tokens: U256,
    /// Tokens in existence.
    pub supply: U256,
}

impl Balances {
    pub(crate) async fn read(accounts: &Accounts, contracts: &Deployment) -> Result<Self> {
        let provider = &accounts.sequencer.provider;
        let rollup = InferenceRollup::new(contracts.rollup, provider);
        let token = DnToken::new(contracts.token, provider);
        let (mut members, mut wallet_tokens) = (Vec::new(), U256::ZERO);
        for (name, account) in accounts.named() {
            members.push((name, rollup.balanceOf(account.address()).call().await?));
            wallet_tokens += token.balanceOf(account.address()).call().await?;
        }
        Ok(Self {
            members,
            to_burn: rollup.toBurn().call().await?,
            rollup_tokens: token.balanceOf(contracts.rollup).call().await?,
            staked_tokens: token.balanceOf(contracts.staking).call().await?,
            pool_tokens: token.balanceOf(contracts.epochs).call().await?,
            wallet_tokens,
            supply: token.totalSupply().call().await?,
        })
    }

    /// What the members have in the rollup together.
    #[must_use]
    pub fn sum(&self) -> U256 {
        self.members.iter().map(|(_, amount)| *amount).sum()
    }

    /// Whether every token is accounted for: the rollup holds just what it owes, and since
    /// `before` nothing appeared or vanished but what was minted and burned.
    #[must_use]
    pub fn balance_since(&self, before: &Self) -> bool {
        let held = |b: &Self| b.rollup_tokens + b.staked_tokens + b.pool_tokens + b.wallet_tokens;
        self.sum() + self.to_burn == self.rollup_tokens
            && held(before) + self.supply == held(self) + before.supply
    }
}
