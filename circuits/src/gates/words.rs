//! Folds of the per-task rows, which tie hashes, output bytes, labels and public inputs together.
//!
//! ```text
//! words     act V = (act act' - absorb - classes) V' + (absorb_next + classes_next) (e^4 - 1) V'
//!                 + absorb (e^2 s_3 + e s_4 + s_5) + absorb_next (e^3 s_2 + .. + s_5)
//!                 + (classes + classes_next) sum_i e^(3-i) (hi[2i] - 128 w_(4+i))
//! items     act I = (act act' - item + item_fold tau) I' + item V + score rho lo[3]
//! labels    act G = (act act' + label (tau - 1)) G' + label (cell_18 + rho s_2)
//! salts     act N = (act act' + salt (tau - 1)) N' + salt s_2
//!           label = absorb scale / 2^64, set on inputs               salt = absorb - label, on outputs
//! publish   act O = (act act' + publish (rho - 1)) O' + publish_hash s_0 + score out[0]
//! read      act R = (act act' + read (rho - 1)) R' + read_scale instance
//! equal     act' (1 - act) (O' - R') = 0
//! ```
//!
//! `s_i = (M z)_i` is the state that an input row holds, or the hash behind a last row. A task's
//! words are folded by `e`, tasks by `tau` in the order in which lanes and chunks fold them on
//! activation rows, so [`super::claims`] can equate the two. Input and output of a task have one salt:
//! both are folded over tasks and equated too, so an output's commitment can be opened by whoever
//! knows the input's. Published values (input commitments,
//! the score's sum, output commitments) and the instance are folded by the same powers of `rho`;
//! they meet on the last used row.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;

use super::hash::state;
use super::quality::CLASSES;
use crate::columns::{constant, horner, power, Acc, Ch, Columns, Fx, View};
use crate::poseidon::{Constants, ST, WIDTH};
use dn_core::commitment::NEXT_RATE;
use dn_core::quant::ZERO_POINT;

/// What a label is multiplied by in a message's tag.
pub(crate) fn label_scale() -> Fr {
    Fr::from(2).pow_vartime([64])
}

fn label_scale_inverse() -> Fr {
    label_scale().invert().expect("a power of two is not zero")
}

pub(super) fn configure(cs: &mut ConstraintSystem<Fr>, columns: &Columns) {
    let constants = Constants::new();
    cs.create_gate("fold words", |meta| {
        let mut v = View::new(meta, columns);
        let (e, tau, rho) = (v.challenge(Ch::E), v.challenge(Ch::Tau), v.challenge(Ch::Rho));
        let (absorb, absorb_next) = (v.fx(Fx::Absorb), v.fx(Fx::AbsorbNext));
        let (first, next) = (v.fx(Fx::Classes), v.fx(Fx::ClassesNext));
        let (active, carried) = (v.fx(Fx::Active), v.carried());
        let words: Vec<_> = (2..WIDTH).map(|i| state(&mut v, &constants, i)).collect();
        let zero_point = Fr::from(ZERO_POINT.unsigned_abs() as u64);
        let bytes: Vec<_> =
            (0..CLASSES).map(|i| v.hi(2 * i) - v.weight(CLASSES + i) * zero_point).collect();
        let keep = carried.clone() - absorb.clone() - first.clone()
            + (absorb_next.clone() + next.clone()) * (power(&e, NEXT_RATE) - constant(1));
        let folded = active.clone() * v.acc(Acc::Words)
            - keep * v.acc_prev(Acc::Words)
            - absorb * horner(&words[1..], &e)
            - absorb_next * horner(&words, &e)
            - (first + next) * horner(&bytes, &e);
        let item = v.fx(Fx::Item);
        let items = active.clone() * v.acc(Acc::Items)
            - (carried.clone() - item.clone() + v.fx(Fx::ItemFold) * tau.clone())
                * v.acc_prev(Acc::Items)
            - item * v.acc(Acc::Words)
            - v.fx(Fx::Score) * rho * v.lo(3);
        let label = v.fx(Fx::Absorb) * v.fx(Fx::Scale) * label_scale_inverse();
        let tau1 = tau - constant(1);
        let labels = active.clone() * v.acc(Acc::Labels)
            - (carried.clone() + label.clone() * tau1.clone()) * v.acc_prev(Acc::Labels)
            - label.clone() * (v.cell(ST) + v.challenge(Ch::Rho) * words[0].clone());
        let salt = v.fx(Fx::Absorb) - label;
        let salts = active * v.acc(Acc::Salts)
            - (carried + salt.clone() * tau1) * v.acc_prev(Acc::Salts)
            - salt * words[0].clone();
        vec![("words", folded), ("items", items), ("labels", labels), ("salts", salts)]
    });
    cs.create_gate("public inputs", |meta| {
        let mut v = View::new(meta, columns);
        let rho1 = v.challenge(Ch::Rho) - constant(1);
        let (active, before) = (v.fx(Fx::Active), v.active_prev());
        let carried = v.carried();
        let hash = state(&mut v, &constants, 0);
        let (o, o_prev) = (v.acc(Acc::Published), v.acc_prev(Acc::Published));
        let (r, r_prev) = (v.acc(Acc::Read), v.acc_prev(Acc::Read));
        let published = active.clone() * o
            - (carried.clone() + v.fx(Fx::Publish) * rho1.clone()) * o_prev.clone()
            - v.fx(Fx::PublishHash) * hash
            - v.fx(Fx::Score) * v.out(0);
        let read = active.clone() * r
            - (carried + v.fx(Fx::Read) * rho1) * r_prev.clone()
            - v.fx(Fx::ReadScale) * v.instance();
        let equal = before * (constant(1) - active) * (o_prev - r_prev);
        vec![("published", published), ("read", read), ("equal", equal)]
    });
}
