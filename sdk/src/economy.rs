//! Epochs as they stand on the chain: trust, work, quality, scores, pools and claims.

use alloy::contract::Error as CallError;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, PendingTransactionError, Provider as _, ProviderBuilder};
use dn_core::api::{self, ChainView};
use serde::Serialize;
use thiserror::Error;

use crate::contracts::probes::Probes;
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

/// Quality of a model version, as validators' probes have found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QualityView {
    /// The version.
    pub model_id: api::Bytes32,
    /// Smoothed over its probes, a fraction of `ONE`: what its workers' work is multiplied by. A quarter before the first.
    pub quality: u32,
    /// Whether there was one.
    pub is_probed: bool,
}

/// What a validator's probes of an epoch found about a model version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SampleView {
    /// The epoch whose pool they were in.
    pub epoch: u32,
    /// Whose probes they were.
    pub validator: api::Address,
    /// The version.
    pub model_id: api::Bytes32,
    /// Probes.
    pub count: u32,
    /// Answers whose largest value is the label's alone.
    pub correct: u32,
    /// Sum of what they lead by, in steps of an output.
    pub margin_sum: u32,
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
    let provider = connect(rpc_url)?;
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

/// Reads the quality of model versions from a chain's HTTP endpoint.
///
/// # Errors
/// When the chain does not answer.
pub async fn quality(
    rpc_url: &str,
    chain: &ChainView,
    models: &[api::Bytes32],
) -> Result<Vec<QualityView>, EpochError> {
    let provider = connect(rpc_url)?;
    let contract = Epochs::new(epochs_of(&provider, chain).await?, &provider);
    let mut all = Vec::new();
    for model_id in models.iter().copied() {
        let known = contract.qualityOf(B256::from(model_id.0)).call().await?;
        let is_probed = !known.is_zero();
        // `Powr.INITIAL` before the first probe.
        let quality = if is_probed { known.saturating_to() } else { u32::MAX / 4 };
        all.push(QualityView { model_id, quality, is_probed });
    }
    Ok(all)
}

/// What probes have found since a block, oldest first.
///
/// # Errors
/// When the chain does not answer, or has more events than it hands out.
pub async fn samples(
    rpc_url: &str,
    chain: &ChainView,
    from_block: u64,
) -> Result<Vec<SampleView>, EpochError> {
    let provider = connect(rpc_url)?;
    let epochs = Epochs::new(epochs_of(&provider, chain).await?, &provider);
    let probes = Probes::new(epochs.probes().call().await?, &provider);
    let recorded = probes.ProbesRecorded_filter().from_block(from_block).query().await?;
    let view = |event: &Probes::ProbesRecorded| SampleView {
        epoch: event.epoch,
        validator: wire::api_address(event.validator),
        model_id: wire::api_bytes32(event.modelId),
        count: event.count.saturating_to(),
        correct: event.correct.saturating_to(),
        margin_sum: event.marginSum.saturating_to(),
    };
    Ok(recorded.iter().map(|(event, _)| view(event)).collect())
}

fn connect(rpc_url: &str) -> Result<DynProvider, EpochError> {
    let url = rpc_url.parse().map_err(|_| EpochError::Url(rpc_url.to_owned()))?;
    Ok(ProviderBuilder::new().connect_http(url).erased())
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
