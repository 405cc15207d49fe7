//! `deepnode task ...`

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::model::labels;
use dn_core::api::{Bytes32, ModelView, TaskView};
use dn_core::task::TaskState;
use dn_import::{arg_max, npz, Package};
use dn_sdk::{random_salt, read_key, signed_tasks, Asked, Client, ClientError, Terms};
use dn_service::Report;
use indicatif::ProgressBar;
use serde_json::{json, Value};

use crate::args::{TaskSubmit, Until};
use crate::error::Failure;

/// Longest single question for a state.
const LONG_POLL: Duration = Duration::from_secs(20);
/// Between two looks at a task that waits for its proof.
const LOOK: Duration = Duration::from_millis(300);

impl From<ClientError> for Failure {
    fn from(e: ClientError) -> Self {
        let hint =
            "the message has the sequencer's own code and hint; docs/book/errors.md lists them";
        Self::of("sequencer", &e, hint)
    }
}

/// Signs an order for each input, many at once, sends them in and waits for what was asked for.
#[tokio::main]
pub(crate) async fn submit(args: &TaskSubmit) -> Result<Report, Failure> {
    let key = read_key(&args.key_file)
        .map_err(|e| Failure::of("key", &e, "give a file with 64 hex digits"))?;
    let client = Client::new(&args.sequencer)?;
    let chain = client.chain().await?;
    let client = client.for_user(key.clone(), &chain);
    let model = choose(client.models().await?, args.model.as_deref())?;
    let package = Package::from_bytes(&client.package(model.model_id).await?)?;
    let examples = npz::read_for(&args.inputs, &package)?;
    let labels = args.labels.then(|| labels(&examples)).transpose()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let progress = ProgressBar::new(args.count.min(examples.x.len()) as u64);
    let asked = examples.x.iter().take(args.count).enumerate().map(|(i, x)| Asked {
        input: package.quantize_input(x),
        salt: random_salt(),
        label: labels.as_ref().and_then(|labels| labels.get(i).copied()),
    });
    // The clock makes the nonces of two runs differ; the orders of 64 in a row are signed and settled together.
    let nonce = u64::try_from(now.as_millis()).unwrap_or_default().wrapping_mul(64);
    let terms = Terms { deadline: now.as_secs() + args.life_s, nonce, label: None };
    let orders = signed_tasks(&chain, &model, &key, asked.collect(), terms)
        .map_err(|e| Failure::of("key", &e, "the key cannot sign"))?;
    let mut ids = Vec::new();
    for task in &orders {
        let key = task.order.nonce.to_string();
        ids.push(client.submit(task, Some(&key)).await?.task_id);
    }
    let mut tasks = Vec::new();
    for id in ids {
        tasks.push(wait(&client, id, args.wait).await?);
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(report(&model, &tasks))
}

fn choose(models: Vec<ModelView>, wanted: Option<&str>) -> Result<ModelView, Failure> {
    let is_wanted = |m: &ModelView| {
        wanted.is_none_or(|w| m.name == w || m.service == w || m.model_id.to_string() == w)
    };
    models.into_iter().find(is_wanted).ok_or_else(|| {
        let message = format!("the sequencer does not serve {}", wanted.unwrap_or("any model"));
        Failure::new("model_not_found", message, "GET /v1/models lists what it serves")
    })
}

async fn wait(client: &Client, id: Bytes32, until: Until) -> Result<TaskView, Failure> {
    loop {
        let task = client.task(id, LONG_POLL).await?;
        let is_done = match until {
            Until::Answered => task.state.is_answered(),
            Until::Proven => task.state.is_final(),
        };
        if is_done {
            return Ok(task);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn report(model: &ModelView, tasks: &[TaskView]) -> Report {
    let rows: Vec<Value> = tasks
        .iter()
        .map(|t| {
            json!({
                "task_id": t.task_id,
                "state": t.state,
                "reason": t.reason,
                "class": t.output.as_deref().map(arg_max),
                "output": t.output,
                "batch_id": t.batch_id,
                "tx_hash": t.tx_hash,
            })
        })
        .collect();
    let proven = tasks.iter().filter(|t| t.state == TaskState::Proven).count();
    let mut report = Report::default();
    report
        .set("model", model.name.clone())
        .set("tasks", tasks.len())
        .set("proven", proven)
        .set("answers", rows);
    report
}
