//! The serving worker: leases tasks from a sequencer, runs them, signs receipts.
//!
//! It holds no state that matters: a task whose lease ends is offered again. It signs nothing that
//! it has not computed itself, over an input that it has checked against its commitment. A task
//! that cannot be answered is left to the end of its lease and holds up no other.

mod invoice;
mod models;
mod receipt;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::Eip712Domain;
use anyhow::{bail, ensure, Context as _, Result};
use clap::Args;
use dn_core::api::{Beat, Bytes32, LeasedTask, Role};
use dn_sdk::{domain, read_or_create_key, wire, ClientError, Node};
use dn_service::{metrics, Failure, Shutdown};
use futures_util::{stream, StreamExt as _};
use tokio::time::Instant;

use crate::backend::BackendKind;
use invoice::Invoices;
use models::{Loaded, Models};

/// How long the sequencer may hold a question for work.
const LONG_POLL: Duration = Duration::from_secs(10);
/// Pause after a question that the sequencer did not hold.
const PAUSE: Duration = Duration::from_millis(100);
/// Answers that are delivered at once.
const DELIVERIES: usize = 16;

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
/// When the sequencer does not take the node at the start, or no model can be loaded then.
pub async fn serve(args: ServeArgs, shutdown: Shutdown) -> Result<()> {
    let key = read_or_create_key(&args.key_file)?;
    let node = Node::register(&args.sequencer, Role::Worker, &key).await.map_err(|error| {
        let hint = "check --sequencer, and that the account has an active stake as a worker";
        anyhow::Error::new(error).context(Failure::new("no_session", "no session", hint))
    })?;
    let domain = domain(node.session.chain_id, wire::address(node.session.rollup));
    let mut models = Models::new(args.backend);
    let loaded = models.load_all(&node.client).await.context("load the models")?;
    tracing::info!(node = %key.address(), models = loaded, "worker ready");
    let mut invoices = Invoices::new(node.client.clone(), domain.clone(), key.clone());
    let mut worker = Worker { batch: args.batch, key, node, domain, models };
    let claim =
        dn_service::repeat(shutdown.clone(), "claim", PAUSE, async || invoices.step().await);
    let serve = dn_service::repeat(shutdown, "serve", PAUSE, async || worker.serve_some().await);
    tokio::join!(claim, serve);
    Ok(())
}

struct Worker {
    batch: u32,
    key: PrivateKeySigner,
    node: Node,
    domain: Eip712Domain,
    models: Models,
}

/// Outputs of a batch with the times of its execution.
#[derive(Debug)]
struct Executed {
    outputs: Vec<Vec<i8>>,
    started_at_ms: u64,
    finished_at_ms: u64,
}

impl Worker {
    /// Leases tasks and works on them. Returns whether to ask again at once.
    async fn serve_some(&mut self) -> Result<bool> {
        let asked = Instant::now();
        let leased = self.node.client.lease(self.batch, LONG_POLL).await?;
        let Some(first) = leased.first() else { return Ok(asked.elapsed() > LONG_POLL / 2) };
        let model_id = first.model_id;
        let tasks = sound(leased, model_id);
        let named = tasks.iter().map(|t| t.task_id).collect();
        self.node.held.set(Beat { tasks: named, ..Beat::default() });
        let done = self.work(model_id, &tasks).await;
        self.node.held.set(Beat::default());
        let delivered = done?;
        // What failed altogether is not begun again at once: the next tasks would fail like these.
        ensure!(delivered > 0, "no task of the lease was answered");
        tracing::info!(%model_id, tasks = delivered, "tasks executed");
        Ok(true)
    }

    /// Runs tasks of one model and delivers the answers. Returns how many were taken.
    async fn work(&mut self, model_id: Bytes32, tasks: &[LeasedTask]) -> Result<usize> {
        let model = match self.models.get(&self.node.client, model_id).await {
            Ok(model) => model,
            Err(error) => {
                tasks.iter().for_each(|task| dropped(task, "model", &error));
                bail!("model {model_id} cannot be loaded");
            }
        };
        let mut delivered = 0;
        if let Ok(executed) = run(&model, tasks).await {
            delivered += self.deliver_all(tasks, &executed).await;
        } else {
            // One of them may be at fault: the others are answered one by one.
            for task in tasks {
                match run(&model, std::slice::from_ref(task)).await {
                    Ok(executed) => {
                        delivered += self.deliver_all(std::slice::from_ref(task), &executed).await;
                    }
                    Err(error) => dropped(task, "execution", &error),
                }
            }
        }
        metrics::counter!(metrics::TASKS_EXECUTED).increment(delivered as u64);
        Ok(delivered)
    }

    /// Delivers answers, each on its own. Returns how many were taken.
    async fn deliver_all(&self, tasks: &[LeasedTask], executed: &Executed) -> usize {
        let deliveries = tasks.iter().zip(&executed.outputs).map(|(task, output)| async move {
            let done = self.deliver(task, output, executed).await;
            if let Err(error) = &done {
                dropped(task, "delivery", error);
            }
            usize::from(done.is_ok())
        });
        stream::iter(deliveries).buffer_unordered(DELIVERIES).fold(0, async |n, m| n + m).await
    }

    async fn deliver(&self, task: &LeasedTask, output: &[i8], executed: &Executed) -> Result<()> {
        let times = (executed.started_at_ms, executed.finished_at_ms);
        let result = receipt::result(&self.domain, &self.key, task, output, times)?;
        match self.node.client.result(&result).await {
            Ok(_) => Ok(()),
            Err(ClientError::Refused(problem)) if problem.code == "lease_lost" => {
                bail!("the task was given to another worker")
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The tasks of a lease that can be answered: of its model, with the input that was committed to.
fn sound(leased: Vec<LeasedTask>, model_id: Bytes32) -> Vec<LeasedTask> {
    let is_sound = |task: &LeasedTask| {
        if task.model_id != model_id {
            dropped(task, "model", &anyhow::anyhow!("the lease is of another model"));
            return false;
        }
        let checked = receipt::check_input(task);
        if let Err(error) = &checked {
            dropped(task, "input", error);
        }
        checked.is_ok()
    };
    leased.into_iter().filter(is_sound).collect()
}

/// Tells that a task is left to the end of its lease.
fn dropped(task: &LeasedTask, reason: &'static str, error: &anyhow::Error) {
    metrics::counter!(metrics::TASKS_DROPPED, "reason" => reason).increment(1);
    tracing::warn!(task_id = %task.task_id, reason, error = format!("{error:#}"), "task not answered");
}

async fn run(model: &Loaded, tasks: &[LeasedTask]) -> Result<Executed> {
    let inputs: Vec<Vec<i8>> = tasks.iter().map(|t| t.input.clone()).collect();
    let model = model.clone();
    let expected = inputs.len();
    let executed = tokio::task::spawn_blocking(move || execute(&model, &inputs)).await??;
    ensure!(executed.outputs.len() == expected, "the backend lost an answer");
    Ok(executed)
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
