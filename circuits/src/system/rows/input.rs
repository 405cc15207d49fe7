//! One or two values of the input for as many items as there are lanes.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `out` | stored byte of a value, `q + 128`; 128 where there is none | table, a byte or the one that stands for none |
//! | `lo` | stored byte of the value behind it, or 0 | table, a byte |
//! | `hi` | 0 | table |
//!
//! The second value is folded by `Y`, whose offset takes its zero point. `R` folds both into words along the way:
//! `R = (scale + word_step e) R' + pack (X + 256 Y)`, where they end it is 0.

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::{chunk, Small};
use super::tracks;
use crate::field::signed;
use crate::system::columns::{Acc, Cell, Ch};
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::row::{total, Row};
use crate::system::steering::Fx;
use crate::system::table::{stored, Table};
use dn_core::quant::ZERO_POINT;
use dn_core::Width;

pub(crate) const ABOUT: About = About {
    name: "input",
    cells: &[
        "0",
        "stored byte of a value, `q + 128`, or 0",
        "stored byte of the one before it, or 128",
    ],
    marks: &[&[Fx::Lookup], &[Fx::Chunk], &[Fx::TagA], &[Fx::TagB], &[Fx::Offset]],
    beside: &[tracks::FOLDS, tracks::WORDS],
    registers: &[(Acc::Classes, "words, folded by e")],
};

/// Which of its two values a row has.
pub(crate) type Has = (bool, bool);

/// Tags of the look-ups.
pub(crate) fn tags(table: &Table, has: Has) -> (u64, u64) {
    let first = if has.0 { table.tag_input } else { table.tag_absent };
    (first, if has.1 { table.tag_byte } else { 0 })
}

pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, table: &Table, has: Has) {
    d.kind(row, Kind::Input);
    chunk(d, row, is_first, tags(table, has));
    if has.1 {
        d.set(Fx::Offset, row, -signed(i64::from(ZERO_POINT)));
    }
}

pub(crate) fn fill(s: &mut Small, lane: usize, first: Option<i8>, second: Option<i8>) {
    s.set(Cell::Out(lane), stored(first.unwrap_or(0)));
    s.set(Cell::Lo(lane), second.map_or(0, stored));
}

#[inline(always)]
pub(super) fn turns<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Classes if r.layout() != Width::Sequence => {
            total([r.mark(Fx::Scale), r.when(Fx::WordStep, |r| r.power(Ch::E, 1))])
        }
        _ => None,
    }
}

#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Classes if r.layout() != Width::Sequence => {
            r.when(Fx::Pack, |r| r.here(Acc::X) + r.here(Acc::Y) * Fr::from(256))
        }
        _ => None,
    }
}
