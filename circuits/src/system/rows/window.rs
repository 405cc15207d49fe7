//! Values in front of a pool, which are divided but not activated.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `hi` | largest quotient `m` of the window - quotient | table, not negative |
//! | `lo` | remainder | table, `[0, 2^bits)` |
//! | `out` | 127 + the window's size on one largest value, 127 elsewhere | table, beside `hi` |
//!
//! A kernel of ones carries the `m` of the pooled rows ([`super::pooled`]), which `O` folds, to the positions of
//! their windows. That one `hi` of each window of `n` is zero is a claim of its own: `out - 128` is `n - 1` only
//! where `hi` is 0 and -1 elsewhere, and the sum over a window is zero.

use super::about::About;
use super::small::{chunk, Small};
use super::tracks;
use crate::field::signed;
use crate::system::columns::Cell;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;
use crate::system::table::{chosen, Table, NOT_CHOSEN};

pub(crate) const ABOUT: About = About {
    name: "window",
    cells: &[
        "largest quotient of the window - quotient",
        "remainder",
        "127 + the window's size on one largest, 127 elsewhere",
    ],
    marks: &[&[Fx::Lookup], &[Fx::Chunk], &[Fx::TagA], &[Fx::TagB], &[Fx::Scale], &[Fx::Offset]],
    beside: &[tracks::FOLDS, tracks::TENSORS],
    registers: &[],
};

/// Tags of the look-ups of a pooled layer.
pub(crate) fn tags(table: &Table, layer: usize) -> (u64, u64) {
    (table.divisions[layer].tag_window.unwrap_or(0), table.tag_lo)
}

/// `offset` is what a scaled accumulator adds to `2^bits hi + lo`.
pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, of: (&Table, usize), offset: i64) {
    let (table, layer) = of;
    d.kind(row, Kind::Window);
    chunk(d, row, is_first, tags(table, layer));
    d.set(Fx::Scale, row, signed(-(1 << table.lo_bits)));
    d.set(Fx::Offset, row, signed(offset));
}

/// `difference` to the largest quotient, the remainder, and the pool's side on the chosen value.
pub(crate) fn fill(s: &mut Small, lane: usize, difference: u64, lo: u64, is_chosen: Option<usize>) {
    s.set(Cell::Hi(lane), difference);
    s.set(Cell::Lo(lane), lo);
    s.set(Cell::Out(lane), is_chosen.map_or(NOT_CHOSEN, chosen));
}
