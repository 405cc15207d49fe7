//! The prover: structured reference string, keys with a disk cache, proofs.
//!
//! [`Prover::prove`] checks its own proof before it returns it: halo2's prover makes a proof of a
//! wrong witness without complaint, and only the check tells.

mod bases;
#[cfg(feature = "daemon")]
pub mod daemon;
mod engine;
mod error;
mod file;
mod keys;
mod phase;
mod prove;
mod ptau;
mod srs;
mod usage;

pub use error::ProveError;
pub use keys::{KeyStats, Keys, Library};
pub use phase::{Observer, Phase};
pub use prove::{Proof, Prover};
pub use ptau::{read_ptau, PtauError};
pub use srs::{Srs, SrsError};
pub use usage::{available_mb, cpu_seconds, peak_rss_mb, Usage};
