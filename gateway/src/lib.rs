//! The gateway: proven inference for stock clients.
//!
//! It speaks protocols that clients have (KServe v2, OpenAI's, the Model Context Protocol), signs an order for each input with the account of the
//! client's API key, and passes the answer on with what proves it. It keeps nothing: keys and accounts follow from one
//! secret ([`dn_sdk::KeyMaker`]), budgets are on chain, tasks are the sequencer's.
//!
//! | room | what |
//! |---|---|
//! | `kserve/` | KServe v2 with the binary tensor extension |
//! | `openai/` | OpenAI's list of models and embeddings |
//! | `mcp/` | tools for agents, over HTTP and over stdio |
//! | `tasks` | what became of a task, and its proof |
//! | `tensors/` | from any type of numbers to a model's inputs, and back |
//! | `catalog`, `inference` | models with their packages; inputs to answers |
//! | `access`, `refusal` | whose request it is; why it is refused, whatever the protocol |

mod access;
mod app;
mod catalog;
mod config;
mod inference;
mod kserve;
pub mod mcp;
mod openai;
mod refusal;
mod request;
mod tasks;
mod tensors;

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::routing::get;
use axum::Router;
use dn_sdk::{check_name, patiently, Client, KeyMaker};
use dn_service::{Failure, Shutdown};

use app::App;
pub use config::Config;
use inference::Terms;

/// Serves until shutdown is requested.
///
/// # Errors
/// When it cannot start, or its server fails. Codes: `port_taken`, `bind`, `no_sequencer`, `revoked`, `tls`.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<()> {
    let listener = dn_service::bind(config.listen).await?;
    let keys = KeyMaker::read_or_create(&config.secret_file)?;
    let revoked = revoked(&config.revoked)?;
    let client = Client::new(&config.sequencer)?;
    let chain = patiently(async || client.chain().await).await.map_err(|error| {
        let hint = "check --sequencer, and that the sequencer is up";
        anyhow::Error::new(error).context(Failure::new("no_sequencer", "no sequencer", hint))
    })?;
    let address = listener.local_addr().context("read the bound address")?;
    let scheme = if config.serving.tls.is_some() { "https" } else { "http" };
    let public = config.public_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
    let app = App::new(app::Facts {
        client,
        chain,
        keys,
        revoked,
        public_url: public.trim_end_matches('/').to_owned(),
        terms: Terms {
            order_life: Duration::from_secs(config.order_life_s),
            answer_limit: Duration::from_secs(config.answer_limit_s),
        },
        rpc_url: config.rpc_url.clone(),
    });
    dn_service::serve(listener, router(app), &config.serving, shutdown).await
}

/// The names that are no longer taken.
fn revoked(given: &[String]) -> Result<HashSet<String>> {
    let names = given.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
    let names = names.map(|name| {
        let hint = "give the names of keys, as deepnode gateway key list shows them";
        let wrong = |e| Failure::new("revoked", format!("--revoked {name}: {e}"), hint);
        check_name(name).map_err(wrong)?;
        Ok(name.to_owned())
    });
    names.collect()
}

/// Every route.
fn router(app: App) -> Router {
    Router::new()
        .merge(kserve::routes())
        .merge(openai::routes())
        .merge(mcp::routes())
        .merge(tasks::routes())
        .route("/healthz", get(async || "ok"))
        .route("/metrics", get(async || dn_service::metrics::render()))
        .fallback(refusal::no_such_path)
        .method_not_allowed_fallback(refusal::no_such_method)
        .layer(axum::extract::DefaultBodyLimit::max(request::MAX_BODY_BYTES))
        .with_state(app)
}
