//! KServe's inference protocol, version 2, over HTTP, with the binary tensor extension.
//!
//! A row of a request is a task: the first axis of an input counts them. Every type of numbers stands for the numbers
//! themselves, which are quantised as the model's package says. The output `codes` is what the model computed and what
//! is proven; the others are what the codes stand for.

mod answer;
mod body;
mod metadata;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{json, Value};

use crate::access::payer;
use crate::app::App;
use crate::inference::infer;
use crate::refusal::{self, Form, Protocol, Refusal};
use crate::tensors;

/// KServe's form of errors.
#[derive(Debug)]
struct KServe;

impl Protocol for KServe {
    const FORM: Form = Form::KServe;
}

type Told = refusal::Told<KServe>;

/// The paths of this protocol.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/v2", get(server))
        .route("/v2/health/live", get(async || Json(json!({ "live": true }))))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models", get(list))
        .route("/v2/models/{name}", get(model))
        .route("/v2/models/{name}/ready", get(model_ready))
        .route("/v2/models/{name}/infer", post(run))
        .route("/v2/models/{name}/versions/{version}", get(model))
        .route("/v2/models/{name}/versions/{version}/ready", get(model_ready))
        .route("/v2/models/{name}/versions/{version}/infer", post(run))
}

async fn server() -> Json<Value> {
    Json(json!({
        "name": "deepnode",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": ["binary_tensor_data"],
    }))
}

/// The sequencer answers.
async fn ready(State(app): State<App>) -> Result<Json<Value>, Told> {
    app.catalog().list().await?;
    Ok(Json(json!({ "ready": true })))
}

async fn list(State(app): State<App>) -> Result<Json<Value>, Told> {
    let models = app.catalog().list().await?;
    let mut names: Vec<&str> = models.iter().map(|m| m.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(Json(json!({ "models": names })))
}

/// What a path names.
#[derive(Debug, serde::Deserialize)]
struct Named {
    name: String,
    version: Option<String>,
}

impl Named {
    async fn model(&self, app: &App) -> Result<crate::catalog::Model, Refusal> {
        app.catalog().model(&self.name, self.version.as_deref()).await
    }
}

async fn model(
    State(app): State<App>,
    named: Result<Path<Named>, PathRejection>,
) -> Result<Json<Value>, Told> {
    let model = named?.model(&app).await?;
    let models = app.catalog().list().await?;
    Ok(Json(metadata::of(&model, &models)))
}

async fn model_ready(
    State(app): State<App>,
    named: Result<Path<Named>, PathRejection>,
) -> Result<Json<Value>, Told> {
    let Path(named) = named?;
    let model = app.catalog().view(&named.name, named.version.as_deref()).await?;
    Ok(Json(json!({ "name": model.name, "ready": true })))
}

async fn run(
    State(app): State<App>,
    named: Result<Path<Named>, PathRejection>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Told> {
    let user = payer(&headers, &app)?;
    let model = named?.model(&app).await?;
    let body = app.room().body(request).await?;
    let asked = body::read(&headers, &body)?;
    let wanted = answer::wanted(&asked, &model.package)?;
    let rows = tensors::rows(&model.package, &asked.tensors)?;
    let id = asked.id;
    drop((asked.tensors, body));
    let answers = infer(&user, &model, &rows, app.facts().terms).await?;
    Ok(answer::write(&app, &model, id, &wanted, &answers))
}
