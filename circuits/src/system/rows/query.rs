//! Queries of one channel and sequence, as many tokens as there are lanes; behind them stand the keys of the channel.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `hi` | quotient, counted from the layer's smallest | table, the layer's section |
//! | `lo` | remainder | table, `[0, 2^bits)` |
//! | `out` | stored byte of the query | table, beside `hi` |
//!
//! Accumulators fold by tau, as everywhere; values by `e`, and the image takes them: tokens of queries are powers of
//! `e`, those of keys powers of tau, so that each score has a power of its own.

use super::about::About;
use super::small::{divide, Divided};
use super::tracks;
use crate::system::columns::Acc;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "query",
    cells: &["quotient of token l", "remainder", "stored byte"],
    marks: &[
        &[Fx::Lookup],
        &[Fx::TagA],
        &[Fx::TagB],
        &[Fx::Scale],
        &[Fx::Offset],
        &[Fx::Zero],
        &[Fx::ValuesByE],
        &[Fx::ChunkValuesE],
        &[Fx::SequenceStep],
        &[Fx::Position],
        &[Fx::ImageReset],
        &[Fx::OutputsReset, Fx::OutputsE],
    ],
    beside: &[tracks::TENSORS],
    registers: &[
        (Acc::X, "queries, folded by e"),
        (Acc::Tensor, "times tau^L, to the next sequence"),
        (Acc::Kernel, "times tau^L, to the next sequence"),
    ],
};

pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, of: &Divided) {
    d.kind(row, Kind::Query);
    divide(d, row, of);
    d.mark(Fx::ValuesByE, row);
    if !is_first {
        d.mark(Fx::ChunkValuesE, row);
    }
}

/// Marks of a channel's last row.
pub(crate) fn end(d: &mut Draft, row: usize, is_first_channel: bool) {
    d.mark(Fx::Position, row);
    d.mark(Fx::ImageReset, row);
    d.mark(if is_first_channel { Fx::OutputsReset } else { Fx::OutputsE }, row);
}
