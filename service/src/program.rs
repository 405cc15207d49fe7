//! The frame of a program: logs, metrics, signals, last words.

use std::future::Future;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::{exit_code, metrics, Shutdown};

/// The whole of a service's `main`: reads the command line into `C` and runs until shutdown is
/// requested or `run` fails.
pub async fn main<C, F>(run: impl FnOnce(C, Shutdown) -> F) -> ExitCode
where
    C: Parser,
    F: Future<Output = Result<()>>,
{
    let config = C::parse();
    start(|shutdown| run(config, shutdown)).await
}

/// [`main`] for a program whose command line has been read.
pub async fn start<F>(run: impl FnOnce(Shutdown) -> F) -> ExitCode
where
    F: Future<Output = Result<()>>,
{
    exit_code(&framed(run).await)
}

async fn framed<F>(run: impl FnOnce(Shutdown) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    init_tracing()?;
    metrics::install();
    let shutdown = Shutdown::on_signal().context("listen for signals")?;
    tokio::spawn(metrics::upkeep(shutdown.clone()));
    run(shutdown).await
}

/// Logs to stderr, `info` and above unless `RUST_LOG` says otherwise.
///
/// # Errors
/// When logging has been set up before.
pub fn init_tracing() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init()
        .map_err(|e| anyhow::anyhow!("set up logging: {e}"))
}
