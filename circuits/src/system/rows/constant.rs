//! What maxima are paired with: minus the divisor of the scores, in the place of every key of a sequence.
//!
//! All cells are 0, which the table has; `zero` is the divisor, so that the value of every lane is minus it.

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::look_up;
use super::tracks;
use crate::system::columns::Acc;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "constant",
    cells: &["0", "0", "0"],
    marks: &[&[Fx::Lookup], &[Fx::Zero], &[Fx::Chunk], &[Fx::Pair], &[Fx::ChannelKeep]],
    beside: &[tracks::TENSORS],
    registers: &[
        (Acc::Kernel, "maxima, times minus the divisor of scores"),
        (Acc::Tensor, "accumulators of a sequence's queries and keys"),
    ],
};

/// Tags of the look-ups.
pub(crate) const TAGS: (u64, u64) = (0, 0);

pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, divisor: u64) {
    d.kind(row, Kind::Constant);
    look_up(d, row, TAGS);
    d.set(Fx::Zero, row, Fr::from(divisor));
    if !is_first {
        d.mark(Fx::Chunk, row);
    }
}

/// Marks of the last row; `scale` is what scores are multiplied by.
pub(crate) fn end(d: &mut Draft, row: usize, scale: u64) {
    d.set(Fx::Pair, row, Fr::from(scale));
}
