//! OpenAI's interface, as far as the registered models have its shape.
//!
//! Every model takes numbers and gives numbers: that is what `/v1/embeddings` does with lists of numbers. An embedding
//! is the model's output vector. What needs a language model, or one of images or sound, is refused and says why.

mod embeddings;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::Uri;
use axum::routing::{get, post};
use axum::{Json, Router};
use dn_core::api::ModelView;
use serde::Deserialize;
use serde_json::{json, Value};

use crate::access::payer;
use crate::app::App;
use crate::refusal::{self, Form, Protocol, Refusal};

/// OpenAI's form of errors.
#[derive(Debug)]
struct OpenAi;

impl Protocol for OpenAi {
    const FORM: Form = Form::OpenAi;
}

type Told = refusal::Told<OpenAi>;

/// Endpoints for whose shape there is no model.
const OTHERS: [&str; 5] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/images/generations",
    "/v1/audio/transcriptions",
];

/// The paths of this interface.
pub(crate) fn routes() -> Router<App> {
    let served = Router::new()
        .route("/v1/models", get(list))
        .route("/v1/models/{id}", get(model))
        .route("/v1/embeddings", post(embeddings::create));
    OTHERS.into_iter().fold(served, |router, path| router.route(path, post(other)))
}

fn entry(model: &ModelView) -> Value {
    json!({
        "id": model.name,
        "object": "model",
        // Registration has no date here; the field must be there.
        "created": 0,
        "owned_by": model.developer,
        "deepnode": {
            "model_id": model.model_id,
            "service": model.service,
            "input_len": model.input_len,
            "output_len": model.output_len,
            "price_wei": model.price,
        },
    })
}

async fn list(State(app): State<App>) -> Result<Json<Value>, Told> {
    let models = app.catalog().list().await?;
    let entries: Vec<Value> = models.iter().map(entry).collect();
    Ok(Json(json!({ "object": "list", "data": entries })))
}

async fn model(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Told> {
    let Path(id) = id?;
    Ok(Json(entry(&app.catalog().view(&id, None).await?)))
}

#[derive(Debug, Deserialize)]
struct Named {
    model: String,
}

/// Says of a model that is named why it cannot do what is asked for.
async fn other(State(app): State<App>, uri: Uri, request: Request) -> Told {
    match refusal(&app, uri.path(), request).await {
        Ok(refusal) | Err(refusal) => refusal.into(),
    }
}

async fn refusal(app: &App, path: &str, request: Request) -> Result<Refusal, Refusal> {
    payer(request.headers(), app)?;
    let endpoint = OTHERS.into_iter().find(|other| *other == path).unwrap_or_default();
    let body = app.room().body(request).await?;
    // Sound comes as a form, which names its model in another way.
    let Ok(Named { model }) = serde_json::from_slice(&body) else {
        return Err(Refusal::Malformed("the body is no JSON that names a model".into()));
    };
    let view = app.catalog().view(&model, None).await?;
    let (inputs, outputs) = (view.input_len, view.output_len);
    Ok(Refusal::OtherShape { endpoint, model, inputs, outputs })
}
