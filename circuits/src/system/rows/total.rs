//! The sum of a token's exponentials in one head, in the last lane; behind it stands the token's context.
//!
//! | cell of the last lane | what | bounded by |
//! |---|---|---|
//! | `hi` | `(Z - 1) div (tokens + 1)` | table, beside `out` |
//! | `lo` | `(Z - 1) mod (tokens + 1)` | table, `[0, tokens)` |
//! | `out` | inverse | table, beside `hi` |
//!
//! An exponential is 1 modulo `tokens + 1` where its score is the maximum, else 0, so `Z` is as many as scores attain
//! it, modulo `tokens + 1`. That `lo` is below `tokens` says that one does. Other lanes are 0: `Y` folds them by tau, and
//! the claim has the sum of one lane.

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::{look_up, Small};
use super::tracks;
use crate::system::columns::Acc;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;
use dn_core::Width;

pub(crate) const ABOUT: About = About {
    name: "total",
    cells: &[
        "divided sum of exponentials less 1, in the last lane",
        "its remainder, in the last lane",
        "inverse, in the last lane",
    ],
    marks: &[
        &[Fx::Lookup],
        &[Fx::TagA],
        &[Fx::TagB],
        &[Fx::Scale],
        &[Fx::ValuesByE],
        &[Fx::BiasLane],
        &[Fx::Weight0],
        &[Fx::Position],
        &[Fx::ImageReset],
        &[Fx::OutputsOmega],
        &[Fx::OutputsReset, Fx::OutputsE],
    ],
    beside: &[tracks::TENSORS],
    registers: &[
        (Acc::X, "the inverse"),
        (Acc::Outputs, "the sum, times omega, folded by e over tokens"),
    ],
};

const fn lane(width: Width) -> usize {
    width.lanes() - 1
}

pub(crate) fn marks(
    d: &mut Draft,
    row: usize,
    is_first_token: bool,
    tags: (u64, u64),
    modulus: u64,
) {
    d.kind(row, Kind::Total);
    look_up(d, row, tags);
    d.set(Fx::Scale, row, Fr::from(modulus));
    d.weight(row, lane(d.width()), Fr::one());
    for fx in [Fx::ValuesByE, Fx::BiasLane, Fx::Position, Fx::ImageReset, Fx::OutputsOmega] {
        d.mark(fx, row);
    }
    d.mark(if is_first_token { Fx::OutputsReset } else { Fx::OutputsE }, row);
}

pub(crate) fn fill(width: Width, (hi, lo): (u64, u64), inverse: u64) -> Small {
    let mut s = Small::default();
    s.put(lane(width), [hi, lo, inverse]);
    s
}
