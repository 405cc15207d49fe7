//! The gates, one family per file. Every gate has degree at most 3 and vanishes where all fixed
//! columns are zero, so blinding rows are free.

mod claims;
mod hash;
mod hash_narrow;
mod lookup;
mod quality;
mod words;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;

use crate::columns::Columns;
use crate::poseidon::Constants;

#[cfg(test)]
pub(crate) use lookup::HELPER_GATE;
pub(crate) use quality::{classes, per_label, real_mark, NO_LABEL, SLACK_OFFSET};
pub(crate) use words::label_scale_inverse;

/// Adds every gate to the constraint system.
pub(crate) fn configure(cs: &mut ConstraintSystem<Fr>, columns: &Columns) {
    lookup::configure(cs, columns);
    let constants = Constants::new(columns.width);
    claims::configure(cs, columns, &constants);
    hash::configure(cs, columns, &constants);
    quality::configure(cs, columns);
    words::configure(cs, columns, &constants);
}
