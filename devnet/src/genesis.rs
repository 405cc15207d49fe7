//! The first state of the chain: contracts, funds, stakes and models.

use std::path::Path;

use alloy::primitives::{Address, B256, U256};
use anyhow::{ensure, Context as _, Result};
use dn_circuits::{protocol, Frame};
use dn_core::api::Bytes32;
use dn_core::protocol::Protocol;
use dn_import::Package;
use dn_prover::{Prover, Srs};
use dn_sdk::contracts::{DnToken, Epochs, InferenceRollup, Staking, Validators};
use dn_sdk::registry::{Registry, Version};
use dn_sdk::stake::StakeRole;
use dn_sdk::Account;
use dn_service::file::write_whole;
use serde::{Deserialize, Serialize};

use crate::{deploy, fund_on_dev_chain, Accounts, Deployment, Offer, Options, Rates, Roles};

/// One DN in wei.
const DN: u128 = 1_000_000_000_000_000_000;
/// Escrow of each user and stake of each worker and prover, in wei of DN.
const FUNDS: u128 = 100 * DN;
/// What the faucet can give away, in wei of DN.
const FAUCET: u128 = 1_000_000 * DN;
/// What each member gets for gas, in wei of the chain's money.
const GAS_MONEY: u128 = 1_000 * DN;
/// Work units that 10^-6 DN of fees count for at most: a task of 0.01 DN counts up to 10^6.
const WORK_PER_UNIT: u64 = 100;
/// Score that 10^-6 DN of stake answers for.
const WORK_PER_STAKE: u64 = 1_000;
/// Bond of a model version, in wei of DN.
const MODEL_BOND: u128 = 10 * DN;
/// Most DN that an epoch emits, in wei.
const EMISSION_CAP: u128 = 1_000 * DN;

/// The contracts, as they are remembered between starts.
#[derive(Serialize, Deserialize)]
struct Record {
    token: Address,
    staking: Address,
    validators: Address,
    emission: Address,
    epochs: Address,
    registry: Address,
    verifier: Address,
    rollup: Address,
    probes: Address,
}

impl From<Deployment> for Record {
    fn from(d: Deployment) -> Self {
        Self {
            token: d.token,
            staking: d.staking,
            validators: d.validators,
            emission: d.emission,
            epochs: d.epochs,
            registry: d.registry,
            verifier: d.verifier,
            rollup: d.rollup,
            probes: d.probes,
        }
    }
}

impl From<Record> for Deployment {
    fn from(r: Record) -> Self {
        Self {
            token: r.token,
            staking: r.staking,
            validators: r.validators,
            emission: r.emission,
            epochs: r.epochs,
            registry: r.registry,
            verifier: r.verifier,
            rollup: r.rollup,
            probes: r.probes,
        }
    }
}

/// The contracts of the state folder; deploys and funds them at the first start.
pub(crate) async fn contracts(options: &Options, accounts: &Accounts) -> Result<Deployment> {
    let file = options.state.join("rollup.json");
    if let Ok(text) = std::fs::read_to_string(&file) {
        let r: Record = serde_json::from_str(&text).context("read rollup.json")?;
        return Ok(r.into());
    }
    let members = accounts.named();
    for account in members.iter().map(|(_, account)| *account).chain([&accounts.faucet]) {
        fund_on_dev_chain(account, U256::from(GAS_MONEY)).await.context("give gas money")?;
    }
    let roles = Roles {
        sequencer: accounts.sequencer.address(),
        validator_pool: accounts.validator.address(),
        treasury: accounts.treasury.address(),
        reference_string: reference_string(&options.data)?,
        minimum_stake_wei: U256::from(FUNDS),
        model_bond_wei: U256::from(MODEL_BOND),
        rates: Rates {
            epoch_s: options.epoch.as_secs(),
            work_per_unit: WORK_PER_UNIT,
            work_per_stake: WORK_PER_STAKE,
            emission_cap_wei: U256::from(EMISSION_CAP),
        },
    };
    let deployer = &accounts.sequencer;
    let d = deploy(&deployer.provider, deployer.address(), roles).await;
    let d = d.context("deploy the contracts")?;
    fund(accounts, &d).await.context("fund users and nodes")?;
    let record = serde_json::to_vec_pretty(&Record::from(d))?;
    write_whole(&file, &record).context("write rollup.json")?;
    Ok(d)
}

/// The development string's.
fn reference_string(data: &Path) -> Result<B256> {
    let srs = Srs::UnsafeDev { cache: data.join("srs") };
    let string = srs.generators().context("make the development reference string")?;
    Ok(B256::from(protocol::reference_string(&string)))
}

