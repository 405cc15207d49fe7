//! Epochs as they stand on the chain: trust, work, scores, pools and claims.

use alloy::contract::Error as CallError;
use alloy::primitives::{Address, U256};
use alloy::providers::{DynProvider, PendingTransactionError, Provider as _, ProviderBuilder};
use dn_core::api::{self, ChainView};
use serde::Serialize;
use thiserror::Error;

use crate::contracts::{Epochs, InferenceRollup};
use crate::{wire, Account};

/// A worker with a seat. Fractions are of `ONE = 2^32 - 1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeatView {
    /// Its account.
    pub worker: api::Address,
    /// Trust weight: what its next score is multiplied by.
    pub trust: u32,
    /// Work that it was given and finished in time, as validators attest.
    pub completion: u32,
    /// Answers that proofs confirmed.
    pub accuracy: u32,
    /// Time in which it was heard from, as validators attest.
    pub uptime: u32,
    /// Latency against that of its peers, as validators attest.
    pub speed: u32,
    /// Decaying sum of work units.
    pub history: String,
    /// Work units of the running epoch.
    pub units: u64,
    /// Fees of its tasks of the running epoch, in units of 10^-6 DN.
    pub fees: u64,
    /// Proven lies of the running epoch.
    pub faults: u8,
    /// Score of its last closed epoch that is not claimed yet.
    pub score: String,
    /// What it may claim, in wei of DN.
    pub claimable_wei: String,
}

/// The epochs of a rollup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EpochView {
    /// The running epoch.
    pub epoch: u32,
    /// Unix seconds of its start.
    pub started_at: u64,
    /// Its least length, in seconds.
    pub length_s: u64,
    /// Number of closed epochs.
    pub closed: u32,
    /// Pool of the last closed epoch, in units of 10^-6 DN.
    pub pool: u64,
    /// Part of it that was minted.
    pub minted: u64,
    /// Sum of its scores.
    pub scores: String,
    /// Every worker with a seat.
    pub workers: Vec<SeatView>,
}

/// Why the epochs cannot be read or claimed from.
#[derive(Debug, Error)]
pub enum EpochError {
    /// Not an HTTP URL.
    #[error("{0} is not a URL")]
    Url(String),
    /// The chain does not answer, or the contract refuses.
    #[error("call the epochs contract")]
    Call(#[from] CallError),
    /// The transaction was sent and its outcome is unknown.
    #[error("wait for the transaction")]
    Pending(#[from] PendingTransactionError),
    /// No closed epoch pays the account anything.
    #[error("there is nothing to claim")]
    Nothing,
    /// The transaction was refused.
    #[error("the claim was refused")]
    Refused,
}

/// Reads the epochs of a rollup from a chain's HTTP endpoint.
///
/// # Errors
/// When the chain does not answer.
pub async fn epoch(rpc_url: &str, chain: &ChainView) -> Result<EpochView, EpochError> {
    let url = rpc_url.parse().map_err(|_| EpochError::Url(rpc_url.to_owned()))?;
    let provider = ProviderBuilder::new().connect_http(url).erased();
    let epochs = epochs_of(&provider, chain).await?;
    let contract = Epochs::new(epochs, &provider);
    let (current, closed) = (contract.current().call().await?, contract.closed().call().await?);
    let last = contract.resultOf(closed.saturating_sub(1)).call().await?;
    let seats: u64 = contract.seatCount().call().await?.saturating_to();
    let mut workers = Vec::new();
    for number in 0..seats {
        let worker = contract.seats(U256::from(number)).call().await?.worker;
        workers.push(seat(&provider, epochs, worker, current).await?);
    }
    Ok(EpochView {
        epoch: current,
        started_at: contract.startedAt().call().await?,
        length_s: contract.length().call().await?,
        closed,
        pool: last.pool,
        minted: last.minted,
        scores: last.scores.to_string(),
        workers,
    })
}

async fn seat(
    provider: &DynProvider,
    epochs: Address,
    worker: Address,
    current: u32,
) -> Result<SeatView, EpochError> {
    let contract = Epochs::new(epochs, provider);
    let trust = contract.trustOf(worker).call().await?;
    let work = contract.workOf(worker, current).call().await?;
    Ok(SeatView {
        worker: wire::api_address(worker),
        trust: contract.weightOf(worker).call().await?.saturating_to(),
        completion: trust.completion,
        accuracy: trust.accuracy,
        uptime: trust.uptime,
        speed: trust.speed,
        history: trust.history.to_string(),
        units: work.units,
        fees: work.fees,
        faults: work.faults,
        score: contract.claimOf(worker).call().await?.score.to_string(),
        claimable_wei: contract.claimableWei(worker).call().await?.to_string(),
    })
}

/// Claims what a worker has earned in closed epochs. Returns it, in wei of DN.
///
/// # Errors
/// When there is nothing to claim, or the chain does not answer.
pub async fn claim(account: &Account, chain: &ChainView) -> Result<String, EpochError> {
    let epochs = epochs_of(&account.provider, chain).await?;
    let contract = Epochs::new(epochs, &account.provider);
    let amount = contract.claimableWei(account.address()).call().await?;
    if amount.is_zero() {
        return Err(EpochError::Nothing);
    }
    let receipt = contract.claim().send().await?.get_receipt().await?;
    if receipt.status() {
        Ok(amount.to_string())
    } else {
        Err(EpochError::Refused)
    }
}

async fn epochs_of(provider: &DynProvider, chain: &ChainView) -> Result<Address, EpochError> {
    let rollup = InferenceRollup::new(wire::address(chain.rollup), provider);
    Ok(rollup.epochs().call().await?)
}
