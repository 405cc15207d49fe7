//! Batch folding: every linear map checked once for the whole batch.
//!
//! ```text
//! lane(c)  = sum_l tau^(L-1-l) c[l]            ones = lane(1, ..., 1)            t = tau^L
//! L lanes and N weight lanes, by the layout
//! x   act X = chunk t X' + q (lane(out) - 128 ones)
//! y   act Y = (chunk t + spill_fold t^3) Y' + scale lane(hi) + q lane(lo) + offset ones
//!           + spill (t^2 lane(hi) + t lane(lo) + lane(out) - 2^24 (1 + t + t^2) ones)
//! i   act I = (act act' - image_reset + image_step (z - 1)) I' + position X
//! o   act O = (act act' - outputs_reset + outputs_step (z - 1)) O' + position Y
//! t   act T = (act act' - channel + channel_fold e + tensor_step (z - 1) + tensor_claim (lambda - 1)) T'
//!           + channel O
//! w   act W = weight_fold e^N W' + (1 + word (omega - 1)) sum_i e^(N-1-i) w_i
//! k   act K = (act act' - kernel_reset + kernel_step (z - 1) + kernel_claim (lambda - 1)) K' + tap W
//! p   act P = (act' + claim (lambda - 1)) P' + (product I + product_held O) K - close lambda T
//!           + words_done omega R - close_words (omega I + rho^2 K) - close_copies (I - rho G)
//! ```
//!
//! Beside tasks `I` and `O` fold words and output bytes, `K` folds salts of outputs and `G` labels and
//! salts of inputs ([`super::words`]); on inputs `R` folds their words ([`super::quality`]).
//!
//! A convolution is a product of polynomials in `z`: with `X_c` the image of input channel `c`, its
//! positions at the exponents that [`crate::layout`] gives them, and `K_c` the kernels that read it,
//! one power of `e` per output channel, the claim
//!
//! ```text
//! sum_c X_c(tau, z) K_c(e, z) = sum_o e^(O-1-o) (Y_o(tau, z) + S_o(tau, z))
//! ```
//!
//! holds coefficient by coefficient when it holds at random `tau, e, z`. `Y_o` has the accumulators,
//! `S_o` every other coefficient that the product can have: spilled values, which nothing else
//! reads. No exponent belongs to both, so spilled values cannot move an accumulator. Claims are kept
//! apart by powers of `lambda`; at the end `P = 0`. Both sides' coefficients are below `2^60`, so
//! equality mod r is equality over the integers; scale, offset and the tables make `(hi, lo)` the
//! Euclidean division of the accumulator, which weights and offset carry scaled
//! ([`crate::table::Division`]).
//!
//! A dense layer is the case of one position per image and one tap per kernel. A pooled layer has
//! window rows with `hi = m - quotient >= 0` for the largest quotient `m` of the window; a kernel of
//! ones carries the `m` of the pooled rows, which `O` folds, to the positions of their windows. That
//! one `hi` of each window of `n` is zero is a claim of its own: `out - 128` is `n - 1` only where `hi` is
//! 0 and -1 elsewhere, and the sum over a window is zero.
//!
//! Where a row is no activation the folds still run, over cells that nothing reads.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;

use crate::columns::{constant, horner, power, weight_lanes, Acc, Ch, Columns, Fx, View};
use crate::layout::SPILL_OFFSET;
use crate::poseidon::Constants;

use super::words::{zero_point, Tasks};

