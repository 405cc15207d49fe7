//! Configuration from the command line and the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use dn_service::Serving;

/// Longest wait for the answers of a request, in seconds.
pub(crate) const ANSWER_LIMIT_S: u64 = 45;
/// Seconds for which orders are good.
pub(crate) const ORDER_LIFE_S: u64 = 3600;

/// Lets stock clients of other protocols ask a sequencer, and pays with what their API keys have in escrow.
#[derive(Clone, Debug, Parser)]
#[command(name = "dn-gateway", version)]
pub struct Config {
    /// Where to serve HTTP; port 0 takes any free one.
    #[arg(long, env = "DN_LISTEN", default_value = "127.0.0.1:8090")]
    pub listen: SocketAddr,
    /// The sequencer's HTTP interface.
    #[arg(long, env = "DN_SEQUENCER_URL")]
    pub sequencer: String,
    /// File with the secret from which API keys and their accounts follow: 64 hex digits; drawn if it is missing.
    #[arg(long, env = "DN_GATEWAY_SECRET_FILE")]
    pub secret_file: PathBuf,
    /// Names of keys that are no longer taken, separated by commas.
    #[arg(long, env = "DN_REVOKED_KEYS", value_delimiter = ',')]
    pub revoked: Vec<String>,
    /// Where clients reach this gateway, for the addresses in its answers; by default where it listens.
    #[arg(long, env = "DN_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// HTTP endpoint of the chain: with it, agents are told balances and whether proofs hold.
    #[arg(long, env = "DN_RPC_URL")]
    pub rpc_url: Option<String>,
    /// Longest wait for the answers of a request, in seconds: less than stock clients wait, so that they are told which
    /// tasks they have ordered.
    #[arg(long, env = "DN_ANSWER_LIMIT_S", default_value_t = ANSWER_LIMIT_S)]
    pub answer_limit_s: u64,
    /// Seconds for which its orders are good.
    #[arg(long, env = "DN_ORDER_LIFE_S", default_value_t = ORDER_LIFE_S)]
    pub order_life_s: u64,
    /// Connections and TLS.
    #[command(flatten)]
    pub serving: Serving,
}
