//! What rows of attention do to registers, beyond what layers do.
//!
//! With a prime for the row before, `t = tau^L`, and `F_s` a fold of the lanes by `s`:
//!
//! ```text
//! X   X = .. + (chunk_values_e e^L + chunk_accumulators_e t) X' + values_by_e (F_e - F_tau)(out - zero) + pair_omega omega
//! Y   Y = .. + (chunk_values_e t + chunk_accumulators_e e^L) Y'
//! O   O = (.. + outputs_e (e - 1)) O' + .. + outputs_omega (omega - 1) Y
//! T   T = (.. + channel_keep + sequence_step (t - 1)) T' + ..
//! K   K = (.. + sequence_step (t - 1)) K' + .. + pair I X
//! ```
//!
//! A product of two tensors is one term: `I` holds the fold of one of them, by `e`, when a row of the other ends, by
//! tau. So queries stand in front of the keys of the same channel, exponentials in front of the values of the same key,
//! and the inverse of a sum in front of the values that it divides. Folds by `e` of values are in [`super::sum`].

use halo2_proofs::halo2curves::bn256::Fr;

use crate::system::columns::{Acc, Ch};
use crate::system::row::{total, Row};
use crate::system::steering::Fx;

#[inline(always)]
pub(super) fn turns<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    let lanes = r.layout().lanes();
    let by_e = |r: &mut R, mark: Fx| r.when(mark, |r| r.power(Ch::E, lanes));
    match acc {
        Acc::X => {
            total([by_e(r, Fx::ChunkValuesE), r.when(Fx::ChunkAccumulatorsE, |r| r.chunks(1))])
        }
        Acc::Y => {
            total([by_e(r, Fx::ChunkAccumulatorsE), r.when(Fx::ChunkValuesE, |r| r.chunks(1))])
        }
        Acc::Outputs => r.times(Fx::OutputsE, |r| r.power(Ch::E, 1)),
        Acc::Tensor => total([r.mark(Fx::ChannelKeep), r.times(Fx::SequenceStep, |r| r.chunks(1))]),
        Acc::Kernel => r.times(Fx::SequenceStep, |r| r.chunks(1)),
        _ => None,
    }
}

#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::X => r.when(Fx::PairOmega, |r| r.power(Ch::Omega, 1)),
        Acc::Outputs => r.when(Fx::OutputsOmega, |r| {
            let turn = r.power(Ch::Omega, 1) - r.number(Fr::one());
            turn * r.here(Acc::Y)
        }),
        Acc::Kernel => r.when(Fx::Pair, |r| r.here(Acc::Image) * r.here(Acc::X)),
        _ => None,
    }
}
