//! A table of field elements, row by row.

use std::ops::{Index, IndexMut, Range};

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

/// Rows of equal length, of which there may be many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells {
    columns: usize,
    values: Vec<Fr>,
}

impl Cells {
    /// Zeros.
    pub(crate) fn zeros(rows: usize, columns: usize) -> Self {
        Self { columns, values: vec![Fr::ZERO; rows * columns] }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Every row, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[Fr]> {
        self.values.chunks_exact(self.columns)
    }

    /// Adds rows behind the last one.
    pub(crate) fn extend(&mut self, other: &Self) {
        assert_eq!(self.columns, other.columns, "rows of another length");
        self.values.extend_from_slice(&other.values);
    }

    /// Adds a row of zeros and returns it.
    pub(crate) fn push(&mut self) -> &mut [Fr] {
        let row = self.len();
        self.values.resize(self.values.len() + self.columns, Fr::ZERO);
        &mut self[row]
    }

    /// Columns of `n` rows, zeros behind the last one of this table.
    pub(crate) fn transposed(&self, n: usize) -> Vec<Vec<Fr>> {
        let mut columns = vec![vec![Fr::ZERO; n]; self.columns];
        for (i, row) in self.iter().enumerate() {
            for (column, x) in columns.iter_mut().zip(row) {
                column[i] = *x;
            }
        }
        columns
    }
}

impl Index<usize> for Cells {
    type Output = [Fr];

    fn index(&self, row: usize) -> &[Fr] {
        &self[row..row + 1]
    }
}

impl IndexMut<usize> for Cells {
    fn index_mut(&mut self, row: usize) -> &mut [Fr] {
        &mut self[row..row + 1]
    }
}

impl Index<Range<usize>> for Cells {
    type Output = [Fr];

    fn index(&self, rows: Range<usize>) -> &[Fr] {
        &self.values[rows.start * self.columns..rows.end * self.columns]
    }
}

impl IndexMut<Range<usize>> for Cells {
    fn index_mut(&mut self, rows: Range<usize>) -> &mut [Fr] {
        &mut self.values[rows.start * self.columns..rows.end * self.columns]
    }
}
