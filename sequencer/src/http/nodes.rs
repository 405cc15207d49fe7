//! Workers and provers: sessions, leases, results.

use std::time::Duration;

use alloy::primitives::keccak256;
use axum::extract::State;
use axum::http::StatusCode;
use axum::Json;
use dn_core::api::{
    Address, BatchView, Beat, Bytes32, LeaseRequest, LeasedTask, NodeView, Problem, ProofJob,
    ProofResult, ProofSlot, Register, Role, Session, TaskResult, TaskView,
};
use dn_core::commitment;
use dn_core::task::TaskState;
use rand::Rng as _;
use tokio::time::{timeout_at, Instant};

use super::error::ApiError;
use super::extract::{ApiJson, Node};
use super::{batches as batch_views, models, tasks as task_views, MAX_WAIT_MS};
use crate::app::{millis, now_ms, App};
use crate::proof;
use crate::store::batches::BatchRow;
use crate::store::tasks::TaskRow;
use crate::store::{self, batches, nodes, tasks, StoreError};

/// Largest difference between a node's clock and ours.
const MAX_SKEW_S: u64 = 300;
/// Most tasks in one lease.
const MAX_LEASED: u32 = 256;
/// Heartbeats in the time of a lease.
const BEATS_PER_LEASE: u64 = 4;

/// Hash under which a session token is stored.
pub(crate) fn token_hash(token: Bytes32) -> [u8; 32] {
    keccak256(token.0).0
}

/// The nodes that this sequencer knows.
#[utoipa::path(get, path = "/v1/nodes", responses((status = 200, body = [NodeView])))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<Vec<NodeView>>, ApiError> {
    Ok(Json(nodes::all(&app.db, app.alive_since_ms()).await?))
}

/// Opens a session for a node that holds its key. Workers need an active stake.
#[utoipa::path(post, path = "/v1/node/register", request_body = Register,
    responses((status = 200, body = Session), (status = "4XX", body = Problem)))]
pub(crate) async fn register(
    State(app): State<App>,
    ApiJson(request): ApiJson<Register>,
) -> Result<Json<Session>, ApiError> {
    if request.timestamp_ms.abs_diff(now_ms()) > MAX_SKEW_S * 1000 {
        return Err(ApiError::ClockSkew { limit_s: MAX_SKEW_S });
    }
    let domain = app.chain.domain();
    let message = dn_sdk::wire::register(request.node, request.role, request.timestamp_ms);
    let signer = dn_sdk::recover(&message, &domain.eip712(), &request.signature.0);
    if signer != Some(message.node) {
        return Err(ApiError::BadSignature);
    }
    if request.role == Role::Worker && !app.chain.is_staked_worker(request.node).await? {
        return Err(ApiError::NotStaked(request.node));
    }
    let token = Bytes32(rand::thread_rng().gen());
    let (node, role) = (request.node, request.role);
    nodes::register(&app.db, node, role, token_hash(token), now_ms()).await?;
    tracing::info!(%node, ?role, "node registered");
    Ok(Json(Session {
        token,
        chain_id: domain.chain_id,
        rollup: domain.rollup,
        heartbeat_ms: millis(app.limits.lease) / BEATS_PER_LEASE,
    }))
}

/// Extends the leases that the node names.
#[utoipa::path(post, path = "/v1/node/heartbeat", request_body = Beat,
    responses((status = 204), (status = "4XX", body = Problem)))]
pub(crate) async fn heartbeat(
    State(app): State<App>,
    node: Node,
    ApiJson(beat): ApiJson<Beat>,
) -> Result<StatusCode, ApiError> {
    let (address, end) = (node.address, app.lease_end_ms());
    if !beat.tasks.is_empty() || !beat.batches.is_empty() {
        let mut tx = store::write(&app.db).await?;
        for id in beat.tasks.iter().take(MAX_LEASED as usize) {
            tasks::extend_lease(&mut tx, *id, address, end).await?;
        }
        for id in beat.batches.iter().take(MAX_LEASED as usize) {
            batches::extend_lease(&mut tx, *id, address, end).await?;
        }
        tx.commit().await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Leases tasks to a worker; waits for a first one.
#[utoipa::path(post, path = "/v1/node/lease", request_body = LeaseRequest,
    responses((status = 200, body = [LeasedTask]), (status = "4XX", body = Problem)))]
