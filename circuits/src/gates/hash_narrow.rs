//! Rounds of Poseidon in the narrow layout, where a full round takes two rows.
//!
//! With `lin_k(st, z)` the forms of partial rounds, a prime for the row before:
//!
//! ```text
//! squares        x_k = (M z')_k + c_k      where full - partial_last - absorb   degree 3
//!                x_k = state(st', z')_k + c_k      where partial_last           degree 3
//!                a_k = x_k^2               where full                           degree 3
//! powers         b_k = a'_k^2, z_k = b_k x'_k      where full'                  degree 3
//! partial        a_k = (lin_k(st, z_0..z_(k-1)) + c_k)^2, b_k = a_k^2, z_k = b_k (lin_k + c_k)
//! partial_first  st = M z'                                                      degree 3
//! partial, next  st = state(st', z')        next = partial - partial_first      degree 3
//! ```
//!
//! `full` is set on rows of squares; a row of powers is one behind them, `full'`. On the row behind the
//! partial rounds `partial_last` is set as well, and `absorb` on the first one, where `x_k` is the message
//! plus `c_k`.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{ConstraintSystem, Expression};

use super::hash::{linear, partial_cells, state_prev};
use crate::columns::{Columns, Fx, View};
use crate::poseidon::{partial_places, Constants, WIDTH};

type Ex = Expression<Fr>;

pub(super) fn configure(cs: &mut ConstraintSystem<Fr>, columns: &Columns, constants: &Constants) {
    let cells = partial_cells(columns.width);
    cs.create_gate("poseidon full rounds", |meta| {
        let mut v = View::new(meta, columns);
        let (full, last) = (v.fx(Fx::Full), v.fx(Fx::PartialLast));
        let powers = v.fx_prev(Fx::Full);
        let mixes = full.clone() - last.clone() - v.fx(Fx::Absorb);
        let before: Vec<Ex> = cells.iter().map(|i| v.cell_prev(*i)).collect();
        let mut constraints = Vec::new();
        for k in 0..WIDTH {
            let (x, a) = (v.cell(k), v.cell(WIDTH + k));
            let c = v.round_constant(k);
            let mixed = state_prev(&mut v, constants, k) + c.clone();
            let left = linear(&constants.partial_state[k], &before) + c;
            constraints.push(mixes.clone() * (x.clone() - mixed));
            constraints.push(last.clone() * (x.clone() - left));
            constraints.push(full.clone() * (a - x.clone() * x));
            let (z, b) = (v.cell(k), v.cell(WIDTH + k));
            let (x, a) = (v.cell_prev(k), v.cell_prev(WIDTH + k));
            constraints.push(powers.clone() * (b.clone() - a.clone() * a));
            constraints.push(powers.clone() * (z - b * x));
        }
        constraints
    });
    cs.create_gate("poseidon S-boxes", |meta| {
        let mut v = View::new(meta, columns);
        let (partial, places) = (v.fx(Fx::Partial), partial_places(columns.width));
        let row: Vec<Ex> = cells.iter().map(|i| v.cell(*i)).collect();
        let mut constraints = Vec::new();
        for (k, form) in constants.partial_x.iter().enumerate() {
            let x = linear(form, &row) + v.round_constant(k);
            let (z, a, b) = (v.cell(places.z + k), v.cell(places.a + k), v.cell(places.b + k));
            constraints.push(partial.clone() * (a.clone() - x.clone() * x.clone()));
            constraints.push(partial.clone() * (b.clone() - a.clone() * a));
            constraints.push(partial.clone() * (z - b * x));
        }
        constraints
    });
    cs.create_gate("poseidon partial states", |meta| {
        let mut v = View::new(meta, columns);
        let first = v.fx(Fx::PartialFirst);
        let next = v.fx(Fx::Partial) - first.clone();
        let before: Vec<Ex> = cells.iter().map(|i| v.cell_prev(*i)).collect();
        let mut constraints = Vec::new();
        for (k, cell) in cells.iter().take(WIDTH).enumerate() {
            let st = v.cell(*cell);
            let left = linear(&constants.partial_state[k], &before);
            constraints.push(first.clone() * (st.clone() - state_prev(&mut v, constants, k)));
            constraints.push(next.clone() * (st - left));
        }
        constraints
    });
}
