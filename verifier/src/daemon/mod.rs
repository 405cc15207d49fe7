//! The validator: follows a sequencer, checks every batch that it published against the chain, and
//! reports workers whose signed answers are not the proven ones.
//!
//! It believes the chain alone. What the sequencer serves (verifying key, header, slots, proof) is
//! compared with what the contracts hold before it is used. A batch that cannot be judged yet holds
//! up no other.

mod attest;
pub mod check;
mod doubts;
pub mod probes;
mod report;
mod reward;
mod verdicts;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use dn_core::api::{BatchState, ChainView};
use dn_sdk::contracts::InferenceRollup;
use dn_sdk::{patiently, read_or_create_key, wire, Account, Client};
use dn_service::{metrics, Failure, Shutdown};

use attest::Attestor;
use doubts::Doubts;
use probes::{Means, Pool, PoolFile, Prober};
pub use verdicts::Verdict;
use verdicts::Verdicts;

/// Least pause between two looks at the nodes and the epoch.
const ATTEST: Duration = Duration::from_secs(1);

/// Verifies every batch natively, reports false receipts, and attests what workers did.
#[derive(Clone, Debug, Parser)]
#[command(name = "dn-validator", version)]
pub struct Config {
    /// The sequencer's HTTP interface.
    #[arg(long, env = "DN_SEQUENCER_URL")]
    pub sequencer: String,
    /// HTTP endpoint of the chain.
    #[arg(long, env = "DN_RPC_URL")]
    pub rpc_url: String,
    /// File with the validator's private key; drawn if it is missing.
    #[arg(long, env = "DN_KEY_FILE")]
    pub key_file: PathBuf,
    /// File that gets one line of JSON per batch.
    #[arg(long, env = "DN_VERDICTS", default_value = "verdicts.jsonl")]
    pub verdicts: PathBuf,
    /// Questions with known answers for the models of a service, `SERVICE=FILE`: what their proven answers are worth
    /// becomes a model's quality. Without any, no probes are sent.
    #[arg(long, env = "DN_POOLS", value_delimiter = ',', requires = "asker_key_file")]
    pub pool: Vec<PoolFile>,
    /// Files with the keys of accounts that probes are sent from, drawn if missing; each needs DN in the rollup.
    #[arg(long, env = "DN_ASKER_KEY_FILES", value_delimiter = ',')]
    pub asker_key_file: Vec<PathBuf>,
    /// Pause between two looks.
    #[arg(long, env = "DN_POLL_MS", default_value_t = 300)]
    pub poll_ms: u64,
}

/// Validates until shutdown is requested.
///
/// # Errors
/// When the sequencer or the chain does not answer at the start, or verdicts cannot be written.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<()> {
    let key = read_or_create_key(&config.key_file)?;
    let hint = "give an http URL, for example http://127.0.0.1:8545";
    let account = Account::connect(key, &config.rpc_url)
        .ok_or_else(|| Failure::new("bad_url", format!("{} is not a URL", config.rpc_url), hint))?;
    let client = Client::new(&config.sequencer)?;
    let chain = patiently(async || client.chain().await).await.map_err(|error| {
        let hint = "check --sequencer, and that the sequencer is up";
        anyhow::Error::new(error).context(Failure::new("no_sequencer", "no sequencer", hint))
    })?;
    let chain_id = account.chain_id().await.context("reach the chain")?;
    anyhow::ensure!(
        chain_id == chain.chain_id,
        Failure::new(
            "wrong_chain_id",
            format!("the chain's id is {chain_id}, the sequencer's chain has {}", chain.chain_id),
            "point --rpc-url and --sequencer to the same rollup",
        )
    );
    let verdicts = Verdicts::open(&config.verdicts).context("open the verdicts")?;
    tracing::info!(node = %account.address(), judged = verdicts.len(), "validator started");
    let floor = verdicts.lowest_unjudged();
    let doubts = Doubts::default();
    let rollup = InferenceRollup::new(wire::address(chain.rollup), &account.provider);
    let epochs = rollup.epochs().call().await.context("ask for the epochs")?;
    let file = config.verdicts.with_extension("metrics.json");
    let mut attestor = Attestor::new(account.clone(), client.clone(), epochs, file).await?;
    let mut prober = prober(&config, &account, &client, chain, epochs).await?;
    let mut validator = Validator { account, client, chain, verdicts, doubts, floor };
    let poll = Duration::from_millis(config.poll_ms);
    let (attests, asks) = (shutdown.clone(), shutdown.clone());
    tokio::join!(
        dn_service::repeat(attests, "attest", poll.max(ATTEST), async || Box::pin(attestor.step())
            .await),
        async {
            if let Some(prober) = &mut prober {
                let step = async || Box::pin(prober.step()).await;
                dn_service::repeat(asks, "probe", poll.max(ATTEST), step).await;
            }
        },
        dn_service::repeat(shutdown, "judge", poll, async || Box::pin(validator.look()).await),
    );
    Ok(())
}

