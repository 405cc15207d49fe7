//! Tasks of users.

use std::time::Duration;

use axum::extract::State;
use axum::http::{header, HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use dn_core::api::{Bytes32, LabelOpening, Problem, SubmitTask, TaskView};
use dn_core::commitment;
use serde::Deserialize;
use tokio::time::{timeout_at, Instant};

use super::error::ApiError;
use super::extract::{ApiJson, ApiPath, ApiQuery, Reader};
use super::models::model;
use super::{Rates, MAX_WAIT_MS};
use crate::admission::{self, Admission};
use crate::app::App;
use crate::models::Model;
use crate::store::{batches, tasks};

/// An order must be good for so long, by the chain's time, so that its batch can be full before it
/// is committed.
const ORDER_MARGIN_S: u64 = 90;
/// Longest pause between two looks at a task that is waited for.
const LOOK: Duration = Duration::from_secs(3);
/// Longest idempotency key.
const MAX_KEY: usize = 128;

/// Queues an inference task.
///
/// Answers 202 once the task is durable. The same task, or the same Idempotency-Key with the same
/// task, gets the same answer again.
#[utoipa::path(post, path = "/v1/tasks", request_body = SubmitTask,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, body = TaskView),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn submit(
    State(app): State<App>,
    Extension(rates): Extension<Rates>,
    headers: HeaderMap,
    ApiJson(task): ApiJson<SubmitTask>,
) -> Result<impl IntoResponse, ApiError> {
    let key = idempotency_key(&headers)?;
    let served = model(&app, task.order.model_id)?;
    let task_id = check_order(&app, served, &task)?;
    rates.count_task(task.order.user)?;
    let view = match admission::admit(&app, task_id, task, key).await? {
        Admission::Taken(view) => *view,
        Admission::Known => view(&app, task_id).await?,
        Admission::KeyConflict => return Err(ApiError::IdempotencyConflict),
        Admission::NonceUsed => return Err(ApiError::NonceUsed),
        Admission::Refused(refusal) => return Err(refused(&app, refusal)),
    };
    let location = [(header::LOCATION, format!("/v1/tasks/{task_id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(view)))
}

fn refused(app: &App, refused: admission::Refused) -> ApiError {
    use crate::rules::admit::Refusal;
    match refused.refusal {
        Refusal::QueueFull => ApiError::QueueFull,
        Refusal::UserQueueFull { limit } => ApiError::UserQueueFull { limit },
        Refusal::Unpaid { until_ms } => {
            let wait_s = until_ms.saturating_sub(app.now_ms()).div_ceil(1_000);
            ApiError::UnpaidHistory { wait_s }
        }
        Refusal::Escrow { needed } => ApiError::InsufficientEscrow {
            balance: refused.escrow.to_string(),
            needed: needed.to_string(),
        },
    }
}

/// Checks everything that needs neither the chain nor the database, and names the task.
fn check_order(app: &App, served: &Model, task: &SubmitTask) -> Result<Bytes32, ApiError> {
    let order = &task.order;
    let (got, expected) = (task.input.len(), served.view.input_len);
    if got != expected {
        return Err(ApiError::InputShape { got, expected });
    }
    let salt = commitment::from_bytes(&task.salt.0).ok_or(ApiError::SaltRange)?;
    let input_hash = commitment::to_bytes(commitment::input(&task.input, salt));
    if order.input_hash.0 != input_hash {
        return Err(ApiError::InputHashMismatch);
    }
    let is_label = |label: &LabelOpening| {
        usize::from(label.class) < served.view.classes && label.opens(order.tag)
    };
    if !task.label.as_ref().is_none_or(is_label) {
        return Err(ApiError::LabelMismatch);
    }
    let (max_fee, price) = (order.max_fee, served.view.price);
    if max_fee < price {
        return Err(ApiError::FeeBelowPrice { max_fee, price });
    }
    if order.deadline < app.chain_time_s() + ORDER_MARGIN_S {
        return Err(ApiError::OrderExpired { margin_s: ORDER_MARGIN_S });
    }
    let signed = dn_sdk::wire::order(order);
    let domain = app.chain.domain().eip712();
    let task_id = dn_sdk::task_id(&signed, &domain);
    let signer = dn_sdk::order_signer(order, task.bundle.as_ref(), &domain, &task.signature.0);
    if signer != Some(signed.user) {
        return Err(ApiError::BadSignature);
    }
    Ok(dn_sdk::wire::api_bytes32(task_id))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().map_err(|_| ApiError::MalformedKey)?;
    let is_valid = (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if is_valid {
        Ok(Some(key.to_owned()))
    } else {
        Err(ApiError::MalformedKey)
    }
}

/// How long to wait for something to happen.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wait {
    /// At most so long; capped at 30 seconds.
    #[serde(default)]
    wait_ms: u64,
}

/// A task. With `wait_ms` the answer is delayed until the task has been executed. The output is
/// shown to the task's user alone: who bears an access token signed by it.
#[utoipa::path(get, path = "/v1/tasks/{id}",
    params(("id" = String, Path), ("wait_ms" = Option<u64>, Query),
        ("Authorization" = Option<String>, Header)),
    responses((status = 200, body = TaskView),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn get(
    State(app): State<App>,
    reader: Reader,
    ApiPath(id): ApiPath<Bytes32>,
    ApiQuery(wait): ApiQuery<Wait>,
) -> Result<Json<TaskView>, ApiError> {
    let deadline = Instant::now() + Duration::from_millis(wait.wait_ms.min(MAX_WAIT_MS));
    let watch = app.feed.task(id);
    loop {
        let changed = watch.changed();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let mut view = view(&app, id).await?;
        if view.state.is_answered() || Instant::now() >= deadline {
            if reader.0 != Some(view.user) {
                view.output = None;
            }
            return Ok(Json(view));
        }
        // A look now and then, whatever is heard.
        let _ = timeout_at(deadline.min(Instant::now() + LOOK), changed).await;
    }
}

/// The task with the transaction that proved it.
async fn view(app: &App, id: Bytes32) -> Result<TaskView, ApiError> {
    let task = tasks::get(&app.store, id).await?.ok_or(ApiError::NotFound("task"))?;
    let mut view = task.view();
    if let (true, Some(batch_id)) = (view.proven_output_hash.is_some(), view.batch_id) {
        view.tx_hash = batches::get(&app.store, batch_id).await?.and_then(|b| b.end_tx);
    }
    Ok(view)
}
