//! Poseidon on hash rows; cells and constants in [`crate::poseidon`], the narrow layout's rounds in
//! [`super::hash_narrow`].
//!
//! With `s(x)` the three S-box equations `a = x^2`, `b = a^2`, `z = b x`:
//!
//! ```text
//! message        s(st_k + c_k)          message = absorb                   degree 3
//! full           s((M z')_k + c_k)                                         degree 3
//! partial        s(linear_k(st, z_0..z_(k-1)) + c_k)                       degree 3
//! partial_first  st = M z'                                                 degree 2
//! partial, next  st = state(st', z')          next = partial - partial_first
//! partial_last   M z = state(st', z')                                      degree 2
//! absorb         m_0 = 0                                                   degree 2
//! untagged       m_1 = offset    where absorb - absorb_next - absorb scale - node   degree 3
//! absorb_next    m_1 = (M z')_0                                            degree 3
//! ```
//! and `node = absorb tag_a` is where a node of a digest's tree takes its children: there `m_1` is free too.
//!
//! `m` is the message of a block, `st` here. Its words are bound by the folds of [`super::words`]; the salt,
//! `m_2` of a first block, is free. So is `m_1` where `scale` says that it has a label:
//! `(m_1 - offset) / 2^64`, which [`super::words`] folds and [`super::quality`] bounds.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{ConstraintSystem, Expression};

use crate::columns::{Columns, Fx, View, Width};
use crate::poseidon::{partial_places, partials, Constants, FULL, WIDTH};

use super::hash_narrow;

type Ex = Expression<Fr>;

/// `sum form_i x_i`, skipping zero coefficients.
pub(super) fn linear(form: &[Fr], xs: &[Ex]) -> Ex {
    let zero = Fr::zero();
    form.iter()
        .zip(xs)
        .filter(|(c, _)| **c != zero)
        .map(|(c, x)| if *c == Fr::one() { x.clone() } else { x.clone() * *c })
        .reduce(|a, b| a + b)
        .expect("a form has a coefficient")
}

/// `(M z)_i` of this row.
pub(super) fn state(v: &mut View<'_, '_>, constants: &Constants, i: usize) -> Ex {
    let z: Vec<Ex> = (0..WIDTH).map(|k| v.cell(k)).collect();
    linear(&constants.m[i], &z)
}

/// `(M z')_i`, the state behind the previous row.
pub(super) fn state_prev(v: &mut View<'_, '_>, constants: &Constants, i: usize) -> Ex {
    let z: Vec<Ex> = (0..WIDTH).map(|k| v.cell_prev(k)).collect();
    linear(&constants.m[i], &z)
}

/// The block's message `m_i` on a row that takes one.
pub(super) fn message(v: &mut View<'_, '_>, constants: &Constants, i: usize) -> Ex {
    match v.width() {
        Width::Narrow => v.cell(i) - Expression::Constant(constants.round[0][i]),
        width @ (Width::Default | Width::Wide) => v.cell(partial_places(width).st + i),
    }
}

/// 1 where the message is a node's children.
pub(super) fn node(v: &mut View<'_, '_>) -> Ex {
    v.fx(Fx::Absorb) * v.fx(Fx::TagA)
}

/// Cells that partial rounds are linear in: the state in front of them and their S-box outputs.
pub(super) fn partial_cells(width: Width) -> Vec<usize> {
    let places = partial_places(width);
    (places.st..places.st + WIDTH).chain(places.z..places.z + partials(width)).collect()
}

pub(super) fn configure(cs: &mut ConstraintSystem<Fr>, columns: &Columns, constants: &Constants) {
    match columns.width {
        Width::Narrow => hash_narrow::configure(cs, columns, constants),
        Width::Default | Width::Wide => rounds(cs, columns, constants),
    }
    absorb(cs, columns, constants);
}

fn rounds(cs: &mut ConstraintSystem<Fr>, columns: &Columns, constants: &Constants) {
    let cells = partial_cells(columns.width);
    cs.create_gate("poseidon S-boxes", |meta| {
        let mut v = View::new(meta, columns);
        let full = v.fx(Fx::Full);
        let (partial, absorb) = (v.fx(Fx::Partial), v.fx(Fx::Absorb));
        let row: Vec<Ex> = cells.iter().map(|i| v.cell(*i)).collect();
        let mut constraints = Vec::new();
        for (k, form) in constants.partial_x.iter().enumerate() {
            let c = v.round_constant(k);
            let x_full = state_prev(&mut v, constants, k) + c.clone();
            let x_partial = linear(form, &row) + c.clone();
            let x_message = message(&mut v, constants, k) + c;
            let (z, a, b) = (v.cell(FULL.z + k), v.cell(FULL.a + k), v.cell(FULL.b + k));
            let any = full.clone() + partial.clone() + absorb.clone();
            constraints.push(any * (b.clone() - a.clone() * a.clone()));
            let rounds = [(&full, x_full), (&partial, x_partial), (&absorb, x_message)];
            for (selector, x) in rounds {
                constraints.push(selector.clone() * (a.clone() - x.clone() * x.clone()));
                constraints.push(selector.clone() * (z.clone() - b.clone() * x));
            }
        }
        constraints
    });
    cs.create_gate("poseidon partial states", |meta| {
        let mut v = View::new(meta, columns);
        let (first, last) = (v.fx(Fx::PartialFirst), v.fx(Fx::PartialLast));
        let next = v.fx(Fx::Partial) - first.clone();
        let before: Vec<Ex> = cells.iter().map(|i| v.cell_prev(*i)).collect();
        let mut constraints = Vec::new();
        for (k, cell) in cells.iter().take(WIDTH).enumerate() {
            let st = v.cell(*cell);
            let left = linear(&constants.partial_state[k], &before);
            constraints.push(first.clone() * (st.clone() - state_prev(&mut v, constants, k)));
            constraints.push(next.clone() * (st - left.clone()));
            constraints.push(last.clone() * (state(&mut v, constants, k) - left));
        }
        constraints
    });
}

fn absorb(cs: &mut ConstraintSystem<Fr>, columns: &Columns, constants: &Constants) {
    cs.create_gate("poseidon absorb", |meta| {
        let mut v = View::new(meta, columns);
        let (absorb, next) = (v.fx(Fx::Absorb), v.fx(Fx::AbsorbNext));
        let (m0, m1) = (message(&mut v, constants, 0), message(&mut v, constants, 1));
        let tagged =
            absorb.clone() - next.clone() - absorb.clone() * v.fx(Fx::Scale) - node(&mut v);
        let chained = state_prev(&mut v, constants, 0);
        vec![absorb * m0, tagged * (m1.clone() - v.fx(Fx::Offset)), next * (m1 - chained)]
    });
}
