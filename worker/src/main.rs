//! `dn-worker`: runs quantised models.

mod args;
mod failure;
mod run;

use std::process::ExitCode;

use clap::Parser;
use dn_service::{exit_code, init_tracing, Report, Shutdown};
use dn_worker::daemon::ServeArgs;

use args::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Run(args) => report(run::run(&args), cli.json),
        Command::Serve(args) => exit_code(&serve(args)),
    }
}

fn report(done: Result<Report, Failure>, json: bool) -> ExitCode {
    match done {
        Ok(report) => {
            report.print(json);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            failure.print(json);
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    init_tracing()?;
    dn_worker::daemon::serve(args, Shutdown::on_signal()?).await
}
