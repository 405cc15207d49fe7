//! Tools for agents, after the Model Context Protocol: over HTTP beside the other protocols, and over stdio as a
//! program's only one.
//!
//! Over HTTP the API key's escrow is the budget, and nothing is remembered between requests. Over stdio a session has a
//! budget of its own, below the escrow, and remembers what it asked, so that `verify` can hold the answer itself to the
//! proof.

mod arguments;
mod budget;
mod judge;
mod stdio;
mod tools;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::Router;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

pub use stdio::{serve, Session, SessionError};

use crate::access::payer;
use crate::app::App;
use crate::refusal::Refusal;
use crate::request::MAX_BODY_BYTES;
use tools::Tools;

/// The path of this protocol.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/mcp", any(call))
}

/// Answers a message of an agent. Each is served by itself.
async fn call(State(app): State<App>, request: Request) -> Response {
    match answer(&app, request).await {
        Ok(response) => response,
        Err(refusal) => Refusal::into_response(refusal),
    }
}

async fn answer(app: &App, request: Request) -> Result<Response, Refusal> {
    let user = payer(request.headers(), app)?;
    let tools = Tools::of_key(app, user)?;
    let (parts, body) = request.into_parts();
    let head = Request::from_parts(parts.clone(), body);
    let body = app.room().body(head).await?;
    let request = Request::from_parts(parts, Body::from(body.bytes.clone()));
    // A page of a browser that is led here by its name server bears no key.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_BODY_BYTES)
        .disable_allowed_hosts();
    let sessions = std::sync::Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(tools.clone()), sessions, config);
    Ok(service.handle(request).await.map(Body::new))
}
