//! The validator: follows a sequencer, checks every batch that it published against the chain, and
//! reports workers whose signed answers are not the proven ones.
//!
//! It believes the chain alone. What the sequencer serves (verifying key, header, slots, proof) is
//! compared with what the contracts hold before it is used.

mod check;
mod verdicts;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use dn_core::api::{BatchState, BatchView, ChainView};
use dn_sdk::contracts::InferenceRollup;
use dn_sdk::{read_or_create_key, wire, Account, Client};
use dn_service::{Failure, Shutdown};

use check::Checked;
pub use verdicts::Verdict;
use verdicts::Verdicts;

/// Pause after a failure.
const BACKOFF: Duration = Duration::from_secs(2);

/// Verifies every batch natively and reports false receipts.
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
    /// Pause between two looks.
    #[arg(long, env = "DN_POLL_MS", default_value_t = 300)]
    pub poll_ms: u64,
}

/// Validates until shutdown is requested.
///
/// # Errors
/// When the sequencer or the chain does not answer at the start, or verdicts cannot be written.
pub async fn run(config: Config, mut shutdown: Shutdown) -> Result<()> {
    let key = read_or_create_key(&config.key_file)?;
    let hint = "give an http URL, for example http://127.0.0.1:8545";
    let account = Account::connect(key, &config.rpc_url)
        .ok_or_else(|| Failure::new("bad_url", format!("{} is not a URL", config.rpc_url), hint))?;
    let client = Client::new(&config.sequencer)?;
    let chain = client.chain().await.map_err(|error| {
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
    tracing::info!(node = %account.address(), next = verdicts.next(), "validator started");
    let mut validator = Validator { account, client, chain, verdicts };
    while !shutdown.is_requested() {
        let pause = match validator.look().await {
            Ok(()) => Duration::from_millis(config.poll_ms),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "cannot judge; trying again");
                BACKOFF
            }
        };
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    Ok(())
}

struct Validator {
    account: Account,
    client: Client,
    chain: ChainView,
    verdicts: Verdicts,
}

impl Validator {
    /// Judges, in order, every batch that has come to its end.
    async fn look(&mut self) -> Result<()> {
        for batch in self.client.batches(self.verdicts.next()).await? {
            match batch.state {
                BatchState::Proven => self.judge(batch.header.batch_id).await?,
                BatchState::Expired => {
                    self.verdicts.append(&Verdict::expired(batch.header.batch_id))?;
                }
                BatchState::Formed | BatchState::Committed | BatchState::ProofReady => break,
            }
        }
        Ok(())
    }

    async fn judge(&mut self, id: u64) -> Result<()> {
        let batch = self.client.batch(id).await?;
        let proof = self.client.proof(id).await?;
        let checked = check::batch(&self.account, &self.client, &self.chain, &batch, proof).await?;
        let mut verdict = Verdict::of(&batch, checked.flaw.as_deref());
        match &checked.flaw {
            Some(flaw) => tracing::error!(batch_id = id, flaw, "batch is not what was proven"),
            None => tracing::info!(batch_id = id, ms = checked.verify_ms, "batch verified"),
        }
        verdict.slashed = self.report(&batch, &checked).await?;
        verdict.verify_ms = checked.verify_ms;
        self.verdicts.append(&verdict)?;
        Ok(())
    }

    /// Submits every receipt that contradicts the proof. Returns how many were slashed.
    async fn report(&self, batch: &BatchView, checked: &Checked) -> Result<u32> {
        let rollup = InferenceRollup::new(wire::address(self.chain.rollup), &self.account.provider);
        let mut slashed = 0;
        for slot in checked.contradicted.iter().filter_map(|i| batch.slots.get(*i)) {
            let receipt = wire::rollup_receipt(&slot.receipt);
            let (task, worker) = (receipt.taskId, wire::address(slot.worker));
            if rollup.isSlashed(task, worker).call().await? {
                continue;
            }
            let order = wire::rollup_order(&slot.order);
            let signature = slot.receipt.signature.0.clone().into();
            let call = rollup.slashReceipt(order, receipt, signature);
            let done = call.send().await.context("report a receipt")?.get_receipt().await?;
            tracing::warn!(task_id = %task, %worker, success = done.status(), "receipt reported");
            slashed += u32::from(done.status());
        }
        Ok(slashed)
    }
}
