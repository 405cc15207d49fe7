//! Batch folding: every linear layer checked once for the whole batch.
//!
//! ```text
//! lane(c)  = sum_l tau^(L-1-l) c[l]            ones = lane(1, ..., 1)
//! x   act X = (chunk tau^L + hold_x) X' + q (lane(out) - 128 ones)
//! y   act Y = chunk tau^L Y' + scale lane(hi) + q lane(lo) + offset ones
//! t   act T = (act act' - neuron + neuron_fold e) T' + neuron Y
//! w   act W = (weight_fold e^8) W' + (1 + word (omega - 1)) sum_i e^(7-i) w_i
//! P   act P = (act' + claim (lambda - 1)) P' + (product X + product_held T) W - close lambda T
//!           - close_words omega I - close_copies (I - rho G)
//! ```
//!
//! Two input neurons share a row: an even one in `out`, folded by `x`, the odd one behind it in
//! `lo`, folded by `y` (`scale = 0`, `offset = -128`) and held by `t` while the next pair's rows
//! collect its weights.
//!
//! `I` folds words or output bytes over tasks ([`super::words`]), `G` folds labels. At the end
//! `P = 0`: each tensor's claim
//!
//! ```text
//! sum_n X_n W_n = e^r T_next + omega * words    X_n = sum_b tau^(B-1-b) q_bn
//! ```
//!
//! The weights of an input end in rows that pack words; they shift its other weights by `e^r`, and
//! as many rows behind the next tensor, with `Y = 0`, shift `T_next`. Other tensors have `r = 0`.
//! The claim
//!
//! holds at random `tau, e, omega`, and claims are kept apart by `lambda`. All monomials of a
//! wrong trace carry different exponents, so equality at random points means equality for each
//! item and output; both sides are below 2^60, so equality mod p is equality over the integers.
//! Scale, offset and the tables make `(hi, lo)` the Euclidean division of the accumulator, which
//! weights and offset carry scaled ([`crate::table::Division`]).
//!
//! Where a row is no activation the folds still run, over cells that nothing reads.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;

use crate::columns::{constant, horner, power, Acc, Ch, Columns, Fx, View, LANES, WEIGHT_LANES};
use dn_core::quant::ZERO_POINT;

pub(super) fn configure(cs: &mut ConstraintSystem<Fr>, columns: &Columns) {
    cs.create_gate("fold activations", |meta| {
        let mut v = View::new(meta, columns);
        let (active, q, tau) = (v.fx(Fx::Active), v.fx(Fx::Lookup), v.challenge(Ch::Tau));
        let chunk = v.fx(Fx::Chunk) * power(&tau, LANES);
        let ones = horner(&vec![constant(1); LANES], &tau);
        let mut lanes = |first: usize| {
            let cells: Vec<_> = (0..LANES).map(|l| v.cell(first + l)).collect();
            horner(&cells, &tau)
        };
        let (hi, lo, out) = (lanes(0), lanes(LANES), lanes(2 * LANES));
        let stored = out - ones.clone() * Fr::from(ZERO_POINT.unsigned_abs() as u64);
        let x = active.clone() * v.acc(Acc::X)
            - (chunk.clone() + v.fx(Fx::HoldX)) * v.acc_prev(Acc::X)
            - q.clone() * stored;
        let y = active * v.acc(Acc::Y)
            - chunk * v.acc_prev(Acc::Y)
            - v.fx(Fx::Scale) * hi
            - q * lo
            - v.fx(Fx::Offset) * ones;
        vec![("x", x), ("y", y)]
    });
    cs.create_gate("fold outputs and weights", |meta| {
        let mut v = View::new(meta, columns);
        let (active, carried, e) = (v.fx(Fx::Active), v.carried(), v.challenge(Ch::E));
        let neuron = v.fx(Fx::Neuron);
        let t = active.clone() * v.acc(Acc::Tensor)
            - (carried - neuron.clone() + v.fx(Fx::NeuronFold) * e.clone())
                * v.acc_prev(Acc::Tensor)
            - neuron * v.acc(Acc::Y);
        let weights = v.weights();
        let words = v.fx(Fx::Word) * (v.challenge(Ch::Omega) - constant(1));
        let w = active * v.acc(Acc::W)
            - v.fx(Fx::WeightFold) * power(&e, WEIGHT_LANES) * v.acc_prev(Acc::W)
            - (constant(1) + words) * horner(&weights, &e);
        vec![("t", t), ("w", w)]
    });
    cs.create_gate("claims", |meta| {
        let mut v = View::new(meta, columns);
        let (lambda, omega) = (v.challenge(Ch::Lambda), v.challenge(Ch::Omega));
        let keep = v.active_prev() + v.fx(Fx::Claim) * (lambda.clone() - constant(1));
        let folded = v.fx(Fx::Product) * v.acc(Acc::X) + v.fx(Fx::ProductHeld) * v.acc(Acc::Tensor);
        let labels = v.challenge(Ch::Rho) * v.acc(Acc::Labels);
        let items = v.acc(Acc::Items);
        let claims = v.fx(Fx::Active) * v.acc(Acc::Claims)
            - keep * v.acc_prev(Acc::Claims)
            - folded * v.acc(Acc::W)
            + v.fx(Fx::Close) * lambda * v.acc(Acc::Tensor)
            + v.fx(Fx::CloseWords) * omega * items.clone()
            + v.fx(Fx::CloseCopies) * (items - labels);
        vec![("claims", claims)]
    });
}
