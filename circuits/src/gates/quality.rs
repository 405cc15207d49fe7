//! The quality score of each task: is the labelled class the strict arg-max, and by how much?
//!
//! A task takes rows of `C` classes, two lanes per class, then a score row: two classes in the narrow
//! layout, four in the default one, eight in the wide one. Class `i` of a row:
//!
//! ```text
//! o = hi[2i]     the output byte                    d = lo[2i]    slack
//! s2 = hi[2i+1]  1 on the best other class          s1 = (d - other + o) / 256, 1 on the label
//! other = lo[1]  the best other output              w_i = class + 1, r_i = 1; 0 on padding
//! ```
//!
//! `r_i` is weight `C + i`. The narrow layout has too few weights: there the first class of a row is
//! always real, and `offset` is `r_1`.
//!
//! The table bounds `hi` by 511 and `lo` by the range of remainders, at least 511. On class rows:
//!
//! ```text
//! label    s1 (s1 - 1) = 0            so d = other - o + 256 s1, and every unlabelled class
//!                                     is at most `other`
//! best     s2 (s2 - 1) = 0
//! distinct s1 s2 = 0
//! padding  (1 - r_i) (s1 + s2) = 0
//! same     other = other'             not on a task's first row
//! sums     act R = (classes_next + scale + word_step e) R' + pack (X + 256 Y)
//!                + sum_i s1 o + rho s2 o + rho^2 s1 + rho^3 s2 + rho^4 w_i s1
//! ```
//!
//! On inputs, whose rows are others, `R` folds their words (`pack`, `scale`, `word_step`); where they
//! end it is 0.
//!
//! `o` equals the byte of the last tensor by the folds of [`super::words`].
//!
//! On the score row, with `v = lo[0]`, `other = lo[1]`, `p = lo[2]`, `label = lo[3]`:
//!
//! ```text
//! R' = v + rho (other - 255 (1 - p)) + rho^2 p + rho^3 p + rho^4 label
//! p (p - 1) = 0,  other = other'
//! hi[0] = 256 p + v - other + 255 (1 - p)           0, or 256 + difference in [1, 511]
//! ```
//!
//! and the table maps `hi[0]` to the score `out[0] = 1 + 2^16 correct + 2^32 margin`, or 0 to 0.
//! Without a label all bits are 0, `other` is 255 and every slack holds. The best other output is
//! bounded from below by the slacks and attained by `s2`, so a score can be neither raised nor
//! lowered.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{ConstraintSystem, Expression};

use crate::columns::{constant, weight_lanes, Acc, Ch, Columns, Fx, View, Width};

/// Classes in one row.
pub(crate) const fn classes(width: Width) -> usize {
    width.lanes() / 2
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

/// `real` of class `i` of a row.
pub(super) fn real(v: &mut View<'_, '_>, i: usize) -> Expression<Fr> {
    real_mark(v.width(), i).map_or(constant(1), |column| v.fixed(column))
}
/// Offset that makes every slack of the labelled class non-negative.
pub(crate) const SLACK_OFFSET: u64 = 256;
/// Stands for the best other output where there is no label.
pub(crate) const NO_LABEL: u64 = 255;

/// `1 / 256`: what a slack's offset counts as.
pub(crate) fn per_label() -> Fr {
    Fr::from(SLACK_OFFSET).invert().expect("256 is not zero")
}

pub(super) fn configure(cs: &mut ConstraintSystem<Fr>, columns: &Columns) {
    cs.create_gate("quality classes", |meta| {
        let mut v = View::new(meta, columns);
        let next = v.fx(Fx::ClassesNext);
        let any = v.fx(Fx::Classes);
        let rho = v.challenge(Ch::Rho);
        let rho2 = rho.clone() * rho.clone();
        let (rho3, rho4) = (rho2.clone() * rho.clone(), rho2.clone() * rho2.clone());
        let other = v.lo(1);
        let mut sums = constant(0);
        let mut constraints = Vec::new();
        for i in 0..classes(v.width()) {
            let (o, s2, slack) = (v.hi(2 * i), v.hi(2 * i + 1), v.lo(2 * i));
            let (class, real) = (v.weight(i), real_mark(v.width(), i).map(|c| v.fixed(c)));
            let s1 = (slack - other.clone() + o.clone()) * per_label();
            let mut zero = |name, x: Expression<Fr>| constraints.push((name, any.clone() * x));
            zero("label", s1.clone() * (s1.clone() - constant(1)));
            zero("best", s2.clone() * (s2.clone() - constant(1)));
            zero("distinct", s1.clone() * s2.clone());
            if let Some(real) = real {
                zero("padding", (constant(1) - real) * (s1.clone() + s2.clone()));
            }
            sums = sums
                + s1.clone() * (o.clone() + rho2.clone() + rho4.clone() * class)
                + s2 * (rho.clone() * o + rho3.clone());
        }
        let lo1_prev = v.cell_prev(v.lanes() + 1);
        let same = next.clone() + v.fx(Fx::Score);
        constraints.push(("same", same * (other - lo1_prev)));
        let keep = next + v.fx(Fx::Scale) + v.fx(Fx::WordStep) * v.challenge(Ch::E);
        let packed = v.acc(Acc::X) + v.acc(Acc::Y) * Fr::from(256);
        let folded = v.fx(Fx::Active) * v.acc(Acc::Classes)
            - keep * v.acc_prev(Acc::Classes)
            - any * sums
            - v.fx(Fx::Pack) * packed;
        constraints.push(("sums", folded));
        constraints
    });
    cs.create_gate("quality score", |meta| {
        let mut v = View::new(meta, columns);
        let score = v.fx(Fx::Score);
        let rho = v.challenge(Ch::Rho);
        let rho2 = rho.clone() * rho.clone();
        let (value, other, probe, label) = (v.lo(0), v.lo(1), v.lo(2), v.lo(3));
        let absent = (constant(1) - probe.clone()) * Fr::from(NO_LABEL);
        let sums = value.clone()
            + rho.clone() * (other.clone() - absent.clone())
            + rho2.clone() * probe.clone()
            + rho2.clone() * rho * probe.clone()
            + rho2.clone() * rho2 * label;
        let key = probe.clone() * Fr::from(SLACK_OFFSET) + value - other + absent;
        vec![
            ("totals", score.clone() * (v.acc_prev(Acc::Classes) - sums)),
            ("probe", score.clone() * probe.clone() * (probe - constant(1))),
            ("key", score * (v.hi(0) - key)),
        ]
    });
}
