//! The first row of a block of a message, whose words `m` enter a permutation ([`super::round`]).
//!
//! | block | `m_0` | `m_1` | `m_2` | `m_3 ..` |
//! |---|---|---|---|---|
//! | first of an input, an output | 0 | tag | salt, free | words |
//! | next | 0 | hash of the block before | word | words |
//! | a branch of a digest's tree | 0 | child | child | children |
//!
//! ```text
//! absorb       m_0 = 0                                                             degree 2
//! tag          m_1 = offset    where absorb - absorb_next - branch                 degree 3
//! absorb_next  m_1 = (M z')_0                                                      degree 3
//! ```
//!
//! with `branch = absorb tag_a`. Words are bound by folds: a task's by `e` in `O`, tasks by
//! `tau` in `I`, in the order in which lanes and chunks fold them on rows of values, so claims can equate the two.
//! Input and output of a task have one salt: `G` folds those of inputs, which `absorb scale` marks, `K` those of
//! outputs, and the two are equated, so an output's commitment can be opened by whoever knows the input's.
//!
//! The first output finds the sum of all scores in `K` ([`super::score`]), publishes it and begins `K` anew; `absorb
//! tag_b` marks it.

use dn_core::commitment::NEXT_RATE;
use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::tracks;
use crate::system::columns::{Acc, Ch};
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::poseidon::WIDTH;
use crate::system::row::{total, Mark, Row};
use crate::system::rows::round::state_prev;
use crate::system::steering::Fx;
use crate::system::view::{Ex, View};

pub(crate) const ABOUT: About = About {
    name: "message",
    cells: &["S-box cells of Poseidon and the message, at most 24 full-size values"],
    marks: &[
        &[Fx::Absorb],
        &[Fx::AbsorbNext],
        &[Fx::Offset],
        &[Fx::Scale],
        &[Fx::TagB],
        &[Fx::Publish],
        &[Fx::Full],
        &[Fx::CloseWords],
        // Constants of the round.
        &[Fx::Weight0],
    ],
    beside: &[tracks::ITEMS, tracks::PUBLIC],
    registers: &[
        (Acc::Outputs, "words, folded by e"),
        (Acc::Kernel, "salts of outputs"),
        (Acc::Salts, "salts of inputs"),
        (Acc::Published, "the sum of scores, with the first output"),
    ],
};

/// The first block of a message.
const TAG: Mark = Mark::But(&[Fx::Absorb], &[&[Fx::AbsorbNext], &[Fx::Absorb, Fx::TagA]]);
/// The first block of an input.
const INPUT: Mark = Mark::But(&[Fx::Absorb, Fx::Scale], &[]);
/// The first block of the first output.
const FIRST_OUTPUT: Mark = Mark::But(&[Fx::Absorb, Fx::TagB], &[]);
/// The first block of an output: none of the others that absorb.
const OUTPUT: Mark = Mark::But(
    &[Fx::Absorb],
    &[&[Fx::AbsorbNext], &[Fx::Absorb, Fx::Scale], &[Fx::Absorb, Fx::TagA]],
);

/// Which block of a message, and its tag.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Block {
    /// The first one of an input.
    Input(Fr),
    /// The first one of an output.
    Output(Fr),
    /// Another one.
    Next,
}

pub(crate) fn marks(d: &mut Draft, row: usize, block: Block) {
    d.kind(row, Kind::Message);
    d.mark(Fx::Absorb, row);
    match block {
        Block::Input(tag) => {
            d.set(Fx::Offset, row, tag);
            d.mark(Fx::Scale, row);
        }
        Block::Output(tag) => d.set(Fx::Offset, row, tag),
        Block::Next => d.mark(Fx::AbsorbNext, row),
    }
}

/// Publishes the sum of scores on the row of the first output.
pub(crate) fn publish_scores(d: &mut Draft, row: usize) {
    d.mark(Fx::TagB, row);
    d.mark(Fx::Publish, row);
}

#[cfg(test)]
pub(super) fn free(layout: dn_core::Width, column: usize) -> Option<&'static str> {
    (layout == dn_core::Width::Wide && column >= 24).then_some("no gate reads it")
}

pub(crate) fn constraints(v: &mut View<'_, '_>) -> Vec<(&'static str, Ex)> {
    let (absorb, next, first) = (v.fx(Fx::Absorb), v.fx(Fx::AbsorbNext), v.of(TAG));
    let first = first.expect("every layout hashes messages");
    let (m0, m1, chained) = (v.message(0), v.message(1), state_prev(v, 0));
    let tag = first * (m1.clone() - v.fx(Fx::Offset));
    vec![("", absorb * m0), ("", tag), ("", next * (m1 - chained))]
}

#[inline(always)]
pub(super) fn turns<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Outputs => {
            total([r.forget(Fx::Absorb), r.when(Fx::AbsorbNext, |r| r.power(Ch::E, NEXT_RATE))])
        }
        Acc::Kernel => total([
            r.times(OUTPUT, |r| r.power(Ch::Tau, 1)),
            r.when(FIRST_OUTPUT, |r| -r.power(Ch::Tau, 1)),
        ]),
        Acc::Salts => r.times(INPUT, |r| r.power(Ch::Tau, 1)),
        _ => None,
    }
}

#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Outputs => total([
            r.when(Fx::Absorb, |r| r.horner(Ch::E, 3..WIDTH, Row::message)),
            r.when(Fx::AbsorbNext, |r| r.power(Ch::E, NEXT_RATE - 1) * r.message(2)),
        ]),
        Acc::Kernel => r.when(OUTPUT, |r| r.message(2)),
        Acc::Salts => r.when(INPUT, |r| r.message(2)),
        Acc::Published => r.when(FIRST_OUTPUT, |r| r.before(Acc::Kernel)),
        _ => None,
    }
}
