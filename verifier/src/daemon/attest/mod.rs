//! Epochs: the validator attests what it saw of the workers, and moves epochs on.
//!
//! It commits in the first quarter of an epoch to what it saw in the one before, reveals in the second,
//! and then closes that epoch from what all validators revealed; when the time is over it starts the
//! next one. What it has committed to is on disk before, so that it can reveal after a crash. Whatever
//! another validator was faster to do reverts, which is no failure.

mod table;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use alloy::contract::{CallBuilder, CallDecoder};
use alloy::primitives::{Address, Bytes, B256, U256};
use alloy::providers::{DynProvider, Provider};
use alloy::signers::SignerSync as _;
use anyhow::{Context as _, Result};
use dn_sdk::contracts::Epochs::{self, EpochsInstance};
use dn_sdk::contracts::IEpochs;
use dn_sdk::contracts::Validators::{self, ValidatorsInstance};
use dn_sdk::{Account, Client};
use dn_service::file::write_whole;
use serde::{Deserialize, Serialize};

use super::reward::INCLUSION;
use table::{commitment, page, page_hashes, Observations};

/// `IEpochs.ReportState.Committed`.
const COMMITTED: u8 = 1;
/// `IEpochs.ReportState.Revealed`.
const REVEALED: u8 = 2;

/// What was committed to, as it is on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Committed {
    epoch: u32,
    table: Bytes,
    salt: B256,
}

/// Where the running epoch stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) current: u32,
    pub(super) closed: u32,
    pub(super) started_at: u64,
    pub(super) length: u64,
    /// Unix seconds when it was asked for.
    now: u64,
}

impl Clock {
    pub(super) async fn read(epochs: &EpochsInstance<DynProvider>) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self {
            current: epochs.current().call().await?,
            closed: epochs.closed().call().await?,
            started_at: epochs.startedAt().call().await?,
            length: epochs.length().call().await?,
            now,
        })
    }

    /// Seconds since the epoch's start.
    pub(super) fn passed(&self) -> u64 {
        self.now.saturating_sub(self.started_at)
    }

    /// The quarter of the epoch's least length that it is in; 4 and more when it is over.
    pub(super) fn quarter(&self) -> u64 {
        self.passed() * 4 / self.length.max(1)
    }
}

/// Attests and closes epochs.
pub(super) struct Attestor {
    account: Account,
    client: Client,
    epochs: EpochsInstance<DynProvider>,
    validators: ValidatorsInstance<DynProvider>,
    file: PathBuf,
    /// Epoch of `seen`.
    epoch: Option<u32>,
    seen: Observations,
    /// Of the epoch before.
    last: Observations,
}

impl Attestor {
    /// Finds the contracts of the rollup. `file` keeps what is committed to.
    pub(super) async fn new(
        account: Account,
        client: Client,
        epochs: Address,
        file: PathBuf,
    ) -> Result<Self> {
        let epochs = Epochs::new(epochs, account.provider.clone());
        let validators = epochs.validators().call().await.context("ask for the validators")?;
        let validators = Validators::new(validators, account.provider.clone());
        let (seen, last) = (Observations::default(), Observations::default());
        Ok(Self { account, client, epochs, validators, file, epoch: None, seen, last })
    }

    /// One look at the nodes and one step of whatever is due.
    pub(super) async fn step(&mut self) -> Result<bool> {
        let clock = Clock::read(&self.epochs).await.context("ask for the epoch")?;
        if self.epoch != Some(clock.current) {
            let seen = std::mem::take(&mut self.seen);
            let follows = self.epoch.is_some_and(|epoch| epoch + 1 == clock.current);
            self.last = if follows { seen } else { Observations::default() };
            self.epoch = Some(clock.current);
        }
        self.seen.look(&self.client.nodes().await.context("ask for the nodes")?);
        let is_open = clock.closed < clock.current;
        match clock.quarter() {
            0 if is_open => self.commit(clock.current - 1).await?,
            1 if is_open => self.reveal(clock.current - 1).await?,
            2.. if is_open => self.close(clock.current - 1).await?,
            4.. => self.advance().await,
            _ => {}
        }
        Ok(false)
    }

