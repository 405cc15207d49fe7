//! A task's classes, `C` to a row, two lanes each: two in the narrow layout, four in the default one, eight in the
//! wide one. Is the labelled class the strict arg-max, and by how much?
//!
//! | cell of class `i` | what | bounded by |
//! |---|---|---|
//! | `byte` = hi[2i] | output byte `o` | table, below 512; the folds of layers |
//! | `best` = hi[2i+1] | `s2`, 1 on the best other class | table, below 512 |
//! | `slack` = lo[2i] | `d = other - o + 256 s1` | table, `[0, 2^bits)` |
//! | `other` = lo[1] | the best other output; 255 without a label | the same on all rows of a task |
//!
//! `s1 = (d - other + o) / 256` is 1 on the label. `w_i` is the class's number and 1, `r_i` is 1; both are 0 on
//! padding. `r_i` is weight `C + i`. The narrow layout has too few weights: there the first class of a row is
//! always real, and `offset` is `r_1`.
//!
//! ```text
//! label    s1 (s1 - 1) = 0            so every unlabelled class is at most `other`
//! best     s2 (s2 - 1) = 0
//! distinct s1 s2 = 0
//! padding  (1 - r_i) (s1 + s2) = 0
//! same     other = other'             not on a task's first row
//! ```
//!
//! `R` takes `sum_i s1 o + rho s2 o + rho^2 s1 + rho^3 s2 + rho^4 w_i s1`, which the score row reads; `O` folds the
//! bytes, less their zero points, which claims equate with the last tensor's.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::{look_up, Small};
use crate::system::columns::{Acc, Cell, Ch};
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::row::{total, Row};
use crate::system::steering::{weight_lanes, Fx};
use crate::system::table::{packed_score, stored, zero_point, Table};
use crate::system::view::{constant, Ex, View};
use dn_core::Width;

pub(crate) const ABOUT: About = About {
    name: "classes",
    cells: &["output byte, bit of the best other class", "slack, best other output", "looked up"],
    marks: &[
        &[Fx::Lookup],
        &[Fx::TagA],
        &[Fx::TagB],
        &[Fx::Classes],
        &[Fx::ClassesNext],
        &[Fx::Weight0],
        &[Fx::Offset],
        // Scores are summed where kernels were.
        &[Fx::KernelReset],
    ],
    beside: &[],
    registers: &[(Acc::Classes, "one-hot sums"), (Acc::Outputs, "output bytes, folded by e")],
};

/// Offset that makes every slack of the labelled class non-negative.
pub(crate) const SLACK_OFFSET: u64 = 256;
/// Stands for the best other output where there is no label.
pub(crate) const NO_LABEL: u64 = 255;

/// The best other output.
pub(crate) const OTHER: Cell = Cell::Lo(1);

const fn byte(i: usize) -> Cell {
    Cell::Hi(2 * i)
}

const fn best(i: usize) -> Cell {
    Cell::Hi(2 * i + 1)
}

const fn slack(i: usize) -> Cell {
    Cell::Lo(2 * i)
}

/// Classes in one row.
pub(crate) const fn classes(width: Width) -> usize {
    width.lanes() / 2
}

/// Rows of one task.
pub(crate) fn class_rows(outputs: usize, width: Width) -> usize {
    outputs.div_ceil(classes(width))
}

/// Column of the mark `real` of class `i` of a row; the first one is real on every class row where
/// it has none.
pub(crate) fn real_mark(width: Width, i: usize) -> Option<usize> {
    let at = classes(width) + i;
    match i {
        _ if at < weight_lanes(width) => Some(Fx::Weight0.index(width) + at),
        0 => None,
        _ => Some(Fx::Offset.index(width)),
    }
}

/// Tags of the look-ups of a task's rows.
pub(crate) fn tags(table: &Table) -> (u64, u64) {
    (table.tag_score, table.tag_lo)
}

/// A row of which the first class is `first`, of a model with so many `outputs`.
pub(crate) fn marks(d: &mut Draft, row: usize, table: &Table, first: usize, outputs: usize) {
    d.kind(row, Kind::Classes);
    look_up(d, row, tags(table));
    d.mark(Fx::Classes, row);
    if first > 0 {
        d.mark(Fx::ClassesNext, row);
    }
    let width = d.width();
    for i in (0..classes(width)).filter(|i| first + i < outputs) {
        d.weight(row, i, Fr::from((first + i) as u64 + 1));
        if let Some(real) = real_mark(width, i) {
            d.set_at(real, row, Fr::ONE);
        }
    }
}

/// What is judged of a task: its output, the label and the best other class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged<'a> {
    output: &'a [i8],
    /// The labelled class.
    pub(super) label: Option<usize>,
    best: Option<usize>,
}

