//! The HTTP interface: parsing, checks and views. Rules live elsewhere.

mod batches;
mod codes;
mod error;
mod events;
mod extract;
mod health;
mod limits;
mod models;
mod nodes;
mod openapi;
mod proofs;
mod sessions;
mod tasks;
mod web;
mod work;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware;
use axum::routing::get;
use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use error::ApiError;

pub use limits::RateArgs;
pub(crate) use limits::Rates;
pub(crate) use web::Web;
pub use web::WebArgs;

/// Largest request body.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;
/// Longest long poll.
const MAX_WAIT_MS: u64 = 30_000;

/// Every route that is documented, with its documentation.
fn documented() -> (Router<App>, OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(openapi::header())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(models::chain))
        .routes(routes!(models::list))
        .routes(routes!(models::package))
        .routes(routes!(models::protocol))
        .routes(routes!(tasks::submit))
        .routes(routes!(tasks::get))
        .routes(routes!(events::of_task))
        .routes(routes!(events::all))
        .routes(routes!(batches::list))
        .routes(routes!(batches::get))
        .routes(routes!(batches::proof))
        .routes(routes!(batches::proof_file))
        .routes(routes!(nodes::list))
        .routes(routes!(sessions::challenge))
        .routes(routes!(sessions::register))
        .routes(routes!(work::lease))
        .routes(routes!(work::heartbeat))
        .routes(routes!(work::result))
        .routes(routes!(work::invoices))
        .routes(routes!(proofs::job))
        .routes(routes!(proofs::result))
        .split_for_parts();
    openapi::finish(&mut document);
    (router, document)
}

/// Every route of the interface, and the explorer's files.
pub(crate) fn router(app: App, rates: Rates, web: Web) -> Router {
    let web = Arc::new(web);
    let file = move |method: Method, uri: Uri, headers: HeaderMap| {
        std::future::ready(web.answer(&method, uri.path(), &headers))
    };
    let (router, document) = documented();
    let document = openapi::exact(&document);
    router
        .route("/openapi.json", get(move || async move { axum::Json(document) }))
        .route("/metrics", get(health::metrics))
        .fallback(file)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(rates.clone(), limits::by_address))
        .layer(axum::Extension(rates))
        .with_state(app)
}
