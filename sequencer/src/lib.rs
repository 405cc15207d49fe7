//! The sequencer: takes tasks, hands them to workers, batches the answers, has batches proven and
//! settles them on chain.
//!
//! One database is the only truth; whatever is killed, the next start goes on from it.
//!
//! | room | what |
//! |---|---|
//! | `http/` | the interface: parsing, checks, views |
//! | `rules/` | what is decided, without database, chain or clock |
//! | `run/` | the duties: each a loop that looks, asks the rules and acts |
//! | `store/` | SQL, and the writer that makes changes durable together |
//! | `chain/` | the rollup over JSON-RPC, and what its errors mean |
//! | `admission`, `work`, `proving`, `feed` | tasks in, work out and back, news to whoever waits |
//! | `invoices`, `calls` | what workers sign for their shares, and what is sent to the rollup |
//! | `artifacts`, `models` | model packages of a folder or a bucket, checked against the registry |

mod admission;
mod app;
mod artifacts;
mod calls;
mod chain;
mod clock;
mod config;
mod feed;
mod http;
mod invoices;
mod models;
mod payers;
mod proof;
mod proving;
mod rules;
mod run;
mod store;
#[cfg(test)]
mod tests;
mod work;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use dn_sdk::{read_key, Account};
use dn_service::{Failure, Shutdown};
use tokio::task::JoinSet;

use app::App;
use artifacts::Artifacts;
use chain::Rpc;
use clock::Clock;
use models::Models;
use store::{Seal, SettlerLock, Store};

pub use config::{Config, RateArgs, WebArgs};

/// Runs a sequencer until shutdown is requested.
///
/// # Errors
/// When it cannot start, or its server fails. Codes: `port_taken`, `bad_url`, `no_chain`,
/// `no_rollup`, `wrong_chain_id`, `not_sequencer`, `storage_key`, `settler_running`,
/// `models`, `web`.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<()> {
    let listener = dn_service::bind(config.listen).await?;
    let chain = connect(&config).await?;
    let models = load_models(&config.models, &chain).await?;
    let store = Store::open(&config.database, seal(&config)?).await.map_err(storage)?;
    let web = http::Web::load(&config.web, &chain::Chain::view(&chain))?;
    let lock = if config.api_only { None } else { Some(lock(&config, &store).await?) };
    let clock = Clock::start(&store).await.context("ask the database for the time")?;
    let app = App::new(store.clone(), Arc::new(chain), models, config.limits(), clock);
    let poll = Duration::from_millis(config.poll_ms);
    let mut duties = JoinSet::new();
    run::serve(&mut duties, &app, poll, &shutdown);
    match lock {
        Some(lock) => run::settle(&mut duties, &app, lock, poll, &shutdown),
        None => app.world.rely_on_follower(),
    }
    let router = http::router(app, http::Rates::new(config.rates), web);
    let served = dn_service::serve(listener, router, &config.serving, shutdown).await;
    while duties.join_next().await.is_some() {}
    store.close().await;
    served
}

/// The models of a folder or a bucket.
async fn load_models(place: &str, chain: &Rpc) -> Result<Models> {
    let artifacts = Artifacts::open(place).map_err(|error| {
        let hint = "--models takes a folder, or s3://BUCKET/PREFIX with AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment";
        Failure::of("models", &error, hint)
    })?;
    Models::load(&artifacts, chain).await.context("load the models")
}

/// The key under which inputs and outputs lie in the database.
fn seal(config: &Config) -> Result<Seal> {
    if let Some(key) = &config.storage_key {
        return Seal::parse(key).map_err(|e| storage(e.into()));
    }
    let beside = || config.database.strip_prefix("sqlite://").map(|db| format!("{db}.key").into());
    let file: Option<PathBuf> = config.storage_key_file.clone().or_else(beside);
    let file = file.ok_or_else(|| {
        let hint = "give --storage-key-file, or DN_STORAGE_KEY in the environment";
        Failure::new("storage_key", "a Postgres database needs a storage key", hint)
    })?;
    Seal::read_or_create(&file).map_err(|e| storage(e.into()))
}

fn storage(error: store::StoreError) -> anyhow::Error {
    if let store::StoreError::Seal(error) = error {
        let hint = "give the key that the database was made with";
        return Failure::new("storage_key", error.to_string(), hint).into();
    }
    anyhow::Error::new(error).context("open the database")
}

/// Makes this process the settler.
async fn lock(config: &Config, store: &Store) -> Result<SettlerLock> {
    let taken = SettlerLock::take(&config.database, store, &config.key_file).await;
    let taken = taken.context("ask for the settler's lock")?;
    taken.ok_or_else(|| {
        let hint = "stop the other one, or start this one with --api-only on the same Postgres";
        let message = "another process settles with this key or on this database";
        Failure::new("settler_running", message, hint).into()
    })
}

/// Connects to the rollup and checks that it is the configured one.
async fn connect(config: &Config) -> Result<Rpc> {
    let key = read_key(&config.key_file)?;
    let mut accounts = Vec::new();
    for url in &config.rpc_url {
        let hint = "give an http URL, for example http://127.0.0.1:8545";
        let bad = || Failure::new("bad_url", format!("{url} is not a URL"), hint);
        accounts.push(Account::connect(key.clone(), url).ok_or_else(bad)?);
    }
    let first = accounts.first().context("clap asks for an endpoint")?;
    let chain_id = first.chain_id().await.map_err(|error| {
        let hint = "start the chain, or correct --rpc-url";
        Failure::new("no_chain", format!("{} does not answer: {error}", config.rpc_url[0]), hint)
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
    let chain = Rpc::connect(accounts, chain_id, config.rollup).await.map_err(|error| {
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
