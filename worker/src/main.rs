//! `dn-worker`: runs quantised models.

mod args;
mod run;

use std::process::ExitCode;

use clap::Parser;
use dn_service::Failure;
use dn_worker::daemon::ServeArgs;

use args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Run(args) => match run::run(&args) {
            Ok(report) => {
                report.print(cli.json);
                ExitCode::SUCCESS
            }
            Err(error) => {
                Failure::of_chain(&error).report(cli.json);
                ExitCode::FAILURE
            }
        },
        Command::Serve(args) => serve(args),
        Command::Doctor(args) => doctor(&args, cli.json),
    }
}

#[tokio::main]
async fn serve(args: ServeArgs) -> ExitCode {
    dn_service::start(|shutdown| dn_worker::daemon::serve(args, shutdown)).await
}

#[tokio::main]
async fn doctor(args: &ServeArgs, json: bool) -> ExitCode {
    let findings = dn_worker::doctor::examine(args).await;
    findings.report.print(json);
    if findings.is_healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
