//! The proving service: leases batches from a sequencer, proves them, delivers the proofs.
//!
//! The prover holds no state that matters: a batch whose lease ends is offered again. Keys stay in
//! memory and on disk.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use clap::Parser;
use dn_circuits::{protocol, Frame, Slot};
use dn_core::api::{Beat, Bytes32, ProofJob, ProofResult, Role};
use dn_core::commitment::{from_bytes, to_bytes};
use dn_import::Package;
use dn_sdk::{read_or_create_key, ClientError, Node};
use dn_service::{Failure, Shutdown};

use crate::{Proof, Prover};

/// Pause between two questions for work, and after a failure.
const PAUSE: Duration = Duration::from_millis(250);
/// Pause after a failure.
const BACKOFF: Duration = Duration::from_secs(2);

/// Proves batches for a sequencer and is paid the proving share.
#[derive(Clone, Debug, Parser)]
#[command(name = "dn-prover", version)]
pub struct Config {
    /// The sequencer's HTTP interface.
    #[arg(long, env = "DN_SEQUENCER_URL")]
    pub sequencer: String,
    /// File with the prover's private key; drawn if it is missing.
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
/// When the sequencer does not take the node at the start.
pub async fn run(config: Config, mut shutdown: Shutdown) -> Result<()> {
    let key = read_or_create_key(&config.key_file)?;
    let node = Node::register(&config.sequencer, Role::Prover, &key).await.map_err(|error| {
        let hint = "check --sequencer, and that the sequencer is up";
        anyhow::Error::new(error).context(Failure::new("no_sequencer", "no session", hint))
    })?;
    tracing::info!(node = %key.address(), "prover registered");
    if config.srs.is_none() {
        tracing::warn!("development reference string: proofs can be forged by who made it");
    }
    let mut provers = Provers { config, node, resident: HashMap::new() };
    provers.warm().await.context("make keys")?;
    while !shutdown.is_requested() {
        let pause = match provers.serve_one().await {
            Ok(true) => Duration::ZERO,
            Ok(false) => PAUSE,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "proving failed");
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

/// Resident provers by model and batch size.
struct Provers {
    config: Config,
    node: Node,
    resident: HashMap<(Bytes32, u32), Arc<Prover>>,
}

impl Provers {
    async fn warm(&mut self) -> Result<()> {
        for model in self.node.client.models().await? {
            if self.config.warm.contains(&model.model_id) {
                self.prover(model.model_id, model.batch_slots).await?;
            }
        }
        Ok(())
    }

    /// Does one job. False when there is none.
    async fn serve_one(&mut self) -> Result<bool> {
        let Some(job) = self.node.client.proof_job().await? else { return Ok(false) };
        self.node.held.set(Beat { batches: vec![job.batch_id], ..Beat::default() });
        let done = self.work(job).await;
        self.node.held.set(Beat::default());
        done.map(|()| true)
    }

    async fn work(&mut self, job: ProofJob) -> Result<()> {
        let (batch_id, fence) = (job.batch_id, job.fence);
        let prover = self.prover(job.model_id, job.batch_slots).await?;
        let proof = tokio::task::spawn_blocking(move || prove(&prover, &job)).await??;
        tracing::info!(batch_id, cpu_s = proof.usage.cpu_s, "batch proven");
        let instances =
            proof.statement.instances().into_iter().map(|x| Bytes32(to_bytes(x))).collect();
        let cpu_ms = (proof.usage.cpu_s * 1e3) as u64;
        let proof = proof.bytes.into();
        let result = ProofResult { batch_id, fence, instances, proof, cpu_ms };
        match self.node.client.proof_result(&result).await {
            Ok(_) => Ok(()),
            Err(ClientError::Refused(problem)) if problem.code == "lease_lost" => {
                tracing::warn!(batch_id, "another prover has the batch");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn prover(&mut self, model_id: Bytes32, slots: u32) -> Result<Arc<Prover>> {
        if let Some(prover) = self.resident.get(&(model_id, slots)) {
            return Ok(prover.clone());
        }
        let bytes = self.node.client.package(model_id).await.context("fetch the package")?;
        let config = self.config.clone();
        let made = tokio::task::spawn_blocking(move || -> Result<Prover> {
            let Package { graph, width, .. } =
                Package::from_bytes(&bytes).context("read the package")?;
            let frame = Frame::new(slots as usize, width);
            let (name, srs) = (model_id.to_string(), config.srs.as_deref());
            Ok(Prover::new(graph, frame, &config.data_dir, &name, srs)?)
        });
        let prover = Arc::new(made.await??);
        let registered = self.node.client.protocol(model_id).await.context("fetch the key")?;
        let (keys, instances) = (prover.keys(), dn_core::statement::len(slots as usize));
        let own = protocol::export(keys.vk(), &keys.params, instances).to_bytes();
        ensure!(
            own == registered,
            "the key of model {model_id} is registered for another layout or reference string"
        );
        tracing::info!(%model_id, slots, k = prover.keys().plan.k, "keys ready");
        self.resident.insert((model_id, slots), prover.clone());
        Ok(prover)
    }
}

fn prove(prover: &Prover, job: &ProofJob) -> Result<Proof> {
    let header = from_bytes(&job.header.0).context("the header is no field element")?;
    let slots: Option<Vec<Slot>> = job
        .slots
        .iter()
        .map(|s| {
            Some(Slot { input: s.input.clone(), salt: from_bytes(&s.salt.0)?, label: s.label })
        })
        .collect();
    let slots = slots.context("a salt is no field element")?;
    Ok(prover.prove(&slots, header)?)
}
