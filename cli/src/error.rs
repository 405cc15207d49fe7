//! Failures with a stable code and a hint.

use std::error::Error;
use std::path::Path;

use dn_circuits::PlanError;
use dn_core::proof_file::ProofFileError;
use dn_import::npz::NpzError;
use dn_import::{ImportError, PackageError};
use dn_prover::{ProveError, SrsError};
use dn_verifier::evm::EvmError;
use dn_verifier::VerifyError;

/// A failed command. It is a type of this crate so that every library's errors become one by `?`.
#[derive(Debug)]
pub(crate) struct Failure(dn_service::Failure);

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>, hint: &'static str) -> Self {
        Self(dn_service::Failure::new(code, message, hint))
    }

    pub(crate) fn of(code: &'static str, error: &dyn Error, hint: &'static str) -> Self {
        Self(dn_service::Failure::of(code, error, hint))
    }

    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        Self(dn_service::Failure::file(path, error))
    }

    /// What is wrong, in a sentence.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// Writes the failure to stderr, and as JSON to stdout if asked for.
    pub(crate) fn report(&self, json: bool) {
        self.0.report(json);
    }
}

impl From<ImportError> for Failure {
    fn from(e: ImportError) -> Self {
        Self::of(e.code(), &e, e.hint())
    }
}

impl From<PackageError> for Failure {
    fn from(e: PackageError) -> Self {
        Self::of(e.code(), &e, e.hint())
    }
}

impl From<NpzError> for Failure {
    fn from(e: NpzError) -> Self {
        Self::of(e.code(), &e, e.hint())
    }
}

impl From<ProveError> for Failure {
    fn from(e: ProveError) -> Self {
        let (code, hint) = match &e {
            ProveError::Plan(PlanError::Outputs { .. }) => (
                "plan",
                "import it with --score none, or with fewer outputs (--output-name): no batch size changes this",
            ),
            ProveError::Plan(_) => ("plan", "choose a smaller batch or a smaller model"),
            ProveError::Witness(_) => ("input_shape", "give inputs of the model's length"),
            ProveError::Merge(_) => ("merge", "import it with --opening plain"),
            ProveError::Srs(SrsError::Bases { .. }) => ("bases", "delete the file and try again"),
            ProveError::Srs(_) => ("srs", "use a larger powers-of-tau file or a smaller batch"),
            ProveError::Cache { .. } => ("cache", "set --data-dir to a folder that can be written"),
            ProveError::Halo2(_) => ("proof_system", "report this model and batch"),
            ProveError::Memory { .. } => ("memory", "choose a smaller batch with --batch"),
            ProveError::Cancelled(_) => ("cancelled", "start the proof again"),
            ProveError::SelfCheck => {
                ("self_check", "the keys may belong to another version: remove the data folder")
            }
        };
        Self::of(code, &e, hint)
    }
}

impl From<ProofFileError> for Failure {
    fn from(e: ProofFileError) -> Self {
        Self::of("proof_malformed", &e, "make the proof again with deepnode model prove")
    }
}

impl From<VerifyError> for Failure {
    fn from(e: VerifyError) -> Self {
        Self::of("proof_rejected", &e, "do not rely on these answers: the proof does not hold")
    }
}

impl From<EvmError> for Failure {
    fn from(e: EvmError) -> Self {
        Self::of("evm", &e, "the contracts could not be run; the native verdict stands")
    }
}
