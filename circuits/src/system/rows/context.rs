//! Sums of values, weighed by a token's exponentials in one head, behind the sum of these: lanes are channels.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `hi` | quotient, counted from the layer's smallest | table |
//! | `lo` | remainder | table, `[0, 2^bits)` |
//! | `out` | the same as `hi` | table, beside `hi` |
//!
//! On the last row the kernel takes the product of the image, which has the inverse, and the quotients, folded by `e`
//! over channels and by tau over tokens: what normalised values are quotients of.

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::{divide, Divided};
use super::tracks;
use crate::system::columns::Acc;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "context",
    cells: &["quotient of channel l", "remainder", "the same as `hi`"],
    marks: &[
        &[Fx::Lookup],
        &[Fx::TagA],
        &[Fx::TagB],
        &[Fx::Scale],
        &[Fx::Offset],
        &[Fx::Zero],
        &[Fx::ValuesByE],
        &[Fx::ChunkValuesE],
        &[Fx::OutputsAlone],
        &[Fx::Pair],
        &[Fx::KernelReset, Fx::KernelTau],
        &[Fx::ChannelKeep],
    ],
    beside: &[tracks::TENSORS],
    registers: &[
        (Acc::X, "quotients, folded by e"),
        (Acc::Kernel, "quotients times inverses, folded by tau"),
        (Acc::Tensor, "sums and contexts of a head and sequence"),
    ],
};

pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, of: &Divided) {
    d.kind(row, Kind::Context);
    divide(d, row, of);
    d.mark(Fx::ValuesByE, row);
    if !is_first {
        d.mark(Fx::ChunkValuesE, row);
    }
}

/// Marks of a token's last row; `scale` is what products with the inverse are multiplied by.
pub(crate) fn end(d: &mut Draft, row: usize, is_first_token: bool, scale: u64) {
    d.mark(Fx::OutputsAlone, row);
    d.set(Fx::Pair, row, Fr::from(scale));
    d.mark(if is_first_token { Fx::KernelReset } else { Fx::KernelTau }, row);
}
