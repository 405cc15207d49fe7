//! Workers: leases, heartbeats, answers.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::Json;
use dn_core::api::{
    Address, Beat, InvoiceJob, Invoices, LeaseRequest, LeasedTask, Problem, Role, TaskResult,
    TaskView,
};
use dn_core::commitment;

use super::error::ApiError;
use super::extract::{ApiJson, Node};
use super::{models, MAX_WAIT_MS};
use crate::app::App;
use crate::invoices;
use crate::store::task::{Life, Task};
use crate::store::{nodes, tasks};
use crate::work::{self, Delivery};

/// Most tasks in one lease.
const MAX_LEASED: u32 = 256;

/// Extends the leases that the node names. A lease that it does not name ends.
#[utoipa::path(post, path = "/v1/node/heartbeat", request_body = Beat,
    responses((status = 204),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn heartbeat(
    State(app): State<App>,
    node: Node,
    ApiJson(beat): ApiJson<Beat>,
) -> Result<StatusCode, ApiError> {
    work::beat(&app, node.address, node.role, beat).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leases tasks of one model to a worker; waits for a first one. How many it may hold at once
/// follows from its trust.
#[utoipa::path(post, path = "/v1/node/lease", request_body = LeaseRequest,
    responses((status = 200, body = [LeasedTask]),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn lease(
    State(app): State<App>,
    node: Node,
    ApiJson(request): ApiJson<LeaseRequest>,
) -> Result<Json<Vec<LeasedTask>>, ApiError> {
    let worker = node.require(Role::Worker)?;
    check_standing(&app, worker, Role::Worker).await?;
    let wait = Duration::from_millis(request.wait_ms.min(MAX_WAIT_MS));
    let limit = request.limit.clamp(1, MAX_LEASED);
    Ok(Json(work::ask(&app, worker, limit, wait).await?))
}

/// Takes a worker's claims of its shares, and says what else it can claim; waits for something. A share that its
/// worker does not claim stays with the users.
#[utoipa::path(post, path = "/v1/node/invoices", request_body = Invoices,
    responses((status = 200, body = [InvoiceJob]),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn invoices(
    State(app): State<App>,
    node: Node,
    ApiJson(request): ApiJson<Invoices>,
) -> Result<Json<Vec<InvoiceJob>>, ApiError> {
    let worker = node.require(Role::Worker)?;
    invoices::take(&app, worker, request.signed).await?;
    let wait = Duration::from_millis(request.wait_ms.min(MAX_WAIT_MS));
    Ok(Json(invoices::ask(&app, worker, wait).await?))
}

/// Refuses nodes that are barred, or have no stake any more.
pub(crate) async fn check_standing(app: &App, node: Address, role: Role) -> Result<(), ApiError> {
    let known = nodes::get(&app.store, node, role).await?.ok_or(ApiError::Unauthorized)?;
    if known.is_barred {
        return Err(ApiError::Barred(node));
    }
    if !app.world.is_staked(&*app.chain, role, node, app.now_ms()).await? {
        return Err(ApiError::NotStaked(node));
    }
    Ok(())
}

/// Takes an answer with its receipt. Delivered again, it changes nothing.
#[utoipa::path(post, path = "/v1/node/result", request_body = TaskResult,
    responses((status = 200, body = TaskView),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn result(
    State(app): State<App>,
    node: Node,
    ApiJson(result): ApiJson<TaskResult>,
) -> Result<Json<TaskView>, ApiError> {
    let worker = node.require(Role::Worker)?;
    let id = result.receipt.task_id;
    if result.receipt.worker != worker {
        return Err(ApiError::ReceiptMismatch("worker"));
    }
    let task = tasks::get(&app.store, id).await?.ok_or(ApiError::NotFound("task"))?;
    if matches!(task.life, Life::Assigned(_)) {
        check_receipt(&app, &task, &result)?;
    }
    let units = models::model(&app, task.order.model_id)?.view.work_units;
    match work::deliver(&app, worker, result, units).await? {
        Delivery::Taken => tracing::debug!(task_id = %id, %worker, "task executed"),
        Delivery::Known => {}
        Delivery::Lost => return Err(ApiError::LeaseLost),
        Delivery::Unknown => return Err(ApiError::NotFound("task")),
    }
    let task = tasks::get(&app.store, id).await?.ok_or(ApiError::NotFound("task"))?;
    // The worker knows what it has answered; whoever copied its receipt learns nothing.
    Ok(Json(TaskView { output: None, ..task.view() }))
}

/// The receipt must say what was leased, commit to the output and be signed by the worker.
fn check_receipt(app: &App, task: &Task, result: &TaskResult) -> Result<(), ApiError> {
    let receipt = &result.receipt;
    let refuse = |what| Err(ApiError::ReceiptMismatch(what));
    let served = models::model(app, task.order.model_id)?;
    let salt = task.secret(&app.store.seal)?.salt;
    let salt = commitment::from_bytes(&salt.0).ok_or(ApiError::SaltRange)?;
    if receipt.model_id != task.order.model_id || receipt.input_hash != task.order.input_hash {
        return refuse("model or input hash");
    }
    // What a database cannot hold would be published as another number than was signed.
    let is_storable = i64::try_from(receipt.finished_at_ms).is_ok();
    if receipt.started_at_ms > receipt.finished_at_ms || !is_storable {
        return refuse("times");
    }
    if result.output.len() != served.view.output_len {
        return refuse("output length");
    }
    let output_hash = commitment::to_bytes(commitment::output(&result.output, salt));
    if receipt.output_hash.0 != output_hash {
        return refuse("output hash");
    }
    let (domain, signed) = (app.chain.domain().eip712(), dn_sdk::wire::receipt(receipt));
    let signer = dn_sdk::recover(&signed, &domain, &receipt.signature.0);
    if signer != Some(dn_sdk::wire::address(receipt.worker)) {
        return Err(ApiError::BadSignature);
    }
    Ok(())
}
