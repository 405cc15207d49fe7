//! Deploys a rollup, funds its members and registers a model.

use std::path::Path;

use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider as _;
use alloy::signers::local::PrivateKeySigner;
use anyhow::{ensure, Context, Result};
use dn_circuits::{protocol, Slot};
use dn_core::commitment::to_bytes;
use dn_core::protocol::Protocol;
use dn_core::vk_data::{creation_code, vk_data};
use dn_import::Package;
use dn_prover::Prover;
use dn_sdk::contracts::{DnToken, IModelRegistry, InferenceRollup, ModelRegistry, Staking};
use dn_sdk::{deploy, deploy_code, Account, Anvil, Deployment, Roles};

/// One DN in wei.
const DN: u64 = 1_000_000_000_000_000_000;
/// What each member gets for gas, in wei of the chain's money.
const GAS_MONEY: u128 = 1_000_000_000_000_000_000_000;

/// Everybody who takes part.
#[derive(Debug)]
pub struct Members {
    /// Deploys the contracts and commits batches.
    pub sequencer: Account,
    /// Order and pay.
    pub users: [Account; 2],
    /// Answer and sign receipts.
    pub workers: [Account; 2],
    /// Sends proofs.
    pub prover: Account,
    /// Registers the model.
    pub developer: Account,
    /// Receives the validators' share.
    pub validators: Account,
    /// Receives dust.
    pub treasury: Account,
}

/// Escrow and credits in the rollup, in wei of DN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balances {
    /// Name and balance of each member.
    pub members: Vec<(&'static str, U256)>,
    /// Tokens held by the rollup contract.
    pub rollup_tokens: U256,
    /// Tokens in existence.
    pub supply: U256,
}

/// A rollup with one registered model.
#[derive(Debug)]
pub struct Market {
    /// The chain; ends with this value.
    pub chain: Anvil,
    /// Its id.
    pub chain_id: u64,
    /// Where the contracts are.
    pub contracts: Deployment,
    /// Who takes part.
    pub members: Members,
    /// The model.
    pub package: Package,
    /// Its id.
    pub model_id: B256,
    /// Its prover, with resident keys.
    pub prover: Prover,
    /// Its verifying key.
    pub protocol: Protocol,
    /// Fee of one task in wei of DN.
    pub price_wei: u128,
}

impl Market {
    /// Starts a chain with `anvil` and sets up everything for batches of `slots`.
    ///
    /// # Errors
    /// Says which step failed.
    pub async fn open(anvil: &Path, package: Package, slots: usize, data: &Path) -> Result<Self> {
        let bytes = package.to_bytes()?;
        let model_id = B256::from(Package::model_id(&bytes));
        let name = format!("{model_id:x}");
        let prover = Prover::new(package.graph.clone(), slots, data, &name, None)?;
        let instances = dn_core::statement::len(slots);
        let protocol = protocol::export(prover.keys().vk(), &prover.keys().params, instances);

        let chain = Anvil::spawn(anvil, None)?;
        let members = members(chain.url()).await?;
        let sequencer = &members.sequencer;
        let roles = Roles {
            sequencer: sequencer.address(),
            validator_pool: members.validators.address(),
            treasury: members.treasury.address(),
            minimum_stake_wei: U256::from(100 * u128::from(DN)),
        };
        let contracts = deploy(&sequencer.provider, roles).await.context("deploy the contracts")?;
        let chain_id = sequencer.provider.get_chain_id().await?;
        let price_wei = u128::from(DN) / 100;
        let market = Self {
            chain,
            chain_id,
            contracts,
            members,
            package,
            model_id,
            prover,
            protocol,
            price_wei,
        };
        market.register(slots).await.context("register the model")?;
        market.fund().await.context("fund the members")?;
        Ok(market)
    }

    async fn register(&self, slots: usize) -> Result<()> {
        let code = creation_code(&vk_data(&self.protocol)?);
        let developer = &self.members.developer;
        let vk = deploy_code(&developer.provider, code).await?;
        let null = Slot::null(self.package.graph.input_len()).input_commitment();
        let spec = IModelRegistry::ModelSpec {
            modelId: self.model_id,
            vk,
            batchSlots: u32::try_from(slots)?,
            workUnits: self.package.graph.macs(),
            price: self.price_wei,
            nullInputHash: B256::from(to_bytes(null)),
            developer: developer.address(),
            service: "digits".into(),
        };
        let registry = ModelRegistry::new(self.contracts.registry, &developer.provider);
        let receipt = registry.register(spec).send().await?.get_receipt().await?;
        ensure!(receipt.status(), "the registry refuses the model");
        Ok(())
    }

    /// Gives users DN to deposit and workers DN to stake.
    async fn fund(&self) -> Result<()> {
        let escrow = U256::from(100 * u128::from(DN));
        let stake = U256::from(500 * u128::from(DN));
        let token = DnToken::new(self.contracts.token, &self.members.sequencer.provider);
        for user in &self.members.users {
            token.transfer(user.address(), escrow).send().await?.get_receipt().await?;
            self.approve(user, self.contracts.rollup, escrow).await?;
            let rollup = InferenceRollup::new(self.contracts.rollup, &user.provider);
            ensure!(rollup.deposit(escrow).send().await?.get_receipt().await?.status(), "deposit");
        }
        for worker in &self.members.workers {
            token.transfer(worker.address(), stake).send().await?.get_receipt().await?;
            self.approve(worker, self.contracts.staking, stake).await?;
            let staking = Staking::new(self.contracts.staking, &worker.provider);
            ensure!(staking.stake(0, stake).send().await?.get_receipt().await?.status(), "stake");
        }
        Ok(())
    }

    async fn approve(&self, owner: &Account, spender: Address, amount: U256) -> Result<()> {
        let token = DnToken::new(self.contracts.token, &owner.provider);
        ensure!(token.approve(spender, amount).send().await?.get_receipt().await?.status());
        Ok(())
    }

    /// Everybody's balance inside the rollup.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn balances(&self) -> Result<Balances> {
        let m = &self.members;
        let provider = &m.sequencer.provider;
        let rollup = InferenceRollup::new(self.contracts.rollup, provider);
        let token = DnToken::new(self.contracts.token, provider);
        let named = [
            ("user 1", &m.users[0]),
            ("user 2", &m.users[1]),
            ("worker 1", &m.workers[0]),
            ("worker 2", &m.workers[1]),
            ("prover", &m.prover),
            ("developer", &m.developer),
            ("validators", &m.validators),
            ("treasury", &m.treasury),
            ("sequencer", &m.sequencer),
        ];
        let mut members = Vec::new();
        for (name, account) in named {
            members.push((name, rollup.balanceOf(account.address()).call().await?));
        }
        Ok(Balances {
            members,
            rollup_tokens: token.balanceOf(self.contracts.rollup).call().await?,
            supply: token.totalSupply().call().await?,
        })
    }
}

async fn members(url: &str) -> Result<Members> {
    let account = || Account::connect(PrivateKeySigner::random(), url).context("the chain's URL");
    let members = Members {
        sequencer: account()?,
        users: [account()?, account()?],
        workers: [account()?, account()?],
        prover: account()?,
        developer: account()?,
        validators: account()?,
        treasury: account()?,
    };
    let senders = [&members.sequencer, &members.prover, &members.developer];
    for sender in senders.into_iter().chain(&members.users).chain(&members.workers) {
        sender.fund_on_dev_chain(U256::from(GAS_MONEY)).await?;
    }
    Ok(members)
}
