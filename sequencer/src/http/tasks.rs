//! Tasks of users.

use std::time::Duration;

use alloy::primitives::U256;
use axum::extract::State;
use axum::http::{header, HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::Json;
use dn_core::api::{Address, Amount, Bytes32, Problem, SubmitTask, TaskView};
use dn_core::commitment;
use serde::Deserialize;
use tokio::time::{timeout_at, Instant};

use super::error::ApiError;
use super::extract::{ApiJson, ApiPath, ApiQuery};
use super::models::model;
use super::MAX_WAIT_MS;
use crate::app::{now_ms, App};
use crate::models::Model;
use crate::store::tasks::TaskRow;
use crate::store::{self, batches, tasks, StoreError, Write};

/// An order must be good for so long, so that its batch can be full before it is committed.
const ORDER_MARGIN_S: u64 = 60;
/// Longest idempotency key.
const MAX_KEY: usize = 128;

/// Queues an inference task.
///
/// Answers 202 once the task is durable. The same task, or the same Idempotency-Key with the same
/// task, gets the same answer again.
#[utoipa::path(post, path = "/v1/tasks", request_body = SubmitTask,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, body = TaskView), (status = "4XX", body = Problem), (status = "5XX", body = Problem)))]
pub(crate) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    ApiJson(task): ApiJson<SubmitTask>,
) -> Result<impl IntoResponse, ApiError> {
    let key = idempotency_key(&headers)?;
    let served = model(&app, task.order.model_id)?;
    let task_id = check_order(&app, served, &task)?;
    if tasks::get(&app.db, task_id).await?.is_none() {
        admit(&app, task_id, &task, key.as_deref()).await?;
        app.notify();
    } else {
        let mut tx = store::write(&app.db).await?;
        bind_key(&mut tx, task.order.user, key.as_deref(), task_id).await?;
        tx.commit().await?;
    }
    let view = view(&app, task_id).await?;
    let location = [(header::LOCATION, format!("/v1/tasks/{task_id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(view)))
}

/// Checks everything that needs neither the chain nor the database, and names the task.
fn check_order(app: &App, served: &Model, task: &SubmitTask) -> Result<Bytes32, ApiError> {
    let order = &task.order;
    let (got, expected) = (task.input.len(), served.view.input_len);
    if got != expected {
        return Err(ApiError::InputShape { got, expected });
    }
    let salt = commitment::from_bytes(&task.salt.0).ok_or(ApiError::SaltRange)?;
    let input_hash = commitment::to_bytes(commitment::input(&task.input, None, salt));
    if order.input_hash.0 != input_hash {
        return Err(ApiError::InputHashMismatch);
    }
    let (max_fee, price) = (order.max_fee, served.view.price);
    if max_fee < price {
        return Err(ApiError::FeeBelowPrice { max_fee, price });
    }
    if order.deadline < now_ms() / 1000 + ORDER_MARGIN_S {
        return Err(ApiError::OrderExpired { margin_s: ORDER_MARGIN_S });
    }
    let (domain, signed) = (app.chain.domain().eip712(), dn_sdk::wire::order(order));
    let signer = dn_sdk::recover(&signed, &domain, &task.signature.0);
    if signer != Some(signed.user) {
        return Err(ApiError::BadSignature);
    }
    Ok(dn_sdk::wire::api_bytes32(dn_sdk::task_id(&signed, &domain)))
}

/// Makes a task durable, if the queue has room and its user can pay.
async fn admit(
    app: &App,
    task_id: Bytes32,
    task: &SubmitTask,
    key: Option<&str>,
) -> Result<(), ApiError> {
    let user = task.order.user;
    let (escrow, is_proven) =
        tokio::try_join!(app.chain.escrow(user), app.chain.is_proven(task_id))?;
    if is_proven {
        return Err(ApiError::TaskAlreadyProven);
    }
    let mut tx = store::write(&app.db).await?;
    bind_key(&mut tx, user, key, task_id).await?;
    if tasks::open_count(&mut tx).await? >= app.limits.max_open_tasks {
        return Err(ApiError::QueueFull);
    }
    let needed = owed(app, &mut tx, task.order.model_id, user).await?;
    if escrow < needed {
        let (balance, needed) = (escrow.to_string(), needed.to_string());
        return Err(ApiError::InsufficientEscrow { balance, needed });
    }
    tasks::insert(&mut tx, task_id, task, now_ms()).await?;
    if let Some(key) = key {
        tasks::remember_key(&mut tx, user, key, task_id).await?;
    }
    tx.commit().await?;
    tracing::info!(%task_id, model_id = %task.order.model_id, %user, "task queued");
    Ok(())
}

/// What a user's open tasks and one more of `model_id` cost.
async fn owed(
    app: &App,
    tx: &mut Write,
    model_id: Bytes32,
    user: Address,
) -> Result<U256, StoreError> {
    let price = |id| app.models.get(id).map_or(Amount(0), |m| m.view.price).0;
    let open = tasks::open_by_model(tx, user).await?;
    let one_more = U256::from(price(model_id));
    Ok(open.iter().fold(one_more, |sum, (id, n)| sum + U256::from(price(*id)) * U256::from(*n)))
}

/// Refuses a key that stands for another task.
async fn bind_key(
    tx: &mut Write,
    user: Address,
    key: Option<&str>,
    task_id: Bytes32,
) -> Result<(), ApiError> {
    let Some(key) = key else { return Ok(()) };
    match tasks::by_idempotency_key(tx, user, key).await? {
        Some(other) if other != task_id => Err(ApiError::IdempotencyConflict),
        _ => Ok(()),
    }
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

/// A task. With `wait_ms` the answer is delayed until the task has been executed.
#[utoipa::path(get, path = "/v1/tasks/{id}",
    params(("id" = String, Path), ("wait_ms" = Option<u64>, Query)),
    responses((status = 200, body = TaskView), (status = 404, body = Problem)))]
pub(crate) async fn get(
    State(app): State<App>,
    ApiPath(id): ApiPath<Bytes32>,
    ApiQuery(wait): ApiQuery<Wait>,
) -> Result<Json<TaskView>, ApiError> {
    let deadline = Instant::now() + Duration::from_millis(wait.wait_ms.min(MAX_WAIT_MS));
    let mut changes = app.changes();
    loop {
        let view = view(&app, id).await?;
        if view.state.is_answered() || timeout_at(deadline, changes.changed()).await.is_err() {
            return Ok(Json(view));
        }
    }
}

/// The task with the transaction that proved it.
pub(crate) async fn view(app: &App, id: Bytes32) -> Result<TaskView, ApiError> {
    let row: TaskRow = tasks::get(&app.db, id).await?.ok_or(ApiError::NotFound("task"))?;
    let mut view = row.view()?;
    if let (true, Some(batch_id)) = (view.proven_output_hash.is_some(), view.batch_id) {
        let batch = batches::get(&app.db, batch_id).await?;
        view.tx_hash = batch.map(|b| b.prove_tx()).transpose()?.flatten();
    }
    Ok(view)
}
