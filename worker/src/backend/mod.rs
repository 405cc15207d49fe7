//! Executors of a quantised model.
//!
//! Invariant: every backend equals [`dn_core::quant::execute`] bit for bit. A worker whose answer
//! differs in one bit can be slashed.

mod reference;
#[cfg(feature = "torch")]
mod torch;

use std::fmt::Debug;

use clap::ValueEnum;
use dn_core::quant::sequence::SequenceError;
use dn_core::quant::{Graph, GraphError};
use thiserror::Error;

use crate::self_test::{self_test, SelfTestError};

pub use reference::Reference;
#[cfg(feature = "torch")]
pub use torch::{Torch, TorchSequence};

/// A model, loaded and ready to run.
pub trait Backend: Debug + Send {
    /// Which executor this is, as the command line spells it.
    fn name(&self) -> &'static str;

    /// Where it computes: `cpu` or `cuda:0`.
    fn device(&self) -> &'static str;

    /// Runs a batch: one row of [`Graph::input_len`] values each in, one row of
    /// [`Graph::output_len`] values each out, in the same order. No rows give no rows.
    ///
    /// # Errors
    /// [`BackendError::InputLength`] on a row of another length, before anything runs;
    /// [`BackendError::Torch`] when libtorch fails, for instance because memory is short.
    fn run(&self, inputs: &[Vec<i8>]) -> Result<Vec<Vec<i8>>, BackendError>;
}

/// The executors that exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum BackendKind {
    /// libtorch, on the GPU if there is one.
    #[cfg_attr(feature = "torch", default)]
    Torch,
    /// Plain integers on one core.
    #[cfg_attr(not(feature = "torch"), default)]
    Reference,
}

/// Why a backend cannot be used or failed.
#[derive(Debug, Error)]
pub enum BackendError {
    /// This program was built without the executor.
    #[error("this program was built without the {name} backend")]
    Unavailable {
        /// The executor that was asked for.
        name: &'static str,
    },
    /// The model breaks a rule of the integer semantics.
    #[error("the model is invalid")]
    Model(#[from] GraphError),
    /// The sequence model breaks a rule of the integer semantics.
    #[error("the sequence model is invalid")]
    Sequence(#[from] SequenceError),
    /// An input does not have the model's length.
    #[error("input {row} has {got} values, the model takes {expected}")]
    InputLength {
        /// Index of the input in its batch.
        row: usize,
        /// Length found.
        got: usize,
        /// Length required.
        expected: usize,
    },
    /// The model takes more memory than the executor gives to one input.
    #[cfg(feature = "torch")]
    #[error("one input takes up to {bytes} bytes of memory, at most {most} are given")]
    Memory {
        /// Bytes for one input.
        bytes: usize,
        /// Bytes that are given.
        most: usize,
    },
    /// libtorch failed.
    #[cfg(feature = "torch")]
    #[error("libtorch could not {operation}")]
    Torch {
        /// What was attempted.
        operation: &'static str,
        /// The cause.
        #[source]
        source: tch::TchError,
    },
    /// The executor does not compute what the integer semantics say.
    #[error("the self-test failed; nothing is served")]
    SelfTest(#[from] SelfTestError),
}

impl BackendError {
    /// Stable identifier that programs print.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "backend_unavailable",
            Self::Model(_) | Self::Sequence(_) => "package",
            Self::InputLength { .. } => "input_shape",
            #[cfg(feature = "torch")]
            Self::Memory { .. } | Self::Torch { .. } => "backend",
            Self::SelfTest(_) => "self_test",
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => {
                "run scripts/setup-libtorch.sh and build with --features torch, \
                 or use --backend reference"
            }
            Self::Model(_) | Self::Sequence(_) => {
                "make the package again with deepnode model import"
            }
            Self::InputLength { .. } => "give inputs of the model's length",
            #[cfg(feature = "torch")]
            Self::Memory { .. } => "use --backend reference",
            #[cfg(feature = "torch")]
            Self::Torch { .. } => "free memory or give fewer inputs, or use --backend reference",
            Self::SelfTest(_) => {
                "this machine's libtorch computes wrong answers: use --backend reference, \
                 or install libtorch again with scripts/setup-libtorch.sh"
            }
        }
    }
}

/// Loads `graph` into an executor and proves it against the reference by [`self_test`].
///
/// # Errors
/// When the executor was not built in, the model is invalid, libtorch fails, or an answer of the
/// self-test differs in any bit.
pub fn open(kind: BackendKind, graph: &Graph) -> Result<Box<dyn Backend>, BackendError> {
    let backend: Box<dyn Backend> = match kind {
        BackendKind::Reference => Box::new(Reference::load(graph)?),
        #[cfg(feature = "torch")]
        BackendKind::Torch => Box::new(Torch::load(graph)?),
        #[cfg(not(feature = "torch"))]
        BackendKind::Torch => return Err(BackendError::Unavailable { name: "torch" }),
    };
    self_test(backend.as_ref(), graph)?;
    Ok(backend)
}

/// Checks that every row has the model's length.
fn check_lengths(inputs: &[Vec<i8>], expected: usize) -> Result<(), BackendError> {
    match inputs.iter().position(|x| x.len() != expected) {
        None => Ok(()),
        Some(row) => Err(BackendError::InputLength { row, got: inputs[row].len(), expected }),
    }
}
