//! What a development network consists of.

use std::path::PathBuf;
use std::time::Duration;

use dn_core::api::Amount;

/// A model to be registered and served.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The package's bytes.
    pub package: Vec<u8>,
    /// Tasks in a batch.
    pub slots: u32,
    /// Fee of one task, in wei of DN.
    pub price: Amount,
    /// The task category that it serves.
    pub service: String,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of all state.
    pub state: PathBuf,
    /// Folder of proving keys and reference strings; can be shared.
    pub data: PathBuf,
    /// Folder with `dn-sequencer`, `dn-worker`, `dn-prover`, `dn-validator` and `dn-gateway`.
    pub programs: PathBuf,
    /// The chain's program.
    pub anvil: PathBuf,
    /// Models to register, unless they are.
    pub offers: Vec<Offer>,
    /// Number of users with DN in escrow.
    pub users: usize,
    /// Number of staked worker accounts.
    pub workers: usize,
    /// How many of these accounts are run as processes.
    pub running_workers: usize,
    /// Number of staked provers, all of them run.
    pub provers: usize,
    /// What the workers run models on: `torch` or `reference`.
    pub backend: String,
    /// A batch is closed when its oldest task has waited so long.
    pub batch_wait: Duration,
    /// A lease ends so long after its node was last heard from.
    pub lease: Duration,
    /// From the commitment of a batch to the last moment to prove it.
    pub proving_window: Duration,
    /// Least time of an epoch.
    pub epoch: Duration,
    /// Blocks after which a transaction counts.
    pub confirmations: u64,
    /// Time between blocks; without it each transaction gets its block at once.
    pub block_time: Option<Duration>,
    /// The RPC endpoint that services are told, where it is not the chain's own: a proxy that makes
    /// faults.
    pub rpc_url_for_services: Option<String>,
    /// Further arguments of the sequencer, after those that are given anyway.
    pub sequencer_args: Vec<String>,
    /// Services, and files with the questions that the validator asks of their models; without any it sends no probes.
    pub pools: Vec<(String, PathBuf)>,
    /// Folder of the built explorer, for the sequencer to serve.
    pub web: Option<PathBuf>,
    /// Whether to run a gateway, with an API key that has DN in escrow.
    pub gateway: bool,
    /// The sequencer's database; by default SQLite in the state folder.
    pub database: Option<String>,
}

impl Options {
    /// The usual development network: two workers on libtorch, two users.
    #[must_use]
    pub fn new(state: PathBuf, data: PathBuf, programs: PathBuf, anvil: PathBuf) -> Self {
        Self {
            state,
            data,
            programs,
            anvil,
            offers: Vec::new(),
            users: 2,
            workers: 2,
            running_workers: 2,
            provers: 1,
            backend: "torch".into(),
            batch_wait: Duration::from_secs(5),
            lease: Duration::from_secs(30),
            proving_window: Duration::from_secs(3600),
            epoch: Duration::from_secs(60),
            confirmations: 1,
            block_time: None,
            rpc_url_for_services: None,
            sequencer_args: Vec::new(),
            pools: Vec::new(),
            web: None,
            gateway: false,
            database: None,
        }
    }
}
