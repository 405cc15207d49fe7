//! The first row of a block of a message, whose words `m` enter a permutation ([`super::round`]).
//!
//! | block | `m_0` | `m_1` | `m_2` | `m_3 ..` |
//! |---|---|---|---|---|
//! | first of an output | 0 | tag | salt, free | words |
//! | first of an input | 0 | tag + 2^64 label | salt, free | words |
//! | next | 0 | hash of the block before | word | words |
//! | a branch of a digest's tree | 0 | child | child | children |
//!
//! ```text
//! absorb       m_0 = 0                                                             degree 2
//! untagged     m_1 = offset    where absorb - absorb_next - label - branch         degree 3
//! absorb_next  m_1 = (M z')_0                                                      degree 3
//! ```
//!
//! with `label = absorb scale` and `branch = absorb tag_a`. Words are bound by folds: a task's by `e` in `O`, tasks by
//! `tau` in `I`, in the order in which lanes and chunks fold them on rows of values, so claims can equate the two.
//! A label is `(m_1 - offset) / 2^64`; `G` folds labels and salts of inputs. Input and output of a task have one
//! salt: `K` folds those of outputs, and they are equated too, so an output's commitment can be opened by whoever
//! knows the input's.

use dn_core::commitment::NEXT_RATE;
use ff::Field;
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
        &[Fx::Full],
        &[Fx::CloseWords],
        // Constants of the round.
        &[Fx::Weight0],
    ],
    beside: &[tracks::ITEMS, tracks::PUBLIC],
    registers: &[
        (Acc::Outputs, "words, folded by e"),
        (Acc::Kernel, "salts of outputs"),
        (Acc::Labels, "labels and salts of inputs"),
    ],
};

/// The first block of an input.
const LABEL: Mark = Mark::But(&[Fx::Absorb, Fx::Scale], &[]);
/// The first block of an output: none of the others that absorb.
const SALT: Mark = Mark::But(
    &[Fx::Absorb],
    &[&[Fx::AbsorbNext], &[Fx::Absorb, Fx::Scale], &[Fx::Absorb, Fx::TagA]],
);

/// Which block of a message, and its tag.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Block {
    /// The first one of an input, whose tag may have a label.
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

#[cfg(test)]
pub(super) fn free(layout: dn_core::Width, column: usize) -> Option<&'static str> {
    (layout == dn_core::Width::Wide && column >= 24).then_some("no gate reads it")
}

/// What a label is multiplied by in a message's tag.
fn label_scale() -> Fr {
    Fr::from(2).pow_vartime([64])
}

pub(crate) fn constraints(v: &mut View<'_, '_>) -> Vec<(&'static str, Ex)> {
    let (absorb, next, tagged) = (v.fx(Fx::Absorb), v.fx(Fx::AbsorbNext), v.of(SALT));
    let (m0, m1, chained) = (v.message(0), v.message(1), state_prev(v, 0));
    let untagged = tagged * (m1.clone() - v.fx(Fx::Offset));
    vec![("", absorb * m0), ("", untagged), ("", next * (m1 - chained))]
}

#[inline(always)]
pub(super) fn turns<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Outputs => {
            total([r.forget(Fx::Absorb), r.when(Fx::AbsorbNext, |r| r.power(Ch::E, NEXT_RATE))])
        }
        Acc::Kernel => r.times(SALT, |r| r.power(Ch::Tau, 1)),
        Acc::Labels => r.times(LABEL, |r| r.power(Ch::Tau, 1)),
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
        Acc::Kernel => r.when(SALT, |r| r.message(2)),
        Acc::Labels => r.when(LABEL, |r| {
            let per_label = label_scale().invert().expect("a power of two is not zero");
            let offset = r.fixed(Fx::Offset.index(r.layout()));
            (r.message(1) - offset) * per_label + r.power(Ch::Rho, 1) * r.message(2)
        }),
        _ => None,
    }
}
