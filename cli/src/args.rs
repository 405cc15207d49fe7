//! The command line's grammar.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use dn_circuits::estimate::{Objective, Prices};
use dn_core::{Scheme, Scoring, Width};
use dn_sdk::stake::StakeRole;

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
    /// DN, with up to 18 decimals; `all` takes all out.
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

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Quantise an ONNX file into a model package.
    Import(Import),
    /// List the operators that can be imported.
    Operators,
    /// Show what a package holds and what proving it takes.
    Inspect(Inspect),
    /// Run a package with the integer reference executor.
    Run(Run),
    /// Prove one batch of inferences.
    Prove(Prove),
    /// Verify a batch proof.
    Verify(Verify),
    /// Open the commitments of one inference against the digest of a batch proof, which `verify` must have
    /// accepted: an opening means nothing for another digest or number of slots.
    Open(Open),
    /// Register a version of a model: announce it, put its key on the chain, pay its bond.
    Publish(Publish),
    /// Stop a version for good, with notice, in favour of another one if there is one.
    Deprecate(Deprecate),
    /// Pay the bond of a deprecated version back, once its notice is over.
    ReturnBond(OwnModel),
    /// Check that a verifying key is the one that the package yields, before it is registered or served.
    CheckKey(CheckKey),
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The ONNX file.
    pub(crate) onnx: PathBuf,
    /// Array `x`, or one array per input under its name, and, for accuracy, `y`.
    #[arg(long)]
    pub(crate) calibration: PathBuf,
    /// Extent of a symbolic dimension, as `height=8`, or `input.2=8` by input and axis; can be given several times.
    #[arg(long = "shape", value_name = "NAME=EXTENT", value_parser = extent)]
    pub(crate) shapes: Vec<(String, usize)>,
    /// A tensor that is an output; can be given several times. By default all outputs, one behind the other.
    #[arg(long = "output-name", value_name = "NAME")]
    pub(crate) output_names: Vec<String>,
    /// Compare integers with floats, and report accuracy, on these arrays instead of the calibration data.
    #[arg(long)]
    pub(crate) heldout: Option<PathBuf>,
    /// What proofs score: answers whose largest output is that of the class told by a label, or nothing, which saves
    /// rows. By default classes, where labels of the calibration data are numbers of classes, or there are none and
    /// the outputs are a softmax or 2 to 100 numbers on one scale.
    #[arg(long, value_enum)]
    pub(crate) score: Option<Score>,
    /// Layout of the columns of its proofs; by default the one of eight lanes.
    #[arg(long, value_enum, conflicts_with = "optimize")]
    pub(crate) layout: Option<Layout>,
    /// How columns are opened; by default the way by which proof and verification cost least in all, at the prices given.
    #[arg(long, value_enum, env = "DEEPNODE_OPENING", conflicts_with = "optimize")]
    pub(crate) opening: Option<Opening>,
    /// Choose layout and opening for the least CPU time per inference or the least gas per verification.
    #[arg(long, value_enum)]
    pub(crate) optimize: Option<Optimize>,
    #[command(flatten)]
    pub(crate) prices: Rates,
    /// Write the package even if the int8 outputs are further from the float ones than a quarter of their
    /// spread (root mean square over deviation). Above a twentieth there is a warning.
    #[arg(long)]
    pub(crate) accept_error: bool,
    /// Write a page about the import, too: graph, error and range of each layer, rows, costs by batch size and layout.
    #[arg(long, value_name = "HTML")]
    pub(crate) report: Option<PathBuf>,
    /// The package to write.
    #[arg(short, long)]
    pub(crate) output: PathBuf,
}

/// A name and an extent.
fn extent(text: &str) -> Result<(String, usize), String> {
    let pair = text.rsplit_once('=').and_then(|(name, n)| Some((name.to_owned(), n.parse().ok()?)));
    pair.filter(|(_, n)| *n > 0).ok_or_else(|| "expected NAME=EXTENT, as height=8".to_owned())
}

/// What proofs score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Score {
    /// The outputs are scores of classes.
    Classes,
    /// They are none.
    None,
}

impl From<Score> for Scoring {
    fn from(score: Score) -> Self {
        match score {
            Score::Classes => Self::Classes,
            Score::None => Self::None,
        }
    }
}

/// What a layout is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Optimize {
    /// The least CPU time per inference.
    Cpu,
    /// The least gas per verification.
    Gas,
}

impl From<Optimize> for Objective {
    fn from(optimize: Optimize) -> Self {
        match optimize {
            Optimize::Cpu => Self::Cpu,
            Optimize::Gas => Self::Gas,
        }
    }
}

