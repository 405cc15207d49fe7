//! Reads powers of tau from a snarkjs `.ptau` file and checks them by pairings.
//!
//! A file is `ptau`, a version and tagged sections. Used are section 1 (field size, prime, power),
//! 2 (powers of tau in G1) and 3 (in G2). Points are affine, little-endian, in Montgomery form.
//!
//! The check makes any powers of *one* tau pass and nothing else: the first points are the
//! generators, and `e(sum r_i P_(i+1), G2) = e(sum r_i P_i, tau G2)` for random `r`. Whether
//! somebody knows tau is a question about the ceremony, which no check of the file can answer.

use ff::Field;
use halo2_proofs::arithmetic::best_multiexp;
use halo2_proofs::halo2curves::bn256::{
    multi_miller_loop, Bn256, Fr, G1Affine, G2Affine, G2Prepared,
};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::halo2curves::pairing::MillerLoopResult;
use halo2_proofs::halo2curves::serde::SerdeObject;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use rand_core::OsRng;
use thiserror::Error;

/// Largest power that is accepted; 2^28 is the largest public ceremony.
const MAX_POWER: u32 = 28;
const G1_BYTES: usize = 64;
const G2_BYTES: usize = 128;
/// Little-endian bytes of the base field's prime.
pub(crate) const PRIME: [u8; 32] = [
    0x47, 0xfd, 0x7c, 0xd8, 0x16, 0x8c, 0x20, 0x3c, 0x8d, 0xca, 0x71, 0x68, 0x91, 0x6a, 0x81, 0x97,
    0x5d, 0x58, 0x81, 0x81, 0xb6, 0x45, 0x50, 0xb8, 0x29, 0xa0, 0x31, 0xe1, 0x72, 0x4e, 0x64, 0x30,
];

/// Why a file is not a usable string of powers of tau.
#[derive(Debug, Error)]
pub enum PtauError {
    /// The file does not have the format.
    #[error("not a .ptau file: {what}")]
    Format {
        /// What is wrong.
        what: &'static str,
    },
    /// The file is for another curve.
    #[error("the file is not for BN254")]
    Curve,
    /// The file has too few powers.
    #[error(
        "the file has {available} powers, the circuit needs {needed}: {} are missing",
        needed - available
    )]
    TooSmall {
        /// What the file has.
        available: usize,
        /// What is needed.
        needed: usize,
    },
    /// A point is not on the curve or not in the group.
    #[error("point {index} is invalid")]
    Point {
        /// Its index in the section.
        index: usize,
    },
    /// The points are not powers of one number.
    #[error("the points are not consecutive powers of one tau")]
    Inconsistent,
}

struct Sections<'a> {
    header: &'a [u8],
    g1: &'a [u8],
    g2: &'a [u8],
}

fn split(bytes: &[u8], at: usize) -> Result<(&[u8], &[u8]), PtauError> {
    bytes.split_at_checked(at).ok_or(PtauError::Format { what: "it ends early" })
}

fn u32_le(bytes: &[u8]) -> Result<(u32, &[u8]), PtauError> {
    let (head, rest) = split(bytes, 4)?;
    let mut word = [0; 4];
    word.copy_from_slice(head);
    Ok((u32::from_le_bytes(word), rest))
}

fn sections(bytes: &[u8]) -> Result<Sections<'_>, PtauError> {
    let (magic, rest) = split(bytes, 4)?;
    if magic != b"ptau" {
        return Err(PtauError::Format { what: "it does not begin with ptau" });
    }
    let (_version, rest) = u32_le(rest)?;
    let (count, mut rest) = u32_le(rest)?;
    let mut found: [Option<&[u8]>; 4] = [None; 4];
    for _ in 0..count {
        let (kind, r) = u32_le(rest)?;
        let (low, r) = u32_le(r)?;
        let (high, r) = u32_le(r)?;
        let size = usize::try_from(u64::from(low) | (u64::from(high) << 32))
            .map_err(|_| PtauError::Format { what: "a section is too long" })?;
        let (body, r) = split(r, size)?;
        if let Some(slot) = found.get_mut(kind as usize) {
            *slot = Some(body);
        }
        rest = r;
    }
    match found {
        [_, Some(header), Some(g1), Some(g2)] => Ok(Sections { header, g1, g2 }),
        _ => Err(PtauError::Format { what: "a section is missing" }),
    }
}

/// Reads the first `2^k` powers.
///
/// # Errors
/// When the file is malformed, too small or inconsistent.
pub fn read_ptau(bytes: &[u8], k: u32) -> Result<ParamsKZG<Bn256>, PtauError> {
    let (g, [g2, s_g2]) = read_powers(bytes, 1 << k)?;
    Ok(ParamsKZG::<Bn256>::setup(1, OsRng).from_parts(k, g, None, g2, s_g2))
}

