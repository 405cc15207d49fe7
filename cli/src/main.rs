//! `deepnode`: the command line of users, model developers and operators.

mod account;
mod args;
mod devnet;
mod epoch;
mod error;
mod gateway;
mod mcp;
mod member;
mod model;
mod node;
mod output;
mod shell;
mod task;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, GatewayCommand, TaskCommand};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Command::Model(a) => model::model(a, &cli.global),
        Command::Task(TaskCommand::Submit(a)) => task::submit(a),
        Command::Account(a) => account::account(a),
        Command::Gateway(GatewayCommand::Key(a)) => gateway::key(a),
        Command::Mcp(a) => mcp::serve(a),
        Command::Epoch(a) => epoch::epoch(a),
        Command::Claim(a) => epoch::claim(a),
        Command::Stake(a) => node::stake(a),
        Command::Unbond(a) => node::unbond(a),
        Command::Withdraw(a) => node::withdraw(a),
        Command::Node(a) => node::node(a),
        Command::Completions(a) => shell::completions(a),
        Command::Man(a) => shell::man(a),
        Command::Devnet(a) => devnet::devnet(a, &cli.global),
    };
    match done {
        Ok(report) => {
            report.print(cli.global.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            error.report(cli.global.json);
            ExitCode::FAILURE
        }
    }
}
