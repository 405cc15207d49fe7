//! The arithmetic under the prover: transforms over the scalar field of BN254 and multi-scalar
//! multiplication on its curve, eight elements at a time.
//!
//! [`Octet`] is what the inner loops are written in. [`Ifma`] computes it with AVX-512's 52-bit
//! multiply-add, [`Portable`] with halo2curves' own elements; both give the same numbers.
//! [`has_ifma`] says whether a machine can run the first.

pub mod column;
pub mod fft;
pub mod msm;
mod octet;

pub use column::Column;
pub use fft::Coset;
#[cfg(target_arch = "x86_64")]
pub use octet::Ifma;
pub use octet::{has_ifma, uses_ifma, Modulus, Octet, Portable, LANES, PRODUCT_BOUND, REDUCED};
