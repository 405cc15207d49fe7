//! The command line's grammar.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use dn_worker::backend::BackendKind;
use dn_worker::daemon::ServeArgs;

/// Runs quantised models with answers that are exact to the bit.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    /// Print one JSON object on stdout; progress and logs go to stderr.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a package over an array file, as deepnode model run does.
    Run(Run),
    /// Serve a sequencer: lease tasks, run them, sign receipts.
    Serve(ServeArgs),
    /// Check backend, clock, account and disk of a worker before it serves.
    Doctor(ServeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The model package.
    pub(crate) package: PathBuf,
    /// Array `x`, one row per example; `y` for accuracy.
    #[arg(long)]
    pub(crate) inputs: PathBuf,
    /// Arrays to write: `logits` float32 and `q` int8.
    #[arg(short, long)]
    pub(crate) output: PathBuf,
    /// What runs the model.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) backend: BackendKind,
}
