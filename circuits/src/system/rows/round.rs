//! Poseidon, row by row; cells and constants in [`crate::system::poseidon`], the narrow layout's rounds in
//! [`super::round_narrow`].
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
//! ```
//!
//! `M z` behind a permutation's last row has the hash, which is published there.

use dn_core::Width;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::tracks;
use crate::system::columns::Acc;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::poseidon::{partial_places, partials, Constants, Round, FULL, WIDTH};
use crate::system::row::Row;
use crate::system::steering::Fx;
use crate::system::view::{Ex, View};

pub(crate) const ABOUT: About = About {
    name: "round",
    cells: &["S-box cells of Poseidon, at most 24 full-size values"],
    marks: &[
        &[Fx::Full],
        &[Fx::Partial],
        &[Fx::PartialFirst],
        &[Fx::PartialLast, Fx::PublishHash],
        &[Fx::Publish],
        // Constants of the round.
        &[Fx::Weight0],
        &[Fx::Offset],
        &[Fx::TagA],
        &[Fx::TagB],
        &[Fx::Scale],
    ],
    beside: &[tracks::PUBLIC],
    registers: &[(Acc::Published, "the hash, on a permutation's last row")],
};

/// Marks of row `i` of a permutation, of which the kind of the first one is known.
pub(crate) fn marks(d: &mut Draft, row: usize, poseidon: &Constants, i: usize) {
    let (round, width) = (poseidon.rounds[i], d.width());
    if i > 0 {
        d.kind(row, Kind::Round(round));
    }
    let marks: &[Fx] = match round {
        Round::Message if width == Width::Narrow => &[Fx::Full],
        Round::Message | Round::Powers => &[],
        Round::Full | Round::Squares => &[Fx::Full],
        Round::SquaresLast => &[Fx::Full, Fx::PartialLast],
        Round::PartialFirst => &[Fx::Partial, Fx::PartialFirst],
        Round::PartialNext => &[Fx::Partial],
        Round::Leave => &[Fx::PartialLast],
    };
    marks.iter().for_each(|fx| d.mark(*fx, row));
    // The narrow layout has other uses for the columns there: its gates know these constants.
    if round == Round::Message && width == Width::Narrow {
        return;
    }
    let constants = poseidon.round[i];
    for (k, c) in constants.into_iter().enumerate().filter(|(_, c)| *c != Fr::ZERO) {
        d.round_constant(row, k, c);
    }
}

/// Publishes the hash of a permutation whose last row this is.
pub(crate) fn publish(d: &mut Draft, row: usize) {
    d.mark(Fx::Publish, row);
    d.mark(Fx::PublishHash, row);
}

#[cfg(test)]
pub(super) fn free(round: Round, layout: Width, column: usize) -> Option<&'static str> {
    let read = match round {
        _ if layout == Width::Narrow => usize::MAX,
        Round::Leave => WIDTH,
        Round::PartialFirst | Round::PartialNext => 24,
        _ => 18,
    };
    (column >= read).then_some("no gate reads it")
}

#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Published => r.when(Fx::PublishHash, Row::hash),
        _ => None,
    }
}

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
pub(super) fn state(v: &mut View<'_, '_>, i: usize) -> Ex {
    let form = v.poseidon().m[i];
    let z: Vec<Ex> = (0..WIDTH).map(|k| v.cell(k)).collect();
    linear(&form, &z)
}

/// `(M z')_i`, the state behind the previous row.
pub(super) fn state_prev(v: &mut View<'_, '_>, i: usize) -> Ex {
    let form = v.poseidon().m[i];
    let z: Vec<Ex> = (0..WIDTH).map(|k| v.cell_prev(k)).collect();
    linear(&form, &z)
}

/// Cells that partial rounds are linear in: the state in front of them and their S-box outputs.
pub(super) fn partial_cells(width: Width) -> Vec<usize> {
    let places = partial_places(width);
    (places.st..places.st + WIDTH).chain(places.z..places.z + partials(width)).collect()
}

pub(crate) fn sboxes(v: &mut View<'_, '_>) -> Vec<(&'static str, Ex)> {
    let row: Vec<Ex> = partial_cells(v.width()).into_iter().map(|i| v.cell(i)).collect();
    let (full, partial, absorb) = (v.fx(Fx::Full), v.fx(Fx::Partial), v.fx(Fx::Absorb));
    let forms = v.poseidon().partial_x.clone();
    let mut all = Vec::new();
    for (k, form) in forms.iter().enumerate() {
        let c = v.round_constant(k);
        let x_full = state_prev(v, k) + c.clone();
        let x_partial = linear(form, &row) + c.clone();
        let x_message = v.message(k) + c;
        let (z, a, b) = (v.cell(FULL.z + k), v.cell(FULL.a + k), v.cell(FULL.b + k));
        let any = full.clone() + partial.clone() + absorb.clone();
        all.push(("", any * (b.clone() - a.clone() * a.clone())));
        for (mark, x) in [(&full, x_full), (&partial, x_partial), (&absorb, x_message)] {
            all.push(("", mark.clone() * (a.clone() - x.clone() * x.clone())));
            all.push(("", mark.clone() * (z.clone() - b.clone() * x)));
        }
    }
    all
}

pub(crate) fn partial_states(v: &mut View<'_, '_>) -> Vec<(&'static str, Ex)> {
    let cells = partial_cells(v.width());
    let (first, last) = (v.fx(Fx::PartialFirst), v.fx(Fx::PartialLast));
    let next = v.fx(Fx::Partial) - first.clone();
    let before: Vec<Ex> = cells.iter().map(|i| v.cell_prev(*i)).collect();
    let forms = v.poseidon().partial_state.clone();
    let mut all = Vec::new();
    for (k, cell) in cells.into_iter().take(WIDTH).enumerate() {
        let (st, left) = (v.cell(cell), linear(&forms[k], &before));
        all.push(("", first.clone() * (st.clone() - state_prev(v, k))));
        all.push(("", next.clone() * (st - left.clone())));
        all.push(("", last.clone() * (state(v, k) - left)));
    }
    all
}
