//! Keys of one channel and sequence, as many tokens as there are lanes, behind the queries of the channel.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `hi` | quotient, counted from the layer's smallest | table, the layer's section |
//! | `lo` | remainder | table, `[0, 2^bits)` |
//! | `out` | stored byte of the key | table, beside `hi` |
//!
//! On the last row the kernel takes the product of the image, which has the queries, and the keys.

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::{divide, Divided};
use super::tracks;
use crate::system::columns::Acc;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "key",
    cells: &["quotient of token l", "remainder", "stored byte"],
    marks: &[
        &[Fx::Lookup],
        &[Fx::TagA],
        &[Fx::TagB],
        &[Fx::Scale],
        &[Fx::Offset],
        &[Fx::Zero],
        &[Fx::Chunk],
        &[Fx::OutputsE],
        &[Fx::OutputsAlone],
        &[Fx::Pair],
        &[Fx::KernelReset],
    ],
    beside: &[tracks::TENSORS],
    registers: &[
        (Acc::Kernel, "queries times keys"),
        (Acc::Outputs, "accumulators of queries and keys, folded by e"),
    ],
};

pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, of: &Divided) {
    d.kind(row, Kind::Key);
    divide(d, row, of);
    if !is_first {
        d.mark(Fx::Chunk, row);
    }
}

/// Marks of a channel's last row; `scale` is what scores are multiplied by.
pub(crate) fn end(d: &mut Draft, row: usize, is_first_product: bool, scale: u64) {
    d.mark(Fx::OutputsAlone, row);
    d.mark(Fx::OutputsE, row);
    d.set(Fx::Pair, row, Fr::from(scale));
    if is_first_product {
        d.mark(Fx::KernelReset, row);
    }
}