pub(crate) async fn lease(
    State(app): State<App>,
    node: Node,
    ApiJson(request): ApiJson<LeaseRequest>,
) -> Result<Json<Vec<LeasedTask>>, ApiError> {
    let worker = node.require(Role::Worker)?;
    let limit = request.limit.clamp(1, MAX_LEASED);
    let deadline = Instant::now() + Duration::from_millis(request.wait_ms.min(MAX_WAIT_MS));
    let mut changes = app.changes();
    loop {
        let leased = try_lease(&app, worker, limit).await?;
        if !leased.is_empty() || timeout_at(deadline, changes.changed()).await.is_err() {
            return Ok(Json(leased));
        }
    }
}

async fn try_lease(app: &App, worker: Address, limit: u32) -> Result<Vec<LeasedTask>, ApiError> {
    if !tasks::is_any_queued(&app.db).await? {
        return Ok(Vec::new());
    }
    let (now, end) = (now_ms(), app.lease_end_ms());
    let mut tx = store::write(&app.db).await?;
    let mut leased = Vec::new();
    for row in tasks::next_queued(&mut tx, limit, now / 1000).await? {
        let row = tasks::lease(&mut tx, &row, worker, end, now).await?;
        leased.push(leased_task(&row)?);
    }
    tx.commit().await?;
    Ok(leased)
}

fn leased_task(row: &TaskRow) -> Result<LeasedTask, StoreError> {
    Ok(LeasedTask {
        task_id: row.id()?,
        fence: row.fence()?,
        expires_at_ms: row.lease_expires_ms()?,
        model_id: row.model_id()?,
        input: row.input(),
        salt: row.salt()?,
        input_hash: row.input_hash()?,
    })
}

/// Takes a worker's answer. Delivering it again does no harm.
#[utoipa::path(post, path = "/v1/node/result", request_body = TaskResult,
    responses((status = 200, body = TaskView), (status = "4XX", body = Problem)))]
pub(crate) async fn result(
    State(app): State<App>,
    node: Node,
    ApiJson(result): ApiJson<TaskResult>,
) -> Result<Json<TaskView>, ApiError> {
    let worker = node.require(Role::Worker)?;
    let id = result.receipt.task_id;
    let mut tx = store::write(&app.db).await?;
    let row = tasks::get_for_write(&mut tx, id).await?;
    let is_delivered = row.receipt()?.is_some_and(|r| r == result.receipt);
    if !is_delivered {
        let is_held = row.state()? == TaskState::Assigned && row.worker()? == Some(worker);
        if !is_held || row.fence()? != result.fence {
            return Err(ApiError::LeaseLost);
        }
        check_receipt(&app, worker, &row, &result)?;
        tasks::set_result(&mut tx, &row, &result.output, &result.receipt, now_ms()).await?;
        nodes::count_completed(&mut tx, worker, Role::Worker).await?;
        tx.commit().await?;
        tracing::info!(task_id = %id, %worker, "task executed");
        app.notify();
    }
    Ok(Json(task_views::view(&app, id).await?))
}

/// The receipt must say what was leased, commit to the output and be signed by the worker.
fn check_receipt(
    app: &App,
    worker: Address,
    row: &TaskRow,
    result: &TaskResult,
) -> Result<(), ApiError> {
    let receipt = &result.receipt;
    let refuse = |what| Err(ApiError::ReceiptMismatch(what));
    let served = models::model(app, row.model_id()?)?;
    let salt = commitment::from_bytes(&row.salt()?.0).ok_or(StoreError::Corrupt("salt"))?;
    if receipt.worker != worker {
        return refuse("worker");
    }
    if receipt.model_id != row.model_id()? || receipt.input_hash != row.input_hash()? {
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

/// Leases a batch to a prover, if there is one.
#[utoipa::path(post, path = "/v1/node/proof-job",
    responses((status = 200, body = Option<ProofJob>), (status = "4XX", body = Problem)))]
