//! The two factors of a value's product, for as many items as there are lanes.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `hi` | left factor | claim of the left factors |
//! | `lo` | right factor | claim of the right factors |
//!
//! Factors are sums of convolutions that reach no coefficient but those of outputs. They are no look-ups: that a
//! cell is its factor is a claim of the layer, as the accumulators are, so the integers are those of the
//! tensors that factors read. A node has three claims, and its rows fold them at once, kept apart by lambda:
//!
//! ```text
//! Y = t Y' + factors sum_l tau^(L-1-l) (hi lo + lambda hi + lambda^2 lo)      with every cell less 2^24
//! ```
//!
//! `factors` is minus what the channel's accumulators are scaled by, so the claim of the accumulators is the one of
//! the sum's sources, plus products. Of the claims in front of it the second has the left factors, the first the
//! right ones, both sides times `factors`. Each lane multiplies its own factors: the fold over items comes behind.

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::tracks;
use crate::field::signed;
use crate::system::columns::{Acc, Cell, Ch};
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::row::Row;
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "product",
    cells: &["left factor", "right factor", "nothing"],
    marks: &[&[Fx::Chunk], &[Fx::Factors]],
    beside: &[tracks::FOLDS, tracks::TENSORS],
    registers: &[(Acc::Y, "products and their factors")],
};

/// Added to factors so that their cells are not negative, which would make them dear to commit to:
/// `Graph::validate` bounds factors by `2^24`.
pub(crate) const FACTOR_OFFSET: u64 = 1 << 24;

/// `scale` is what the accumulators of the channel are multiplied by.
pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, scale: i64) {
    d.kind(row, Kind::Product);
    d.set(Fx::Factors, row, signed(-scale));
    if !is_first {
        d.mark(Fx::Chunk, row);
    }
}

/// The cell of a factor.
pub(crate) fn fill(factor: i32) -> Fr {
    signed(i64::from(factor) + FACTOR_OFFSET as i64)
}

#[cfg(test)]
pub(super) fn free(cell: Cell) -> Option<&'static str> {
    matches!(cell, Cell::Out(_)).then_some("two factors to a product")
}

#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Y => r.when(Fx::Factors, |r| {
            let lanes = r.layout().lanes();
            // The folds of `hi` and `lo` are those of other rows, so the offsets come out of them.
            let products =
                r.horner(Ch::Tau, 0..lanes, |r, l| r.at(Cell::Hi(l)) * r.at(Cell::Lo(l)));
            let [left, right] = [1, 2].map(|n| r.power(Ch::Lambda, n));
            let offset = Fr::from(FACTOR_OFFSET);
            let constant = r.number(offset.square()) - (left.clone() + right.clone()) * offset;
            products
                + (left - r.number(offset)) * r.lanes(Cell::Hi)
                + (right - r.number(offset)) * r.lanes(Cell::Lo)
                + constant * r.ones()
        }),
        _ => None,
    }
}
