//! Checks a proof against the batch that it should settle, before anything is sent.

use dn_core::api::{Bytes32, HeaderView};
use dn_core::statement::{self, Score, INPUTS_AT};
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
    /// The score is one that no honest batch has.
    #[error("the score {0:?} is impossible for {1} tasks")]
    Score(Score, u32),
    /// The proof does not verify.
    #[error("the proof does not verify")]
    Verify(#[from] VerifyError),
}

fn number(x: u128) -> Bytes32 {
    let mut bytes = [0; 32];
    bytes[16..].copy_from_slice(&x.to_be_bytes());
    Bytes32(bytes)
}

/// Reads the three sums of a score. What is larger than any sum is as impossible as the largest.
fn score(words: &[Bytes32]) -> Result<Score, ProofError> {
    let sum = |word: &Bytes32| {
        let (high, low) = word.0.split_at(28);
        let value = low.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        if high.iter().any(|byte| *byte != 0) {
            u32::MAX
        } else {
            value
        }
    };
    match words {
        [count, correct, margin, ..] => Ok(Score {
            probe_count: sum(count),
            probe_correct: sum(correct),
            margin_sum: sum(margin),
        }),
        _ => Err(ProofError::Length { got: words.len(), expected: 3 }),
    }
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
    let score = score(&instances[statement::score_at(slots)..])?;
    let count = u32::try_from(inputs.len()).unwrap_or(u32::MAX);
    if !score.is_possible(count) {
        return Err(ProofError::Score(score, count));
    }
    let words: Vec<[u8; 32]> = instances.iter().map(|w| w.0).collect();
    Ok(dn_verifier::verify(&model.protocol, &words, proof)?)
}
