//! Checks a proof against the batch that it should settle, before anything is sent.

use dn_core::api::{Address, Bytes32};
use dn_core::canonical::{self, Batch, Flaw};
use dn_sdk::settlement::header_instance;
use dn_verifier::VerifyError;
use thiserror::Error;

use crate::models::Model;

/// Why a proof does not settle a batch.
#[derive(Debug, Error)]
pub(crate) enum ProofError {
    /// Its public inputs are not those of the batch.
    #[error(transparent)]
    Statement(#[from] Flaw),
    /// The proof does not verify.
    #[error("the proof does not verify")]
    Verify(#[from] VerifyError),
}

/// What a proof should be about, by task, in the order of the slots.
#[derive(Debug)]
pub(crate) struct Tasks {
    pub(crate) inputs: Vec<[u8; 32]>,
    pub(crate) labels: Vec<Option<u16>>,
}

/// Checks that `proof` is one of `prover` for `tasks` under the header with this hash.
///
/// # Errors
/// Says what does not fit.
pub(crate) fn check(
    model: &Model,
    batch_hash: Bytes32,
    prover: Address,
    tasks: &Tasks,
    instances: &[Bytes32],
    proof: &[u8],
) -> Result<(), ProofError> {
    let words: Vec<[u8; 32]> = instances.iter().map(|w| w.0).collect();
    canonical::read(&words)?.is_of(&Batch {
        slots: model.view.batch_slots as usize,
        header: header_instance(batch_hash, prover).0,
        inputs: &tasks.inputs,
        labels: Some(&tasks.labels),
        null_input: model.view.null_input_hash.0,
    })?;
    Ok(dn_verifier::verify(&model.protocol, &words, proof)?)
}
