//! `deepnode task ...`

use std::time::Duration;

use crate::model::labels;
use dn_core::api::{ModelView, TaskView};
use dn_core::task::TaskState;
use dn_import::{arg_max, npz, Package};
use dn_sdk::{choose_model, random_salt, read_key, Asked, ClientError, User};
use dn_service::Report;
use indicatif::ProgressBar;
use serde_json::{json, Value};

use crate::args::{TaskSubmit, Until};
use crate::error::Failure;

/// Longest wait for an answer or a proof: as long as it takes.
const PATIENCE: Duration = Duration::from_secs(u32::MAX as u64);

/// Orders that are sent in at once.
const AT_ONCE: usize = 64;

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
    let user = User::connect(&args.sequencer, key).await?;
    let models = user.client().models().await?;
    let model = choose(&models, args.model.as_deref())?;
    let package = Package::from_bytes(&user.client().package(model.model_id).await?)?;
    let examples = npz::read_for(&args.inputs, &package)?;
    let labels = args.labels.then(|| labels(&examples)).transpose()?;
    let progress = ProgressBar::new(args.count.min(examples.x.len()) as u64);
    let asked = examples.x.iter().take(args.count).enumerate().map(|(i, x)| Asked {
        input: package.quantize_input(x),
        salt: random_salt(),
        label: labels.as_ref().and_then(|labels| labels.get(i).copied()),
    });
    let orders = user.orders(model, asked.collect(), Duration::from_secs(args.life_s))?;
    let mut ids = Vec::new();
    for together in orders.chunks(AT_ONCE) {
        for taken in user.submit(together).await {
            ids.push(taken?.task_id);
        }
    }
    let mut tasks = Vec::new();
    for id in ids {
        let task = match args.wait {
            Until::Answered => user.answered(id, PATIENCE).await?,
            Until::Proven => user.ended(id, PATIENCE).await?,
        };
        tasks.push(task);
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(report(model, &tasks))
}

fn choose<'m>(models: &'m [ModelView], wanted: Option<&str>) -> Result<&'m ModelView, Failure> {
    choose_model(models, wanted).ok_or_else(|| {
        let message = format!("the sequencer does not serve {}", wanted.unwrap_or("any model"));
        Failure::new("model_not_found", message, "GET /v1/models lists what it serves")
    })
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
