//! Everybody's DN.

use alloy::primitives::U256;
use alloy::providers::Provider as _;
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
    /// Tokens in the rollup that wait to be sent to the epochs' pool.
    pub to_pool: U256,
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
    /// All of them as of one block: epochs move money while it is read.
    pub(crate) async fn read(accounts: &Accounts, contracts: &Deployment) -> Result<Self> {
        let provider = &accounts.sequencer.provider;
        let at = provider.get_block_number().await?.into();
        let rollup = InferenceRollup::new(contracts.rollup, provider);
        let token = DnToken::new(contracts.token, provider);
        let held = async |of| token.balanceOf(of).block(at).call().await;
        let (mut members, mut wallet_tokens) = (Vec::new(), U256::ZERO);
        for (name, account) in accounts.named() {
            members.push((name, rollup.balanceOf(account.address()).block(at).call().await?));
            wallet_tokens += held(account.address()).await?;
        }
        Ok(Self {
            members,
            to_burn: U256::from(rollup.toBurn().block(at).call().await?),
            to_pool: U256::from(rollup.toPool().block(at).call().await?),
            rollup_tokens: held(contracts.rollup).await?,
            staked_tokens: held(contracts.staking).await?,
            pool_tokens: held(contracts.epochs).await?,
            wallet_tokens,
            supply: token.totalSupply().block(at).call().await?,
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
        self.sum() + self.to_burn + self.to_pool == self.rollup_tokens
            && held(before) + self.supply == held(self) + before.supply
    }
}
