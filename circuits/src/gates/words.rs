//! Folds of the per-task rows, which tie hashes, output bytes, labels and public inputs together.
//!
//! They share accumulators with [`super::claims`], whose rows are others:
//!
//! ```text
//! o         keep -absorb - classes + classes_next + absorb_next e^4 + classes_next (e^C - 1)
//!           add  absorb (e^2 m_3 + e m_4 + m_5) + absorb_next e^3 m_2
//!                + classes sum_i e^(C-1-i) (hi[2i] - 128 r_i)
//! i         keep -item + item_fold tau        add  item O + score rho lo[3]
//! k         keep salt (tau - 1)               add  salt m_2
//! ```
//!
//! and have these to themselves:
//!
//! ```text
//! labels    act G = (act act' + label (tau - 1)) G' + label ((m_1 - offset) / 2^64 + rho m_2)
//! publish   act O = (act act' + publish (rho - 1)) O' + publish_hash (M z)_0 + score out[0]
//! read      act R = (act act' + read (rho - 1) + node (rho^5 - 1)) R' + read_scale instance
//!                 + node (rho^4 m_1 + .. + m_5)
//! equal     act' (1 - act) (O' - R') = 0
//! ```
//!
//! `label = absorb scale` is set on the first block of an input, `salt = absorb - absorb_next - label - node`
//! on that of an output. `m` is the message of a block, `(M z)_0` the hash behind a last row. A task's
//! words are folded by `e`, tasks by `tau` in the order in which lanes and chunks fold them on
//! activation rows, so [`super::claims`] can equate the two. Input and output of a task have one salt:
//! both are folded over tasks and equated too, so an output's commitment can be opened by whoever
//! knows the input's. Published values (input commitments, the score's sum, output commitments) and the
//! instance are folded by the same powers of `rho`; they meet on the last used row.
//!
//! A batch with a digest publishes the inner nodes of its tree, from the root on, before everything else.
//! What is read is the digest, then the children of every node. In the order of [`dn_core::digest`] both are
//! the elements of the tree, so each child is the node or the commitment that was published.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{ConstraintSystem, Expression};

use super::hash::{message, node, state};
use super::quality::{classes as classes_of, real};
use crate::columns::{constant, horner, power, Acc, Ch, Columns, Fx, View};
use crate::poseidon::{Constants, WIDTH};
use dn_core::commitment::NEXT_RATE;
use dn_core::digest::ARITY;
use dn_core::quant::ZERO_POINT;

type Ex = Expression<Fr>;

/// What a label is multiplied by in a message's tag.
fn label_scale() -> Fr {
    Fr::from(2).pow_vartime([64])
}

/// The stored byte of 0.
pub(super) fn zero_point() -> Fr {
    Fr::from(u64::from(ZERO_POINT.unsigned_abs()))
}

pub(crate) fn label_scale_inverse() -> Fr {
    label_scale().invert().expect("a power of two is not zero")
}

/// What the accumulators of a claim take beside tasks: factors of the value before, and terms.
pub(super) struct Tasks {
    pub(super) outputs: [Ex; 2],
    pub(super) image: [Ex; 2],
    pub(super) kernel: [Ex; 2],
}

/// `label` and `salt`.
fn hash_marks(v: &mut View<'_, '_>) -> [Ex; 2] {
    let label = v.fx(Fx::Absorb) * v.fx(Fx::Scale);
    let salt = v.fx(Fx::Absorb) - v.fx(Fx::AbsorbNext) - label.clone() - node(v);
    [label, salt]
}

impl Tasks {
    pub(super) fn new(v: &mut View<'_, '_>, constants: &Constants) -> Self {
        let (e, tau, rho) = (v.challenge(Ch::E), v.challenge(Ch::Tau), v.challenge(Ch::Rho));
        let (absorb, absorb_next) = (v.fx(Fx::Absorb), v.fx(Fx::AbsorbNext));
        let (classes, next) = (v.fx(Fx::Classes), v.fx(Fx::ClassesNext));
        let first = classes.clone() - next.clone();
        let words: Vec<_> = (2..WIDTH).map(|i| message(v, constants, i)).collect();
        let in_row = classes_of(v.width());
        let bytes: Vec<_> = (0..in_row).map(|i| v.hi(2 * i) - real(v, i) * zero_point()).collect();
        let keep = absorb_next.clone() * power(&e, NEXT_RATE)
            + next.clone() * (power(&e, in_row) - constant(1))
            - absorb.clone()
            - first;
        let add = absorb * horner(&words[1..], &e)
            + absorb_next * power(&e, NEXT_RATE - 1) * words[0].clone()
            + classes * horner(&bytes, &e);
        let item = v.fx(Fx::Item);
        let [_, salt] = hash_marks(v);
        Self {
            outputs: [keep, add],
            image: [
                v.fx(Fx::ItemFold) * tau.clone() - item.clone(),
                item * v.acc(Acc::Outputs) + v.fx(Fx::Score) * rho * v.lo(3),
            ],
            kernel: [salt.clone() * (tau - constant(1)), salt * words[0].clone()],
        }
    }
}

pub(super) fn configure(cs: &mut ConstraintSystem<Fr>, columns: &Columns, constants: &Constants) {
    cs.create_gate("labels", |meta| {
        let mut v = View::new(meta, columns);
        let (tau, rho) = (v.challenge(Ch::Tau), v.challenge(Ch::Rho));
        let [label, _] = hash_marks(&mut v);
        let number = (message(&mut v, constants, 1) - v.fx(Fx::Offset)) * label_scale_inverse();
        let salt = message(&mut v, constants, 2);
        let labels = v.fx(Fx::Active) * v.acc(Acc::Labels)
            - (v.carried() + label.clone() * (tau - constant(1))) * v.acc_prev(Acc::Labels)
            - label * (number + rho * salt);
        vec![("labels", labels)]
    });
    cs.create_gate("public inputs", |meta| {
        let mut v = View::new(meta, columns);
        let rho = v.challenge(Ch::Rho);
        let rho1 = rho.clone() - constant(1);
        let (active, before) = (v.fx(Fx::Active), v.active_prev());
        let carried = v.carried();
        let hash = state(&mut v, constants, 0);
        let (o, o_prev) = (v.acc(Acc::Published), v.acc_prev(Acc::Published));
        let (r, r_prev) = (v.acc(Acc::Read), v.acc_prev(Acc::Read));
        let published = active.clone() * o
            - (carried.clone() + v.fx(Fx::Publish) * rho1.clone()) * o_prev.clone()
            - v.fx(Fx::PublishHash) * hash
            - v.fx(Fx::Score) * v.out(0);
        let node = node(&mut v);
        let children: Vec<_> = (1..WIDTH).map(|i| message(&mut v, constants, i)).collect();
        let step = v.fx(Fx::Read) * rho1 + node.clone() * (power(&rho, ARITY) - constant(1));
        let read = active.clone() * r
            - (carried + step) * r_prev.clone()
            - v.fx(Fx::ReadScale) * v.instance()
            - node * horner(&children, &rho);
        let equal = before * (constant(1) - active) * (o_prev - r_prev);
        vec![("published", published), ("read", read), ("equal", equal)]
    });
}
