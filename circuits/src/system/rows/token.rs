//! Tokens of a sequence, as many as there are lanes.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `hi` | token id, `clamp(q, 0, vocabulary - 1)` | table, beside `out` |
//! | `lo` | 0 | table |
//! | `out` | stored byte `q + 128` of what was committed to | table, a byte |
//!
//! `Y` folds the ids, which every embedding reads; words take the bytes ([`super::words`]).

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::{chunk, Small};
use super::tracks;
use crate::system::columns::{Acc, Cell};
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;
use crate::system::table::{stored, zero_point};

pub(crate) const ABOUT: About = About {
    name: "token",
    cells: &["token id", "0", "stored byte of the token, `q + 128`"],
    marks: &[
        &[Fx::Lookup],
        &[Fx::Chunk],
        &[Fx::TagA],
        &[Fx::Scale],
        &[Fx::Zero],
        &[Fx::ImageReset],
        &[Fx::OutputsReset],
        // What belongs to the next word.
        &[Fx::Weight0],
    ],
    beside: &[tracks::LANES],
    registers: &[(Acc::Classes, "words, folded by e"), (Acc::Image, "words, folded by tau")],
};

/// Tags of the look-ups, of which `tag` has the ids.
pub(crate) const fn tags(tag: u64) -> (u64, u64) {
    (tag, 0)
}

pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, tag: u64) {
    d.kind(row, Kind::Token);
    chunk(d, row, is_first, tags(tag));
    d.set(Fx::Scale, row, Fr::one());
    d.set(Fx::Zero, row, zero_point());
}

pub(crate) fn fill(s: &mut Small, lane: usize, (value, id): (i8, u64)) {
    s.set(Cell::Hi(lane), id);
    s.set(Cell::Out(lane), stored(value));
}
