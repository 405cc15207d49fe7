//! Exponentials of the scores of one key, for as many queries as there are lanes; behind them stand the key's values.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `hi` | `m - q`: the token's maximum less the score's quotient | table, beside `out` |
//! | `lo` | remainder of the score | table, `[0, 2^bits)` |
//! | `out` | `(tokens + 1) E'(hi) + [hi = 0]` | table, beside `hi` |
//!
//! Where a query does not see the key, `hi` is so much more that `out` is 0: the weights of the lane have it. `Y` is
//! `-2^bits hi + lo` less half a divisor, the score less its token's maximum, all scaled to the range of remainders. No
//! valid `hi` is negative, so no score is above its maximum; that one attains it is told by the sum
//! ([`super::total`]).

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::look_up;
use super::tracks;
use crate::field::signed;
use crate::system::columns::Acc;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "exponential",
    cells: &["difference of query l to its largest score", "remainder of the score", "exponential"],
    marks: &[
        &[Fx::Lookup],
        &[Fx::TagA],
        &[Fx::TagB],
        &[Fx::Scale],
        &[Fx::Offset],
        &[Fx::ValuesByE],
        &[Fx::AccumulatorsByE],
        &[Fx::BiasLane],
        &[Fx::Weight0],
        &[Fx::ChunkE],
        &[Fx::Position],
        &[Fx::ImageReset],
        &[Fx::OutputsReset, Fx::OutputsTau],
    ],
    beside: &[tracks::TENSORS],
    registers: &[
        (Acc::X, "exponentials, folded by e"),
        (Acc::Y, "scores less their maxima, folded by e"),
    ],
};

/// What the rows of a layer have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of {
    /// Tags of (difference, exponential) and of the remainder.
    pub(crate) tags: (u64, u64),
    /// log2 of the remainders' range.
    pub(crate) lo_bits: u32,
    /// What the score adds to `-2^bits hi + lo`.
    pub(crate) offset: i64,
    /// What is added to `hi` where a key is not seen.
    pub(crate) hidden: u64,
}

/// `is_seen` tells of each lane whether its query sees the key.
pub(crate) fn marks(
    d: &mut Draft,
    row: usize,
    is_first: bool,
    of: &Of,
    is_seen: impl Fn(usize) -> bool,
) {
    d.kind(row, Kind::Exponential);
    look_up(d, row, of.tags);
    let scale = 1i64 << of.lo_bits;
    d.set(Fx::Scale, row, signed(-scale));
    d.set(Fx::Offset, row, signed(of.offset));
    for fx in [Fx::ValuesByE, Fx::AccumulatorsByE, Fx::BiasLane] {
        d.mark(fx, row);
    }
    for lane in (0..d.width().lanes()).filter(|lane| !is_seen(*lane)) {
        d.weight(row, lane, Fr::from(of.hidden << of.lo_bits));
    }
    if !is_first {
        d.mark(Fx::ChunkE, row);
    }
}

/// Marks of a key's last row.
pub(crate) fn end(d: &mut Draft, row: usize, is_first_key: bool) {
    d.mark(Fx::Position, row);
    d.mark(Fx::ImageReset, row);
    d.mark(if is_first_key { Fx::OutputsReset } else { Fx::OutputsTau }, row);
}
