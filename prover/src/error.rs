//! Why there is no proof.

use std::path::PathBuf;

use dn_circuits::{PlanError, WitnessError};
use dn_core::system::SystemError;
use halo2_proofs::plonk::Error as PlonkError;
use thiserror::Error;

use crate::phase::Phase;
use crate::srs::SrsError;

/// Why there is no proof.
#[derive(Debug, Error)]
pub enum ProveError {
    /// The model does not fit the layout.
    #[error("lay out the model")]
    Plan(#[from] PlanError),
    /// The batch does not fit the model.
    #[error("fill the witness")]
    Witness(#[from] WitnessError),
    /// The reference string is not available.
    #[error("load the reference string")]
    Srs(#[from] SrsError),
    /// The layout's columns cannot share commitments.
    #[error("merge the columns of the layout")]
    Merge(#[from] SystemError),
    /// The key cache cannot be written.
    #[error("write the key cache {}", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The proof system failed.
    #[error("proof system: {0}")]
    Halo2(String),
    /// The machine has less free memory than the proof takes.
    #[error("the proof needs about {needed_mb} MiB, {available_mb} MiB are free")]
    Memory {
        /// Estimated peak.
        needed_mb: u64,
        /// What the system says.
        available_mb: u64,
    },
    /// The observer said so.
    #[error("cancelled before {0}")]
    Cancelled(Phase),
    /// The finished proof does not verify: the witness is wrong.
    #[error("the finished proof does not verify")]
    SelfCheck,
}

impl ProveError {
    /// The transcript or the parameters cannot be encoded.
    pub(crate) fn encode(e: std::io::Error) -> Self {
        Self::Halo2(e.to_string())
    }
}

impl From<std::io::Error> for ProveError {
    fn from(e: std::io::Error) -> Self {
        Self::encode(e)
    }
}

impl From<PlonkError> for ProveError {
    fn from(e: PlonkError) -> Self {
        Self::Halo2(e.to_string())
    }
}
