//! What an account has in a rollup: deposits, and exits.

use alloy::primitives::utils::{format_ether, parse_ether};
use alloy::primitives::U256;
use dn_core::api::{Address, ChainView};

use crate::call::{done, CallError};
use crate::contracts::{DnToken, InferenceRollup};
use crate::{wire, Account};

/// An amount of DN in wei.
pub type Wei = U256;

/// What an account has, in wei of DN.
#[derive(Clone, Copy, Debug)]
pub struct Holdings {
    /// Outside the rollup.
    pub wallet: U256,
    /// Inside: what orders are paid from.
    pub balance: U256,
    /// Of that, what new orders can count on.
    pub spendable: U256,
    /// What an exit asks for, and the unix second from which it is paid; 0 when there is none.
    pub leaving: (U256, u64),
}

/// An account of a rollup.
#[derive(Clone, Debug)]
pub struct Deposits<'a> {
    account: &'a Account,
    chain: ChainView,
}

impl<'a> Deposits<'a> {
    /// The account's part of a rollup.
    #[must_use]
    pub fn new(account: &'a Account, chain: ChainView) -> Self {
        Self { account, chain }
    }

    /// What the account has.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn holdings(&self) -> Result<Holdings, CallError> {
        let (owner, provider) = (self.account.address(), &self.account.provider);
        let rollup = InferenceRollup::new(wire::address(self.chain.rollup), provider);
        let token = DnToken::new(wire::address(self.chain.token), provider);
        let exit = rollup.exitOf(owner).call().await?;
        Ok(Holdings {
            wallet: token.balanceOf(owner).call().await?,
            balance: rollup.balanceOf(owner).call().await?,
            spendable: rollup.spendableOf(owner).call().await?,
            leaving: (U256::from(exit.amount), exit.readyAt),
        })
    }

    /// Approves and deposits `amount`.
    ///
    /// # Errors
    /// When a contract refuses or the chain does not answer.
    pub async fn deposit(&self, amount: U256) -> Result<(), CallError> {
        let (rollup, provider) = (wire::address(self.chain.rollup), &self.account.provider);
        let token = DnToken::new(wire::address(self.chain.token), provider);
        done(token.approve(rollup, amount).send().await).await?;
        let rollup = InferenceRollup::new(rollup, provider);
        done(rollup.deposit(amount).send().await).await
    }

    /// Approves `amount` and deposits it for `account`, which alone can spend it.
    ///
    /// # Errors
    /// When a contract refuses or the chain does not answer.
    pub async fn deposit_for(&self, account: Address, amount: U256) -> Result<(), CallError> {
        let (rollup, provider) = (wire::address(self.chain.rollup), &self.account.provider);
        let token = DnToken::new(wire::address(self.chain.token), provider);
        done(token.approve(rollup, amount).send().await).await?;
        let rollup = InferenceRollup::new(rollup, provider);
        let account = wire::address(account);
        done(rollup.depositFor(account, amount).send().await).await
    }

    /// Asks for `amount`; replaces an exit that was asked for before.
    ///
    /// # Errors
    /// When the contract refuses or the chain does not answer.
    pub async fn request_exit(&self, amount: U256) -> Result<(), CallError> {
        let rollup = InferenceRollup::new(wire::address(self.chain.rollup), &self.account.provider);
        done(rollup.requestExit(amount).send().await).await
    }

    /// Takes the request back.
    ///
    /// # Errors
    /// When the contract refuses or the chain does not answer.
    pub async fn cancel_exit(&self) -> Result<(), CallError> {
        let rollup = InferenceRollup::new(wire::address(self.chain.rollup), &self.account.provider);
        done(rollup.cancelExit().send().await).await
    }

    /// Has the exit paid, if its time has come.
    ///
    /// # Errors
    /// When the contract refuses or the chain does not answer.
    pub async fn claim_exit(&self) -> Result<(), CallError> {
        let rollup = InferenceRollup::new(wire::address(self.chain.rollup), &self.account.provider);
        done(rollup.claimExit().send().await).await
    }
}

/// Reads an amount of DN with up to 18 decimals as wei.
#[must_use]
pub fn parse_dn(text: &str) -> Option<U256> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let is_amount = is_number(whole) && is_number(part) && part.len() <= 18;
    parse_ether(text).ok().filter(|_| is_amount)
}

/// An amount in wei as DN.
#[must_use]
pub fn format_dn(wei: U256) -> String {
    let text = format_ether(wei);
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let part = part.trim_end_matches('0');
    if part.is_empty() {
        whole.to_owned()
    } else {
        format!("{whole}.{part}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_in_dn() {
        for text in ["0", "1", "0.5", "12.000000000000000001"] {
            assert_eq!(format_dn(parse_dn(text).unwrap()), text);
        }
        assert_eq!(parse_dn("1.50"), parse_dn("1.5"));
        for text in ["-1", "", "1.0000000000000000001", "x"] {
            assert_eq!(parse_dn(text), None, "{text}");
        }
    }
}
