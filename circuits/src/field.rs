//! Conversions between the field type of the domain crate and that of the proving crate.

use ark_ff::{BigInteger, PrimeField as _};
use ff::PrimeField as _;
use halo2_proofs::halo2curves::bn256::Fr;

/// The scalar field as `dn-core` sees it.
pub type CoreFr = ark_bn254::Fr;

/// The same number as a circuit cell.
#[must_use]
pub fn from_core(x: CoreFr) -> Fr {
    let mut repr = [0u8; 32];
    repr.copy_from_slice(&x.into_bigint().to_bytes_le());
    Fr::from_repr(repr).expect("a canonical element of the same field")
}

/// The same number as `dn-core` sees it.
#[must_use]
pub fn to_core(x: Fr) -> CoreFr {
    CoreFr::from_le_bytes_mod_order(x.to_repr().as_ref())
}

/// A signed integer as a field element.
#[must_use]
pub fn signed(v: i64) -> Fr {
    let magnitude = Fr::from(v.unsigned_abs());
    if v < 0 {
        -magnitude
    } else {
        magnitude
    }
}
