//! The validator's program.

use std::process::ExitCode;

use clap::Parser as _;
use dn_service::{exit_code, init_tracing, Shutdown};
use dn_verifier::daemon::{run, Config};

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(&start(Config::parse()).await)
}

async fn start(config: Config) -> anyhow::Result<()> {
    init_tracing()?;
    run(config, Shutdown::on_signal()?).await
}
