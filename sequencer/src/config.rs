//! Configuration from the command line and the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use dn_core::api::Address;

/// Takes inference tasks, has them executed and proven, and settles them on chain.
#[derive(Clone, Debug, Parser)]
#[command(name = "dn-sequencer", version)]
pub struct Config {
    /// Where to serve HTTP; port 0 takes any free one.
    #[arg(long, env = "DN_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/NAME`.
    #[arg(long, env = "DN_DATABASE", default_value = "sqlite://sequencer.db")]
    pub database: String,
    /// HTTP endpoint of the chain.
    #[arg(long, env = "DN_RPC_URL")]
    pub rpc_url: String,
    /// Id that the chain must have.
    #[arg(long, env = "DN_CHAIN_ID")]
    pub chain_id: Option<u64>,
    /// The rollup contract.
    #[arg(long, env = "DN_ROLLUP")]
    pub rollup: Address,
    /// File with the sequencer's private key.
    #[arg(long, env = "DN_KEY_FILE")]
    pub key_file: PathBuf,
    /// Folder of model packages (`.dnpkg`) with their verifying keys (`.protocol`).
    #[arg(long, env = "DN_MODELS", default_value = "models")]
    pub models: PathBuf,
    /// A batch is closed when its oldest task has waited so long.
    #[arg(long, env = "DN_BATCH_WAIT_MS", default_value_t = 5_000)]
    pub batch_wait_ms: u64,
    /// A lease ends so long after its node was last heard from.
    #[arg(long, env = "DN_LEASE_MS", default_value_t = 30_000)]
    pub lease_ms: u64,
    /// From commitment to the last moment to prove.
    #[arg(long, env = "DN_PROVING_WINDOW_S", default_value_t = 3_600)]
    pub proving_window_s: u64,
    /// Blocks after which a transaction counts.
    #[arg(long, env = "DN_CONFIRMATIONS", default_value_t = 1)]
    pub confirmations: u64,
    /// Block in which the rollup was deployed; events are read from there.
    #[arg(long, env = "DN_FIRST_BLOCK", default_value_t = 0)]
    pub first_block: u64,
    /// Longest pause between two looks at the database and the chain.
    #[arg(long, env = "DN_POLL_MS", default_value_t = 200)]
    pub poll_ms: u64,
}
