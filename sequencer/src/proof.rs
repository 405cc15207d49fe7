//! Checks a proof against the batch that it should settle, before anything is sent.

use dn_core::api::{Bytes32, HeaderView};
use dn_core::statement::{self, INPUTS_AT};
use dn_sdk::{header_instance, wire};
use dn_verifier::VerifyError;
use thiserror::Error;

use crate::models::Model;

/// Why a proof does not settle a batch.
#[derive(Debug, Error)]
pub(crate) enum ProofError {
    /// The wrong number of public inputs.
    #[error("{got} public inputs, expected {expected}")]
    Length {
        /// Number found.
        got: usize,
        /// Number required.
        expected: usize,
    },
    /// A public input is not what the batch says.
    #[error("public input {index} is {got}, expected {expected}")]
    Instance {
        /// Its position.
        index: usize,
        /// Value found.
        got: Bytes32,
        /// Value required.
        expected: Bytes32,
    },
    /// The proof does not verify.
    #[error("the proof does not verify")]
    Verify(#[from] VerifyError),
}

fn number(x: u128) -> Bytes32 {
    let mut bytes = [0; 32];
    bytes[16..].copy_from_slice(&x.to_be_bytes());
    Bytes32(bytes)
}

/// The public input that binds a proof to its header.
#[must_use]
pub(crate) fn header_word(header: &HeaderView) -> Bytes32 {
    Bytes32(header_instance(&wire::rollup_header(header)).to_be_bytes())
}

/// Checks that `proof` proves the tasks with `inputs`, in this order, under `header`.
///
/// # Errors
/// Says what does not fit.
pub(crate) fn check(
    model: &Model,
    header: &HeaderView,
    inputs: &[Bytes32],
    instances: &[Bytes32],
    proof: &[u8],
) -> Result<(), ProofError> {
    let slots = model.view.batch_slots as usize;
    let expected = statement::len(slots);
    if instances.len() != expected || inputs.len() > slots {
        return Err(ProofError::Length { got: instances.len(), expected });
    }
    let expect = |index: usize, expected: Bytes32| match instances[index] {
        got if got == expected => Ok(()),
        got => Err(ProofError::Instance { index, got, expected }),
    };
    expect(0, number(statement::VERSION))?;
    expect(1, header_word(header))?;
    expect(2, number(inputs.len() as u128))?;
    let padding = std::iter::repeat(&model.view.null_input_hash);
    for (i, input) in inputs.iter().chain(padding).take(slots).enumerate() {
        expect(INPUTS_AT + i, *input)?;
    }
    let words: Vec<[u8; 32]> = instances.iter().map(|w| w.0).collect();
    Ok(dn_verifier::verify(&model.protocol, &words, proof)?)
}
