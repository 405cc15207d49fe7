//! circomlib's Poseidon of width 6, cut into rows of 18 S-box cells.
//!
//! A permutation takes [`ROWS`] rows. A row holds six S-boxes, each with `a = x^2`, `b = a^2`,
//! `z = b x`; the S-box outputs `z` are cells, the state `M z` is never one: it is read as a
//! linear expression by the next row. The input row holds `z = M^-1 state`, so that it looks like
//! the end of a full round.
//!
//! | rows | kind | `x_k` |
//! |---|---|---|
//! | 0 | input | |
//! | 1..5 | full | `(M z')_k + c_k` |
//! | 5..15 | partial, six rounds each | linear in this row's `st` and earlier `z`, plus `c_k` |
//! | 15 | leave: `M z` = state | |
//! | 16..20 | full | `(M z')_k + c_k` |
//!
//! Constants of the five lanes without an S-box are pushed forward through the linear layer into
//! the next S-box inputs, so partial rows need six constants.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use light_poseidon::parameters::bn254_x5::get_poseidon_parameters;

use crate::field::{from_core, CoreFr};

/// State width.
pub const WIDTH: usize = 6;
/// Partial rounds in one row.
pub const PARTIALS: usize = 6;
/// Rows of one permutation.
pub const ROWS: usize = 20;
/// Full rounds on either side.
const HALF_FULL: usize = 4;
/// Row of the first partial rounds.
const PARTIAL_AT: usize = 1 + HALF_FULL;
/// Row that leaves the partial rounds.
const LEAVE_AT: usize = ROWS - HALF_FULL - 1;

/// Index of `z_k` among a row's cells; `a` and `b` follow.
pub const Z: usize = 0;
/// Index of `a_k`.
pub const A: usize = WIDTH;
/// Index of `b_k`.
pub const B: usize = 2 * WIDTH;
/// Index of the state that enters a partial row; a label on input rows.
pub const ST: usize = 3 * WIDTH;

/// A row's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// Takes the message block.
    Input,
    /// One full round.
    Full,
    /// Six partial rounds, the first row of them.
    PartialFirst,
    /// Six more partial rounds.
    PartialNext,
    /// Back from the partial rounds.
    Leave,
}

/// Kind of row `i` of a permutation.
#[must_use]
pub fn row_kind(i: usize) -> RowKind {
    match i {
        0 => RowKind::Input,
        PARTIAL_AT => RowKind::PartialFirst,
        LEAVE_AT => RowKind::Leave,
        _ if i > PARTIAL_AT && i < LEAVE_AT => RowKind::PartialNext,
        _ => RowKind::Full,
    }
}

/// Matrices and constants, in the shape that the rows need.
#[derive(Clone, Debug)]
pub struct Constants {
    /// The MDS matrix.
    pub m: [[Fr; WIDTH]; WIDTH],
    m_inverse: [[Fr; WIDTH]; WIDTH],
    /// `x_k` of a partial row over `(st_0..st_5, z_0..z_5)`.
    pub partial_x: Vec<[Fr; 2 * WIDTH]>,
    /// The state behind a partial row over the same.
    pub partial_state: Vec<[Fr; 2 * WIDTH]>,
    /// Constants `c_k` of every row; zero where a row has no S-box.
    pub round: Vec<[Fr; WIDTH]>,
}

fn apply(m: &[[Fr; WIDTH]; WIDTH], v: &[Fr; WIDTH]) -> [Fr; WIDTH] {
    std::array::from_fn(|i| (0..WIDTH).map(|j| m[i][j] * v[j]).sum())
}

fn invert(m: &[[Fr; WIDTH]; WIDTH]) -> [[Fr; WIDTH]; WIDTH] {
    let mut a = *m;
    let mut b: [[Fr; WIDTH]; WIDTH] =
        std::array::from_fn(|i| std::array::from_fn(|j| if i == j { Fr::ONE } else { Fr::ZERO }));
    for col in 0..WIDTH {
        let pivot = (col..WIDTH).find(|r| a[*r][col] != Fr::ZERO).expect("an MDS matrix inverts");
        a.swap(col, pivot);
        b.swap(col, pivot);
        let inverse = a[col][col].invert().expect("a pivot is not zero");
        for j in 0..WIDTH {
            a[col][j] *= inverse;
            b[col][j] *= inverse;
        }
        for r in (0..WIDTH).filter(|r| *r != col) {
            let factor = a[r][col];
            for j in 0..WIDTH {
                let (x, y) = (a[col][j], b[col][j]);
                a[r][j] -= factor * x;
                b[r][j] -= factor * y;
            }
        }
    }
    b
}

