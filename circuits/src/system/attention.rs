//! The sections of attention, and what its rows look up. Layers with equal sections share them.
//!
//! ```text
//! maxima         (m + R, m + R)                                     R bounds scores, so m is in [-R, R]
//! exponentials   (h, (T+1) exponentials[h] + [h = 0])               h in [0, 2R]; causal: up to 4R + cut
//! sums           (h, inverses[h])                                   (0, 0) where no sum is
//! ties           (lo, 0)                                            lo in [0, T)
//! contexts       (c - c_min, c - c_min)
//! ```
//!
//! A key that is not seen has `2R + cut` added to its difference, `cut` being as many as there are exponentials: with a
//! maximum in `[-R, R]` that is at least `cut`, where exponentials are 0.

use dn_core::quant::sequence::{Attention, Quantity, Sequence};

use super::table::{half, Builder, Division};

/// What the rows of an attention look up.
#[derive(Clone, Debug)]
pub(crate) struct Attentive {
    /// Tag of the maxima.
    pub(crate) maxima: u64,
    /// What is stored for a maximum of 0.
    pub(crate) zero: u64,
    /// What is added to differences to keys that are not seen.
    pub(crate) hidden: u64,
    /// Tag of (divided sum less 1, inverse).
    pub(crate) sums: u64,
    /// Tag of the remainder of a sum less 1.
    pub(crate) ties: u64,
    /// Of the scores; the tag is that of (difference, exponential), and quotients count from 0.
    pub(crate) scores: Division,
    /// Of the contexts.
    pub(crate) contexts: Division,
    /// Of the products with inverses.
    pub(crate) outputs: Division,
}

/// Ends of the numbers of a layer's sections.
struct Ends {
    /// Largest absolute quotient of a score.
    score: i64,
    /// What is added to differences to keys that are not seen.
    hidden: i64,
    /// Largest difference.
    difference: i64,
    /// Largest divided sum.
    sum: i64,
    /// Smallest and largest quotient of a context.
    context: (i64, i64),
}

impl Ends {
    fn of(sequence: &Sequence, layer: usize, a: &Attention) -> Self {
        let largest = |quantity| sequence.largest(layer, quantity);
        let score = largest(Quantity::Score) >> a.score_shift;
        let (hidden, difference) = if a.is_causal {
            let hidden = 2 * score + a.exponentials.len() as i64;
            (hidden, hidden + 2 * score)
        } else {
            (0, 2 * score)
        };
        let sum = (largest(Quantity::Exponentials) - 1) / (sequence.tokens as i64 + 1);
        let context = largest(Quantity::Context);
        let low = (2 * half(a.context_shift) - context) >> a.context_shift;
        Self { score, hidden, difference, sum, context: (low, context >> a.context_shift) }
    }
}

/// Rows of a layer's sections, before they are built; those that it may share are counted too.
pub(super) fn table_rows(sequence: &Sequence, layer: usize, a: &Attention) -> usize {
    let ends = Ends::of(sequence, layer, a);
    let last = [2 * ends.score, ends.difference, ends.sum, ends.context.1 - ends.context.0];
    let rows: i64 = last.into_iter().map(|last| last + 1).sum();
    rows.unsigned_abs() as usize + sequence.tokens
}

impl Attentive {
    /// Adds the sections of a validated model's layer. `outputs` divides the products with inverses.
    pub(super) fn new(
        builder: &mut Builder,
        (sequence, layer, a): (&Sequence, usize, &Attention),
        outputs: Division,
    ) -> Self {
        let (ends, tokens) = (Ends::of(sequence, layer, a), sequence.tokens as i64);
        let pairs = |last: i64, of: &dyn Fn(i64) -> i64| {
            (0..=last).map(|x| (x.unsigned_abs(), of(x).unsigned_abs())).collect()
        };
        let mut tag = |last: i64, of: &dyn Fn(i64) -> i64| builder.shared(pairs(last, of));
        let exponential = |h: i64| (tokens + 1) * a.exponential(h) + i64::from(h == 0);
        // Every sum has a maximum in it, whose exponential is not 0.
        let inverse = |h: i64| if h == 0 { 0 } else { i64::from(a.inverses[h as usize]) };
        let (low, high) = ends.context;
        let division = |tag_hi: u64, quotient_min: i64, shift: u32| {
            let bits = outputs.bits;
            Division { tag_hi, tag_window: None, quotient_min, shift: vec![shift], bits }
        };
        Self {
            maxima: tag(2 * ends.score, &|m| m),
            zero: ends.score.unsigned_abs(),
            hidden: ends.hidden.unsigned_abs(),
            sums: tag(ends.sum, &inverse),
            ties: tag(tokens - 1, &|_| 0),
            scores: division(tag(ends.difference, &exponential), 0, a.score_shift),
            contexts: division(tag(high - low, &|c| c), low, a.context_shift),
            outputs,
        }
    }

    /// Difference and remainder of a score, to a maximum; both as cells.
    pub(crate) fn difference(&self, score: i64, maximum: i64, is_seen: bool) -> (u64, u64) {
        let shift = self.scores.shift[0];
        let rounded = score + half(shift);
        let hidden = if is_seen { 0 } else { self.hidden as i64 };
        let hi = maximum - (rounded >> shift) + hidden;
        let lo = (rounded & ((1 << shift) - 1)) * self.scores.scale(0);
        (hi.unsigned_abs(), lo.unsigned_abs())
    }
}
