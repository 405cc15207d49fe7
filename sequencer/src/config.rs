//! Configuration from the command line and the environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use dn_core::api::Address;
use dn_service::Serving;

use crate::app::Limits;
use crate::rules::{admit, lease};

pub use crate::http::{RateArgs, WebArgs};

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
    /// HTTP endpoints of the chain, separated by commas; with two or more, what decides about tasks is cross-checked.
    #[arg(long, env = "DN_RPC_URL", value_delimiter = ',', required = true)]
    pub rpc_url: Vec<String>,
    /// Id that the chain must have.
    #[arg(long, env = "DN_CHAIN_ID")]
    pub chain_id: Option<u64>,
    /// The rollup contract.
    #[arg(long, env = "DN_ROLLUP")]
    pub rollup: Address,
    /// File with the sequencer's private key.
    #[arg(long, env = "DN_KEY_FILE")]
    pub key_file: PathBuf,
    /// Serve HTTP only: another process on the same Postgres settles.
    #[arg(long, env = "DN_API_ONLY")]
    pub api_only: bool,
    /// Key under which inputs and outputs are encrypted in the database: 64 hex digits.
    #[arg(long, env = "DN_STORAGE_KEY", hide_env_values = true)]
    pub storage_key: Option<String>,
    /// File with that key; drawn if it is missing. Beside a SQLite database by default.
    #[arg(long, env = "DN_STORAGE_KEY_FILE")]
    pub storage_key_file: Option<PathBuf>,
    /// Inputs and outputs are forgotten so long after their task has ended.
    #[arg(long, env = "DN_RETENTION_S", default_value_t = 86_400)]
    pub retention_s: u64,
    /// Folder, or `s3://BUCKET/PREFIX`, of model packages (`.dnpkg`) with their verifying keys (`.protocol`).
    #[arg(long, env = "DN_MODELS", default_value = "models")]
    pub models: String,
    /// A batch is closed when its oldest task has waited so long.
    #[arg(long, env = "DN_BATCH_WAIT_MS", default_value_t = 5_000)]
    pub batch_wait_ms: u64,
    /// A lease ends so long after its node was last heard from.
    #[arg(long, env = "DN_LEASE_MS", default_value_t = 15_000)]
    pub lease_ms: u64,
    /// A lease of a task ends so long after it was given, whatever is heard.
    #[arg(long, env = "DN_HOLD_MS", default_value_t = 30_000)]
    pub hold_ms: u64,
    /// A batch that its prover has left alone for so long is offered to others.
    #[arg(long, env = "DN_ORPHAN_MS", default_value_t = 20_000)]
    pub orphan_ms: u64,
    /// From commitment to the last moment to prove.
    #[arg(long, env = "DN_PROVING_WINDOW_S", default_value_t = 3_600)]
    pub proving_window_s: u64,
    /// Blocks after which a transaction counts.
    #[arg(long, env = "DN_CONFIRMATIONS", default_value_t = 1)]
    pub confirmations: u64,
    /// Block in which the rollup was deployed; events are read from there.
    #[arg(long, env = "DN_FIRST_BLOCK", default_value_t = 0)]
    pub first_block: u64,
    /// A transaction that is in no block after so long is sent for a higher fee.
    #[arg(long, env = "DN_BUMP_AFTER_MS", default_value_t = 30_000)]
    pub bump_after_ms: u64,
    /// Most gwei per gas.
    #[arg(long, env = "DN_MAX_FEE_GWEI", default_value_t = 500)]
    pub max_fee_gwei: u64,
    /// Tasks of all users that may be open.
    #[arg(long, env = "DN_MAX_OPEN_TASKS", default_value_t = 100_000)]
    pub max_open_tasks: u64,
    /// Tasks of one user that may be open.
    #[arg(long, env = "DN_MAX_OPEN_TASKS_OF_USER", default_value_t = 20_000)]
    pub max_open_tasks_of_user: u64,
    /// Longest pause between two looks at the database and the chain.
    #[arg(long, env = "DN_POLL_MS", default_value_t = 200)]
    pub poll_ms: u64,
    /// How much may be asked for.
    #[command(flatten)]
    pub rates: RateArgs,
    /// The explorer.
    #[command(flatten)]
    pub web: WebArgs,
    /// Connections and TLS.
    #[command(flatten)]
    pub serving: Serving,
}

impl Config {
    /// The limits that it asks for.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            open: admit::Limits {
                open: self.max_open_tasks,
                open_of_user: self.max_open_tasks_of_user,
            },
            lease: lease::Terms { silence_ms: self.lease_ms, hold_ms: self.hold_ms },
            batch_wait: Duration::from_millis(self.batch_wait_ms),
            proving_window: Duration::from_secs(self.proving_window_s),
            orphan_after: Duration::from_millis(self.orphan_ms),
            confirmations: self.confirmations,
            first_block: self.first_block,
            bump_after: Duration::from_millis(self.bump_after_ms),
            max_fee: u128::from(self.max_fee_gwei) * 1_000_000_000,
            retention: Duration::from_secs(self.retention_s),
            ..Limits::default()
        }
    }
}