/// Gives those who order DN and deposits it, also for the API key; fills the faucet, gives nodes DN and stakes it,
/// seats workers and registers the validator.
async fn fund(accounts: &Accounts, contracts: &Deployment) -> Result<()> {
    let amount = U256::from(FUNDS);
    let token = DnToken::new(contracts.token, &accounts.sequencer.provider);
    for user in accounts.users.iter().chain(&accounts.asker) {
        sent(token.transfer(user.address(), amount).send().await?).await?;
        approve(user, contracts, contracts.rollup, amount).await?;
        let rollup = InferenceRollup::new(contracts.rollup, &user.provider);
        sent(rollup.deposit(amount).send().await?).await?;
    }
    if let Some(account) = &accounts.gateway {
        let treasurer = &accounts.sequencer;
        approve(treasurer, contracts, contracts.rollup, amount).await?;
        let rollup = InferenceRollup::new(contracts.rollup, &treasurer.provider);
        sent(rollup.depositFor(account.address(), amount).send().await?).await?;
    }
    let faucet = &accounts.faucet;
    sent(token.transfer(faucet.address(), U256::from(FAUCET)).send().await?).await?;
    approve(faucet, contracts, contracts.rollup, U256::from(FAUCET)).await?;
    let workers = accounts.workers.iter().map(|account| (StakeRole::Worker, account));
    let provers = accounts.provers.iter().map(|account| (StakeRole::Prover, account));
    let validator = (StakeRole::Validator, &accounts.validator);
    for (role, node) in workers.chain(provers).chain([validator]) {
        sent(token.transfer(node.address(), amount).send().await?).await?;
        approve(node, contracts, contracts.staking, amount).await?;
        let staking = Staking::new(contracts.staking, &node.provider);
        sent(staking.stake(role as u8, amount).send().await?).await?;
    }
    let epochs = Epochs::new(contracts.epochs, &accounts.sequencer.provider);
    for (i, worker) in accounts.workers.iter().enumerate() {
        sent(epochs.seat(worker.address(), U256::from(i)).send().await?).await?;
    }
    let validators = Validators::new(contracts.validators, &accounts.validator.provider);
    sent(validators.register(Address::ZERO).send().await?).await?;
    Ok(())
}

async fn approve(
    owner: &Account,
    contracts: &Deployment,
    spender: Address,
    amount: U256,
) -> Result<()> {
    let token = DnToken::new(contracts.token, &owner.provider);
    sent(token.approve(spender, amount).send().await?).await
}

type Pending = alloy::providers::PendingTransactionBuilder<alloy::network::Ethereum>;

async fn sent(pending: Pending) -> Result<()> {
    let receipt = pending.get_receipt().await?;
    ensure!(receipt.status(), "transaction {} reverted", receipt.transaction_hash);
    Ok(())
}

/// Makes a model's keys, registers it and puts it where the sequencer finds it.
pub(crate) async fn offer(
    options: &Options,
    accounts: &Accounts,
    contracts: &Deployment,
    offer: &Offer,
) -> Result<Bytes32> {
    let id = Bytes32(Package::model_id(&offer.package));
    let file = options.state.join("models").join(format!("{id}.dnpkg"));
    if file.exists() {
        return Ok(id);
    }
    let package = Package::from_bytes(&offer.package).context("read the package")?;
    let protocol = verifying_key(options, &package, id, offer.slots as usize).await?;
    let developer = &accounts.developer;
    let registry = Registry { registry: contracts.registry, token: contracts.token };
    let token = DnToken::new(contracts.token, &accounts.sequencer.provider);
    let bond = registry.bond(&developer.provider).await?;
    sent(token.transfer(developer.address(), bond).send().await?).await?;
    let version = Version {
        model_id: id,
        protocol: protocol.clone(),
        slots: offer.slots,
        work_units: package.graph.macs(),
        price_wei: offer.price.0,
        input_len: package.graph.input_len(),
        service: offer.service.clone(),
    };
    registry.publish(developer, &version).await.context("register the model")?;
    write_whole(&file.with_extension("protocol"), &protocol.to_bytes())?;
    write_whole(&file, &offer.package)?;
    Ok(id)
}

/// The verifying key of a model; its proving key stays in the cache for the prover.
async fn verifying_key(
    options: &Options,
    package: &Package,
    id: Bytes32,
    slots: usize,
) -> Result<Protocol> {
    let (graph, data) = (package.graph.clone(), options.data.clone());
    let frame = Frame::new(slots, package.width).scored(package.scoring).opened(package.scheme);
    let made = tokio::task::spawn_blocking(move || -> Result<Protocol> {
        let prover = Prover::new(graph, frame, &data, &id.to_string(), None)?;
        Ok(prover.keys().protocol().clone())
    });
    made.await?.context("make the model's keys")
}
