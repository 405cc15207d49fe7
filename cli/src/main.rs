//! `deepnode`: the command line of users, model developers and operators.

mod args;
mod error;
mod model;
mod output;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, ModelCommand};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Command::Model(command) = cli.command;
    let done = match &command {
        ModelCommand::Import(a) => model::import(a, &cli.global),
        ModelCommand::Inspect(a) => model::inspect(a, &cli.global),
        ModelCommand::Run(a) => model::run(a, &cli.global),
        ModelCommand::Prove(a) => model::prove(a, &cli.global),
        ModelCommand::Verify(a) => model::verify(a, &cli.global),
    };
    match done.and_then(|report| output::print(&report, cli.global.json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.report(cli.global.json);
            ExitCode::FAILURE
        }
    }
}
