//! Cells and multiplicities in the making.

use halo2_proofs::halo2curves::bn256::Fr;

use super::error::WitnessError;
use crate::cells::Cells;
use crate::plan::Plan;
use crate::system::columns;
use crate::system::rows::small::Small;

/// Fills the rows of a plan.
pub(super) struct Filler<'a> {
    pub(super) plan: &'a Plan,
    pub(super) cells: Cells,
    pub(super) lanes: usize,
    pub(super) multiplicities: Vec<u64>,
}

impl<'a> Filler<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            cells: Cells::zeros(plan.rows, columns::cells(plan.width)),
            lanes: plan.width.lanes(),
            multiplicities: vec![0; plan.table.rows.len()],
        }
    }

    /// Fills a lookup row and counts its look-ups.
    pub(super) fn lookup_row(
        &mut self,
        row: usize,
        tags: (u64, u64),
        small: &Small,
    ) -> Result<(), WitnessError> {
        let lanes = self.lanes;
        for lane in 0..lanes {
            let [hi, lo, out] = small.lane(lane);
            for triple in [(tags.0, hi, out), (tags.1, lo, 0)] {
                let index =
                    self.plan.table.find(triple).ok_or(WitnessError::Lookup { row, triple })?;
                self.multiplicities[index] += 1;
            }
            self.cells[row][lane] = Fr::from(hi);
            self.cells[row][lanes + lane] = Fr::from(lo);
            self.cells[row][2 * lanes + lane] = Fr::from(out);
        }
        Ok(())
    }
}
