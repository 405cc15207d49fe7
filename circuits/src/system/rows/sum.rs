//! Values of one token's sum with a tensor before it: lanes are channels.
//!
//! | cell | what | bounded by |
//! |---|---|---|
//! | `hi` | quotient, counted from the layer's smallest | table, the layer's section |
//! | `lo` | remainder | table, `[0, 2^bits)` |
//! | `out` | stored value | table, beside `hi` |
//!
//! Folds are by `e`, and chunks by `e^L`: with `F_s(c) = sum_l s^(L-1-l) c_l`
//!
//! ```text
//! X = .. + chunk_e e^L X' + values_by_e (F_e(out - zero) - F_tau(out - zero))
//! Y = .. + chunk_e e^L Y' + accumulators_by_e (F_e(scale hi + lo + offset) - F_tau(scale hi + lo + offset))
//!        + bias_lane F_e(w)
//! W = .. + squares_keep W' - bias_lane F_e(w) + squares sum_l (out_l - zero)^2
//! ```
//!
//! where the dots are what rows with items in their lanes have. On a token's last row the image takes `X` and the
//! outputs take `Y`, both folded by tau over tokens: `O = tau O' + Y`.

use halo2_proofs::halo2curves::bn256::Fr;

use super::about::About;
use super::small::{look_up, Small};
use super::tracks;
use crate::field::signed;
use crate::system::columns::{Acc, Cell, Ch};
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::row::{total, Row};
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "sum",
    cells: &["quotient of channel l", "remainder", "stored value"],
    marks: &[
        &[Fx::Lookup],
        &[Fx::TagA],
        &[Fx::TagB],
        &[Fx::Scale],
        &[Fx::Offset],
        &[Fx::Zero],
        &[Fx::ValuesByE],
        &[Fx::AccumulatorsByE],
        &[Fx::ChunkE],
        &[Fx::BiasLane],
        &[Fx::Weight0],
        &[Fx::Squares],
        &[Fx::SquaresKeep],
        &[Fx::Position],
        &[Fx::ImageReset],
        &[Fx::ImageTau],
        &[Fx::OutputsReset],
        &[Fx::OutputsTau],
    ],
    beside: &[tracks::TENSORS],
    registers: &[
        (Acc::X, "values, folded by e"),
        (Acc::Y, "accumulators, folded by e, and their constants"),
        (Acc::W, "squares of a token"),
        (Acc::Image, "values, folded by tau"),
        (Acc::Outputs, "accumulators, folded by tau"),
    ],
};

/// A row of a token, of which the layer has these numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of {
    /// Tags of the look-ups.
    pub(crate) tags: (u64, u64),
    /// log2 of the remainders' range.
    pub(crate) lo_bits: u32,
    /// What a scaled accumulator adds to `2^bits hi + lo`, without constants.
    pub(crate) offset: i64,
    /// What is stored for 0.
    pub(crate) zero: u64,
    /// What squares are scaled by, if a norm reads them.
    pub(crate) squares: Option<u64>,
}

/// `constants` are those of the lanes' accumulators, scaled.
pub(crate) fn marks(d: &mut Draft, row: usize, is_first: bool, of: &Of, constants: &[i64]) {
    d.kind(row, Kind::Sum);
    look_up(d, row, of.tags);
    d.mark(Fx::ValuesByE, row);
    d.mark(Fx::AccumulatorsByE, row);
    d.mark(Fx::BiasLane, row);
    d.set(Fx::Scale, row, Fr::from(1 << of.lo_bits));
    d.set(Fx::Offset, row, signed(of.offset));
    d.set(Fx::Zero, row, Fr::from(of.zero));
    for (lane, constant) in constants.iter().enumerate() {
        d.weight(row, lane, signed(-constant));
    }
    if let Some(scale) = of.squares {
        d.set(Fx::Squares, row, Fr::from(scale));
    }
    if !is_first {
        d.mark(Fx::ChunkE, row);
        if of.squares.is_some() {
            d.mark(Fx::SquaresKeep, row);
        }
    }
}

/// Marks of a token's last row.
pub(crate) fn end(d: &mut Draft, row: usize, is_first_token: bool) {
    d.mark(Fx::Position, row);
    let turns = if is_first_token {
        [Fx::ImageReset, Fx::OutputsReset]
    } else {
        [Fx::ImageTau, Fx::OutputsTau]
    };
    turns.into_iter().for_each(|fx| d.mark(fx, row));
}

pub(crate) fn fill(s: &mut Small, lane: usize, (hi, lo): (u64, u64), stored: u64) {
    s.set(Cell::Hi(lane), hi);
    s.set(Cell::Lo(lane), lo);
    s.set(Cell::Out(lane), stored);
}

/// A fold by e instead of the one by tau.
#[inline(always)]
fn by_e<R: Row>(r: &mut R, fold: impl Fn(&mut R, Ch) -> R::X) -> R::X {
    fold(r, Ch::E) - fold(r, Ch::Tau)
}

#[inline(always)]
pub(super) fn turns<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::X | Acc::Y => {
            let lanes = r.layout().lanes();
            r.when(Fx::ChunkE, |r| r.power(Ch::E, lanes))
        }
        Acc::W => r.mark(Fx::SquaresKeep),
        Acc::Outputs => r.times(Fx::OutputsTau, |r| r.power(Ch::Tau, 1)),
        _ => None,
    }
}

#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::X => r.when(Fx::ValuesByE, |r| {
            let out = by_e(r, |r, ch| r.lanes_by(ch, Cell::Out));
            match r.when(Fx::Zero, |r| by_e(r, R::ones_by)) {
                Some(zeros) => out - zeros,
                None => out,
            }
        }),
        Acc::Y => {
            let lanes = r.when(Fx::AccumulatorsByE, |r| {
                let lo = by_e(r, |r, ch| r.lanes_by(ch, Cell::Lo));
                let hi = r.when(Fx::Scale, |r| by_e(r, |r, ch| r.lanes_by(ch, Cell::Hi)));
                let offset = r.when(Fx::Offset, |r| by_e(r, R::ones_by));
                total([Some(lo), hi, offset]).expect("remainders are there")
            });
            total([lanes, bias(r)])
        }
        Acc::W => {
            let squares = r.when(Fx::Squares, |r| {
                let zero = r.mark(Fx::Zero).unwrap_or_else(|| r.number(Fr::zero()));
                let lanes = r.layout().lanes();
                let square = |r: &mut R, lane: usize| {
                    let value = r.at(Cell::Out(lane)) - zero.clone();
                    value.clone() * value
                };
                let first = square(r, 0);
                (1..lanes).fold(first, |sum, lane| sum + square(r, lane))
            });
            total([bias(r).map(|x| -x), squares])
        }
        _ => None,
    }
}

/// Constants of the lanes' accumulators.
#[inline(always)]
fn bias<R: Row>(r: &mut R) -> Option<R::X> {
    let mark = r.mark(Fx::BiasLane)?;
    r.weights().map(|weights| mark * weights)
}
