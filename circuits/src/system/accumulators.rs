//! The accumulators: each recurrence is written once, and is both a gate and what the prover computes.
//!
//! ```text
//! act A = (kept + turns) A' + terms                      a prime for the row before
//! ```
//!
//! `kept` is what becomes of the value where no mark says otherwise, `turns` what marks change of that, `terms`
//! what is added. Over expressions [`recurrence`] is the right side of the gate; over field elements it is the
//! cell. A register serves rows of several kinds: here is what folds layers, and each file of [`super::rows`] has
//! the turns and terms of its kind. No two kinds meet on a row.
//!
//! # Layers
//!
//! A convolution is a product of polynomials in `z`: with `X_c` the image of input channel `c`, its positions at
//! the exponents that the plan gives them, and `K_c` the kernels that read it, one power of `e` per output
//! channel, the claim
//!
//! ```text
//! sum_c X_c(tau, z) K_c(e, z) = sum_o e^(O-1-o) (Y_o(tau, z) + S_o(tau, z))
//! ```
//!
//! holds coefficient by coefficient when it holds at random `tau, e, z`. `Y_o` has the accumulators,
//! `S_o` every other coefficient that the product can have: spilled values, which nothing else
//! reads. No exponent belongs to both, so spilled values cannot move an accumulator. Claims are kept
//! apart by powers of `lambda`; at the end the register of claims is 0. Both sides' coefficients are below `2^60`, so
//! equality mod r is equality over the integers; scale, offset and the tables make `(hi, lo)` the
//! Euclidean division of the accumulator, which weights and offset carry scaled
//! ([`super::table::Division`]).
//!
//! A dense layer is the case of one position per image and one tap per kernel.
//! Where a row is no activation the folds still run, over cells that nothing reads.

use halo2_proofs::halo2curves::bn256::Fr;

#[cfg(test)]
use super::columns::ACCUMULATORS;
use super::columns::{Acc, Cell, Ch};
use super::row::{total, Kept, Row};
use super::rows;
use super::steering::{weight_lanes, Fx};

/// The order in which registers of one row depend on each other; [`Acc::Sum`] depends on none.
macro_rules! in_order {
    ($($acc:ident)*) => {
        #[cfg(test)]
        pub(crate) const ORDER: [Acc; ACCUMULATORS - 1] = [$(Acc::$acc),*];

        /// Computes every register of a row in turn. Each has a copy of the recurrence that knows which it is.
        #[inline(always)]
        pub(crate) fn each<R: Row>(r: &mut R, mut set: impl FnMut(&mut R, Acc, Option<R::X>)) {
            $(
                let x = recurrence(r, Acc::$acc);
                set(r, Acc::$acc, x);
            )*
        }
    };
}

in_order!(X Y Classes Outputs Image Tensor W Kernel Salts Published Read Claims);

/// What a register is on a row; `None` is 0. The sum of the lookup argument is not among them: it is no polynomial
/// in the row before ([`super::lookup`]).
#[inline(always)]
pub(crate) fn recurrence<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    let turns = total([turns(r, acc), rows::turns(r, acc)]);
    total([r.kept(acc, kept(acc), turns), terms(r, acc), rows::terms(r, acc)])
}

#[inline(always)]
const fn kept(acc: Acc) -> Kept {
    match acc {
        Acc::X | Acc::Y | Acc::W | Acc::Classes => Kept::Never,
        Acc::Claims => Kept::ToZero,
        Acc::Sum
        | Acc::Image
        | Acc::Outputs
        | Acc::Tensor
        | Acc::Kernel
        | Acc::Salts
        | Acc::Published
        | Acc::Read => Kept::Here,
    }
}

