//! Batches and their proofs.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::Json;
use dn_core::api::{BatchSlot, BatchView, Problem, ProofView, ScoreView};
use dn_core::canonical;
use dn_core::proof_file::ProofFile;
use serde::Deserialize;

use super::error::ApiError;
use super::extract::{ApiPath, ApiQuery};
use crate::app::App;
use crate::store::batches::{self, Batch};
use crate::store::task::Task;
use crate::store::{tasks, StoreError};

/// Batches in one answer.
const PAGE: u32 = 100;

/// Where to begin.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct From {
    /// Id of the first batch.
    #[serde(default)]
    from: u64,
}

/// Up to 100 batches from the id `from` on, without their slots.
#[utoipa::path(get, path = "/v1/batches", params(("from" = Option<u64>, Query)),
    responses((status = 200, body = [BatchView]),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(app): State<App>,
    ApiQuery(query): ApiQuery<From>,
) -> Result<Json<Vec<BatchView>>, ApiError> {
    let batches = batches::list(&app.store, query.from, PAGE).await?;
    Ok(Json(batches.iter().map(|b| b.view(app.chain.domain())).collect()))
}

/// A batch with its slots: orders, signatures and receipts.
#[utoipa::path(get, path = "/v1/batches/{id}", params(("id" = u64, Path)),
    responses((status = 200, body = BatchView),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn get(
    State(app): State<App>,
    ApiPath(id): ApiPath<u64>,
) -> Result<Json<BatchView>, ApiError> {
    Ok(Json(view(&app, &find(&app, id).await?).await?))
}

/// The batch with its slots and its score.
pub(crate) async fn view(app: &App, batch: &Batch) -> Result<BatchView, ApiError> {
    let tasks = tasks::of_batch(&app.store, batch.id).await?;
    let slots: Vec<BatchSlot> = tasks.iter().filter_map(slot).collect();
    Ok(BatchView { slots, score: score(batch), ..batch.view(app.chain.domain()) })
}

/// What the proof says of the tasks with a label.
fn score(batch: &Batch) -> Option<ScoreView> {
    let words: Vec<[u8; 32]> = batch.instances.as_ref()?.iter().map(|word| word.0).collect();
    let score = canonical::read(&words).ok()?.score()?;
    Some(ScoreView {
        labelled: score.probe_count,
        correct: score.probe_correct,
        margin_sum: score.margin_sum,
    })
}

fn slot(task: &Task) -> Option<BatchSlot> {
    let receipt = task.answer()?.receipt.clone();
    Some(BatchSlot {
        task_id: task.id,
        worker: receipt.worker,
        order: task.order.clone(),
        signature: task.signature.clone(),
        bundle: task.bundle.clone(),
        receipt,
    })
}

/// The proof of a batch with its public inputs.
#[utoipa::path(get, path = "/v1/batches/{id}/proof", params(("id" = u64, Path)),
    responses((status = 200, body = ProofView),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn proof(
    State(app): State<App>,
    ApiPath(id): ApiPath<u64>,
) -> Result<Json<ProofView>, ApiError> {
    Ok(Json(proven(find(&app, id).await?)?))
}

/// The proof as a file that `deepnode model verify` takes.
#[utoipa::path(get, path = "/v1/batches/{id}/proof-file", params(("id" = u64, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn proof_file(
    State(app): State<App>,
    ApiPath(id): ApiPath<u64>,
) -> Result<impl IntoResponse, ApiError> {
    let batch = find(&app, id).await?;
    let (model_id, count) = (batch.model_id.0, batch.count as usize);
    let ProofView { instances, proof } = proven(batch)?;
    let file = ProofFile {
        model_id,
        slots: dn_core::statement::slots(instances.len())
            .ok_or(StoreError::Corrupt("instances"))?,
        batch: count,
        instances: instances.iter().map(|i| i.0).collect(),
        leaves: Vec::new(),
        proof: proof.0,
    };
    let name = format!("attachment; filename=\"batch-{id}.proof\"");
    Ok(([(header::CONTENT_DISPOSITION, name)], file.to_bytes()))
}

async fn find(app: &App, id: u64) -> Result<Batch, ApiError> {
    batches::get(&app.store, id).await?.ok_or(ApiError::NotFound("batch"))
}

fn proven(batch: Batch) -> Result<ProofView, ApiError> {
    match (batch.instances, batch.proof) {
        (Some(instances), Some(proof)) => Ok(ProofView { instances, proof: proof.into() }),
        _ => Err(ApiError::NotFound("proof")),
    }
}