/// What work costs.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Rates {
    /// Price of gas, in gwei.
    #[arg(long, env = "DEEPNODE_GAS_GWEI", default_value_t = Prices::default().gas_gwei)]
    pub(crate) gas_gwei: f64,
    /// Price of an ether, in dollars.
    #[arg(long, env = "DEEPNODE_ETHER_USD", default_value_t = Prices::default().ether_usd)]
    pub(crate) ether_usd: f64,
    /// Price of an hour of a core, in dollars.
    #[arg(long, env = "DEEPNODE_CORE_HOUR_USD", default_value_t = Prices::default().core_hour_usd)]
    pub(crate) core_hour_usd: f64,
}

impl From<Rates> for Prices {
    fn from(Rates { gas_gwei, ether_usd, core_hour_usd }: Rates) -> Self {
        Self { gas_gwei, ether_usd, core_hour_usd }
    }
}

/// How columns are committed to and opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Opening {
    /// A commitment for each column: the least CPU time.
    Plain,
    /// Several columns to a commitment: the least gas.
    Merged,
}

impl From<Opening> for Scheme {
    fn from(opening: Opening) -> Self {
        match opening {
            Opening::Plain => Self::Plain,
            Opening::Merged => Self::Merged,
        }
    }
}

/// A layout of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// Four lanes.
    Narrow,
    /// Eight lanes.
    Default,
    /// Sixteen lanes.
    Wide,
}

impl From<Layout> for Width {
    fn from(layout: Layout) -> Self {
        match layout {
            Layout::Narrow => Self::Narrow,
            Layout::Default => Self::Default,
            Layout::Wide => Self::Wide,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The model package.
    pub(crate) package: PathBuf,
    /// Category in which the version competes, for example "digits".
    #[arg(long)]
    pub(crate) service: String,
    /// Fee of one task, in DN.
    #[arg(long)]
    pub(crate) price: String,
    /// Tasks in a batch: a multiple of the layout's lanes, 8 in the default one.
    #[arg(long, default_value_t = 64)]
    pub(crate) slots: u32,
    /// Folder for what the sequencer serves: the package and its key, named by the model's id.
    #[arg(short, long)]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) of: AccountOf,
}

#[derive(Debug, Args)]
pub(crate) struct OwnModel {
    /// The model's id.
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) of: AccountOf,
}

#[derive(Debug, Args)]
pub(crate) struct Deprecate {
    /// The version that replaces it.
    #[arg(long)]
    pub(crate) successor: Option<String>,
    #[command(flatten)]
    pub(crate) own: OwnModel,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The model package.
    pub(crate) package: PathBuf,
    /// Draw the circuit's rows into this file: what they belong to, their kinds, the fixed columns that steer them.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Inferences in the batch that is drawn: a number, or `auto` for the planner's choice.
    #[arg(long, default_value = "auto", requires = "svg")]
    pub(crate) batch: Batch,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The model package.
    pub(crate) package: PathBuf,
    /// Array `x`, one row per example; `y` for accuracy.
    #[arg(long)]
    pub(crate) inputs: PathBuf,
    /// Arrays to write: `logits`, the values of the first output, float32; every output under its name where
    /// there are several; and the codes of all, `q`, int8.
    #[arg(short, long)]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// The model package.
    pub(crate) package: PathBuf,
    /// Array `x`, one row per example.
    #[arg(long)]
    pub(crate) inputs: PathBuf,
    /// Inferences in the proof: a number, or `auto` for the cheapest size per inference up to 256
    /// that fits the memory of this machine.
    #[arg(long, default_value = "auto")]
    pub(crate) batch: Batch,
    /// Tell the class of each input, array `y`: the proof then has a score.
    #[arg(long)]
    pub(crate) labels: bool,
    /// State one digest of all commitments: verification costs the same gas for any batch, but the rollup
    /// does not settle it. Single commitments are opened against the digest.
    #[arg(long)]
    pub(crate) digest: bool,
    /// The proof to write.
    #[arg(short, long)]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The model package.
    pub(crate) package: PathBuf,
    /// The proof.
    pub(crate) proof: PathBuf,
    /// Also run the Solidity verifier in an in-process EVM and report its gas.
    #[arg(long)]
    pub(crate) evm: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Open {
    /// A proof made with `--digest`.
    pub(crate) proof: PathBuf,
    /// The inference, counted from 0.
    #[arg(long)]
    pub(crate) slot: usize,
}

#[derive(Debug, Args)]
pub(crate) struct CheckKey {
    /// The model package.
    pub(crate) package: PathBuf,
    /// Its verifying key, a `.protocol` file.
    pub(crate) key: PathBuf,
    /// Slots of a batch, where the key is for digests.
    #[arg(long)]
    pub(crate) slots: Option<usize>,
}

/// How many inferences one proof covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Batch {
    /// The planner decides.
    Auto,
    /// This many.
    Exactly(usize),
}

impl FromStr for Batch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => match text.parse() {
                Ok(n) if n > 0 => Ok(Self::Exactly(n)),
                _ => Err("expected a positive number or auto".into()),
            },
        }
    }
}
