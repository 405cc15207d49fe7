//! Models, and the rollup that they are registered with.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::Json;
use dn_core::api::{Bytes32, ChainView, ModelView, Problem};

use super::error::ApiError;
use super::extract::ApiPath;
use crate::app::App;
use crate::models::Model;

/// Chain id and contracts: the EIP-712 domain of orders and receipts.
#[utoipa::path(get, path = "/v1/chain", responses((status = 200, body = ChainView)))]
pub(crate) async fn chain(State(app): State<App>) -> Json<ChainView> {
    Json(app.chain.view())
}

/// The models that this sequencer serves.
#[utoipa::path(get, path = "/v1/models", responses((status = 200, body = [ModelView])))]
pub(crate) async fn list(State(app): State<App>) -> Json<Vec<ModelView>> {
    Json(app.models.iter().map(|m| m.view.clone()).collect())
}

/// The model package; its Keccak-256 is the model's id.
#[utoipa::path(get, path = "/v1/models/{id}/package", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn package(
    State(app): State<App>,
    ApiPath(id): ApiPath<Bytes32>,
) -> Result<impl IntoResponse, ApiError> {
    let bytes = model(&app, id)?.package.clone();
    Ok(([(CONTENT_TYPE, "application/octet-stream")], bytes))
}

/// The verifying key; its on-chain form is the model's data contract.
#[utoipa::path(get, path = "/v1/models/{id}/protocol", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn protocol(
    State(app): State<App>,
    ApiPath(id): ApiPath<Bytes32>,
) -> Result<impl IntoResponse, ApiError> {
    let bytes = model(&app, id)?.protocol.to_bytes();
    Ok(([(CONTENT_TYPE, "application/octet-stream")], bytes))
}

/// A model that is served.
pub(crate) fn model(app: &App, id: Bytes32) -> Result<&Arc<Model>, ApiError> {
    app.models.get(id).ok_or(ApiError::ModelNotFound)
}