/// Who sends probes, if there are any to send.
async fn prober(
    config: &Config,
    account: &Account,
    client: &Client,
    chain: ChainView,
    epochs: alloy::primitives::Address,
) -> Result<Option<Prober>> {
    if config.pool.is_empty() {
        return Ok(None);
    }
    let hint = "give files of lines {\"x\": [input], \"y\": class}, as models/pools.py writes them";
    let pools: Result<Vec<Pool>> = config.pool.iter().map(Pool::read).collect();
    let pools = pools
        .map_err(|error| error.context(Failure::new("bad_pool", "a pool is of no use", hint)))?;
    let keys: Result<Vec<_>, _> =
        config.asker_key_file.iter().map(|file| read_or_create_key(file)).collect();
    let askers = keys?;
    for asker in &askers {
        tracing::info!(asker = %asker.address(), "probes are sent from here");
    }
    let file = config.verdicts.with_extension("probes.json");
    let means = Means { pools, askers, file: &file };
    Ok(Some(Prober::new(account.clone(), client.clone(), chain, epochs, means).await?))
}

struct Validator {
    account: Account,
    client: Client,
    chain: ChainView,
    verdicts: Verdicts,
    doubts: Doubts,
    /// Every batch below it has a verdict.
    floor: u64,
}

impl Validator {
    /// Judges every batch that has come to its end and has no verdict.
    async fn look(&mut self) -> Result<bool> {
        let (mut from, mut unjudged, mut ended) = (self.floor, None, Vec::new());
        loop {
            let page = self.client.batches(from).await.context("list the batches")?;
            let Some(last) = page.last() else { break };
            from = last.id + 1;
            for batch in &page {
                if self.verdicts.has(batch.id) {
                    continue;
                }
                match batch.state {
                    BatchState::Proven => ended.push(batch.id),
                    BatchState::Expired => self.verdicts.append(&Verdict::expired(batch.id))?,
                    BatchState::Formed | BatchState::Committed | BatchState::ProofReady => {
                        unjudged = unjudged.or(Some(batch.id));
                    }
                }
            }
        }
        for id in self.doubts.order(&ended) {
            let judged = self.judge(id).await;
            if let Err(error) = judged {
                let looks = self.doubts.add(id);
                let error = format!("{error:#}");
                tracing::warn!(batch_id = id, looks, error, "cannot judge the batch yet");
            } else {
                self.doubts.clear(id);
            }
        }
        let left = ended.into_iter().find(|id| !self.verdicts.has(*id));
        self.floor = left.into_iter().chain(unjudged).min().unwrap_or(from);
        Ok(false)
    }

    /// Judges a proven batch. An error means that it could not be judged.
    async fn judge(&mut self, id: u64) -> Result<()> {
        let batch = self.client.batch(id).await.context("fetch the batch")?;
        let proof = self.client.proof(id).await.context("fetch the proof")?;
        let checked = check::batch(&self.account, &self.client, &self.chain, &batch, proof).await?;
        let mut verdict = Verdict::of(&batch, checked.flaw.as_deref());
        verdict.slashed = report::all(&self.account, &self.chain, &batch, &checked).await?;
        verdict.verify_ms = checked.verify_ms;
        self.verdicts.append(&verdict).context("write the verdict")?;
        let word = match &checked.flaw {
            Some(flaw) => {
                tracing::error!(batch_id = id, flaw, "batch is not what was proven");
                "flawed"
            }
            None => {
                tracing::info!(batch_id = id, ms = checked.verify_ms, "batch verified");
                "valid"
            }
        };
        metrics::counter!(metrics::BATCHES_JUDGED, "verdict" => word).increment(1);
        Ok(())
    }
}
