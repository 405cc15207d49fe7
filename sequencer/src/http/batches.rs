//! Batches and their proofs.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::Json;
use dn_core::api::{BatchSlot, BatchView, Problem, ProofView};
use dn_core::proof_file::ProofFile;
use serde::Deserialize;

use super::error::ApiError;
use super::extract::{ApiPath, ApiQuery};
use crate::app::App;
use crate::store::batches::{self, BatchRow};
use crate::store::tasks::{self, TaskRow};
use crate::store::StoreError;

/// Batches in one answer.
const PAGE: u32 = 100;

/// Where to begin.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct From {
    /// Id of the first batch.
    #[serde(default)]
    from: u64,
}

/// Up to 100 batches from `from` on, without their slots.
#[utoipa::path(get, path = "/v1/batches", params(("from" = Option<u64>, Query)),
    responses((status = 200, body = [BatchView])))]
pub(crate) async fn list(
    State(app): State<App>,
    ApiQuery(query): ApiQuery<From>,
) -> Result<Json<Vec<BatchView>>, ApiError> {
    let rows = batches::list(&app.db, query.from, PAGE).await?;
    let views: Result<Vec<_>, _> = rows.iter().map(|b| b.view(app.chain.domain())).collect();
    Ok(Json(views?))
}

/// A batch with its slots: orders, signatures and receipts.
#[utoipa::path(get, path = "/v1/batches/{id}", params(("id" = u64, Path)),
    responses((status = 200, body = BatchView), (status = 404, body = Problem)))]
pub(crate) async fn get(
    State(app): State<App>,
    ApiPath(id): ApiPath<u64>,
) -> Result<Json<BatchView>, ApiError> {
    Ok(Json(view(&app, &row(&app, id).await?).await?))
}

/// The batch with its slots.
pub(crate) async fn view(app: &App, batch: &BatchRow) -> Result<BatchView, ApiError> {
    let rows = tasks::of_batch(&app.db, batch.id()?).await?;
    let slots: Result<Vec<BatchSlot>, StoreError> = rows.iter().map(slot).collect();
    Ok(BatchView { slots: slots?, ..batch.view(app.chain.domain())? })
}

fn slot(task: &TaskRow) -> Result<BatchSlot, StoreError> {
    Ok(BatchSlot {
        task_id: task.id()?,
        worker: task.worker()?.ok_or(StoreError::Corrupt("worker"))?,
        order: task.order()?,
        signature: task.signature.clone().into(),
        receipt: task.receipt()?.ok_or(StoreError::Corrupt("receipt"))?,
    })
}

/// The proof of a batch with its public inputs.
#[utoipa::path(get, path = "/v1/batches/{id}/proof", params(("id" = u64, Path)),
    responses((status = 200, body = ProofView), (status = 404, body = Problem)))]
pub(crate) async fn proof(
    State(app): State<App>,
    ApiPath(id): ApiPath<u64>,
) -> Result<Json<ProofView>, ApiError> {
    Ok(Json(proven(&row(&app, id).await?)?))
}

/// The proof as a file that `deepnode model verify` takes.
#[utoipa::path(get, path = "/v1/batches/{id}/proof-file", params(("id" = u64, Path)),
    responses((status = 200, content_type = "application/octet-stream"), (status = 404, body = Problem)))]
pub(crate) async fn proof_file(
    State(app): State<App>,
    ApiPath(id): ApiPath<u64>,
) -> Result<impl IntoResponse, ApiError> {
    let batch = row(&app, id).await?;
    let ProofView { instances, proof } = proven(&batch)?;
    let file = ProofFile {
        model_id: batch.model_id()?.0,
        slots: dn_core::statement::slots(instances.len())
            .ok_or(StoreError::Corrupt("instances"))?,
        batch: batch.count()?,
        instances: instances.iter().map(|i| i.0).collect(),
        leaves: Vec::new(),
        proof: proof.0,
    };
    let name = format!("attachment; filename=\"batch-{id}.proof\"");
    Ok(([(header::CONTENT_DISPOSITION, name)], file.to_bytes()))
}

async fn row(app: &App, id: u64) -> Result<BatchRow, ApiError> {
    batches::get(&app.db, id).await?.ok_or(ApiError::NotFound("batch"))
}

fn proven(batch: &BatchRow) -> Result<ProofView, ApiError> {
    match (batch.instances()?, batch.proof.clone()) {
        (Some(instances), Some(proof)) => Ok(ProofView { instances, proof: proof.into() }),
        _ => Err(ApiError::NotFound("proof")),
    }
}