    /// Commits to what was seen of an epoch, once, if anything was.
    async fn commit(&self, epoch: u32) -> Result<()> {
        let own = self.account.address();
        let report = self.epochs.reportOf(own).call().await?;
        let is_done = report.state != 0 && report.epoch == epoch;
        if is_done || self.last.is_empty() || !self.validators.isValidator(own).call().await? {
            return Ok(());
        }
        let mut seats = Vec::new();
        for number in 0..self.epochs.tableSeats().call().await? {
            seats.push(self.epochs.seats(U256::from(number)).call().await?.worker);
        }
        let table = self.last.table(&seats);
        let salt = dn_core::commitment::to_bytes(dn_sdk::random_salt());
        let committed = Committed { epoch, table: table.into(), salt: B256::from(salt) };
        write_whole(&self.file, &serde_json::to_vec(&committed)?).context("keep the metrics")?;
        let Committed { table, salt, .. } = committed;
        let registered = self.validators.registeredIn(own).call().await?;
        let hash = commitment(own, registered, epoch, &table, salt);
        let digest = self.epochs.metricsDigest(epoch, hash).call().await?;
        let signature = self.account.signer.sign_hash_sync(&digest)?.as_bytes();
        let call = self.epochs.commitMetrics(own, hash, signature.to_vec().into());
        send("commit metrics", epoch, call).await;
        Ok(())
    }

    /// Reveals what was committed to.
    async fn reveal(&self, epoch: u32) -> Result<()> {
        let report = self.epochs.reportOf(self.account.address()).call().await?;
        if report.state != COMMITTED || report.epoch != epoch {
            return Ok(());
        }
        let text = std::fs::read(&self.file).context("read the metrics")?;
        let committed: Committed = serde_json::from_slice(&text).context("read the metrics")?;
        let call = self.epochs.revealMetrics(committed.table, committed.salt);
        send("reveal metrics", epoch, call).await;
        Ok(())
    }

    /// Closes every page of an epoch from what was revealed, and reports who did not reveal.
    async fn close(&self, epoch: u32) -> Result<()> {
        let tables = self.tables(epoch).await?;
        let seats = self.epochs.tableSeats().call().await? as usize;
        let speaks = self.epochs.hasQuorum(epoch).call().await?;
        for number in 0..seats.div_ceil(32).max(1) {
            let pages = tables.iter().filter(|_| speaks).map(|table| IEpochs::Page {
                pageHashes: page_hashes(table),
                page: page(table, number).to_vec().into(),
            });
            let call = self.epochs.close(U256::from(number), pages.collect());
            send("close", epoch, call).await;
        }
        Ok(())
    }

    /// What validators revealed of an epoch, in the order of their commitments.
    async fn tables(&self, epoch: u32) -> Result<Vec<Bytes>> {
        let from = self.epochs.startBlock().call().await?;
        let filter =
            self.epochs.MetricsRevealed_filter().from_block(from).topic1(U256::from(epoch));
        let revealed = filter.query().await.context("ask for what was revealed")?;
        let mut tables = Vec::new();
        for reporter in self.epochs.reportersOf(epoch).call().await? {
            let state = self.epochs.reportOf(reporter).call().await?.state;
            if state == COMMITTED {
                send("slash a missed reveal", epoch, self.epochs.slashMissedReveal(reporter)).await;
            }
            let found = revealed.iter().find(|(event, _)| event.validator == reporter);
            if let Some((event, _)) = found.filter(|_| state == REVEALED) {
                tables.push(event.table.clone());
            }
        }
        Ok(tables)
    }

    async fn advance(&self) {
        let epoch = self.epoch.unwrap_or(0);
        send("advance", epoch, self.epochs.advance()).await;
    }
}

/// Sends a transaction and waits for it. What reverts is told and no more: another validator was
/// faster, or the time is over.
pub(super) async fn send<P: Provider, D: CallDecoder>(
    what: &str,
    epoch: u32,
    call: CallBuilder<P, D>,
) {
    let sent = async {
        let pending = call.send().await?;
        anyhow::Ok(pending.with_timeout(Some(INCLUSION)).get_receipt().await?)
    };
    match sent.await {
        Ok(receipt) if receipt.status() => tracing::info!(epoch, what, "epoch moved on"),
        Ok(_) => tracing::warn!(epoch, what, "reverted"),
        Err(error) => tracing::warn!(epoch, what, error = format!("{error:#}"), "not taken"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_begin_with_the_epoch_and_go_on_after_it() {
        let at = |now| Clock { current: 1, closed: 0, started_at: 100, length: 60, now };
        let quarters = [99, 100, 114, 115, 130, 145, 159, 160, 500].map(|now| at(now).quarter());
        assert_eq!(quarters, [0, 0, 0, 1, 2, 3, 3, 4, 26]);
    }
}
