//! The sequencer: takes tasks, hands them to workers, batches the answers, has batches proven and
//! settles them on chain.
//!
//! One database is the only truth; whatever is killed, the next start goes on from it. The parts:
//! `http` the interface, `store` SQL, `batcher` leases that end and batches that form, `settler`
//! transactions, `follower` the chain's events, `range` blocks that fit together, `proof` what a proof must say before it is sent.

mod app;
mod batcher;
mod chain;
mod config;
mod follower;
mod http;
mod models;
mod proof;
mod range;
mod settler;
mod store;

use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use dn_sdk::{read_key, Account};
use dn_service::{Failure, Shutdown};

use app::{App, Limits};
use chain::Chain;
use models::Models;

pub use config::Config;

/// Runs a sequencer until shutdown is requested.
///
/// # Errors
/// When it cannot start, or its server fails. Codes: `port_taken`, `bad_url`, `no_chain`,
/// `no_rollup`, `wrong_chain_id`, `not_sequencer`.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<()> {
    let listener = dn_service::bind(config.listen).await?;
    let chain = connect(&config).await?;
    let models = Models::load(&config.models, &chain).await.context("load the models")?;
    let db = store::open(&config.database).await.context("open the database")?;
    let limits = Limits {
        lease: Duration::from_millis(config.lease_ms),
        batch_wait: Duration::from_millis(config.batch_wait_ms),
        proving_window: Duration::from_secs(config.proving_window_s),
        confirmations: config.confirmations,
        first_block: config.first_block,
        ..Limits::default()
    };
    let app = App::new(db.clone(), chain, models, limits);
    let poll = Duration::from_millis(config.poll_ms);
    let settling = tokio::spawn(settle(app.clone(), poll, shutdown.clone()));
    let served = dn_service::serve(listener, http::router(app), shutdown).await;
    settling.await.context("stop the settler")?;
    db.close().await;
    served
}

/// Connects to the rollup and checks that it is the configured one.
async fn connect(config: &Config) -> Result<Chain> {
    let key = read_key(&config.key_file)?;
    let hint = "give an http URL, for example http://127.0.0.1:8545";
    let url = || Failure::new("bad_url", format!("{} is not a URL", config.rpc_url), hint);
    let account = Account::connect(key, &config.rpc_url).ok_or_else(url)?;
    let chain_id = account.chain_id().await.map_err(|error| {
        let hint = "start the chain, or correct --rpc-url";
        Failure::new("no_chain", format!("{} does not answer: {error}", config.rpc_url), hint)
    })?;
    if let Some(expected) = config.chain_id {
        ensure!(
            chain_id == expected,
            Failure::new(
                "wrong_chain_id",
                format!("the chain's id is {chain_id}, expected {expected}"),
                "point --rpc-url to the right chain, or correct --chain-id",
            )
        );
    }
    let chain = Chain::connect(account, config.rollup).await.map_err(|error| {
        let hint = "check --rollup, and that the contracts are deployed on this chain";
        Failure::new("no_rollup", format!("no rollup at {}: {error}", config.rollup), hint)
    })?;
    ensure!(
        chain.is_sequencer().await.context("ask the rollup for its sequencer")?,
        Failure::new(
            "not_sequencer",
            "the rollup's sequencer is another account",
            "use its key, or let it call setSequencer",
        )
    );
    Ok(chain)
}

/// Does the settler's next step whenever something changed, and every `poll` at the latest.
async fn settle(app: App, poll: Duration, mut shutdown: Shutdown) {
    while !shutdown.is_requested() {
        if let Err(error) = settler::tick(&app).await {
            tracing::warn!(error = format!("{error:#}"), "the next step failed; trying again");
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(poll) => {}
        }
    }
}
