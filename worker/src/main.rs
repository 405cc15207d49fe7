//! `dn-worker`: runs quantised models.

mod args;
mod failure;
mod report;
mod run;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Command::Run(args) => run::run(args),
    };
    match done {
        Ok(report) => {
            report.print(cli.json);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            failure.print(cli.json);
            ExitCode::FAILURE
        }
    }
}
