//! The batch circuit: one halo2 proof that every answer of a batch is the exact output of the
//! registered model.
//!
//! One constraint system serves every model; a model is a program in fixed columns ([`plan`]), so
//! the verifying key is the commitment to the model. A batch's witness ([`witness`]) holds a few
//! small cells per activation value and none per multiplication: linear layers are checked once
//! per batch on values folded by challenges that are drawn after the witness is committed
//! (`system`). The statement is [`dn_core::statement`].

pub mod assignment;
pub mod blinding;
mod cells;
mod circuit;
pub mod estimate;
pub mod field;
mod fold;
pub mod gas;
pub mod plan;
pub mod protocol;
pub mod solidity;
mod system;
pub mod transcript;
pub mod witness;

pub use cells::Cells;
pub use circuit::BatchCircuit;
pub use dn_core::{Scheme, Scoring, Width};
pub use plan::{Frame, Plan, PlanError};
pub use system::rows::tables::tables;
pub use system::{columns, poseidon, table};
pub use witness::{Slot, Witness, WitnessError};

#[cfg(test)]
mod tests;
