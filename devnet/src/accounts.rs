//! Who takes part.

use std::path::{Path, PathBuf};

use alloy::primitives::U256;
use alloy::providers::Provider as _;
use alloy::transports::TransportError;
use anyhow::{Context as _, Result};
use dn_sdk::{read_or_create_key, Account, KeyMaker};

use crate::Options;

/// Name of the key that probes are sent with.
pub(crate) const ASKER: &str = "asker";

/// Everybody who takes part.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Deploys the contracts and commits batches.
    pub sequencer: Account,
    /// Order and pay.
    pub users: Vec<Account>,
    /// Answer and sign receipts.
    pub workers: Vec<Account>,
    /// Are paid for proofs.
    pub provers: Vec<Account>,
    /// Registers models.
    pub developer: Account,
    /// Checks batches; receives the validators' share.
    pub validator: Account,
    /// Sends the validator's probes, if it sends any.
    pub asker: Option<Account>,
    /// Receives dust.
    pub treasury: Account,
    /// Pays for whoever tries the explorer: the chain signs for it.
    pub faucet: Account,
    /// What the gateway's API key [`DEMO_KEY`] spends, if there is a gateway.
    pub gateway: Option<Account>,
}

/// Name of the API key that a network with a gateway has.
pub const DEMO_KEY: &str = "demo";

impl Accounts {
    /// Reads the keys in the state folder; draws those that are missing.
    pub(crate) fn open(options: &Options, url: &str) -> Result<Self> {
        let open = |name: &str| {
            let key = read_or_create_key(&key_file(&options.state, name))?;
            Account::connect(key, url).context("the chain's URL")
        };
        let many = |name: &str, count: usize| -> Result<Vec<Account>> {
            (1..=count).map(|i| open(&format!("{name}-{i}"))).collect()
        };
        Ok(Self {
            sequencer: open("sequencer")?,
            users: many("user", options.users)?,
            workers: many("worker", options.workers)?,
            provers: (0..options.provers)
                .map(|i| open(&prover_name(i)))
                .collect::<Result<Vec<Account>>>()?,
            developer: open("developer")?,
            validator: open("validator")?,
            asker: (!options.pools.is_empty()).then(|| open(ASKER)).transpose()?,
            treasury: open("treasury")?,
            faucet: open("faucet")?,
            gateway: if options.gateway { Some(Self::gateway(options, url)?) } else { None },
        })
    }

    fn gateway(options: &Options, url: &str) -> Result<Account> {
        let keys = KeyMaker::read_or_create(&secret_file(&options.state))?;
        Account::connect(keys.account(DEMO_KEY)?, url).context("the chain's URL")
    }

    /// Everybody with a name: all but the faucet, whose DN become those of strangers.
    #[must_use]
    pub fn named(&self) -> Vec<(String, &Account)> {
        let number = |name: &'static str| move |(i, a)| (format!("{name} {}", i + 1), a);
        let users = self.users.iter().enumerate().map(number("user"));
        let workers = self.workers.iter().enumerate().map(number("worker"));
        let provers = self.provers.iter().enumerate();
        let provers = provers.map(|(i, a)| (prover_name(i).replace('-', " "), a));
        let others = [
            ("developer", &self.developer),
            ("validator", &self.validator),
            ("treasury", &self.treasury),
            ("sequencer", &self.sequencer),
        ];
        let asker = self.asker.iter().map(|asker| (ASKER, asker));
        let others = others.into_iter().chain(asker).map(|(name, a)| (name.to_owned(), a));
        let gateway = self.gateway.iter().map(|a| (format!("API key {DEMO_KEY}"), a));
        users.chain(workers).chain(provers).chain(others).chain(gateway).collect()
    }
}

/// Name of a prover's key and process: the first has no number.
pub(crate) fn prover_name(index: usize) -> String {
    match index {
        0 => "prover".to_owned(),
        _ => format!("prover-{}", index + 1),
    }
}

/// Sets an account's gas money on a development chain.
///
/// # Errors
/// When the chain is not anvil.
pub async fn fund_on_dev_chain(account: &Account, wei: U256) -> Result<(), TransportError> {
    let params = (account.address(), wei);
    account.provider.raw_request::<_, ()>("anvil_setBalance".into(), params).await
}

/// Where the secret of the gateway's API keys is.
pub(crate) fn secret_file(state: &Path) -> PathBuf {
    state.join("keys").join("gateway.secret")
}

/// Where an account's key is.
pub(crate) fn key_file(state: &Path, name: &str) -> PathBuf {
    state.join("keys").join(format!("{name}.key"))
}
