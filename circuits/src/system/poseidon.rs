//! circomlib's Poseidon of width 6, cut into rows of the cells that a layout has.
//!
//! An S-box has `a = x^2`, `b = a^2`, `z = b x`. The first row is a full round whose state is the message.
//! Wherever other full rounds begin, the row before has `z` in its first six cells, and the state `M z` is
//! read as a linear expression.
//!
//! | default, wide | kind | cells | `x_k` |
//! |---|---|---|---|
//! | 0 | message | `z`, `a`, `b`, `st` | `st_k + c_k` |
//! | 1..4 | full | `z`, `a`, `b` | `(M z')_k + c_k` |
//! | 4..14 | partial, six rounds each | `z`, `a`, `b`, `st` | linear in this row's `st` and earlier `z`, plus `c_k` |
//! | 14 | leave | `z`: `M z` = state | |
//! | 15..19 | full | | |
//!
//! A row of the narrow layout has half the cells. A full round takes two rows, the first of which holds
//! its `x`, so nothing has to leave the partial rounds, and the message is `x_k - c_k`:
//!
//! | narrow | kind | cells | equations |
//! |---|---|---|---|
//! | 0 | message | `x`, `a` | `a = x^2` |
//! | 2, 4, 6 | squares | `x`, `a` | `x_k = (M z')_k + c_k`, `a = x^2` |
//! | 1, 3, 5, 7 | powers | `z`, `b` | `b = a'^2`, `z = b x'` |
//! | 8..38 | partial, two rounds each | `st`, `z`, `a`, `b` | |
//! | 38 | squares | `x`, `a` | `x_k` = state behind the partial rounds `+ c_k` |
//! | 39, ... 45 | powers and squares | | |
//!
//! Constants of the five lanes without an S-box are pushed forward through the linear layer into
//! the next S-box inputs, so partial rounds need one constant each.

use dn_core::Width;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use light_poseidon::parameters::bn254_x5::get_poseidon_parameters;

use crate::cells::Cells;
use crate::field::{from_core, CoreFr};

use super::columns;

/// State width.
pub const WIDTH: usize = 6;
/// Full rounds on either side.
const HALF_FULL: usize = 4;
/// Partial rounds.
const PARTIAL: usize = 60;

/// What a row of a permutation computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Round {
    /// The first full round, whose state is the message; in the narrow layout its first half.
    Message,
    /// One full round.
    Full,
    /// First half of a full round.
    Squares,
    /// The same, behind the partial rounds.
    SquaresLast,
    /// Second half of a full round.
    Powers,
    /// Partial rounds, the first row of them.
    PartialFirst,
    /// More partial rounds.
    PartialNext,
    /// Back from the partial rounds.
    Leave,
}

/// Where the cells of S-boxes begin on a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub(crate) z: usize,
    pub(crate) a: usize,
    pub(crate) b: usize,
    /// The state that enters a row of partial rounds, or the message.
    pub(crate) st: usize,
}

/// Full rounds of the default and the wide layout.
pub(crate) const FULL: Places = Places { z: 0, a: WIDTH, b: 2 * WIDTH, st: usize::MAX };

/// Rounds of one row of partial rounds.
pub(crate) const fn partials(width: Width) -> usize {
    match width {
        Width::Narrow => 2,
        Width::Default | Width::Wide | Width::Sequence => 6,
    }
}

/// Cells of a row of partial rounds.
pub(crate) const fn partial_places(width: Width) -> Places {
    match width {
        Width::Narrow => Places { st: 0, z: 6, a: 8, b: 10 },
        Width::Default | Width::Wide | Width::Sequence => Places { st: 18, ..FULL },
    }
}

/// Cells of a row of partial rounds, all of which are full-size; no row of a hash has more.
pub(crate) const fn full_size(width: Width) -> usize {
    WIDTH + 3 * partials(width)
}

/// Rows of one permutation.
pub(crate) const fn rows(width: Width) -> usize {
    match width {
        Width::Narrow => 2 * HALF_FULL + PARTIAL / 2 + 2 * HALF_FULL,
        Width::Default | Width::Wide | Width::Sequence => HALF_FULL + PARTIAL / 6 + 1 + HALF_FULL,
    }
}

