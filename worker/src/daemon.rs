//! The serving worker: leases tasks from a sequencer, runs them, signs receipts.
//!
//! It holds no state that matters: a task whose lease ends is offered again. It signs nothing that
//! it has not computed itself, over an input that it has checked against its commitment.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::primitives::B256;
use alloy::sol_types::Eip712Domain;
use anyhow::{ensure, Context as _, Result};
use clap::Args;
use dn_core::api::{Beat, Bytes32, LeasedTask, Role, TaskResult};
use dn_core::commitment::{self, from_bytes, to_bytes};
use dn_import::Package;
use dn_sdk::{domain, read_or_create_key, signed_receipt, wire, ClientError, Node, Receipt};
use dn_service::{Failure, Shutdown};

use crate::backend::{self, Backend, BackendKind};

/// How long the sequencer may hold a question for work.
const LONG_POLL: Duration = Duration::from_secs(10);
/// Pause after a failure.
const BACKOFF: Duration = Duration::from_secs(1);

/// How to serve.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// The sequencer's HTTP interface.
    #[arg(long, env = "DN_SEQUENCER_URL")]
    pub sequencer: String,
    /// File with the worker's private key, whose account has the stake; drawn if it is missing.
    #[arg(long, env = "DN_KEY_FILE")]
    pub key_file: PathBuf,
    /// Most tasks that are run at once.
    #[arg(long, env = "DN_WORKER_BATCH", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub batch: u32,
    /// What runs the models.
    #[arg(long, env = "DN_BACKEND", value_enum, default_value_t)]
    pub backend: BackendKind,
}

/// Serves until shutdown is requested.
///
/// # Errors
/// When the sequencer does not take the node at the start.
pub async fn serve(args: ServeArgs, mut shutdown: Shutdown) -> Result<()> {
    let key = read_or_create_key(&args.key_file)?;
    let node = Node::register(&args.sequencer, Role::Worker, &key).await.map_err(|error| {
        let hint = "check --sequencer, and that the account has an active stake as a worker";
        anyhow::Error::new(error).context(Failure::new("no_session", "no session", hint))
    })?;
    let domain = domain(node.session.chain_id, wire::address(node.session.rollup));
    let mut worker = Worker { args, key, node, domain, models: HashMap::new() };
    worker.load_all().await.context("load the models")?;
    tracing::info!(node = %worker.key.address(), models = worker.models.len(), "worker ready");
    while !shutdown.is_requested() {
        let done = tokio::select! {
            () = shutdown.requested() => Ok(()),
            done = worker.serve_some() => done,
        };
        if let Err(error) = done {
            tracing::warn!(error = format!("{error:#}"), "serving failed; trying again");
            tokio::select! {
                () = shutdown.requested() => {}
                () = tokio::time::sleep(BACKOFF) => {}
            }
        }
    }
    Ok(())
}

/// A loaded model. One batch at a time runs on it.
type Loaded = Arc<Mutex<Box<dyn Backend>>>;

struct Worker {
    args: ServeArgs,
    key: alloy::signers::local::PrivateKeySigner,
    node: Node,
    domain: Eip712Domain,
    models: HashMap<Bytes32, Loaded>,
}

/// Outputs of a batch with the times of its execution.
struct Executed {
    outputs: Vec<Vec<i8>>,
    started_at_ms: u64,
    finished_at_ms: u64,
}

impl Worker {
    /// Loads every model that the sequencer serves, so that the first task does not wait.
    async fn load_all(&mut self) -> Result<()> {
        for model in self.node.client.models().await? {
            self.model(model.model_id).await?;
        }
        Ok(())
    }

    async fn model(&mut self, id: Bytes32) -> Result<Loaded> {
        if let Some(model) = self.models.get(&id) {
            return Ok(model.clone());
        }
        let bytes = self.node.client.package(id).await.context("fetch the package")?;
        let kind = self.args.backend;
        let opened = tokio::task::spawn_blocking(move || -> Result<Box<dyn Backend>> {
            let package = Package::from_bytes(&bytes).context("read the package")?;
            Ok(backend::open(kind, &package.graph)?)
        });
        let backend = opened.await??;
        tracing::info!(model_id = %id, backend = backend.name(), device = backend.device(), "model loaded");
        let model = Arc::new(Mutex::new(backend));
        self.models.insert(id, model.clone());
        Ok(model)
    }

    /// Leases tasks and works on them.
    async fn serve_some(&mut self) -> Result<()> {
        let leased = self.node.client.lease(self.args.batch, LONG_POLL).await?;
        let Some(first) = leased.first() else { return Ok(()) };
        let model_id = first.model_id;
        let tasks = leased.iter().map(|t| t.task_id).collect();
        self.node.held.set(Beat { tasks, ..Beat::default() });
        let done = self.execute(model_id, &leased).await;
        self.node.held.set(Beat::default());
        done
    }

    /// Runs tasks of one model and delivers the answers.
    async fn execute(&mut self, model_id: Bytes32, leased: &[LeasedTask]) -> Result<()> {
        ensure!(leased.iter().all(|t| t.model_id == model_id), "a lease of several models");
        for task in leased {
            check_input(task)?;
        }
        let model = self.model(model_id).await?;
        let inputs: Vec<Vec<i8>> = leased.iter().map(|t| t.input.clone()).collect();
        let executed = tokio::task::spawn_blocking(move || execute(&model, &inputs)).await??;
        for (task, output) in leased.iter().zip(&executed.outputs) {
            self.deliver(task, output, &executed).await?;
        }
        tracing::info!(%model_id, tasks = leased.len(), "tasks executed");
        Ok(())
    }

    async fn deliver(&self, task: &LeasedTask, output: &[i8], executed: &Executed) -> Result<()> {
        let salt = from_bytes(&task.salt.0).context("the salt is no field element")?;
        let receipt = Receipt {
            taskId: B256::from(task.task_id.0),
            modelId: B256::from(task.model_id.0),
            inputHash: B256::from(task.input_hash.0),
            outputHash: B256::from(to_bytes(commitment::output(output, salt))),
            startedAtMs: executed.started_at_ms,
            finishedAtMs: executed.finished_at_ms,
        };
        let receipt = signed_receipt(&self.domain, &self.key, &receipt)?;
        let result = TaskResult { fence: task.fence, output: output.to_vec(), receipt };
        match self.node.client.result(&result).await {
            Ok(_) => Ok(()),
            Err(ClientError::Refused(problem)) if problem.code == "lease_lost" => {
                tracing::warn!(task_id = %task.task_id, "the task was given to another worker");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A worker that signs for an input other than the ordered one would be slashed for it.
fn check_input(task: &LeasedTask) -> Result<()> {
    let salt = from_bytes(&task.salt.0).context("the salt is no field element")?;
    let hash = to_bytes(commitment::input(&task.input, None, salt));
    ensure!(hash == task.input_hash.0, "task {} has another input than its hash", task.task_id);
    Ok(())
}

fn execute(model: &Loaded, inputs: &[Vec<i8>]) -> Result<Executed> {
    let started_at_ms = now_ms();
    // A panic in a backend poisons nothing that the next batch needs.
    let backend = model.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let outputs = backend.run(inputs)?;
    Ok(Executed { outputs, started_at_ms, finished_at_ms: now_ms() })
}

fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
