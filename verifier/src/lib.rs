//! Verifies batch proofs on ark-bn254, written from the protocol: no code of the prover or of
//! halo2 is in here.
//!
//! [`verify()`] takes bytes from anywhere, never panics on them and says why it rejects.

#[cfg(feature = "daemon")]
pub mod daemon;
mod error;
#[cfg(feature = "evm")]
pub mod evm;
mod field;
mod gates;
mod merged;
mod shplonk;
mod transcript;
mod verify;

pub use error::VerifyError;
pub use verify::verify;
