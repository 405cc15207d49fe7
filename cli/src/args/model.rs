//! The grammar of `deepnode model ...`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use dn_circuits::estimate::{Objective, Prices};
use dn_core::{Scheme, Scoring, Width};

use super::AccountOf;

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
    /// Import a transformer value by value, as a graph: it can be proven, as long as it is small. By default it becomes a
    /// model of token sequences, which can be run.
    #[arg(long)]
    pub(crate) graph: bool,
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