/// Reads the first `count` powers in G1, two or more, and two in G2.
///
/// # Errors
/// As [`read_ptau`].
pub(crate) fn read_powers(
    bytes: &[u8],
    count: usize,
) -> Result<(Vec<G1Affine>, [G2Affine; 2]), PtauError> {
    let s = sections(bytes)?;
    let (field_bytes, header) = u32_le(s.header)?;
    if field_bytes != 32 {
        return Err(PtauError::Curve);
    }
    let (prime, header) = split(header, 32)?;
    if prime != PRIME {
        return Err(PtauError::Curve);
    }
    let (power, _) = u32_le(header)?;
    if power > MAX_POWER {
        return Err(PtauError::Format { what: "the power is out of range" });
    }
    // A ceremony of 2^p has one power less than twice as many in G1.
    let available = (2 << power) - 1;
    if available < count {
        return Err(PtauError::TooSmall { available, needed: count });
    }
    let (g1_bytes, _) = split(s.g1, G1_BYTES * count)?;
    let g: Vec<G1Affine> = points(g1_bytes, G1_BYTES, G1Affine::from_raw_bytes)?;
    let (g2_bytes, _) = split(s.g2, 2 * G2_BYTES)?;
    let g2: Vec<G2Affine> = points(g2_bytes, G2_BYTES, G2Affine::from_raw_bytes)?;
    check(&g, &g2)?;
    Ok((g, [g2[0], g2[1]]))
}

fn points<P>(bytes: &[u8], size: usize, read: fn(&[u8]) -> Option<P>) -> Result<Vec<P>, PtauError> {
    let read = |(index, chunk)| read(chunk).ok_or(PtauError::Point { index });
    bytes.chunks_exact(size).enumerate().map(read).collect()
}

fn check(g: &[G1Affine], g2: &[G2Affine]) -> Result<(), PtauError> {
    // (r - 1) P + P is r P, the identity exactly on the subgroup of order r.
    let in_subgroup = |p: &G2Affine| {
        bool::from((p.to_curve() * -Fr::ONE + p.to_curve()).to_affine().is_identity())
    };
    let generators = g[0] == G1Affine::generator() && g2[0] == G2Affine::generator();
    if !generators || bool::from(g2[1].is_identity()) || !in_subgroup(&g2[1]) {
        return Err(PtauError::Inconsistent);
    }
    let r: Vec<Fr> = (1..g.len()).map(|_| Fr::random(OsRng)).collect();
    let low = best_multiexp(&r, &g[..g.len() - 1]).to_affine();
    let high = best_multiexp(&r, &g[1..]).to_affine();
    let terms = [(&high, &G2Prepared::from(g2[0])), (&-low, &G2Prepared::from(g2[1]))];
    let one = multi_miller_loop(&terms).final_exponentiation();
    if bool::from(halo2_proofs::halo2curves::group::Group::is_identity(&one)) {
        Ok(())
    } else {
        Err(PtauError::Inconsistent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::poly::commitment::{Params as _, ParamsProver as _};

    const FILE: &[u8] = include_bytes!("../testdata/small.ptau");

    #[test]
    fn reads_a_file_of_snarkjs() {
        let params = read_ptau(FILE, 5).unwrap();
        assert_eq!(params.k(), 5);
        let missing = read_ptau(FILE, 6).unwrap_err().to_string();
        assert_eq!(missing, "the file has 63 powers, the circuit needs 64: 1 are missing");
        let (powers, _) = read_powers(FILE, 63).unwrap();
        assert_eq!(powers[..32], params.get_g()[..]);
    }

    #[test]
    fn rejects_truncated_and_changed_files() {
        for len in (0..FILE.len()).step_by(61).filter(|l| *l < 12 + 12 + 44 + 63 * 64) {
            assert!(read_ptau(&FILE[..len], 5).is_err(), "{len} bytes");
        }
        let g1_at = 12 + 12 + 44 + 12;
        let mut swapped = FILE.to_vec();
        let (a, b) = (g1_at + 3 * 64, g1_at + 4 * 64);
        for i in 0..64 {
            swapped.swap(a + i, b + i);
        }
        assert!(matches!(read_ptau(&swapped, 5), Err(PtauError::Inconsistent)));
        let mut off_curve = FILE.to_vec();
        off_curve[g1_at + 2 * 64] ^= 1;
        assert!(matches!(read_ptau(&off_curve, 5), Err(PtauError::Point { index: 2 })));
    }
}
