//! Largest values of windows.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `hi` | largest quotient of the window | table, the layer's section |
//! | `lo` | 0 | table |
//! | `out` | stored byte of the activation | table, beside `hi` |

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::{chunk, Small};
use super::tracks;
use crate::system::columns::Cell;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;
use crate::system::table::{stored, Table};

pub(crate) const ABOUT: About = About {
    name: "pooled",
    cells: &["largest quotient of the window", "0", "stored byte"],
    marks: &[&[Fx::Lookup], &[Fx::Chunk], &[Fx::TagA], &[Fx::Scale]],
    beside: &[tracks::FOLDS, tracks::TENSORS],
    registers: &[],
};

/// Tags of the look-ups of a pooled layer.
pub(crate) fn tags(table: &Table, layer: usize) -> (u64, u64) {
    (table.divisions[layer].tag_hi, 0)
}

pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, (table, layer): (&Table, usize)) {
    d.kind(row, Kind::Pooled);
    chunk(d, row, is_first, tags(table, layer));
    d.set(Fx::Scale, row, Fr::from(1 << table.lo_bits));
}

pub(crate) fn fill(s: &mut Small, lane: usize, largest: u64, out: i8) {
    s.set(Cell::Hi(lane), largest);
    s.set(Cell::Out(lane), stored(out));
}
