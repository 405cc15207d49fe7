//! The largest scores of a sequence's tokens, in one head.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `hi` | the same as `out` | table |
//! | `lo` | 0 | table |
//! | `out` | largest score, counted from the smallest that there can be | claim of the exponentials; table, beside `hi` |
//!
//! They are folded as queries are. Constants behind them stand for keys ([`super::constant`]), so that every score is
//! less its token's maximum.

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::look_up;
use super::tracks;
use crate::system::columns::Acc;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "maximum",
    cells: &["the same as `out`", "0", "largest score of token l, stored"],
    marks: &[
        &[Fx::Lookup],
        &[Fx::TagA],
        &[Fx::Zero],
        &[Fx::ValuesByE],
        &[Fx::ChunkValuesE],
        &[Fx::Position],
        &[Fx::ImageReset],
    ],
    beside: &[tracks::TENSORS],
    registers: &[(Acc::X, "maxima, folded by e")],
};

/// Tags of the look-ups, of which `tag` has the maxima.
pub(crate) const fn tags(tag: u64) -> (u64, u64) {
    (tag, 0)
}

/// `zero` is what is stored for a score of 0.
pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, tag: u64, zero: u64) {
    d.kind(row, Kind::Maximum);
    look_up(d, row, tags(tag));
    d.set(Fx::Zero, row, Fr::from(zero));
    d.mark(Fx::ValuesByE, row);
    if !is_first {
        d.mark(Fx::ChunkValuesE, row);
    }
}

/// Marks of the last row. The accumulators that the outputs take are 0.
pub(crate) fn end(d: &mut Draft, row: usize) {
    d.mark(Fx::Position, row);
    d.mark(Fx::ImageReset, row);
}
