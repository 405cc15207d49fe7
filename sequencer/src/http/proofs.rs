//! Provers: batches on lease, proofs.

use axum::extract::State;
use axum::Json;
use dn_core::api::{
    Address, BatchState, BatchView, Problem, ProofJob, ProofResult, ProofSlot, Role,
};

use super::error::ApiError;
use super::extract::{ApiJson, Node};
use super::work::check_standing;
use super::{batches as views, models};
use crate::app::App;
use crate::store::batches::{self, Batch};
use crate::store::task::Task;
use crate::store::{labels, tasks};
use crate::{proof, proving};

/// Leases a batch to a prover, if there is one. Inputs and labels are shown to who has the lease alone.
#[utoipa::path(post, path = "/v1/node/proof-job",
    responses((status = 200, body = Option<ProofJob>),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn job(
    State(app): State<App>,
    node: Node,
) -> Result<Json<Option<ProofJob>>, ApiError> {
    let prover = node.require(Role::Prover)?;
    check_standing(&app, prover, Role::Prover).await?;
    let Some((batch, ends_ms)) = proving::lease(&app, prover).await? else { return Ok(Json(None)) };
    tracing::info!(batch_id = batch.id, %prover, "batch leased");
    Ok(Json(Some(describe(&app, &batch, ends_ms).await?)))
}

async fn describe(app: &App, batch: &Batch, ends_ms: u64) -> Result<ProofJob, ApiError> {
    let served = models::model(app, batch.model_id)?;
    let batch_hash = batch.header_hash.ok_or(ApiError::LeaseLost)?;
    let labels = labels::of_batch(&app.store, batch.id).await?;
    let slots = tasks::of_batch(&app.store, batch.id).await?.into_iter().map(|task| {
        let secret = task.secret(&app.store.seal)?;
        let label = labels.get(&task.id).map(|label| label.class);
        Ok(ProofSlot { input: secret.input, salt: secret.salt, label })
    });
    Ok(ProofJob {
        batch_id: batch.id,
        fence: batch.fence,
        expires_at_ms: ends_ms,
        model_id: served.view.model_id,
        package_path: format!("/v1/models/{}/package", served.view.model_id),
        batch_slots: served.view.batch_slots,
        batch_hash,
        slots: slots.collect::<Result<_, crate::store::StoreError>>()?,
    })
}

/// Takes a proof, verifies it and hands it to settlement.
#[utoipa::path(post, path = "/v1/node/proof-result", request_body = ProofResult,
    responses((status = 200, body = BatchView),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn result(
    State(app): State<App>,
    node: Node,
    ApiJson(result): ApiJson<ProofResult>,
) -> Result<Json<BatchView>, ApiError> {
    let prover = node.require(Role::Prover)?;
    let id = result.batch_id;
    let batch = batches::get(&app.store, id).await?.ok_or(ApiError::NotFound("batch"))?;
    if batch.proof.as_ref() != Some(&result.proof.0) {
        let is_leased = batch.lease.is_some_and(|l| l.node == prover);
        if !is_leased || batch.fence != result.fence || batch.state != BatchState::Committed {
            return Err(ApiError::LeaseLost);
        }
        let slots = tasks::of_batch(&app.store, id).await?;
        verify(&app, &batch, prover, &slots, &result).await?;
        let bytes = result.proof.0.len();
        if !proving::keep(&app, &slots, result).await? {
            return Err(ApiError::LeaseLost);
        }
        tracing::info!(batch_id = id, %prover, bytes, "proof verified");
    }
    let batch = batches::get(&app.store, id).await?.ok_or(ApiError::NotFound("batch"))?;
    Ok(Json(views::view(&app, &batch).await?))
}

/// Verifies a proof off the threads that serve requests.
async fn verify(
    app: &App,
    batch: &Batch,
    prover: Address,
    slots: &[Task],
    result: &ProofResult,
) -> Result<(), ApiError> {
    let served = models::model(app, batch.model_id)?.clone();
    let batch_hash = batch.header_hash.ok_or(ApiError::LeaseLost)?;
    let labels = labels::of_batch(&app.store, batch.id).await?;
    let labels = slots.iter().map(|t| labels.get(&t.id).map(|label| label.class)).collect();
    let inputs = slots.iter().map(|t| t.order.input_hash.0).collect();
    let tasks = proof::Tasks { inputs, labels };
    let result = result.clone();
    let checked = tokio::task::spawn_blocking(move || {
        proof::check(&served, batch_hash, prover, &tasks, &result.instances, &result.proof.0)
    });
    checked.await.map_err(|e| ApiError::Internal(e.into()))?.map_err(ApiError::ProofRejected)
}
