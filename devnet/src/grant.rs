//! What a development chain gives away.

use std::path::Path;

use alloy::primitives::{Address, U256};
use anyhow::{ensure, Context as _, Result};
use dn_sdk::contracts::DnToken;
use dn_sdk::{read_key, Account};

use crate::accounts::key_file;
use crate::fund_on_dev_chain;

/// Gas money of whoever asks, in wei of the chain's money.
const GAS_MONEY: u128 = 10_000_000_000_000_000_000;

/// Gives an account gas money and `wei` of DN, from the faucet whose key is in the state folder.
///
/// # Errors
/// When the folder has no faucet, the faucet is empty, or the chain is not anvil.
pub async fn grant(
    state: &Path,
    rpc_url: &str,
    token: Address,
    to: &Account,
    wei: U256,
) -> Result<()> {
    let file = key_file(state, "faucet");
    let key = read_key(&file).with_context(|| format!("read {}", file.display()))?;
    let faucet = Account::connect(key, rpc_url).context("the chain's URL")?;
    fund_on_dev_chain(to, U256::from(GAS_MONEY)).await.context("give gas money")?;
    let token = DnToken::new(token, &faucet.provider);
    let receipt = token.transfer(to.address(), wei).send().await?.get_receipt().await?;
    ensure!(receipt.status(), "transaction {} reverted", receipt.transaction_hash);
    Ok(())
}