impl Constants {
    /// Derives everything from circomlib's parameters.
    #[must_use]
    pub fn new() -> Self {
        let p = get_poseidon_parameters::<CoreFr>(WIDTH as u8).expect("light-poseidon has width 6");
        assert_eq!((p.full_rounds, p.partial_rounds), (2 * HALF_FULL, 60));
        let m: [[Fr; WIDTH]; WIDTH] =
            std::array::from_fn(|i| std::array::from_fn(|j| from_core(p.mds[i][j])));
        let ark: Vec<[Fr; WIDTH]> =
            p.ark.chunks(WIDTH).map(|c| std::array::from_fn(|i| from_core(c[i]))).collect();
        let (partial_x, partial_state) = partial_forms(&m);
        let round = row_constants(&m, &ark);
        Self { m, m_inverse: invert(&m), partial_x, partial_state, round }
    }

    /// The cells of all rows of one permutation of `state`, and `(M z)_0` of the last row.
    #[must_use]
    pub fn permute(&self, state: [Fr; WIDTH]) -> (Vec<[Fr; 4 * WIDTH]>, Fr) {
        let mut rows = Vec::with_capacity(ROWS);
        let mut state = state;
        for i in 0..ROWS {
            let mut row = [Fr::ZERO; 4 * WIDTH];
            match row_kind(i) {
                RowKind::Input | RowKind::Leave => {
                    row[..WIDTH].copy_from_slice(&apply(&self.m_inverse, &state));
                }
                RowKind::Full => {
                    let z = std::array::from_fn(|k| sbox(&mut row, k, state[k] + self.round[i][k]));
                    state = apply(&self.m, &z);
                }
                RowKind::PartialFirst | RowKind::PartialNext => {
                    row[ST..].copy_from_slice(&state);
                    for k in 0..PARTIALS {
                        let x = self.linear(&self.partial_x[k], &row) + self.round[i][k];
                        sbox(&mut row, k, x);
                    }
                    state = std::array::from_fn(|k| self.linear(&self.partial_state[k], &row));
                }
            }
            rows.push(row);
        }
        (rows, state[0])
    }

    fn linear(&self, form: &[Fr; 2 * WIDTH], row: &[Fr; 4 * WIDTH]) -> Fr {
        (0..WIDTH).map(|i| form[i] * row[ST + i] + form[WIDTH + i] * row[Z + i]).sum()
    }
}

impl Default for Constants {
    fn default() -> Self {
        Self::new()
    }
}

fn sbox(row: &mut [Fr; 4 * WIDTH], k: usize, x: Fr) -> Fr {
    row[A + k] = x.square();
    row[B + k] = row[A + k].square();
    row[Z + k] = row[B + k] * x;
    row[Z + k]
}

type Forms = Vec<[Fr; 2 * WIDTH]>;

/// The S-box inputs and the final state of six partial rounds, as linear forms.
fn partial_forms(m: &[[Fr; WIDTH]; WIDTH]) -> (Forms, Forms) {
    let unit = |i: usize| {
        let mut form = [Fr::ZERO; 2 * WIDTH];
        form[i] = Fr::ONE;
        form
    };
    let mut state: Forms = (0..WIDTH).map(unit).collect();
    let mut x = Vec::new();
    for k in 0..PARTIALS {
        x.push(state[0]);
        state[0] = unit(WIDTH + k);
        state = (0..WIDTH)
            .map(|i| std::array::from_fn(|c| (0..WIDTH).map(|j| m[i][j] * state[j][c]).sum()))
            .collect();
    }
    (x, state)
}

/// Round constants by row, those of S-box-free lanes pushed forward.
fn row_constants(m: &[[Fr; WIDTH]; WIDTH], ark: &[[Fr; WIDTH]]) -> Vec<[Fr; WIDTH]> {
    let mut rows = vec![[Fr::ZERO; WIDTH]; ROWS];
    let mut round = ark.iter();
    let mut next = || *round.next().expect("a constant for every round");
    let mut carried = [Fr::ZERO; WIDTH];
    for (i, row) in rows.iter_mut().enumerate() {
        match row_kind(i) {
            RowKind::Input | RowKind::Leave => {}
            RowKind::Full => {
                let c = next();
                *row = std::array::from_fn(|k| c[k] + carried[k]);
                carried = [Fr::ZERO; WIDTH];
            }
            RowKind::PartialFirst | RowKind::PartialNext => {
                for constant in row.iter_mut() {
                    let c = next();
                    *constant = carried[0] + c[0];
                    let mut rest: [Fr; WIDTH] = std::array::from_fn(|k| carried[k] + c[k]);
                    rest[0] = Fr::ZERO;
                    carried = apply(m, &rest);
                }
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use light_poseidon::{Poseidon, PoseidonHasher};

    #[test]
    fn rows_compute_the_hash_of_the_reference() {
        let input: Vec<CoreFr> = (1..6u64).map(CoreFr::from).collect();
        let expected = Poseidon::<CoreFr>::new_circom(5).unwrap().hash(&input).unwrap();
        let state = std::array::from_fn(|i| Fr::from(i as u64));
        assert_eq!(Constants::new().permute(state).1, from_core(expected));
    }
}