impl<'a> Judged<'a> {
    pub(crate) fn new(output: &'a [i8], label: Option<usize>) -> Self {
        let best = label
            .and_then(|label| (0..output.len()).filter(|i| *i != label).max_by_key(|i| output[*i]));
        Self { output, label, best }
    }

    /// The byte of a class; 0 on padding.
    pub(super) fn byte(&self, class: usize) -> u64 {
        self.output.get(class).map_or(0, |q| stored(*q))
    }

    /// The best other output.
    pub(super) fn other(&self) -> u64 {
        self.best.map_or(NO_LABEL, |i| self.byte(i))
    }
}

pub(crate) fn fill(width: Width, first: usize, task: &Judged<'_>) -> Small {
    let mut s = Small::default();
    s.set(OTHER, task.other());
    for i in 0..classes(width) {
        let class = first + i;
        let labelled = u64::from(task.label == Some(class));
        s.set(byte(i), task.byte(class));
        s.set(best(i), u64::from(task.best == Some(class)));
        s.set(slack(i), task.other() + SLACK_OFFSET * labelled - task.byte(class));
    }
    s.derive(width, packed_score);
    s
}

#[cfg(test)]
pub(super) fn free(cell: Cell) -> Option<&'static str> {
    let is_free = matches!(cell, Cell::Lo(lane) if lane % 2 == 1 && cell != OTHER);
    is_free.then_some("one best other output to a row")
}

/// `1 / 256`: what a slack's offset counts as.
fn per_label() -> Fr {
    Fr::from(SLACK_OFFSET).invert().expect("256 is not zero")
}

/// `s1` of class `i`.
#[inline(always)]
fn labelled<R: Row>(r: &mut R, i: usize, per_label: Fr) -> R::X {
    (r.at(slack(i)) - r.at(OTHER) + r.at(byte(i))) * per_label
}

/// Whether class `i` of a row is one; where it has no mark, it is.
#[inline(always)]
fn real<R: Row>(r: &mut R, i: usize) -> Option<R::X> {
    real_mark(r.layout(), i).map(|column| r.fixed(column))
}

pub(crate) fn constraints(v: &mut View<'_, '_>) -> Vec<(&'static str, Ex)> {
    let (any, one) = (v.fx(Fx::Classes), constant(1));
    let mut all = Vec::new();
    for i in 0..classes(v.width()) {
        let (s1, s2, real) = (labelled(v, i, per_label()), v.at(best(i)), real(v, i));
        let mut zero = |name, x: Ex| all.push((name, any.clone() * x));
        zero("label", s1.clone() * (s1.clone() - one.clone()));
        zero("best", s2.clone() * (s2.clone() - one.clone()));
        zero("distinct", s1.clone() * s2.clone());
        if let Some(real) = real {
            zero("padding", (one.clone() - real) * (s1 + s2));
        }
    }
    let same = v.fx(Fx::ClassesNext) + v.fx(Fx::Score);
    let before = v.cell_prev(OTHER.index(v.width()));
    all.push(("same", same * (v.at(OTHER) - before)));
    all
}

#[inline(always)]
pub(super) fn turns<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Outputs => {
            let in_row = classes(r.layout());
            total([r.forget(Fx::Classes), r.when(Fx::ClassesNext, |r| r.power(Ch::E, in_row))])
        }
        Acc::Classes => r.mark(Fx::ClassesNext),
        _ => None,
    }
}

#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Outputs => r.when(Fx::Classes, bytes),
        Acc::Classes => r.when(Fx::Classes, votes),
        _ => None,
    }
}

/// Output bytes of a row without their zero points.
fn bytes<R: Row>(r: &mut R) -> R::X {
    let in_row = classes(r.layout());
    r.horner(Ch::E, 0..in_row, |r, i| {
        let zero = match real(r, i) {
            Some(real) => real * zero_point(),
            None => r.number(zero_point()),
        };
        r.at(byte(i)) - zero
    })
}

/// One-hot sums of a row.
fn votes<R: Row>(r: &mut R) -> R::X {
    let [rho, rho2, rho3, rho4] = [1, 2, 3, 4].map(|n| r.power(Ch::Rho, n));
    let per_label = per_label();
    let of = |r: &mut R, i: usize| {
        let (o, s1) = (r.at(byte(i)), labelled(r, i, per_label));
        let class = r.fixed(Fx::Weight0.index(r.layout()) + i);
        let label = s1 * (o.clone() + rho2.clone() + rho4.clone() * class);
        label + r.at(best(i)) * (rho.clone() * o + rho3.clone())
    };
    let first = of(r, 0);
    (1..classes(r.layout())).fold(first, |sum, i| sum + of(r, i))
}
