//! The proving service: leases batches from a sequencer, proves them, delivers the proofs.
//!
//! The prover holds no state that matters: a batch whose lease ends is offered again. Keys stay in
//! memory and on disk. A job that fails is left to the end of its lease.

mod residents;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use dn_circuits::Slot;
use dn_core::api::{Address, Beat, Bytes32, ProofJob, ProofResult, Role};
use dn_core::commitment::{from_bytes, to_bytes};
use dn_sdk::settlement::header_instance;
use dn_sdk::{read_or_create_key, wire, ClientError, Node};
use dn_service::{metrics, Failure, Shutdown};

use crate::prove::{Proof, Prover};
use residents::Residents;

/// Pause between two questions for work.
const PAUSE: Duration = Duration::from_millis(250);

/// Proves batches for a sequencer and is paid the proving share.
#[derive(Clone, Debug, Parser)]
#[command(name = "dn-prover", version)]
pub struct Config {
    /// The sequencer's HTTP interface.
    #[arg(long, env = "DN_SEQUENCER_URL")]
    pub sequencer: String,
    /// File with the prover's private key, whose account has the stake; drawn if it is missing.
    #[arg(long, env = "DN_KEY_FILE")]
    pub key_file: PathBuf,
    /// Folder for proving keys and reference strings.
    #[arg(long, env = "DN_DATA_DIR", default_value = ".deepnode")]
    pub data_dir: PathBuf,
    /// Powers of tau of a ceremony (`.ptau`). Without it an unsafe development string is used.
    #[arg(long, env = "DN_SRS")]
    pub srs: Option<PathBuf>,
    /// Models whose keys are made before the first job: ids, or nothing.
    #[arg(long, env = "DN_WARM", value_delimiter = ',')]
    pub warm: Vec<Bytes32>,
}

/// Proves until shutdown is requested.
///
/// # Errors
/// When the sequencer does not take the node at the start, or keys cannot be made then.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<()> {
    let key = read_or_create_key(&config.key_file)?;
    let node = Node::register(&config.sequencer, Role::Prover, &key).await.map_err(|error| {
        let hint = "check --sequencer, that it is up, and that the account has an active stake as a prover";
        anyhow::Error::new(error).context(Failure::new("no_sequencer", "no session", hint))
    })?;
    tracing::info!(node = %key.address(), "prover registered");
    if config.srs.is_none() {
        tracing::warn!("development reference string: proofs can be forged by who made it");
    }
    let warm = config.warm.clone();
    let residents = Residents::new(config.data_dir, config.srs);
    let account = wire::api_address(key.address());
    let mut service = Service { account, node, residents, shutdown: shutdown.clone() };
    service.warm(&warm).await.context("make keys")?;
    dn_service::repeat(shutdown, "prove", PAUSE, async || service.serve_one().await).await;
    Ok(())
}

struct Service {
    /// Is paid for the proofs.
    account: Address,
    node: Node,
    residents: Residents,
    shutdown: Shutdown,
}

impl Service {
    async fn warm(&mut self, wanted: &[Bytes32]) -> Result<()> {
        for model in self.node.client.models().await? {
            if wanted.contains(&model.model_id) {
                let slots = model.batch_slots;
                self.residents.get(&self.node.client, model.model_id, slots).await?;
            }
        }
        Ok(())
    }

    /// Does one job. False when there is none.
    async fn serve_one(&mut self) -> Result<bool> {
        let Some(job) = self.node.client.proof_job().await? else { return Ok(false) };
        let batch_id = job.batch_id;
        self.node.held.set(Beat { batches: vec![batch_id], ..Beat::default() });
        let done = self.work(job).await;
        self.node.held.set(Beat::default());
        done.with_context(|| format!("batch {batch_id} is not proven"))?;
        metrics::counter!(metrics::BATCHES_PROVEN).increment(1);
        Ok(true)
    }

    /// Proves a batch and delivers the proof. An error makes the next question wait, so that a job
    /// that fails at once is not leased again and again.
    async fn work(&mut self, job: ProofJob) -> Result<()> {
        let (batch_id, fence) = (job.batch_id, job.fence);
        let prover = self.residents.get(&self.node.client, job.model_id, job.batch_slots).await;
        let prover = prover.inspect_err(|_| failed("keys"))?;
        let (account, shutdown) = (self.account, self.shutdown.clone());
        let made = tokio::task::spawn_blocking(move || prove(&prover, &job, account, &shutdown));
        let made = made.await;
        let proof = made.map_err(anyhow::Error::from).and_then(|proof| proof);
        let proof = proof.inspect_err(|_| failed("proof"))?;
        tracing::info!(batch_id, cpu_s = proof.usage.cpu_s, "batch proven");
        let instances =
            proof.statement.instances().into_iter().map(|x| Bytes32(to_bytes(x))).collect();
        let cpu_ms = (proof.usage.cpu_s * 1e3) as u64;
        let proof = proof.bytes.into();
        let result = ProofResult { batch_id, fence, instances, proof, cpu_ms };
        self.deliver(&result).await
    }

    async fn deliver(&self, result: &ProofResult) -> Result<()> {
        let batch_id = result.batch_id;
        let Err(error) = self.node.client.proof_result(result).await else { return Ok(()) };
        match &error {
            ClientError::Refused(problem) if problem.code == "lease_lost" => {
                failed("lease_lost");
                tracing::warn!(batch_id, "another prover has the batch");
                return Ok(());
            }
            ClientError::Refused(problem) => {
                failed("refused");
                tracing::error!(
                    batch_id,
                    code = problem.code,
                    detail = problem.detail,
                    "the proof is refused"
                );
            }
            _ => failed("delivery"),
        }
        Err(error.into())
    }
}

fn failed(reason: &'static str) {
    metrics::counter!(metrics::JOBS_FAILED, "reason" => reason).increment(1);
}

/// Proves for an account, unless shutdown is requested between two phases.
fn prove(prover: &Prover, job: &ProofJob, account: Address, shutdown: &Shutdown) -> Result<Proof> {
    let header = from_bytes(&header_instance(job.batch_hash, account).0);
    let header = header.context("the header is no field element")?;
    let slots: Option<Vec<Slot>> = job
        .slots
        .iter()
        .map(|s| {
            Some(Slot { input: s.input.clone(), salt: from_bytes(&s.salt.0)?, label: s.label })
        })
        .collect();
    let slots = slots.context("a salt is no field element")?;
    Ok(prover.prove_observed(&slots, header, &mut |_| !shutdown.is_requested())?)
}
