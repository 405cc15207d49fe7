//! Why a batch has no witness.

use thiserror::Error;

use crate::system::table::Triple;

/// Why a batch has no witness.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WitnessError {
    /// The plan lays out another kind of model.
    #[error("the plan is one of another kind of model")]
    Kind,
    /// More tasks than slots.
    #[error("{got} tasks for {slots} slots")]
    TooMany {
        /// Tasks given.
        got: usize,
        /// Slots of the plan.
        slots: usize,
    },
    /// An input has another length than the model's.
    #[error("slot {slot}: the input has {got} values, the model takes {expected}")]
    InputLength {
        /// Index of the slot.
        slot: usize,
        /// Values given.
        got: usize,
        /// Values required.
        expected: usize,
    },
    /// A label is no class of the model.
    #[error("slot {slot}: label {label} is no class of a model with {classes} classes")]
    Label {
        /// Index of the slot.
        slot: usize,
        /// The label given.
        label: u16,
        /// Classes of the model.
        classes: usize,
    },
    /// A looked-up value is not in the table: the graph is not the one that was planned.
    #[error("row {row}: {triple:?} is not in the table")]
    Lookup {
        /// Row of the cell.
        row: usize,
        /// What was looked up.
        triple: Triple,
    },
}
