//! The command line's grammar.

mod model;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use dn_sdk::stake::StakeRole;

pub(crate) use model::{
    Batch, CheckKey, Deprecate, Import, Inspect, ModelCommand, Open, OwnModel, Prove, Publish, Run,
    Verify,
};

/// Verified inference: quantise models, run them, prove batches, verify proofs.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Print one JSON object on stdout; progress and logs go to stderr.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Folder of keys and reference strings.
    #[arg(long, global = true, env = "DEEPNODE_DATA_DIR", default_value = ".deepnode")]
    pub(crate) data_dir: PathBuf,
    /// Powers of tau of a ceremony, a snarkjs .ptau file. Without it the unsafe development string is used.
    #[arg(long, global = true, env = "DEEPNODE_SRS")]
    pub(crate) srs: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Import, inspect, run, prove and verify models.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Send tasks to a sequencer.
    #[command(subcommand)]
    Task(TaskCommand),
    /// Deposit DN into a rollup, and take it out.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Hand out API keys of a gateway.
    #[command(subcommand)]
    Gateway(GatewayCommand),
    /// Serve tools for an agent on stdin and stdout: list_models, quote, infer, get_proof, verify, balance.
    Mcp(Mcp),
    /// Show the running epoch: every worker's trust with its parts, its work, its score and its claim.
    Epoch(Epoch),
    /// Claim what a worker has earned in closed epochs.
    Claim(Claim),
    /// Put up DN as a worker, prover or validator, and take the part in the epochs that the role has.
    Stake(StakeAmount),
    /// Start to take a stake out; it stays slashable until it is withdrawn.
    Unbond(StakeAmount),
    /// Pay out what was taken out, once its time is over.
    Withdraw(StakeOf),
    /// Show the nodes of a rollup, or the stake of one's own.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Print a shell's completions, for its folder of them.
    Completions(Completions),
    /// Write a manual page for each command.
    Man(Man),
    /// Run a whole rollup on this machine: chain, contracts, sequencer, workers, prover, validator.
    ///
    /// Keys and reference string are for development: never use it for money.
    Devnet(Devnet),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Tell what an account has, inside the rollup and outside.
    Show(AccountOf),
    /// Have gas money and DN from a devnet's faucet; the key is drawn if there is none.
    Fund(AccountFund),
    /// Put DN into the rollup: orders are paid from it.
    Deposit(AccountAmount),
    /// Ask for DN: it is paid when the exit's delay is over, by claim-exit. An amount, or all.
    Exit(AccountAmount),
    /// Take the request for an exit back.
    CancelExit(AccountOf),
    /// Have an exit paid whose delay is over.
    ClaimExit(AccountOf),
}

