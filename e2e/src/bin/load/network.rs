//! The networks that are measured.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};
use dn_core::api::Amount;
use dn_devnet::{Devnet, Options};

use crate::bench::Bench;
use crate::wire::{address, request, Connection};

/// Fee of a task: so small that an escrow lasts for every section.
const PRICE: Amount = Amount(1_000_000_000_000);
/// Longest wait for a sequencer to have read the chain.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Nobody is refused for asking too much.
const NO_LIMITS: [&str; 8] = [
    "--rate-per-address",
    "0",
    "--rate-per-user",
    "0",
    "--max-open-tasks",
    "1000000",
    "--max-open-tasks-of-user",
    "1000000",
];

/// What the sequencer keeps its state in.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    Sqlite,
    /// A cluster, by the URL of one of its databases.
    Postgres(String),
}

impl Store {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// An empty database of this name; `None` for SQLite, which is a file of the state folder.
    pub(crate) fn database(&self, name: &str) -> Result<Option<String>> {
        let Self::Postgres(url) = self else { return Ok(None) };
        psql(url, &format!("drop database if exists {name}"))?;
        psql(url, &format!("create database {name}"))?;
        let (start, query) = url.split_once('?').map_or((&**url, None), |(s, q)| (s, Some(q)));
        let server = start.rsplit_once('/').context("a Postgres URL")?.0;
        let query = query.map_or_else(String::new, |q| format!("?{q}"));
        Ok(Some(format!("{server}/{name}{query}")))
    }
}

fn psql(url: &str, sql: &str) -> Result<()> {
    let ran =
        Command::new("psql").args(["-q", "-d", url, "-c", sql]).output().context("run psql")?;
    ensure!(ran.status.success(), "{sql}: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}

impl Bench {
    /// A network with nobody but users and a sequencer, for a section to add to.
    pub(crate) fn options(&self, store: &Store, name: &str) -> Result<Options> {
        let (package, data) = (&self.digits.package, self.data.clone());
        let mut options = dn_e2e::options(package, self.state.clone(), data)?;
        for offer in &mut options.offers {
            offer.price = PRICE;
        }
        options.database = store.database(&format!("bench_{name}"))?;
        if options.database.is_some() {
            let key = options.state.join("storage.key").display().to_string();
            options.sequencer_args.extend(["--storage-key-file".to_owned(), key]);
        }
        options.sequencer_args.extend(NO_LIMITS.map(str::to_owned));
        (options.users, options.workers, options.running_workers, options.provers) = (8, 0, 0, 0);
        Ok(options)
    }
}

/// Starts a network and waits until its sequencer is ready.
pub(crate) async fn start(options: &Options) -> Result<Devnet> {
    let devnet = Devnet::start(options).await.context("start the network")?;
    let mut connection = Connection::open(address(&devnet.url)).await?;
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        let answer = connection.exchange(&request("GET", "/readyz", b"")).await?;
        if answer.status == 200 {
            return Ok(devnet);
        }
        let body = || String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(Instant::now() < deadline, "the sequencer is not ready: {}", body());
        tokio::time::sleep(LOOK).await;
    }
}
