//! One channel of tokens' vectors, as many tokens as there are lanes.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `hi` | token id | claim of the layer |
//! | `lo` | 0 | table |
//! | `out` | the id's value in this channel, stored | table, beside `hi`: a section for each channel |
//!
//! `Y` folds the ids; the claim says of every channel that they are the tokens'.

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::{chunk, Small};
use super::tracks;
use crate::system::columns::Cell;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::sequence::EMBEDDING_ZERO;
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "embedding",
    cells: &["token id", "0", "stored value of the id in this channel"],
    marks: &[&[Fx::Lookup], &[Fx::Chunk], &[Fx::TagA], &[Fx::Scale], &[Fx::Zero]],
    beside: &[tracks::FOLDS, tracks::TENSORS],
    registers: &[],
};

/// Tags of the look-ups of a channel's section.
pub(crate) const fn tags(tag: u64) -> (u64, u64) {
    (tag, 0)
}

pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, tag: u64) {
    d.kind(row, Kind::Embedding);
    chunk(d, row, is_first, tags(tag));
    d.set(Fx::Scale, row, Fr::one());
    d.set(Fx::Zero, row, Fr::from(EMBEDDING_ZERO));
}

pub(crate) fn fill(s: &mut Small, lane: usize, id: u64, value: i16) {
    s.set(Cell::Hi(lane), id);
    s.set(Cell::Out(lane), EMBEDDING_ZERO.wrapping_add_signed(value.into()));
}
