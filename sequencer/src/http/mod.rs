//! The HTTP interface: parsing, checks and views. Rules live elsewhere.

mod batches;
mod error;
mod events;
mod extract;
mod models;
mod nodes;
mod openapi;
mod tasks;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{json, Value};

use crate::app::App;
use error::ApiError;

/// Largest request body.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;
/// Longest long poll.
const MAX_WAIT_MS: u64 = 30_000;

/// Every route of the interface.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .route("/openapi.json", get(openapi::serve))
        .route("/v1/chain", get(models::chain))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}/package", get(models::package))
        .route("/v1/models/{id}/protocol", get(models::protocol))
        .route("/v1/tasks", post(tasks::submit))
        .route("/v1/tasks/{id}", get(tasks::get))
        .route("/v1/tasks/{id}/events", get(events::of_task))
        .route("/v1/events", get(events::all))
        .route("/v1/batches", get(batches::list))
        .route("/v1/batches/{id}", get(batches::get))
        .route("/v1/batches/{id}/proof", get(batches::proof))
        .route("/v1/batches/{id}/proof-file", get(batches::proof_file))
        .route("/v1/nodes", get(nodes::list))
        .route("/v1/node/register", post(nodes::register))
        .route("/v1/node/lease", post(nodes::lease))
        .route("/v1/node/heartbeat", post(nodes::heartbeat))
        .route("/v1/node/result", post(nodes::result))
        .route("/v1/node/proof-job", post(nodes::proof_job))
        .route("/v1/node/proof-result", post(nodes::proof_result))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(app)
}

/// The process is up.
async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The database and the chain answer.
async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let batches = app.chain.next_batch_id().await?;
    let events = crate::store::events::last(&app.db).await?;
    Ok(Json(json!({ "status": "ready", "batches_on_chain": batches, "events": events })))
}

async fn not_found() -> ApiError {
    ApiError::NotFound("path")
}
