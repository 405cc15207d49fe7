//! A token's root, behind its values: only the last lane is read.
//!
//! | cell of the last lane | what | bounded by |
//! |---|---|---|
//! | `hi` | sum of squares, divided | table, the layer's section |
//! | `lo` | remainder | table, `[0, 2^bits)` |
//! | `out` | root `s` | table, beside `hi` |
//!
//! ```text
//! root   W' = scale hi + lo                              where norm is not 0
//! K      K = tau K' + norm X' s
//! P      P = .. + bare K
//! ```
//!
//! `W'` has the token's squares, scaled to the range of remainders, and `X'` its values folded by `e`
//! ([`super::sum`]). `norm` is what the products are scaled by. Behind the last token `K` is the left side of the
//! norm's claim, `sum_n tau^(N-1-n) s_n sum_c e^(C-1-c) x[n, c]`.

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::{look_up, Small};
use crate::system::columns::{Acc, Cell, Ch};
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::row::Row;
use crate::system::steering::Fx;
use crate::system::view::{Ex, View};
use dn_core::Width;

pub(crate) const ABOUT: About = About {
    name: "root",
    cells: &[
        "divided sum of squares, in the last lane",
        "remainder, in the last lane",
        "root, in the last lane",
    ],
    marks: &[
        &[Fx::Lookup],
        &[Fx::TagA],
        &[Fx::TagB],
        &[Fx::Scale],
        &[Fx::Norm],
        &[Fx::KernelReset],
        &[Fx::KernelTau],
    ],
    beside: &[super::tracks::TENSORS],
    registers: &[
        (Acc::Kernel, "values times roots, folded by tau"),
        (Acc::Claims, "the kernel, behind the last token"),
    ],
};

const fn lane(width: Width) -> usize {
    width.lanes() - 1
}

/// `scale` is what products with the root are multiplied by.
pub(crate) fn marks(
    d: &mut Draft,
    row: usize,
    is_first: bool,
    (tags, lo_bits): ((u64, u64), u32),
    scale: u64,
) {
    d.kind(row, Kind::Root);
    look_up(d, row, tags);
    d.set(Fx::Scale, row, Fr::from(1 << lo_bits));
    d.set(Fx::Norm, row, Fr::from(scale));
    d.mark(if is_first { Fx::KernelReset } else { Fx::KernelTau }, row);
}

/// `idle` is the root of no squares, which stands in the other lanes.
pub(crate) fn fill(width: Width, (hi, lo): (u64, u64), root: u64, idle: u64) -> Small {
    let mut s = Small::default();
    for lane in 0..width.lanes() {
        s.set(Cell::Out(lane), idle);
    }
    s.set(Cell::Hi(lane(width)), hi);
    s.set(Cell::Lo(lane(width)), lo);
    s.set(Cell::Out(lane(width)), root);
    s
}

#[cfg(test)]
pub(super) fn free(cell: Cell, width: Width) -> Option<&'static str> {
    let (Cell::Hi(at) | Cell::Lo(at) | Cell::Out(at)) = cell;
    (at != lane(width)).then_some("one root to a token")
}

pub(crate) fn constraints(v: &mut View<'_, '_>) -> Vec<(&'static str, Ex)> {
    let lane = lane(v.width());
    let divided = v.fx(Fx::Scale) * v.at(Cell::Hi(lane)) + v.at(Cell::Lo(lane));
    let squares = v.before(Acc::W);
    vec![("root", v.fx(Fx::Norm) * (squares - divided))]
}

#[inline(always)]
pub(super) fn turns<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Kernel => r.times(Fx::KernelTau, |r| r.power(Ch::Tau, 1)),
        _ => None,
    }
}

#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Kernel => r.when(Fx::Norm, |r| {
            let lane = lane(r.layout());
            r.before(Acc::X) * r.at(Cell::Out(lane))
        }),
        Acc::Claims => r.when(Fx::Bare, |r| r.here(Acc::Kernel)),
        _ => None,
    }
}