pub(crate) async fn proof_job(
    State(app): State<App>,
    node: Node,
) -> Result<Json<Option<ProofJob>>, ApiError> {
    let prover = node.require(Role::Prover)?;
    let now = now_ms();
    let orphaned_before = now.saturating_sub(millis(app.limits.orphan_after));
    let mut tx = store::write(&app.db).await?;
    let Some(next) = batches::next_to_prove(&mut tx, prover, orphaned_before, now).await? else {
        return Ok(Json(None));
    };
    let batch = batches::lease(&mut tx, next.id()?, prover, app.lease_end_ms()).await?;
    tx.commit().await?;
    tracing::info!(batch_id = batch.id()?, %prover, "batch leased");
    Ok(Json(Some(job(&app, &batch).await?)))
}

async fn job(app: &App, batch: &BatchRow) -> Result<ProofJob, ApiError> {
    let served = models::model(app, batch.model_id()?)?;
    let rows = tasks::of_batch(&app.db, batch.id()?).await?;
    let slots: Result<Vec<ProofSlot>, StoreError> = rows
        .iter()
        .map(|row| Ok(ProofSlot { input: row.input(), salt: row.salt()?, label: None }))
        .collect();
    Ok(ProofJob {
        batch_id: batch.id()?,
        fence: batch.fence()?,
        expires_at_ms: batch.lease_expires_ms()?,
        model_id: served.view.model_id,
        package_path: format!("/v1/models/{}/package", served.view.model_id),
        batch_slots: served.view.batch_slots,
        header: proof::header_word(&batch.header(app.chain.domain())?),
        slots: slots?,
    })
}

/// Takes a proof, verifies it and hands it to the settler.
#[utoipa::path(post, path = "/v1/node/proof-result", request_body = ProofResult,
    responses((status = 200, body = BatchView), (status = "4XX", body = Problem)))]
pub(crate) async fn proof_result(
    State(app): State<App>,
    node: Node,
    ApiJson(result): ApiJson<ProofResult>,
) -> Result<Json<BatchView>, ApiError> {
    let prover = node.require(Role::Prover)?;
    let id = result.batch_id;
    let batch = batches::get(&app.db, id).await?.ok_or(ApiError::NotFound("batch"))?;
    let is_delivered = batch.proof.as_ref() == Some(&result.proof.0);
    if !is_delivered {
        if !batch.is_leased_to(prover) || batch.fence()? != result.fence {
            return Err(ApiError::LeaseLost);
        }
        verify(&app, &batch, &result).await?;
        let mut tx = store::write(&app.db).await?;
        let batch = batches::get_for_write(&mut tx, id).await?;
        if batch.fence()? != result.fence {
            return Err(ApiError::LeaseLost);
        }
        batches::set_proof(&mut tx, &result, now_ms()).await?;
        tx.commit().await?;
        tracing::info!(batch_id = id, %prover, bytes = result.proof.0.len(), "proof verified");
        app.notify();
    }
    let batch = batches::get(&app.db, id).await?.ok_or(ApiError::NotFound("batch"))?;
    Ok(Json(batch_views::view(&app, &batch).await?))
}

/// Verifies a proof off the threads that serve requests.
async fn verify(app: &App, batch: &BatchRow, result: &ProofResult) -> Result<(), ApiError> {
    let served = models::model(app, batch.model_id()?)?.clone();
    let header = batch.header(app.chain.domain())?;
    let rows = tasks::of_batch(&app.db, batch.id()?).await?;
    let inputs: Result<Vec<Bytes32>, StoreError> = rows.iter().map(TaskRow::input_hash).collect();
    let (inputs, result) = (inputs?, result.clone());
    let checked = tokio::task::spawn_blocking(move || {
        proof::check(&served, &header, &inputs, &result.instances, &result.proof.0)
    });
    checked.await.map_err(|e| ApiError::Internal(e.into()))?.map_err(ApiError::ProofRejected)
}
