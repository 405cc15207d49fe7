//! The score of a task, behind its classes.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `value` = lo[0] | output byte `v` of the label | `totals` |
//! | `other` = lo[1] | the best other output, 255 without a label | `same` of the class rows, `totals` |
//! | `probe` = lo[2] | `p`, 1 where there is a label | `probe` |
//! | `label` = lo[3] | the label's number and 1, or 0 | `totals`, table |
//! | `key` = hi[0] | 0, or 256 + difference in `[1, 511]` | `key`, table |
//! | `score` = out[0] | `1 + 2^16 correct + 2^32 margin`, or 0 | table, beside `key` |
//!
//! ```text
//! totals   R' = v + rho (other - 255 (1 - p)) + rho^2 p + rho^3 p + rho^4 label
//! probe    p (p - 1) = 0
//! key      hi[0] = 256 p + v - other + 255 (1 - p)
//! ```
//!
//! Without a label all bits are 0, `other` is 255 and every slack holds. The best other output is
//! bounded from below by the slacks and attained by `s2`, so a score can be neither raised nor
//! lowered.
//!
//! Labels are published in words of fifteen: `P` takes `w label` with `w = 2^(16 i)` in weight 0 for the `i`th of a
//! word, and every fifteenth row is another published value. A label is the number of a class and 1, below `2^16`, so
//! a word is one sum of its labels. Scores are summed in `K`, which is published with the first output.

use dn_core::labels::{LABELS_PER_WORD, LABEL_BITS};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::classes::{tags, Judged, NO_LABEL, OTHER, SLACK_OFFSET};
use super::small::{look_up, Small};
use super::tracks;
use crate::system::columns::{Acc, Cell, Ch};
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::row::Row;
use crate::system::steering::Fx;
use crate::system::table::{packed_score, Table};
use crate::system::view::{constant, Ex, View};

pub(crate) const ABOUT: About = About {
    name: "score",
    cells: &["key", "label's output, best other, probe, label", "score"],
    marks: &[
        &[Fx::Lookup],
        &[Fx::TagA],
        &[Fx::TagB],
        &[Fx::Score],
        &[Fx::Publish],
        &[Fx::CloseCopies],
        // What a label counts in its word.
        &[Fx::Weight0],
        // Scores are summed where kernels were.
        &[Fx::KernelReset],
    ],
    beside: &[tracks::ITEMS],
    registers: &[(Acc::Kernel, "the score"), (Acc::Published, "the label, in a word of fifteen")],
};

const VALUE: Cell = Cell::Lo(0);
const PROBE: Cell = Cell::Lo(2);
const LABEL: Cell = Cell::Lo(3);
const KEY: Cell = Cell::Hi(0);
const SCORE: Cell = Cell::Out(0);

/// The row of task `slot`.
pub(crate) fn marks(d: &mut Draft, row: usize, table: &Table, slot: usize) {
    d.kind(row, Kind::Score);
    look_up(d, row, tags(table));
    d.mark(Fx::Score, row);
    let place = slot % LABELS_PER_WORD;
    if place == 0 {
        d.mark(Fx::Publish, row);
    }
    d.weight(row, 0, Fr::from(1 << LABEL_BITS).pow_vartime([place as u64]));
}

pub(crate) fn fill(task: &Judged<'_>) -> Small {
    let mut s = Small::default();
    s.set(OTHER, task.other());
    if let Some(label) = task.label {
        let value = task.byte(label);
        let key = SLACK_OFFSET + value - task.other();
        s.set(VALUE, value);
        s.set(PROBE, 1);
        s.set(LABEL, label as u64 + 1);
        s.set(KEY, key);
        s.set(SCORE, packed_score(key));
    }
    s
}

#[cfg(test)]
pub(super) fn free(cell: Cell) -> Option<&'static str> {
    match cell {
        Cell::Lo(lane) => (lane >= 4).then_some("four sums to a score"),
        Cell::Hi(_) | Cell::Out(_) => {
            (cell != KEY && cell != SCORE).then_some("one key and score to a task")
        }
    }
}

pub(crate) fn constraints(v: &mut View<'_, '_>) -> Vec<(&'static str, Ex)> {
    let (score, rho) = (v.fx(Fx::Score), v.challenge(Ch::Rho));
    let rho2 = rho.clone() * rho.clone();
    let [value, other, probe, label] = [VALUE, OTHER, PROBE, LABEL].map(|cell| v.at(cell));
    let absent = (constant(1) - probe.clone()) * Fr::from(NO_LABEL);
    let sums = value.clone()
        + rho.clone() * (other.clone() - absent.clone())
        + rho2.clone() * probe.clone()
        + rho2.clone() * rho * probe.clone()
        + rho2.clone() * rho2 * label;
    let key = probe.clone() * Fr::from(SLACK_OFFSET) + value - other + absent;
    vec![
        ("totals", score.clone() * (v.before(Acc::Classes) - sums)),
        ("probe", score.clone() * probe.clone() * (probe - constant(1))),
        ("key", score * (v.at(KEY) - key)),
    ]
}

#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Kernel => r.when(Fx::Score, |r| r.at(SCORE)),
        Acc::Published => r.when(Fx::Score, |r| {
            let weight = r.fixed(Fx::Weight0.index(r.layout()));
            weight * r.at(LABEL)
        }),
        _ => None,
    }
}
