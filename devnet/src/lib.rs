//! A whole rollup on one machine: a development chain, the contracts, and every service as a
//! process of its own.
//!
//! All state lies in one folder, which its owner alone can enter, so that a second start goes on where the first one stopped. The
//! reference string is the unsafe one for development, and the keys lie unencrypted in the folder:
//! this is for development, never for money.
//!
//! | file | what |
//! |---|---|
//! | `keys/NAME.key` | accounts |
//! | `keys/gateway.secret` | what the gateway's API keys follow from |
//! | `chain.json`, `chain.good.json`, `chain.port` | the chain, a whole copy, and where it listens |
//! | `rollup.json` | where the contracts are |
//! | `models/` | packages and verifying keys that the sequencer serves |
//! | `sequencer.db` | the sequencer's database |
//! | `verdicts.jsonl` | what the validator says of each batch |
//! | `verdicts.metrics.json` | what it committed to of an epoch |
//! | `logs/NAME.log` | output of each process |

mod accounts;
mod balances;
mod chain;
mod deploy;
mod genesis;
mod grant;
mod options;
mod process;
mod programs;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use dn_core::api::Bytes32;
use dn_sdk::{Client, KeyMaker};
use dn_service::file::private_folder;
use dn_service::Shutdown;

pub use accounts::{fund_on_dev_chain, Accounts, DEMO_KEY};
pub use balances::Balances;
pub use deploy::{deploy, DeployError, Deployment, Rates, Roles};
pub use grant::grant;
pub use options::{Offer, Options};
use process::Process;
use programs::Programs;

/// Between two looks at the processes.
const SUPERVISE: Duration = Duration::from_millis(500);
/// Longest wait for a service to come up. Keys of a model may have to be made first.
const START_LIMIT: Duration = Duration::from_secs(120);

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
    /// The gateway, if there is one.
    pub gateway: Option<Gateway>,
    rpc: String,
    state: PathBuf,
    // Stopped in this order: what depends on others first.
    processes: Vec<Process>,
}

/// Where a gateway is, and a key for it.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Its HTTP interface.
    pub url: String,
    /// The API key [`DEMO_KEY`].
    pub api_key: String,
}

impl Gateway {
    fn of(state: &Path, address: &str) -> Result<Self> {
        let keys = KeyMaker::read(&accounts::secret_file(state))?;
        Ok(Self { url: format!("http://{address}"), api_key: keys.key(DEMO_KEY)? })
    }
}

impl Devnet {
    /// Starts everything and waits until the sequencer answers and the nodes are registered.
    ///
    /// # Errors
    /// Says which step failed; the logs of the processes say why.
    pub async fn start(options: &Options) -> Result<Self> {
        for folder in ["", "keys", "logs", "models"] {
            let path = options.state.join(folder);
            private_folder(&path).with_context(|| format!("create {}", path.display()))?;
        }
        let (chain, rpc) = chain::start(options).await.context("start the chain")?;
        let accounts = Accounts::open(options, &rpc).context("open the accounts")?;
        let contracts = genesis::contracts(options, &accounts).await?;
        let mut models = Vec::new();
        for offer in &options.offers {
            models.push(genesis::offer(options, &accounts, &contracts, offer).await?);
        }
        let told = options.rpc_url_for_services.as_deref().unwrap_or(&rpc);
        let programs = Programs {
            options,
            contracts: &contracts,
            rpc: told,
            web_rpc: &rpc,
            web_faucet: accounts.faucet.address(),
        };
        let mut sequencer = Process::start(programs.sequencer("127.0.0.1:0"))?;
        let address = sequencer.listening_address(START_LIMIT).await?;
        sequencer.replace_program(programs.sequencer(&address));
        let url = format!("http://{address}");
        let mut processes = Vec::new();
        processes.push(Process::start(programs.validator(&url))?);
        for i in 0..options.provers {
            processes.push(Process::start(programs.prover(&url, &models, i))?);
        }
        for i in 0..options.running_workers {
            processes.push(Process::start(programs.worker(&url, i))?);
        }
        let gateway = if options.gateway {
            let mut process = Process::start(programs.gateway(&url, "127.0.0.1:0"))?;
            let address = process.listening_address(START_LIMIT).await?;
            process.replace_program(programs.gateway(&url, &address));
            processes.insert(0, process);
            Some(Gateway::of(&options.state, &address)?)
        } else {
            None
        };
        processes.extend([sequencer, chain]);
        let state = options.state.clone();
        let mut devnet = Self { accounts, contracts, models, url, gateway, rpc, state, processes };
        devnet.wait_for_nodes(options.running_workers + options.provers).await?;
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

    /// The chain's own RPC endpoint.
    #[must_use]
    pub fn rpc_url(&self) -> &str {
        &self.rpc
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

    /// Names and process ids of the services and of the chain.
    #[must_use]
    pub fn processes(&self) -> Vec<(&str, u32)> {
        self.processes.iter().map(|p| (p.name(), p.id())).collect()
    }

    /// Kills a service or the `chain` without warning, as a crash would. [`Self::supervise`] starts it again.
    ///
    /// # Errors
    /// When there is no such service.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        let process = self.processes.iter_mut().find(|p| p.name() == name);
        process.with_context(|| format!("no process {name}"))?.kill();
        Ok(())
    }

    /// Starts every process again that has ended: at once, and ever later when it ends again and
    /// again.
    ///
    /// # Errors
    /// When a program cannot be started.
    pub fn restart_ended(&mut self) -> Result<()> {
        for process in &mut self.processes {
            if process.name() == "chain" {
                chain::guard(&self.state, process.has_ended()?)?;
            }
            process.restart_if_ended()?;
        }
        Ok(())
    }

    /// Keeps everything running until shutdown is requested.
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