impl AccountCommand {
    /// Whose account it is about.
    pub(crate) fn of(&self) -> &AccountOf {
        match self {
            Self::Show(of) | Self::CancelExit(of) | Self::ClaimExit(of) => of,
            Self::Deposit(a) | Self::Exit(a) => &a.of,
            Self::Fund(a) => &a.amount.of,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List workers and provers with their trust and its five parts.
    List(NodeList),
    /// Tell what an account has put up for a role.
    Stake(StakeOf),
}

#[derive(Debug, Args)]
pub(crate) struct NodeList {
    /// The sequencer's HTTP interface.
    #[arg(long, env = "DN_SEQUENCER_URL")]
    pub(crate) sequencer: String,
}

#[derive(Debug, Args)]
pub(crate) struct StakeOf {
    /// What the stake is for.
    #[arg(value_enum)]
    pub(crate) role: NodeRole,
    #[command(flatten)]
    pub(crate) of: AccountOf,
}

#[derive(Debug, Args)]
pub(crate) struct StakeAmount {
    /// What the stake is for.
    #[arg(value_enum)]
    pub(crate) role: NodeRole,
    /// DN, with up to 18 decimals; `all` takes all out, 0 tries again to take a seat.
    pub(crate) amount: String,
    #[command(flatten)]
    pub(crate) of: AccountOf,
}

/// What a node puts its stake up for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum NodeRole {
    /// Runs models.
    Worker,
    /// Proves batches.
    Prover,
    /// Checks both.
    Validator,
}

impl From<NodeRole> for StakeRole {
    fn from(role: NodeRole) -> Self {
        match role {
            NodeRole::Worker => Self::Worker,
            NodeRole::Prover => Self::Prover,
            NodeRole::Validator => Self::Validator,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Mcp {
    #[command(flatten)]
    pub(crate) of: AccountOf,
    /// The most DN that the session spends, with up to 18 decimals.
    #[arg(long, env = "DN_SESSION_BUDGET")]
    pub(crate) budget: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GatewayCommand {
    /// Make API keys, and tell what they have left.
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Print the key of a name, and put DN into its escrow. Keys whose names differ behind a dot share one escrow.
    Add(KeyAdd),
    /// List the names of keys that were added, with what each has left.
    List(KeyList),
}

#[derive(Debug, Args)]
pub(crate) struct KeyAdd {
    /// Name of the key: a-z, 0-9, dash, underscore and dot.
    pub(crate) name: String,
    /// DN to put into its escrow, from the wallet of --key-file, with up to 18 decimals.
    #[arg(long, default_value = "0")]
    pub(crate) deposit: String,
    /// The gateway's secret; drawn if the file is missing.
    #[arg(long, env = "DN_GATEWAY_SECRET_FILE")]
    pub(crate) secret_file: PathBuf,
    #[command(flatten)]
    pub(crate) of: AccountOf,
}

#[derive(Debug, Args)]
pub(crate) struct KeyList {
    /// The gateway's secret.
    #[arg(long, env = "DN_GATEWAY_SECRET_FILE")]
    pub(crate) secret_file: PathBuf,
    /// The sequencer's HTTP interface, which tells where the contracts are.
    #[arg(long, env = "DN_SEQUENCER_URL")]
    pub(crate) sequencer: String,
    /// HTTP endpoint of the chain.
    #[arg(long, env = "DN_RPC_URL")]
    pub(crate) rpc_url: String,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Folder of the pages; made if it is missing.
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct AccountOf {
    /// The sequencer's HTTP interface, which tells where the contracts are.
    #[arg(long, env = "DN_SEQUENCER_URL")]
    pub(crate) sequencer: String,
    /// HTTP endpoint of the chain.
    #[arg(long, env = "DN_RPC_URL")]
    pub(crate) rpc_url: String,
    /// File with the account's private key.
    #[arg(long, env = "DN_KEY_FILE")]
    pub(crate) key_file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct AccountAmount {
    /// DN, with up to 18 decimals.
    pub(crate) amount: String,
    #[command(flatten)]
    pub(crate) of: AccountOf,
}

#[derive(Debug, Args)]
pub(crate) struct AccountFund {
    /// The devnet's folder of state.
    #[arg(long, env = "DEEPNODE_STATE", default_value = "devnet")]
    pub(crate) state: PathBuf,
    #[command(flatten)]
    pub(crate) amount: AccountAmount,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Sign an order for each input, send it in, and wait for its answer or its proof.
    Submit(TaskSubmit),
}

#[derive(Debug, Args)]
pub(crate) struct TaskSubmit {
    /// The sequencer's HTTP interface.
    #[arg(long, env = "DN_SEQUENCER_URL")]
    pub(crate) sequencer: String,
    /// File with the user's private key, whose account has DN in escrow.
    #[arg(long, env = "DN_KEY_FILE")]
    pub(crate) key_file: PathBuf,
    /// Id, name or service of the model; by default the only one.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Array `x`, one row per input.
    #[arg(long)]
    pub(crate) inputs: PathBuf,
    /// Tell the class of each input, array `y`, when its batch is proven: the batch's score then counts it.
    #[arg(long)]
    pub(crate) labels: bool,
    /// How many of the inputs.
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    pub(crate) count: usize,
    /// What to wait for.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) wait: Until,
    /// Seconds for which the orders are good.
    #[arg(long, default_value_t = 3600)]
    pub(crate) life_s: u64,
}

/// What to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// The worker's answer.
    #[default]
    Answered,
    /// The proof on chain.
    Proven,
}

#[derive(Debug, Args)]
pub(crate) struct Epoch {
    /// The sequencer's HTTP interface, which names the rollup.
    #[arg(long, env = "DN_SEQUENCER_URL")]
    pub(crate) sequencer: String,
    /// HTTP endpoint of the chain.
    #[arg(long, env = "DN_RPC_URL")]
    pub(crate) rpc_url: String,
}

#[derive(Debug, Args)]
pub(crate) struct Claim {
    #[command(flatten)]
    pub(crate) of: AccountOf,
}

#[derive(Debug, Args)]
pub(crate) struct Devnet {
    /// Folder of all state; a second start goes on where the first one stopped.
    #[arg(long, env = "DEEPNODE_STATE", default_value = "devnet")]
    pub(crate) state: PathBuf,
    /// A model package to register and serve; can be given several times.
    #[arg(long = "model", required = true)]
    pub(crate) models: Vec<PathBuf>,
    /// Tasks in a batch of these models.
    #[arg(long, default_value_t = 64)]
    pub(crate) batch: u32,
    /// Fee of one task, in wei of DN.
    #[arg(long, default_value_t = 10_000_000_000_000_000)]
    pub(crate) price: u128,
    /// Users with DN in escrow; their keys are in the state folder.
    #[arg(long, default_value_t = 2)]
    pub(crate) users: usize,
    /// Workers to run.
    #[arg(long, default_value_t = 2)]
    pub(crate) workers: usize,
    /// Provers to run.
    #[arg(long, default_value_t = 1)]
    pub(crate) provers: usize,
    /// Seconds between blocks; without it each transaction gets its block at once.
    #[arg(long)]
    pub(crate) block_time_s: Option<u64>,
    /// What the workers run models on: torch or reference.
    #[arg(long, default_value = "torch")]
    pub(crate) backend: String,
    /// Folder of the services' programs; by default this program's own.
    #[arg(long)]
    pub(crate) programs: Option<PathBuf>,
    /// Folder of the built explorer, which is then served with the sequencer; by default the one that make web builds.
    #[arg(long, env = "DN_WEB")]
    pub(crate) web: Option<PathBuf>,
    /// foundry's native anvil; by default the one that make setup fetches.
    #[arg(long, env = "DEEPNODE_ANVIL")]
    pub(crate) anvil: Option<PathBuf>,
}
