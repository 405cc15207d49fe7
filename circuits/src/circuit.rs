//! The circuit: one region, two phases, every model.

use std::sync::Arc;

use dn_core::Width;
use ff::Field;
use halo2_proofs::circuit::{Layouter, Region, SimpleFloorPlanner, Value};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Circuit, ConstraintSystem, Error};
use rand_core::OsRng;

use crate::blinding::ZeroWords;
use crate::field::from_core;
use crate::fold::fold;
use crate::plan::{Plan, BLINDING_ROWS};
use crate::system::columns::{Columns, CHALLENGES};
use crate::system::gates;
use crate::witness::Witness;

/// A batch of inferences of one model.
#[derive(Clone, Debug)]
pub struct BatchCircuit {
    plan: Arc<Plan>,
    witness: Option<Arc<Witness>>,
    assigns_fixed: bool,
    zeros: ZeroWords,
    /// Changes cells of the second phase.
    #[cfg(test)]
    pub(crate) forged: Option<crate::tests::Forge>,
}

impl BatchCircuit {
    /// The circuit without a witness, for key generation.
    #[must_use]
    pub fn for_keys(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            witness: None,
            assigns_fixed: true,
            zeros: ZeroWords::default(),
            #[cfg(test)]
            forged: None,
        }
    }

    /// The circuit of one batch for halo2's own prover. `zeros` goes to the [`crate::blinding::BlindingRng`] of its proof.
    #[must_use]
    pub fn for_proof(plan: Arc<Plan>, witness: Arc<Witness>, zeros: ZeroWords) -> Self {
        Self { witness: Some(witness), assigns_fixed: false, zeros, ..Self::for_keys(plan) }
    }

    #[cfg(test)]
    pub(crate) fn for_check(plan: Arc<Plan>, witness: Arc<Witness>) -> Self {
        Self { witness: Some(witness), ..Self::for_keys(plan) }
    }

    fn assign_fixed(&self, columns: &Columns, region: &mut Region<'_, Fr>) {
        for (i, column) in columns.fixed.iter().enumerate() {
            let values = self.plan.fixed_column(i).enumerate();
            for (row, value) in values.filter(|(_, v)| *v != Fr::ZERO) {
                region.assign_fixed(*column, row, value);
            }
        }
    }

    fn assign_second_phase(
        &self,
        columns: &Columns,
        witness: &Witness,
        challenges: [Fr; CHALLENGES],
        region: &mut Region<'_, Fr>,
    ) {
        let instances: Vec<Fr> = witness.statement.instances().into_iter().map(from_core).collect();
        let folded = fold(&self.plan, witness, &instances, challenges);
        #[cfg(test)]
        let folded = match &self.forged {
            Some(forge) => forge.apply(challenges, folded),
            None => folded,
        };
        for row in 0..self.plan.rows {
            let pairs = folded.inverses[row].chunks_exact(2);
            for (column, pair) in columns.helpers.iter().zip(pairs) {
                region.assign_advice(*column, row, Value::known(pair[0] + pair[1]));
            }
            for (column, value) in columns.accumulators.iter().zip(folded.accumulators[row]) {
                region.assign_advice(*column, row, Value::known(value));
            }
        }
        for row in self.plan.rows..self.plan.rows + BLINDING_ROWS {
            for column in &columns.helpers {
                region.assign_advice(*column, row, Value::known(Fr::random(OsRng)));
            }
        }
        self.zeros.arm(columns.helpers.len());
    }
}

impl Circuit<Fr> for BatchCircuit {
    type Config = Columns;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Width;

    fn params(&self) -> Width {
        self.plan.width
    }

    fn without_witnesses(&self) -> Self {
        Self::for_keys(self.plan.clone())
    }

    fn configure(cs: &mut ConstraintSystem<Fr>) -> Columns {
        Self::configure_with_params(cs, Width::default())
    }

    fn configure_with_params(cs: &mut ConstraintSystem<Fr>, width: Width) -> Columns {
        let columns = Columns::allocate(cs, width);
        #[cfg(test)]
        if crate::tests::configure_weakened(cs, &columns) {
            return columns;
        }
        gates::configure(cs, &columns);
        columns
    }

    fn synthesize(&self, columns: Columns, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        layouter.assign_region(
            || "batch",
            |mut region| {
                if self.assigns_fixed {
                    self.assign_fixed(&columns, &mut region);
                }
                let Some(witness) = &self.witness else { return Ok(()) };
                for (row, cells) in witness.cells.iter().enumerate() {
                    for (column, value) in columns.cells.iter().zip(cells) {
                        region.assign_advice(*column, row, Value::known(*value));
                    }
                }
                for (row, m) in witness.multiplicities.iter().enumerate() {
                    region.assign_advice(columns.multiplicity, row, Value::known(Fr::from(*m)));
                }
                region.next_phase();
                let mut challenges = [Fr::ZERO; CHALLENGES];
                let mut known = true;
                for (value, challenge) in challenges.iter_mut().zip(&columns.challenges) {
                    let mut drawn = None;
                    region.get_challenge(*challenge).map(|v| drawn = Some(v));
                    known &= drawn.is_some();
                    *value = drawn.unwrap_or(Fr::ZERO);
                }
                if known {
                    self.assign_second_phase(&columns, witness, challenges, &mut region);
                }
                Ok(())
            },
        )
    }
}