/// What marks of folds change.
#[inline(always)]
fn turns<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::X | Acc::Y => r.when(Fx::Chunk, |r| r.chunks(1)),
        Acc::Image => total([
            r.forget(Fx::ImageReset),
            r.times(Fx::ImageStep, |r| r.power(Ch::Z, 1)),
            r.forget(Fx::Item),
            r.when(Fx::ItemFold, |r| r.power(Ch::Tau, 1)),
        ]),
        Acc::Outputs => {
            total([r.forget(Fx::OutputsReset), r.times(Fx::OutputsStep, |r| r.power(Ch::Z, 1))])
        }
        Acc::Tensor => total([
            r.forget(Fx::Channel),
            r.when(Fx::ChannelFold, |r| r.power(Ch::E, 1)),
            r.times(Fx::TensorStep, |r| r.power(Ch::Z, 1)),
            r.times(Fx::TensorClaim, |r| r.power(Ch::Lambda, 1)),
        ]),
        Acc::W => {
            let weights = weight_lanes(r.layout());
            r.when(Fx::WeightFold, |r| r.power(Ch::E, weights))
        }
        Acc::Kernel => total([
            r.forget(Fx::KernelReset),
            r.times(Fx::KernelStep, |r| r.power(Ch::Z, 1)),
            r.times(Fx::KernelClaim, |r| r.power(Ch::Lambda, 1)),
        ]),
        Acc::Claims => r.times(Fx::Claim, |r| r.power(Ch::Lambda, 1)),
        Acc::Sum | Acc::Salts | Acc::Published | Acc::Read | Acc::Classes => None,
    }
}

/// What folds add.
#[inline(always)]
fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::X => r.when(Fx::Lookup, Row::values),
        Acc::Y => total([
            r.when(Fx::Scale, |r| r.lanes(Cell::Hi)),
            r.when(Fx::Lookup, |r| r.lanes(Cell::Lo)),
            r.when(Fx::Offset, Row::ones),
        ]),
        Acc::Image => total([
            r.when(Fx::Position, |r| r.here(Acc::X)),
            r.when(Fx::Item, |r| r.here(Acc::Outputs)),
        ]),
        Acc::Outputs => r.when(Fx::Position, |r| r.here(Acc::Y)),
        Acc::Tensor => r.when(Fx::Channel, |r| r.here(Acc::Outputs)),
        Acc::W => r.weights().map(|weights| {
            let one = r.number(Fr::one());
            match r.times(Fx::Word, |r| r.power(Ch::Omega, 1)) {
                Some(word) => (one + word) * weights,
                None => weights,
            }
        }),
        Acc::Kernel => r.when(Fx::Tap, |r| r.here(Acc::W)),
        Acc::Claims => claims(r),
        Acc::Sum | Acc::Salts | Acc::Published | Acc::Read | Acc::Classes => None,
    }
}

/// Products of images and kernels, less tensors; words of inputs, less those of messages; output bytes that the
/// quality rows copy; salts of inputs, less those of outputs.
#[inline(always)]
fn claims<R: Row>(r: &mut R) -> Option<R::X> {
    let factor = total([
        r.when(Fx::Product, |r| r.here(Acc::Image)),
        r.when(Fx::ProductHeld, |r| r.here(Acc::Outputs)),
    ]);
    let product = factor.map(|x| x * r.here(Acc::Kernel));
    let tensor = r.when(Fx::Close, |r| r.power(Ch::Lambda, 1) * r.here(Acc::Tensor));
    let words = r.when(Fx::WordsDone, |r| r.power(Ch::Omega, 1) * r.here(Acc::Classes));
    let messages = r.when(Fx::CloseWords, |r| {
        r.power(Ch::Omega, 1) * r.here(Acc::Image) + r.power(Ch::Rho, 1) * r.here(Acc::Kernel)
    });
    let copies =
        r.when(Fx::CloseCopies, |r| r.here(Acc::Image) - r.power(Ch::Rho, 1) * r.here(Acc::Salts));
    total([product, tensor.map(|x| -x), words, messages.map(|x| -x), copies.map(|x| -x)])
}
