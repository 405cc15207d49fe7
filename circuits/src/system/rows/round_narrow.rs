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

use super::round::{linear, partial_cells, state_prev};
use crate::system::poseidon::{partial_places, WIDTH};
use crate::system::row::Row as _;
use crate::system::steering::Fx;
use crate::system::view::{Ex, View};

pub(crate) fn full_rounds(v: &mut View<'_, '_>) -> Vec<(&'static str, Ex)> {
    let (full, last) = (v.fx(Fx::Full), v.fx(Fx::PartialLast));
    let powers = v.fx_prev(Fx::Full);
    let mixes = full.clone() - last.clone() - v.fx(Fx::Absorb);
    let before: Vec<Ex> = partial_cells(v.width()).into_iter().map(|i| v.cell_prev(i)).collect();
    let forms = v.poseidon().partial_state.clone();
    let mut all = Vec::new();
    for (k, form) in forms.iter().enumerate() {
        let (x, a) = (v.cell(k), v.cell(WIDTH + k));
        let c = v.round_constant(k);
        let mixed = state_prev(v, k) + c.clone();
        let left = linear(form, &before) + c;
        all.push(("", mixes.clone() * (x.clone() - mixed)));
        all.push(("", last.clone() * (x.clone() - left)));
        all.push(("", full.clone() * (a - x.clone() * x)));
        let (z, b) = (v.cell(k), v.cell(WIDTH + k));
        let (x, a) = (v.cell_prev(k), v.cell_prev(WIDTH + k));
        all.push(("", powers.clone() * (b.clone() - a.clone() * a)));
        all.push(("", powers.clone() * (z - b * x)));
    }
    all
}

pub(crate) fn sboxes(v: &mut View<'_, '_>) -> Vec<(&'static str, Ex)> {
    let (partial, places) = (v.fx(Fx::Partial), partial_places(v.width()));
    let row: Vec<Ex> = partial_cells(v.width()).into_iter().map(|i| v.cell(i)).collect();
    let forms = v.poseidon().partial_x.clone();
    let mut all = Vec::new();
    for (k, form) in forms.iter().enumerate() {
        let x = linear(form, &row) + v.round_constant(k);
        let (z, a, b) = (v.cell(places.z + k), v.cell(places.a + k), v.cell(places.b + k));
        all.push(("", partial.clone() * (a.clone() - x.clone() * x.clone())));
        all.push(("", partial.clone() * (b.clone() - a.clone() * a)));
        all.push(("", partial.clone() * (z - b * x)));
    }
    all
}

pub(crate) fn partial_states(v: &mut View<'_, '_>) -> Vec<(&'static str, Ex)> {
    let cells = partial_cells(v.width());
    let first = v.fx(Fx::PartialFirst);
    let next = v.fx(Fx::Partial) - first.clone();
    let before: Vec<Ex> = cells.iter().map(|i| v.cell_prev(*i)).collect();
    let forms = v.poseidon().partial_state.clone();
    let mut all = Vec::new();
    for (k, cell) in cells.into_iter().take(WIDTH).enumerate() {
        let (st, left) = (v.cell(cell), linear(&forms[k], &before));
        all.push(("", first.clone() * (st.clone() - state_prev(v, k))));
        all.push(("", next.clone() * (st - left)));
    }
    all
}
