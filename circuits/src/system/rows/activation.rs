//! Values of a layer: an accumulator, divided, saturated and activated.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `hi` | quotient, counted from the layer's smallest | table, the layer's section |
//! | `lo` | remainder | table, `[0, 2^bits)` |
//! | `out` | stored byte of the activation | table, beside `hi` |
//!
//! `Y` folds `2^bits hi + lo` less the bias: the accumulator, scaled to the range of remainders.

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::{chunk, Small};
use super::tracks;
use crate::field::signed;
use crate::system::columns::Cell;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;
use crate::system::table::{stored, Table};

pub(crate) const ABOUT: About = About {
    name: "activation",
    cells: &["quotient of item l", "remainder", "stored byte"],
    marks: &[
        &[Fx::Lookup],
        &[Fx::Chunk],
        &[Fx::TagA],
        &[Fx::TagB],
        &[Fx::Scale],
        &[Fx::Offset],
        // In the layout of sequences.
        &[Fx::Zero],
    ],
    beside: &[tracks::FOLDS, tracks::TENSORS, tracks::LANES],
    registers: &[],
};

/// Tags of the look-ups of a layer.
pub(crate) fn tags(table: &Table, layer: usize) -> (u64, u64) {
    (table.divisions[layer].tag_hi, table.tag_lo)
}

/// `offset` is what a scaled accumulator adds to `2^bits hi + lo`.
pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, of: (&Table, usize), offset: i64) {
    let (table, layer) = of;
    divided(d, row, is_first, (tags(table, layer), table.lo_bits), offset);
}

/// The same with these tags and this range of remainders.
pub(crate) fn divided(
    d: &mut Draft,
    row: usize,
    is_first: bool,
    (tags, lo_bits): ((u64, u64), u32),
    offset: i64,
) {
    d.kind(row, Kind::Activation);
    chunk(d, row, is_first, tags);
    d.set(Fx::Scale, row, Fr::from(1 << lo_bits));
    d.set(Fx::Offset, row, signed(offset));
}

pub(crate) fn fill(s: &mut Small, lane: usize, (hi, lo): (u64, u64), out: i8) {
    s.set(Cell::Hi(lane), hi);
    s.set(Cell::Lo(lane), lo);
    s.set(Cell::Out(lane), stored(out));
}
