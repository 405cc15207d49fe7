//! The constraint system: what an auditor reads.
//!
//! ```text
//! columns       the columns, registers and challenges          steering   marks, and which share a column
//! lookup        the lookup argument                            table      what is looked up
//! accumulators  one recurrence per register                    row        what a recurrence is written in
//! rows          one file per kind of row: cells, marks, filling, constraints, terms of registers
//! poseidon      constants and rows of a permutation            gates      all constraints, in order
//! sequence      what sequence models look up                   attention  the same of attention
//! ```
//!
//! Nothing here knows how a model is planned, a witness filled or a proof folded.

pub(crate) mod accumulators;
pub(crate) mod attention;
pub mod columns;
pub(crate) mod fixed;
pub(crate) mod gates;
pub(crate) mod kind;
pub(crate) mod lookup;
pub mod poseidon;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod sequence;
pub(crate) mod steering;
pub mod table;
pub(crate) mod view;
