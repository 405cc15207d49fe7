//! Decoding of scalars and points.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInteger, PrimeField};
use dn_core::protocol::Word;

/// A number below the field's order, or nothing.
pub(crate) fn element<F: PrimeField>(word: &Word) -> Option<F> {
    let x = F::from_be_bytes_mod_order(word);
    (x.into_bigint().to_bytes_be() == word).then_some(x)
}

/// A scalar below r.
pub(crate) fn scalar(word: &Word) -> Option<Fr> {
    element(word)
}

/// A point on the curve that is not at infinity. BN254's G1 has cofactor 1.
pub(crate) fn point(x: &Word, y: &Word) -> Option<G1Affine> {
    let p = G1Affine::new_unchecked(element(x)?, element(y)?);
    // Zeros count as the point at infinity, which is on every curve.
    (p.is_on_curve() && !p.is_zero()).then_some(p)
}

/// As [`point`]; zeros stand for the point at infinity.
pub(crate) fn point_or_infinity([x, y]: &[Word; 2]) -> Option<G1Affine> {
    if *x == [0; 32] && *y == [0; 32] {
        return Some(G1Affine::zero());
    }
    point(x, y)
}

/// A point of the prime-order subgroup of G2 that is not at infinity.
pub(crate) fn point_g2(words: &[Word; 4]) -> Option<G2Affine> {
    let [a, b, c, d] = words;
    let x = Fq2::new(element::<Fq>(a)?, element::<Fq>(b)?);
    let y = Fq2::new(element::<Fq>(c)?, element::<Fq>(d)?);
    let p = G2Affine::new_unchecked(x, y);
    let is_valid = p.is_on_curve() && p.is_in_correct_subgroup_assuming_on_curve();
    (is_valid && !p.is_zero()).then_some(p)
}
