//! Why a proof is rejected.

use dn_core::canonical::Flaw;
use dn_core::protocol::ProtocolError;
use dn_core::system::SystemError;
use thiserror::Error;

/// Why a proof is rejected.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The verifying key is malformed.
    #[error("the verifying key is malformed")]
    Protocol(#[from] ProtocolError),
    /// The key's columns are merged in a way that no key's are.
    #[error("the verifying key is malformed")]
    System(#[from] SystemError),
    /// A point or number of the verifying key is not in its group or field.
    #[error("the verifying key has an invalid {what}")]
    Key {
        /// Which part.
        what: &'static str,
    },
    /// The number of public inputs is wrong.
    #[error("{got} public inputs, expected {expected}")]
    InstanceCount {
        /// What was given.
        got: usize,
        /// What the key says.
        expected: usize,
    },
    /// A public input is not below the field's order.
    #[error("public input {index} is not below the field's order")]
    Instance {
        /// Its index.
        index: usize,
    },
    /// The public inputs are those of no honest batch.
    #[error(transparent)]
    Statement(#[from] Flaw),
    /// The proof has the wrong length.
    #[error("the proof has {got} bytes, expected {expected}")]
    ProofLength {
        /// What was given.
        got: usize,
        /// What the key says.
        expected: usize,
    },
    /// The proof ends before everything is read.
    #[error("the proof ends early")]
    ProofEnds,
    /// A point is off the curve, at infinity or not canonical.
    #[error("the point at byte {offset} is invalid")]
    Point {
        /// Where it stands.
        offset: usize,
    },
    /// A scalar is not below the field's order.
    #[error("the scalar at byte {offset} is not below the field's order")]
    Scalar {
        /// Where it stands.
        offset: usize,
    },
    /// A challenge hit one of the few points where the protocol is undefined.
    #[error("a challenge hit an excluded value")]
    Degenerate,
    /// The pairing check fails: a gate or an opening is wrong.
    #[error("the pairing check fails: the proof does not match its public inputs")]
    Pairing,
}
