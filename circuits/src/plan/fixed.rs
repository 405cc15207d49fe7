//! The fixed columns of a plan. Most cells repeat, so they are indices of distinct values.

use halo2_proofs::halo2curves::bn256::Fr;

use crate::columns::{fixed_columns, Fx, Width};
use crate::steering::Share;

/// Fixed columns, by [`crate::columns::Fx::index`].
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    width: Width,
    values: Vec<Fr>,
    columns: Vec<Vec<u32>>,
}

impl Fixed {
    pub(super) const ZERO: u32 = 0;
    pub(super) const ONE: u32 = 1;
    pub(super) const TWO: u32 = 2;

    pub(super) fn new(width: Width) -> Self {
        let columns = vec![Vec::new(); fixed_columns(width)];
        Self { width, values: [0, 1, 2].map(Fr::from).to_vec(), columns }
    }

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
        assert!(self.columns.iter().all(|c| c.len() <= rows), "a cell behind the used rows");
        self.columns.iter_mut().for_each(|c| c.resize(rows, Self::ZERO));
    }

    pub(crate) fn at(&self, column: usize, row: usize) -> Fr {
        self.values[self.columns[column][row] as usize]
    }

    /// Whether a steering bit is set, or a whole column not zero.
    pub(crate) fn is_set(&self, fx: Fx, row: usize) -> bool {
        let index = self.columns[fx.index(self.width)][row];
        match fx.share() {
            Share::Whole | Share::Outer => index != Self::ZERO,
            Share::First => index == Self::ONE,
            Share::Second => index == Self::TWO,
        }
    }

    /// Whether a steering bit can be set without clearing the one that it shares a column with.
    pub(super) fn is_free(&self, fx: Fx, row: usize) -> bool {
        let index = self.columns[fx.index(self.width)].get(row).copied().unwrap_or(Self::ZERO);
        match fx.share() {
            Share::Whole | Share::Outer => true,
            Share::First => index != Self::TWO,
            Share::Second => fx.is_nested() || index != Self::ONE,
        }
    }

    pub(crate) fn is_zero(&self, column: usize, row: usize) -> bool {
        self.columns[column][row] == Self::ZERO
    }

    /// Values of a column.
    pub(crate) fn column(&self, column: usize) -> impl Iterator<Item = Fr> + '_ {
        self.columns[column].iter().map(|i| self.values[*i as usize])
    }
}
