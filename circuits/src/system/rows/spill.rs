//! Coefficients that no output takes, of three chunks of items: `hi`, `lo` and `out` of all lanes.
//!
//! Nothing bounds them and nothing else reads them: no output shares their exponent. Each is `2^24` too large:
//!
//! ```text
//! spilled = t^2 lane(hi) + t lane(lo) + lane(out)        with every cell less 2^24
//! ```

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::tracks;
use crate::field::signed;
use crate::system::columns::{Acc, Cell};
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::row::Row;
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "spill",
    cells: &["coefficients that no output takes, of three chunks of items"],
    marks: &[&[Fx::Spill], &[Fx::SpillFold]],
    beside: &[tracks::FOLDS, tracks::TENSORS],
    registers: &[(Acc::Y, "spilled values, three chunks at once")],
};

/// Added to spilled values so that their cells are rarely negative, which would make them dear to
/// commit to: `Graph::validate` bounds accumulators, though not each part of one, by `2^24`.
pub(crate) const SPILL_OFFSET: u64 = 1 << 24;

pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, scale: i64) {
    d.kind(row, Kind::Spill);
    d.set(Fx::Spill, row, signed(scale));
    if !is_first {
        d.mark(Fx::SpillFold, row);
    }
}

/// The cell of a coefficient.
pub(crate) fn fill(value: i64) -> Fr {
    signed(value + SPILL_OFFSET as i64)
}

#[inline(always)]
pub(super) fn turns<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Y => r.when(Fx::SpillFold, |r| r.chunks(3)),
        _ => None,
    }
}

#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Y => r.when(Fx::Spill, |r| {
            let off = r.all_lanes(Fr::from(SPILL_OFFSET));
            let (t, t2) = (r.chunks(1), r.chunks(2));
            let parts = t2.clone() * r.lanes(Cell::Hi) + t.clone() * r.lanes(Cell::Lo);
            parts + r.lanes(Cell::Out) - (t2 + t + r.number(Fr::one())) * off
        }),
        _ => None,
    }
}
