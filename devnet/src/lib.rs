//! A whole rollup on one machine: a development chain, the contracts, and every service as a
//! process of its own.
//!
//! All state lies in one folder, so that a second start goes on where the first one stopped. The
//! reference string is the unsafe one for development, and the keys lie unencrypted in the folder:
//! this is for development, never for money.
//!
//! | file | what |
//! |---|---|
//! | `keys/NAME.key` | accounts |
//! | `chain.json` | the chain |
//! | `rollup.json` | where the contracts are |
//! | `models/` | packages and verifying keys that the sequencer serves |
//! | `sequencer.db` | the sequencer's database |
//! | `verdicts.jsonl` | what the validator says of each batch |
//! | `logs/NAME.log` | output of each process |

mod accounts;
mod balances;
mod genesis;
mod process;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use dn_core::api::{Amount, Bytes32};
use dn_sdk::{Anvil, Client, Deployment};
use dn_service::Shutdown;

pub use accounts::Accounts;
pub use balances::Balances;
use process::{Process, Program};

/// Between two looks at the processes.
const SUPERVISE: Duration = Duration::from_millis(500);
/// Longest wait for a service to come up. Keys of a model may have to be made first.
const START_LIMIT: Duration = Duration::from_secs(120);

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
    /// Folder with `dn-sequencer`, `dn-worker`, `dn-prover` and `dn-validator`.
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
    /// What the workers run models on: `torch` or `reference`.
    pub backend: String,
    /// A batch is closed when its oldest task has waited so long.
    pub batch_wait: Duration,
    /// A lease ends so long after its node was last heard from.
    pub lease: Duration,
    /// From the commitment of a batch to the last moment to prove it.
    pub proving_window: Duration,
    /// Blocks after which a transaction counts.
    pub confirmations: u64,
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
            backend: "torch".into(),
            batch_wait: Duration::from_secs(5),
            lease: Duration::from_secs(30),
            proving_window: Duration::from_secs(3600),
            confirmations: 1,
        }
    }
}

/// A running rollup. Dropping it stops every process.
#[derive(Debug)]
pub struct Devnet {
    /// Everybody who takes part.
    pub accounts: Accounts,
    /// Where the contracts are.
    pub contracts: Deployment,
    /// Ids of the offers, in order.
    pub models: Vec<Bytes32>,
    /// The sequencer's HTTP interface.
    pub url: String,
    state: PathBuf,
    // Stopped in this order: what depends on others first.
    processes: Vec<Process>,
    chain: Anvil,
}

impl Devnet {
    /// Starts everything and waits until the sequencer answers and the nodes are registered.
    ///
    /// # Errors
    /// Says which step failed; the logs of the processes say why.
    pub async fn start(options: &Options) -> Result<Self> {
        for folder in ["keys", "logs", "models"] {
            let path = options.state.join(folder);
            std::fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        }
        let chain = Anvil::spawn(&options.anvil, Some(&options.state.join("chain.json")))
            .context("start the chain")?;
        let accounts = Accounts::open(options, chain.url()).context("open the accounts")?;
        let contracts = genesis::contracts(&options.state, &accounts).await?;
        let mut models = Vec::new();
        for offer in &options.offers {
            models.push(genesis::offer(options, &accounts, &contracts, offer).await?);
        }
        let programs = Programs { options, contracts: &contracts, rpc: chain.url() };
        let mut sequencer = Process::start(programs.sequencer("127.0.0.1:0"))?;
        let address = sequencer.listening_address(START_LIMIT).await?;
        sequencer.replace_program(programs.sequencer(&address));
        let url = format!("http://{address}");
        let mut processes = Vec::new();
        processes.push(Process::start(programs.validator(&url))?);
        processes.push(Process::start(programs.prover(&url, &models))?);
        for i in 0..options.running_workers {
            processes.push(Process::start(programs.worker(&url, i))?);
        }
        processes.push(sequencer);
        let state = options.state.clone();
        let mut devnet = Self { accounts, contracts, models, url, state, processes, chain };
        devnet.wait_for_nodes(options.running_workers + 1).await?;
        Ok(devnet)
    }

