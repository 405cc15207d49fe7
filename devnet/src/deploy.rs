//! Deploys the contracts of a rollup.

use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use dn_sdk::contracts::probes::Probes;
use dn_sdk::contracts::{
    DefaultVerifier, DnToken, Emission, Epochs, InferenceRollup, KeyCheck, MergedDefaultVerifier,
    MergedNarrowVerifier, MergedWideVerifier, ModelRegistry, NarrowVerifier, Staking, Validators,
    VerifierRouter, WideVerifier,
};
use thiserror::Error;

/// From the request of an exit to its payment: the least that the rollup takes.
const EXIT_DELAY_S: u64 = 2 * 86_400;

/// Addresses that the rollup is told at deployment.
#[derive(Clone, Copy, Debug)]
pub struct Roles {
    /// Commits batches.
    pub sequencer: Address,
    /// Receives the validators' share.
    pub validator_pool: Address,
    /// Receives the dust of rounding.
    pub treasury: Address,
    /// Reference string of all keys: `dn_core::vk_data::reference_string`.
    pub reference_string: B256,
    /// Least stake of a worker, prover or validator, in wei of DN.
    pub minimum_stake_wei: U256,
    /// What a developer leaves with the registry for each model version, in wei of DN.
    pub model_bond_wei: U256,
    /// Rates of the epochs.
    pub rates: Rates,
}

/// Rates of the epochs, fixed at deployment.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Least seconds of an epoch.
    pub epoch_s: u64,
    /// Work units that 10^-6 DN of fees count for at most.
    pub work_per_unit: u64,
    /// Score that 10^-6 DN of stake answers for.
    pub work_per_stake: u64,
    /// Most DN that an epoch emits, in wei.
    pub emission_cap_wei: U256,
}

/// Where the contracts of a rollup are.
#[derive(Clone, Copy, Debug)]
pub struct Deployment {
    /// The token of fees and stakes.
    pub token: Address,
    /// Stakes.
    pub staking: Address,
    /// Validators, their probes and draws.
    pub validators: Address,
    /// Mints what an epoch emits.
    pub emission: Address,
    /// Work, trust and claims.
    pub epochs: Address,
    /// Models.
    pub registry: Address,
    /// Verifies batch proofs of every layout.
    pub verifier: Address,
    /// Orders, batches, payments.
    pub rollup: Address,
    /// Quality, from validators' probes.
    pub probes: Address,
}

/// Why a deployment failed.
#[derive(Debug, Error)]
pub enum DeployError {
    /// A contract call or deployment failed.
    #[error("call a contract")]
    Contract(#[from] alloy::contract::Error),
    /// The transaction could not be sent.
    #[error("send a transaction")]
    Transport(#[from] alloy::transports::TransportError),
    /// The transaction was sent and its outcome is unknown.
    #[error("wait for a transaction")]
    Pending(#[from] alloy::providers::PendingTransactionError),
    /// Another transaction of the account came in between.
    #[error("a contract is not where the others expect it")]
    Displaced,
    /// The receipt names no contract.
    #[error("the transaction created no contract")]
    NoContract,
}

/// Contracts that are deployed before the rollup, which they are told of.
const BEFORE_ROLLUP: u64 = 14;

/// Deploys every contract. Contracts that know each other are told where the others will be: nobody
/// can change it afterwards. The provider's default account pays, gets the token's supply, and must
/// send nothing else meanwhile.
///
/// # Errors
/// When a transaction fails.
pub async fn deploy<P: Provider + Clone>(
    provider: &P,
    deployer: Address,
    roles: Roles,
) -> Result<Deployment, DeployError> {
    let nonce = provider.get_transaction_count(deployer).await?;
    let rollup = deployer.create(nonce + BEFORE_ROLLUP);
    let economy = economy(provider, deployer, nonce, rollup, &roles).await?;
    let verifier = router(provider, &roles).await?;
    let keys = *KeyCheck::deploy(provider.clone(), verifier).await?.address();
    let bond = roles.model_bond_wei;
    let registry = ModelRegistry::deploy(provider.clone(), keys, economy.token, bond).await?;
    let registry = *registry.address();
    let config = InferenceRollup::Config {
        token: economy.token,
        staking: economy.staking,
        registry,
        verifier,
        epochs: economy.epochs,
        sequencer: roles.sequencer,
        validatorPool: roles.validator_pool,
        treasury: roles.treasury,
        exitDelay: EXIT_DELAY_S,
    };
    let deployed = *InferenceRollup::deploy(provider.clone(), config).await?.address();
    expected(deployed, rollup)?;
    let (validators, epochs) = (economy.validators, economy.epochs);
    let probes = Probes::deploy(provider.clone(), validators, epochs, rollup, registry).await?;
    expected(*probes.address(), economy.probes)?;
    Ok(Deployment { registry, verifier, rollup, ..economy })
}

/// Token, staking, validators, emission and epochs, in this order. The other addresses are not set.
async fn economy<P: Provider + Clone>(
    provider: &P,
    deployer: Address,
    nonce: u64,
    rollup: Address,
    roles: &Roles,
) -> Result<Deployment, DeployError> {
    let (emission_at, epochs_at) = (deployer.create(nonce + 3), deployer.create(nonce + 4));
    let probes = deployer.create(nonce + BEFORE_ROLLUP + 1);
    let Rates { epoch_s, work_per_unit, work_per_stake, emission_cap_wei } = roles.rates;
    let token = *DnToken::deploy(provider.clone(), emission_at).await?.address();
    let slashers = vec![rollup, epochs_at];
    let staking = Staking::deploy(provider.clone(), token, roles.minimum_stake_wei, slashers);
    let staking = *staking.await?.address();
    let validators = Validators::deploy(provider.clone(), staking, epochs_at).await?;
    let emission = Emission::deploy(provider.clone(), token, epochs_at, emission_cap_wei).await?;
    expected(*emission.address(), emission_at)?;
    let config = Epochs::Config {
        token,
        staking,
        validators: *validators.address(),
        emission: emission_at,
        rollup,
        probes,
        length: epoch_s,
        workPerUnit: U256::from(work_per_unit),
        workPerStake: U256::from(work_per_stake),
    };
    let epochs = *Epochs::deploy(provider.clone(), config).await?.address();
    expected(epochs, epochs_at)?;
    Ok(Deployment {
        token,
        staking,
        validators: *validators.address(),
        emission: emission_at,
        epochs,
        registry: Address::ZERO,
        verifier: Address::ZERO,
        rollup,
        probes,
    })
}

/// The verifiers of every layout behind their router.
async fn router<P: Provider + Clone>(provider: &P, roles: &Roles) -> Result<Address, DeployError> {
    let verifiers = vec![
        *NarrowVerifier::deploy(provider.clone()).await?.address(),
        *DefaultVerifier::deploy(provider.clone()).await?.address(),
        *WideVerifier::deploy(provider.clone()).await?.address(),
        *MergedNarrowVerifier::deploy(provider.clone()).await?.address(),
        *MergedDefaultVerifier::deploy(provider.clone()).await?.address(),
        *MergedWideVerifier::deploy(provider.clone()).await?.address(),
    ];
    let router = VerifierRouter::deploy(provider.clone(), roles.reference_string, verifiers);
    Ok(*router.await?.address())
}

fn expected(got: Address, at: Address) -> Result<(), DeployError> {
    if got == at {
        Ok(())
    } else {
        Err(DeployError::Displaced)
    }
}
