//! Whether the process is up, and whether it does its work.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::Json;
use dn_core::api::Problem;
use serde::Serialize;

use super::error::ApiError;
use crate::app::App;
use crate::run::watch;
use crate::store::events;

/// The process is up.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

/// The process does its work.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Readiness {
    /// `ready`.
    status: &'static str,
    /// Position of the newest event.
    events: u64,
    /// Tasks that have not ended, about.
    open_tasks: u64,
    /// The chain's time, in unix seconds.
    chain_time_s: u64,
}

/// The process is up.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Health)))]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Database and chain answer, and settlement moves. `503` names what does not.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = Readiness),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn readyz(State(app): State<App>) -> Result<Json<Readiness>, ApiError> {
    let events = events::last(&app.store).await?;
    // A change that changes nothing: the database takes what is written.
    app.write(|_| Box::pin(async { Ok(()) })).await?;
    if !app.world.has_followed() {
        return Err(ApiError::CatchingUp);
    }
    let troubles = watch::look(&app).await.map_err(ApiError::Internal)?;
    if !troubles.is_empty() {
        let names: Vec<&str> = troubles.iter().map(|t| t.as_str()).collect();
        return Err(ApiError::NotReady(names.join(", ")));
    }
    let (open_tasks, chain_time_s) = (app.world.open(), app.chain_time_s());
    Ok(Json(Readiness { status: "ready", events, open_tasks, chain_time_s }))
}

/// Metrics in the text format of Prometheus.
pub(crate) async fn metrics() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], dn_service::metrics::render())
}