    async fn wait_for_nodes(&mut self, expected: usize) -> Result<()> {
        let client = self.client()?;
        let deadline = tokio::time::Instant::now() + START_LIMIT;
        while client.nodes().await.map_or(0, |nodes| nodes.len()) < expected {
            for process in &mut self.processes {
                process.ensure_running()?;
            }
            anyhow::ensure!(
                tokio::time::Instant::now() < deadline,
                "the nodes did not register; see {}",
                self.state.join("logs").display()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// A client of the sequencer.
    ///
    /// # Errors
    /// When the TLS backend is not available.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::new(&self.url)?)
    }

    /// The chain's RPC endpoint.
    #[must_use]
    pub fn rpc_url(&self) -> &str {
        self.chain.url()
    }

    /// The validator's log.
    #[must_use]
    pub fn verdicts(&self) -> PathBuf {
        self.state.join("verdicts.jsonl")
    }

    /// Everybody's DN.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn balances(&self) -> Result<Balances> {
        Balances::read(&self.accounts, &self.contracts).await
    }

    /// Names and process ids of the services.
    #[must_use]
    pub fn processes(&self) -> Vec<(&str, u32)> {
        self.processes.iter().map(|p| (p.name(), p.id())).collect()
    }

    /// Kills a service without warning, as a crash would. [`Self::supervise`] starts it again.
    ///
    /// # Errors
    /// When there is no such service.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        let process = self.processes.iter_mut().find(|p| p.name() == name);
        process.with_context(|| format!("no process {name}"))?.kill();
        Ok(())
    }

    /// Starts every service again that has ended.
    ///
    /// # Errors
    /// When a program cannot be started.
    pub fn restart_ended(&mut self) -> Result<()> {
        self.processes.iter_mut().try_for_each(Process::restart_if_ended)
    }

    /// Keeps the services running until shutdown is requested.
    ///
    /// # Errors
    /// When a program cannot be started again.
    pub async fn supervise(&mut self, mut shutdown: Shutdown) -> Result<()> {
        while !shutdown.is_requested() {
            self.restart_ended()?;
            tokio::select! {
                () = shutdown.requested() => {}
                () = tokio::time::sleep(SUPERVISE) => {}
            }
        }
        Ok(())
    }
}

/// The command lines of the services.
struct Programs<'a> {
    options: &'a Options,
    contracts: &'a Deployment,
    rpc: &'a str,
}

impl Programs<'_> {
    fn program(&self, name: &str, file: &str, args: &[(&str, String)]) -> Program {
        let args = args.iter().flat_map(|(flag, value)| [(*flag).to_owned(), value.clone()]);
        Program {
            name: name.to_owned(),
            file: self.options.programs.join(file),
            args: args.filter(|a| !a.is_empty()).collect(),
            log: self.options.state.join("logs").join(format!("{name}.log")),
        }
    }

    fn key(&self, name: &str) -> String {
        text(&accounts::key_file(&self.options.state, name))
    }

    fn sequencer(&self, listen: &str) -> Program {
        let (o, state) = (self.options, &self.options.state);
        self.program(
            "sequencer",
            "dn-sequencer",
            &[
                ("--listen", listen.to_owned()),
                ("--database", format!("sqlite://{}", text(&state.join("sequencer.db")))),
                ("--rpc-url", self.rpc.to_owned()),
                ("--rollup", self.contracts.rollup.to_string()),
                ("--key-file", self.key("sequencer")),
                ("--models", text(&state.join("models"))),
                ("--batch-wait-ms", o.batch_wait.as_millis().to_string()),
                ("--lease-ms", o.lease.as_millis().to_string()),
                ("--proving-window-s", o.proving_window.as_secs().to_string()),
                ("--confirmations", o.confirmations.to_string()),
            ],
        )
    }

    fn worker(&self, url: &str, index: usize) -> Program {
        let name = format!("worker-{}", index + 1);
        let key = self.key(&name);
        self.program(
            &name,
            "dn-worker",
            &[
                ("serve", String::new()),
                ("--sequencer", url.to_owned()),
                ("--key-file", key),
                ("--backend", self.options.backend.clone()),
            ],
        )
    }

    fn prover(&self, url: &str, models: &[Bytes32]) -> Program {
        let warm: Vec<String> = models.iter().map(Bytes32::to_string).collect();
        let mut args = vec![
            ("--sequencer", url.to_owned()),
            ("--key-file", self.key("prover")),
            ("--data-dir", text(&self.options.data)),
        ];
        if !warm.is_empty() {
            args.push(("--warm", warm.join(",")));
        }
        self.program("prover", "dn-prover", &args)
    }

    fn validator(&self, url: &str) -> Program {
        self.program(
            "validator",
            "dn-validator",
            &[
                ("--sequencer", url.to_owned()),
                ("--rpc-url", self.rpc.to_owned()),
                ("--key-file", self.key("validator")),
                ("--verdicts", text(&self.options.state.join("verdicts.jsonl"))),
            ],
        )
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
