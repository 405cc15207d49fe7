//! Deploys the contracts of a rollup.

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, Bytes, B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use dn_sdk::contracts::{
    DefaultVerifier, DnToken, InferenceRollup, MergedDefaultVerifier, MergedNarrowVerifier,
    MergedWideVerifier, ModelRegistry, NarrowVerifier, Staking, VerifierRouter, WideVerifier,
};
use thiserror::Error;

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
    /// Seconds between an exit's request and its payment.
    pub exit_delay_s: u64,
    /// Least stake of a worker, prover or validator, in wei of DN.
    pub minimum_stake_wei: U256,
}

/// Where the contracts of a rollup are.
#[derive(Clone, Copy, Debug)]
pub struct Deployment {
    /// The token of fees and stakes.
    pub token: Address,
    /// Stakes.
    pub staking: Address,
    /// Models.
    pub registry: Address,
    /// Verifies batch proofs of every layout.
    pub verifier: Address,
    /// Orders, batches, payments.
    pub rollup: Address,
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
    /// The receipt names no contract.
    #[error("the transaction created no contract")]
    NoContract,
}

/// Deploys every contract and ties them together. The provider's default account pays and gets
/// the token's supply.
///
/// # Errors
/// When a transaction fails.
pub async fn deploy<P: Provider + Clone>(
    provider: &P,
    roles: Roles,
) -> Result<Deployment, DeployError> {
    let token = *DnToken::deploy(provider.clone()).await?.address();
    let staking = Staking::deploy(provider.clone(), token, roles.minimum_stake_wei).await?;
    let registry = *ModelRegistry::deploy(provider.clone()).await?.address();
    let verifiers = vec![
        *NarrowVerifier::deploy(provider.clone()).await?.address(),
        *DefaultVerifier::deploy(provider.clone()).await?.address(),
        *WideVerifier::deploy(provider.clone()).await?.address(),
        *MergedNarrowVerifier::deploy(provider.clone()).await?.address(),
        *MergedDefaultVerifier::deploy(provider.clone()).await?.address(),
        *MergedWideVerifier::deploy(provider.clone()).await?.address(),
    ];
    let router = VerifierRouter::deploy(provider.clone(), roles.reference_string, verifiers);
    let router = router.await?;
    let verifier = *router.address();
    let config = InferenceRollup::Config {
        token,
        staking: *staking.address(),
        registry,
        verifier,
        sequencer: roles.sequencer,
        validatorPool: roles.validator_pool,
        treasury: roles.treasury,
        exitDelay: roles.exit_delay_s,
    };
    let rollup = *InferenceRollup::deploy(provider.clone(), config).await?.address();
    staking.setRollup(rollup).send().await?.get_receipt().await?;
    Ok(Deployment { token, staking: *staking.address(), registry, verifier, rollup })
}

/// Deploys a contract from its creation code and returns its address.
///
/// # Errors
/// When the transaction fails.
pub async fn deploy_code<P: Provider>(provider: &P, code: Vec<u8>) -> Result<Address, DeployError> {
    let request = TransactionRequest::default().with_deploy_code(Bytes::from(code));
    let receipt = provider.send_transaction(request).await?.get_receipt().await?;
    receipt.contract_address.ok_or(DeployError::NoContract)
}
