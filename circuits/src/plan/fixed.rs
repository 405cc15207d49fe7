//! The fixed columns of a plan. Most cells repeat, so they are indices of distinct values.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use crate::columns::FIXED;

/// Fixed columns, by [`crate::columns::Fx::index`].
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    values: Vec<Fr>,
    columns: Vec<Vec<u32>>,
}

impl Default for Fixed {
    fn default() -> Self {
        Self { values: vec![Fr::ZERO, Fr::ONE], columns: vec![Vec::new(); FIXED] }
    }
}

impl Fixed {
    pub(super) const ZERO: u32 = 0;
    pub(super) const ONE: u32 = 1;

    /// Index of a value that is not known.
    pub(super) fn intern(&mut self, value: Fr) -> u32 {
        self.values.push(value);
        (self.values.len() - 1) as u32
    }

    pub(super) fn set(&mut self, column: usize, row: usize, index: u32) {
        let column = &mut self.columns[column];
        if column.len() <= row {
            column.resize(row + 1, Self::ZERO);
        }
        column[row] = index;
    }

    pub(super) fn resize(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|c| c.resize(rows, Self::ZERO));
    }

    pub(crate) fn at(&self, column: usize, row: usize) -> Fr {
        self.values[self.columns[column][row] as usize]
    }

    pub(crate) fn is_zero(&self, column: usize, row: usize) -> bool {
        self.columns[column][row] == Self::ZERO
    }

    /// Values of a column.
    pub(crate) fn column(&self, column: usize) -> impl Iterator<Item = Fr> + '_ {
        self.columns[column].iter().map(|i| self.values[*i as usize])
    }
}