/// What the rows of one permutation compute.
pub(crate) fn rounds(width: Width) -> Vec<Round> {
    use Round::{Full, Leave, Message, PartialFirst, PartialNext, Powers, Squares, SquaresLast};
    let partial = [vec![PartialFirst], vec![PartialNext; PARTIAL / partials(width) - 1]].concat();
    match width {
        Width::Narrow => {
            let full = [Squares, Powers].repeat(HALF_FULL);
            [&[Message], &full[1..], &partial, &[SquaresLast], &full[1..]].concat()
        }
        Width::Default | Width::Wide | Width::Sequence => {
            let full = [Full; HALF_FULL];
            [&[Message], &full[1..], &partial, &[Leave], &full].concat()
        }
    }
}

/// Matrices and constants, in the shape that the rows need.
#[derive(Clone, Debug)]
pub struct Constants {
    /// The layout.
    pub width: Width,
    /// The MDS matrix.
    pub m: [[Fr; WIDTH]; WIDTH],
    m_inverse: [[Fr; WIDTH]; WIDTH],
    /// `x_k` of a partial row over `(st_0..st_5, z_0, z_1, ..)`.
    pub partial_x: Vec<Vec<Fr>>,
    /// The state behind a partial row over the same.
    pub partial_state: Vec<Vec<Fr>>,
    /// What every row computes.
    pub rounds: Vec<Round>,
    /// Constants `c_k` of every row; zero where a row has none.
    pub round: Vec<[Fr; WIDTH]>,
}

fn apply(m: &[[Fr; WIDTH]; WIDTH], v: &[Fr]) -> [Fr; WIDTH] {
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
    pub fn new(width: Width) -> Self {
        let p = get_poseidon_parameters::<CoreFr>(WIDTH as u8).expect("light-poseidon has width 6");
        assert_eq!((p.full_rounds, p.partial_rounds), (2 * HALF_FULL, PARTIAL));
        let m: [[Fr; WIDTH]; WIDTH] =
            std::array::from_fn(|i| std::array::from_fn(|j| from_core(p.mds[i][j])));
        let ark: Vec<[Fr; WIDTH]> =
            p.ark.chunks(WIDTH).map(|c| std::array::from_fn(|i| from_core(c[i]))).collect();
        let (partial_x, partial_state) = partial_forms(&m, partials(width));
        let rounds = rounds(width);
        assert_eq!(rounds.len(), rows(width));
        let round = row_constants(&m, &ark, &rounds, partials(width));
        Self { width, m, m_inverse: invert(&m), partial_x, partial_state, rounds, round }
    }

    /// What the first cells of a row behind the partial rounds hold for a state.
    fn unmixed(&self, state: &[Fr; WIDTH]) -> [Fr; WIDTH] {
        apply(&self.m_inverse, state)
    }

    /// The cells of all rows of one permutation of `state`, and `(M z)_0` of the last row.
    #[must_use]
    pub fn permute(&self, state: [Fr; WIDTH]) -> (Cells, Fr) {
        self.permute_off(state, &|_, _| Fr::ZERO)
    }

    /// The same with errors: `off` of a row's index and a slip is added to what it names, and everything
    /// behind follows from that.
    pub(crate) fn permute_off(
        &self,
        mut state: [Fr; WIDTH],
        off: &dyn Fn(usize, Slip) -> Fr,
    ) -> (Cells, Fr) {
        let mut rows = Cells::zeros(0, columns::cells(self.width));
        let places = partial_places(self.width);
        for (i, (kind, c)) in self.rounds.iter().zip(&self.round).enumerate() {
            let off = |slip| off(i, slip);
            let before = rows.len().checked_sub(1).map(|i| rows[i].to_vec());
            let row = rows.push();
            state.iter_mut().enumerate().for_each(|(k, s)| *s += off(Slip::State(k)));
            match kind {
                Round::Leave => row[..WIDTH].copy_from_slice(&self.unmixed(&state)),
                Round::Message | Round::Full if self.width != Width::Narrow => {
                    if *kind == Round::Message {
                        row[places.st..places.st + WIDTH].copy_from_slice(&state);
                    }
                    let x: [Fr; WIDTH] = std::array::from_fn(|k| state[k] + c[k]);
                    (0..WIDTH).for_each(|k| sbox(row, &FULL, (k, x[k]), &off));
                    state = apply(&self.m, row);
                }
                Round::Message | Round::Full | Round::Squares | Round::SquaresLast => {
                    for k in 0..WIDTH {
                        row[k] = state[k] + c[k];
                        row[WIDTH + k] = row[k].square() + off(Slip::Square(k));
                    }
                }
                Round::Powers => {
                    let squares = before.unwrap_or_default();
                    for k in 0..WIDTH {
                        row[WIDTH + k] = squares[WIDTH + k].square() + off(Slip::Fourth(k));
                        row[k] = row[WIDTH + k] * squares[k] + off(Slip::Output(k));
                    }
                    state = apply(&self.m, row);
                }
                Round::PartialFirst | Round::PartialNext => {
                    row[places.st..places.st + WIDTH].copy_from_slice(&state);
                    for (k, form) in self.partial_x.iter().enumerate() {
                        let x = self.linear(form, row) + c[k];
                        sbox(row, &places, (k, x), &off);
                    }
                    state = std::array::from_fn(|k| self.linear(&self.partial_state[k], row));
                }
            }
        }
        (rows, state[0])
    }

    /// A form over the state and the S-box outputs of a row of partial rounds.
    pub(crate) fn linear(&self, form: &[Fr], row: &[Fr]) -> Fr {
        let places = partial_places(self.width);
        let st = &row[places.st..places.st + WIDTH];
        let z = &row[places.z..places.z + partials(self.width)];
        form.iter().zip(st.iter().chain(z)).map(|(f, x)| *f * x).sum()
    }
}

