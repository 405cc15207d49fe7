//! The advice columns of a proof, by phase, with their random rows.
//!
//! Every column ends in [`BLINDING_ROWS`] random rows, which no gate reads. The gate of the lookup
//! helpers has no selector, so there the helpers are zero and get as many random elements on the
//! usable rows behind the last active one, as in [`crate::blinding`].

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use rand_core::{CryptoRng, RngCore};

use crate::field::from_core;
use crate::fold::fold;
use crate::plan::{Plan, BLINDING_ROWS};
use crate::system::columns::{ACCUMULATORS, CHALLENGES};
use crate::witness::Witness;

/// Columns of `2^k` rows, in the order in which the constraint system allocates them.
pub type Columns = Vec<Vec<Fr>>;

fn blind(column: &mut [Fr], first: usize, rng: &mut impl RngCore) {
    for x in &mut column[first..first + BLINDING_ROWS] {
        *x = Fr::random(&mut *rng);
    }
}

/// Cells of all lanes and multiplicities.
#[must_use]
pub fn first_phase(
    plan: &Plan,
    witness: &Witness,
    rng: &mut (impl RngCore + CryptoRng),
) -> Columns {
    let n = 1 << plan.k;
    let mut all = witness.cells.transposed(n);
    let mut multiplicity: Vec<Fr> = witness.multiplicities.iter().map(|m| Fr::from(*m)).collect();
    multiplicity.resize(n, Fr::ZERO);
    all.push(multiplicity);
    all.iter_mut().for_each(|column| blind(column, n - BLINDING_ROWS, rng));
    all
}

/// The columns of the second phase. A helper is the sum of two columns with few distinct values
/// each, which makes it cheap to commit to.
#[derive(Clone, Debug)]
pub struct SecondPhase {
    /// By lane; the first column of each has the random rows.
    pub helpers: Vec<[Vec<Fr>; 2]>,
    /// In the order in which the constraint system allocates them.
    pub accumulators: Columns,
}

impl SecondPhase {
    /// Every column.
    #[must_use]
    pub fn into_columns(self) -> Columns {
        let sum = |[mut a, b]: [Vec<Fr>; 2]| {
            a.iter_mut().zip(&b).for_each(|(x, y)| *x += y);
            a
        };
        self.helpers.into_iter().map(sum).chain(self.accumulators).collect()
    }
}

/// Lookup helpers and accumulators at the challenges drawn after the first phase.
#[must_use]
pub fn second_phase(
    plan: &Plan,
    witness: &Witness,
    challenges: [Fr; CHALLENGES],
    rng: &mut (impl RngCore + CryptoRng),
) -> SecondPhase {
    let n = 1 << plan.k;
    let instances: Vec<Fr> = witness.statement.instances().into_iter().map(from_core).collect();
    let folded = fold(plan, witness, &instances, challenges);
    let mut helpers = vec![[vec![Fr::ZERO; n], vec![Fr::ZERO; n]]; plan.width.lanes()];
    for (row, inverses) in folded.inverses.iter().enumerate() {
        for ([a, b], pair) in helpers.iter_mut().zip(inverses.chunks_exact(2)) {
            (a[row], b[row]) = (pair[0], pair[1]);
        }
    }
    helpers.iter_mut().for_each(|[a, _]| blind(a, plan.rows, rng));
    let mut accumulators = vec![vec![Fr::ZERO; n]; ACCUMULATORS];
    for (i, row) in folded.accumulators.iter().enumerate() {
        accumulators.iter_mut().zip(row).for_each(|(column, x)| column[i] = *x);
    }
    accumulators.iter_mut().for_each(|column| blind(column, n - BLINDING_ROWS, rng));
    SecondPhase { helpers, accumulators }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::setup;
    use rand_core::OsRng;

    #[test]
    fn soundness_row_23_every_column_has_six_random_rows() {
        let (_, plan, witness) = setup(5, 8);
        let n = 1 << plan.k;
        let draw = || {
            let mut all = first_phase(&plan, &witness, &mut OsRng);
            let second = second_phase(&plan, &witness, [Fr::from(7); CHALLENGES], &mut OsRng);
            all.extend(second.into_columns());
            all
        };
        let first = crate::system::columns::cells(plan.width) + 1;
        let helpers = first..first + plan.width.lanes();
        for (i, (a, b)) in draw().iter().zip(&draw()).enumerate() {
            let end = n - BLINDING_ROWS..n;
            let random = if helpers.contains(&i) {
                assert!(a[end].iter().all(|x| *x == Fr::ZERO));
                plan.rows..plan.rows + BLINDING_ROWS
            } else {
                end
            };
            for row in 0..n {
                assert_eq!(a[row] != b[row], random.contains(&row), "column {i}, row {row}");
            }
        }
    }
}
