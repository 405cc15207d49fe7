//! Values of one key in one head, behind the exponentials of its scores: lanes are channels.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `hi` | quotient, counted from the layer's smallest | table, the layer's section |
//! | `lo` | remainder | table, `[0, 2^bits)` |
//! | `out` | stored byte of the value | table, beside `hi` |
//!
//! Accumulators fold by `e`, values by tau: contexts have tokens at powers of `e`, as exponentials have, and channels
//! at powers of tau. On the last row the kernel takes the product of the image, which has the exponentials, with the
//! values and omega: omega has the sum of exponentials.

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::{divide, Divided};
use super::tracks;
use crate::field::signed;
use crate::system::columns::Acc;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "value",
    cells: &["quotient of channel l", "remainder", "stored byte"],
    marks: &[
        &[Fx::Lookup],
        &[Fx::TagA],
        &[Fx::TagB],
        &[Fx::Scale],
        &[Fx::Offset],
        &[Fx::Zero],
        &[Fx::AccumulatorsByE],
        &[Fx::BiasLane],
        &[Fx::Weight0],
        &[Fx::ChunkAccumulatorsE],
        &[Fx::OutputsAlone],
        &[Fx::OutputsOmega],
        &[Fx::Pair],
        &[Fx::PairOmega],
        &[Fx::KernelReset, Fx::KernelStep],
    ],
    beside: &[tracks::TENSORS],
    registers: &[
        (Acc::X, "omega"),
        (Acc::Y, "accumulators, folded by e, and their constants"),
        (Acc::Outputs, "accumulators, times omega"),
        (Acc::Kernel, "exponentials times values and omega"),
    ],
};

/// How the kernel goes on from the key before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It begins.
    First,
    /// Another sequence or head begins.
    Next,
    /// It is the same sequence and head.
    Same,
}

/// `constants` are what the accumulators of the lanes' channels add to `of.offset`.
pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, of: &Divided, constants: &[i64]) {
    d.kind(row, Kind::Value);
    divide(d, row, of);
    d.mark(Fx::AccumulatorsByE, row);
    d.mark(Fx::BiasLane, row);
    for (lane, constant) in constants.iter().enumerate() {
        d.weight(row, lane, signed(*constant));
    }
    if !is_first {
        d.mark(Fx::ChunkAccumulatorsE, row);
    }
}

/// Marks of a key's last row; `scale` is what contexts are multiplied by, and sums of exponentials are not.
pub(crate) fn end(d: &mut Draft, row: usize, turn: Turn, scale: u64) {
    use ff::Field as _;
    let scale = Fr::from(scale);
    d.mark(Fx::OutputsAlone, row);
    d.mark(Fx::OutputsOmega, row);
    d.set(Fx::Pair, row, scale);
    d.set(Fx::PairOmega, row, scale.invert().unwrap_or(Fr::ZERO));
    match turn {
        Turn::First => d.mark(Fx::KernelReset, row),
        Turn::Next => d.mark(Fx::KernelStep, row),
        Turn::Same => {}
    }
}
