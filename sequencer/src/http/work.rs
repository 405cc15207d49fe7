//! Workers: leases, heartbeats, answers.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::Json;
use dn_core::api::{
    Address, Beat, Bytes32, LeaseRequest, LeasedTask, Problem, Role, TaskResult, TaskView,
};
use dn_core::commitment;
use dn_core::task::TaskState;

use super::error::ApiError;
use super::extract::{ApiJson, Node};
use super::{models, MAX_WAIT_MS};
use crate::app::App;
use crate::rules::observe::Seen;
use crate::store::task::{Life, Task};
use crate::store::{batches, nodes, tasks, Write};
use crate::work;

/// Most tasks in one lease, and names in one heartbeat.
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
    let (now_ms, terms) = (app.now_ms(), app.limits.lease);
    let (tasks, batches): (Vec<Bytes32>, Vec<u64>) = (
        beat.tasks.into_iter().take(MAX_LEASED as usize).collect(),
        beat.batches.into_iter().take(MAX_LEASED as usize).collect(),
    );
    let beaten = app.write(move |tx| {
        let (tasks, batches) = (tasks.clone(), batches.clone());
        Box::pin(async move {
            nodes::touch(tx, node.address, node.role, now_ms).await?;
            match node.role {
                Role::Worker => work::beat_tasks(tx, terms, node.address, &tasks, now_ms).await,
                Role::Prover => {
                    let end_ms = now_ms.saturating_add(terms.silence_ms);
                    for id in batches {
                        batches::extend_lease(tx, id, node.address, end_ms).await?;
                    }
                    Ok(())
                }
            }
        })
    });
    beaten.await?;
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

/// What became of a delivered answer.
enum Delivery {
    Taken,
    /// It was there before.
    Known,
    Lost,
    Unknown,
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
    let task = tasks::get(&app.store, id).await?.ok_or(ApiError::NotFound("task"))?;
    if matches!(task.life, Life::Assigned(_)) {
        check_receipt(&app, worker, &task, &result)?;
    }
    let units = models::model(&app, task.order.model_id)?.view.work_units;
    let (result, now_ms) = (std::sync::Arc::new(result), app.now_ms());
    let delivered = app.write(move |tx| {
        let result = result.clone();
        Box::pin(async move { deliver(tx, worker, &result, units, now_ms).await })
    });
    match delivered.await? {
        Delivery::Taken => tracing::debug!(task_id = %id, %worker, "task executed"),
        Delivery::Known => {}
        Delivery::Lost => return Err(ApiError::LeaseLost),
        Delivery::Unknown => return Err(ApiError::NotFound("task")),
    }
    let task = tasks::get(&app.store, id).await?.ok_or(ApiError::NotFound("task"))?;
    Ok(Json(task.view()))
}

async fn deliver(
    tx: &mut Write,
    worker: Address,
    result: &TaskResult,
    units: u64,
    now_ms: u64,
) -> Result<Delivery, crate::store::StoreError> {
    let receipt = &result.receipt;
    let Some(task) = tasks::find(tx, receipt.task_id).await? else { return Ok(Delivery::Unknown) };
    if task.answer().is_some_and(|a| a.receipt == *receipt) {
        return Ok(Delivery::Known);
    }
    let Life::Assigned(lease) = task.life else { return Ok(Delivery::Lost) };
    if lease.worker != worker || task.fence != result.fence {
        return Ok(Delivery::Lost);
    }
    tasks::set_result(tx, &task, &result.output, receipt, now_ms).await?;
    let latency_ms = now_ms.saturating_sub(lease.leased_at_ms);
    let seen = Seen { finished: 1, latency_ms, units, ..Seen::default() };
    nodes::observe(tx, worker, Role::Worker, seen).await?;
    // The task can be answered: those who held it and did not have failed.
    for other in tasks::take_missed(tx, task.id).await? {
        let seen = Seen { missed: u64::from(other != worker), ..Seen::default() };
        nodes::observe(tx, other, Role::Worker, seen).await?;
    }
    debug_assert_eq!(task.state(), TaskState::Assigned);
    Ok(Delivery::Taken)
}

/// The receipt must say what was leased, commit to the output and be signed by the worker.
fn check_receipt(
    app: &App,
    worker: Address,
    task: &Task,
    result: &TaskResult,
) -> Result<(), ApiError> {
    let receipt = &result.receipt;
    let refuse = |what| Err(ApiError::ReceiptMismatch(what));
    let served = models::model(app, task.order.model_id)?;
    let salt = task.secret(&app.store.seal)?.salt;
    let salt = commitment::from_bytes(&salt.0).ok_or(ApiError::SaltRange)?;
    if receipt.worker != worker {
        return refuse("worker");
    }
    if receipt.model_id != task.order.model_id || receipt.input_hash != task.order.input_hash {
        return refuse("model or input hash");
    }
    if receipt.started_at_ms > receipt.finished_at_ms {
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
    if signer != Some(dn_sdk::wire::address(worker)) {
        return Err(ApiError::BadSignature);
    }
    Ok(())
}