pub(super) fn configure(cs: &mut ConstraintSystem<Fr>, columns: &Columns, constants: &Constants) {
    cs.create_gate("fold items", |meta| {
        let mut v = View::new(meta, columns);
        let (active, q, tau) = (v.fx(Fx::Active), v.fx(Fx::Lookup), v.challenge(Ch::Tau));
        let lanes = v.lanes();
        let t = power(&tau, lanes);
        let t2 = t.clone() * t.clone();
        let chunk = v.fx(Fx::Chunk) * t.clone();
        let ones = horner(&vec![constant(1); lanes], &tau);
        let mut fold = |first: usize| {
            let cells: Vec<_> = (0..lanes).map(|l| v.cell(first + l)).collect();
            horner(&cells, &tau)
        };
        let (hi, lo, out) = (fold(0), fold(lanes), fold(2 * lanes));
        let x = active.clone() * v.acc(Acc::X)
            - chunk.clone() * v.acc_prev(Acc::X)
            - q.clone() * (out.clone() - ones.clone() * zero_point());
        let three = constant(1) + t.clone() + t2.clone();
        let spilled = t2.clone() * hi.clone() + t.clone() * lo.clone() + out
            - three * ones.clone() * Fr::from(SPILL_OFFSET);
        let y = active * v.acc(Acc::Y)
            - (chunk + v.fx(Fx::SpillFold) * (t2 * t)) * v.acc_prev(Acc::Y)
            - v.fx(Fx::Scale) * hi
            - q * lo
            - v.fx(Fx::Offset) * ones
            - v.fx(Fx::Spill) * spilled;
        vec![("x", x), ("y", y)]
    });
    cs.create_gate("fold positions and channels", |meta| {
        let mut v = View::new(meta, columns);
        let (active, carried) = (v.fx(Fx::Active), v.carried());
        let (e, z1) = (v.challenge(Ch::E), v.challenge(Ch::Z) - constant(1));
        let lambda1 = v.challenge(Ch::Lambda) - constant(1);
        let position = v.fx(Fx::Position);
        let tasks = Tasks::new(&mut v, constants);
        let [kept, added] = tasks.image;
        let keep = carried.clone() - v.fx(Fx::ImageReset) + v.fx(Fx::ImageStep) * z1.clone() + kept;
        let image = active.clone() * v.acc(Acc::Image)
            - keep * v.acc_prev(Acc::Image)
            - position.clone() * v.acc(Acc::X)
            - added;
        let [kept, added] = tasks.outputs;
        let keep =
            carried.clone() - v.fx(Fx::OutputsReset) + v.fx(Fx::OutputsStep) * z1.clone() + kept;
        let outputs = active.clone() * v.acc(Acc::Outputs)
            - keep * v.acc_prev(Acc::Outputs)
            - position * v.acc(Acc::Y)
            - added;
        let channel = v.fx(Fx::Channel);
        let keep = carried - channel.clone()
            + v.fx(Fx::ChannelFold) * e
            + v.fx(Fx::TensorStep) * z1
            + v.fx(Fx::TensorClaim) * lambda1;
        let tensor = active * v.acc(Acc::Tensor)
            - keep * v.acc_prev(Acc::Tensor)
            - channel * v.acc(Acc::Outputs);
        vec![("image", image), ("outputs", outputs), ("tensor", tensor)]
    });
    cs.create_gate("fold weights", |meta| {
        let mut v = View::new(meta, columns);
        let (active, carried, e) = (v.fx(Fx::Active), v.carried(), v.challenge(Ch::E));
        let weights = v.weights();
        let words = v.fx(Fx::Word) * (v.challenge(Ch::Omega) - constant(1));
        let w = active.clone() * v.acc(Acc::W)
            - v.fx(Fx::WeightFold) * power(&e, weight_lanes(v.width())) * v.acc_prev(Acc::W)
            - (constant(1) + words) * horner(&weights, &e);
        let [kept, added] = Tasks::new(&mut v, constants).kernel;
        let keep = carried - v.fx(Fx::KernelReset)
            + v.fx(Fx::KernelStep) * (v.challenge(Ch::Z) - constant(1))
            + v.fx(Fx::KernelClaim) * (v.challenge(Ch::Lambda) - constant(1))
            + kept;
        let kernel = active * v.acc(Acc::Kernel)
            - keep * v.acc_prev(Acc::Kernel)
            - v.fx(Fx::Tap) * v.acc(Acc::W)
            - added;
        vec![("w", w), ("kernel", kernel)]
    });
    cs.create_gate("claims", |meta| {
        let mut v = View::new(meta, columns);
        let (lambda, omega) = (v.challenge(Ch::Lambda), v.challenge(Ch::Omega));
        let keep = v.active_prev() + v.fx(Fx::Claim) * (lambda.clone() - constant(1));
        let folded =
            v.fx(Fx::Product) * v.acc(Acc::Image) + v.fx(Fx::ProductHeld) * v.acc(Acc::Outputs);
        let rho = v.challenge(Ch::Rho);
        let labels = rho.clone() * v.acc(Acc::Labels);
        let items = v.acc(Acc::Image);
        let words =
            v.fx(Fx::CloseWords) * items.clone() - v.fx(Fx::WordsDone) * v.acc(Acc::Classes);
        let claims = v.fx(Fx::Active) * v.acc(Acc::Claims)
            - keep * v.acc_prev(Acc::Claims)
            - folded * v.acc(Acc::Kernel)
            + v.fx(Fx::Close) * lambda * v.acc(Acc::Tensor)
            + omega * words
            + v.fx(Fx::CloseWords) * rho.clone() * rho * v.acc(Acc::Kernel)
            + v.fx(Fx::CloseCopies) * (items - labels);
        vec![("claims", claims)]
    });
}
