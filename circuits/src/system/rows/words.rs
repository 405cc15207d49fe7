//! Words of sequences, whose digits stand in neighbouring lanes: of tokens, and of the last tensor's channels.
//!
//! With `v_l` the value in lane `l`, its digit, and `P = sum_l 256^l v_l`:
//!
//! ```text
//! R = (word_keep + word_step e) R' + pack P + split (e 256^31 - 1) (P - sum_l w_l v_l)
//! ```
//!
//! `R` stands at the first lane's digit: `word_keep` is `256^-L` between rows of a word, `word_step` the same where
//! the row before ended a word. Behind lane `m` of a row with `split` another word begins: there the weights
//! are `w_l = 256^l`, before it they are 0, and `word_step` is `256^31 256^-L`, so what belongs to the word that
//! ends is multiplied by `e 256^31`. At most one word ends in a row, because there are at most 31 lanes.
//!
//! Where the digits of one sequence end, `I = tau I' + R`; a product with a kernel scaled by omega brings all to the
//! last word's place.

use dn_core::commitment::WORD_BYTES;
use halo2_proofs::halo2curves::bn256::Fr;

use crate::system::columns::{Acc, Cell, Ch};
use crate::system::fixed::Draft;
use crate::system::row::{total, Row};
use crate::system::steering::Fx;
use crate::system::table::zero_point;

/// `256^n`, also for negative `n`.
pub(crate) fn power_of_256(n: i64) -> Fr {
    use ff::Field as _;
    let power = Fr::from(256).pow_vartime([n.unsigned_abs()]);
    if n < 0 {
        power.invert().unwrap_or(Fr::ZERO)
    } else {
        power
    }
}

/// How a row's digits continue those of the row before, if there is one in the sequence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// Power of 256 that folded words are multiplied by.
    pub(crate) digits: i64,
    /// Whether they are multiplied by e too.
    pub(crate) is_next_word: bool,
}

/// Marks of a row whose digits enter words; another word begins in lane `split`, if one does.
pub(crate) fn marks(d: &mut Draft, row: usize, turn: Option<Turn>, split: Option<usize>) {
    d.mark(Fx::Pack, row);
    if let Some(Turn { digits, is_next_word }) = turn {
        let word = if split.is_some() { WORD_BYTES as i64 } else { 0 };
        let fx = if is_next_word || split.is_some() { Fx::WordStep } else { Fx::WordKeep };
        d.set(fx, row, power_of_256(digits + word));
    }
    if let Some(first) = split {
        d.mark(Fx::Split, row);
        for lane in first..d.width().lanes() {
            d.weight(row, lane, power_of_256(lane as i64));
        }
    }
}

/// `sum_l c_l v_l`.
fn digits<R: Row>(r: &mut R, coefficient: impl Fn(&mut R, usize) -> R::X) -> R::X {
    let lanes = r.layout().lanes();
    let of = |r: &mut R, lane: usize| {
        let value = r.at(Cell::Out(lane)) - r.number(zero_point());
        coefficient(r, lane) * value
    };
    let first = of(r, 0);
    (1..lanes).fold(first, |sum, lane| sum + of(r, lane))
}

fn packed<R: Row>(r: &mut R) -> R::X {
    digits(r, |r, lane| r.number(power_of_256(lane as i64)))
}

#[inline(always)]
pub(super) fn turns<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Classes if r.layout() == dn_core::Width::Sequence => {
            total([r.mark(Fx::WordKeep), r.when(Fx::WordStep, |r| r.power(Ch::E, 1))])
        }
        Acc::Image => r.times(Fx::ImageTau, |r| r.power(Ch::Tau, 1)),
        _ => None,
    }
}

#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Classes if r.layout() == dn_core::Width::Sequence => total([
            r.when(Fx::Pack, packed),
            r.when(Fx::Split, |r| {
                let word = power_of_256(WORD_BYTES as i64);
                let step = r.power(Ch::E, 1) * word - r.number(Fr::one());
                let first = Fx::Weight0.index(r.layout());
                let next = digits(r, |r, lane| r.fixed(first + lane));
                step * (packed(r) - next)
            }),
        ]),
        Acc::Image => r.when(Fx::Words, |r| r.here(Acc::Classes)),
        Acc::Outputs => r.when(Fx::OutputsAlone, |r| r.here(Acc::Y)),
        _ => None,
    }
}