fn sbox(row: &mut [Fr], places: &Places, (k, x): (usize, Fr), off: &dyn Fn(Slip) -> Fr) {
    row[places.a + k] = x.square() + off(Slip::Square(k));
    row[places.b + k] = row[places.a + k].square() + off(Slip::Fourth(k));
    row[places.z + k] = row[places.b + k] * x + off(Slip::Output(k));
}

/// What a forger gets wrong in a permutation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Slip {
    /// `x^2`.
    Square(usize),
    /// `x^4`.
    Fourth(usize),
    /// `x^5`.
    Output(usize),
    /// The state in front of a row.
    State(usize),
}

type Forms = Vec<Vec<Fr>>;

/// The S-box inputs and the final state of `partials` partial rounds, as linear forms.
fn partial_forms(m: &[[Fr; WIDTH]; WIDTH], partials: usize) -> (Forms, Forms) {
    let len = WIDTH + partials;
    let unit = |i: usize| {
        let mut form = vec![Fr::ZERO; len];
        form[i] = Fr::ONE;
        form
    };
    let mut state: Forms = (0..WIDTH).map(unit).collect();
    let mut x = Vec::new();
    for k in 0..partials {
        x.push(state[0].clone());
        state[0] = unit(WIDTH + k);
        let mixed = |i: usize| -> Vec<Fr> {
            (0..len).map(|c| (0..WIDTH).map(|j| m[i][j] * state[j][c]).sum()).collect()
        };
        state = (0..WIDTH).map(mixed).collect();
    }
    (x, state)
}

/// Round constants by row, those of S-box-free lanes pushed forward.
fn row_constants(
    m: &[[Fr; WIDTH]; WIDTH],
    ark: &[[Fr; WIDTH]],
    rounds: &[Round],
    partials: usize,
) -> Vec<[Fr; WIDTH]> {
    let mut round = ark.iter();
    let mut next = || *round.next().expect("a constant for every round");
    let mut carried = [Fr::ZERO; WIDTH];
    let mut of = |kind: &Round| {
        let mut row = [Fr::ZERO; WIDTH];
        match kind {
            Round::Leave | Round::Powers => {}
            Round::Message | Round::Full | Round::Squares | Round::SquaresLast => {
                let c = next();
                row = std::array::from_fn(|k| c[k] + carried[k]);
                carried = [Fr::ZERO; WIDTH];
            }
            Round::PartialFirst | Round::PartialNext => {
                for constant in &mut row[..partials] {
                    let c = next();
                    *constant = carried[0] + c[0];
                    let mut rest: [Fr; WIDTH] = std::array::from_fn(|k| carried[k] + c[k]);
                    rest[0] = Fr::ZERO;
                    carried = apply(m, &rest);
                }
            }
        }
        row
    };
    rounds.iter().map(&mut of).collect()
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
        for width in Width::ALL {
            let (rows, hash) = Constants::new(width).permute(state);
            assert_eq!((rows.len(), hash), (super::rows(width), from_core(expected)));
        }
    }
}
