//! The bases of merged commitments: `[tau^a L_j(tau^t)]` for each place `a` and row `j`, where `L_j` is the Lagrange polynomial of the
//! rows. Over them `sum_a X^a f_a(X^t)` has the cells of the columns `f_a` as scalars, so that small cells stay small.

use dn_circuits::protocol::{root_of_unity, Generators};
use dn_vector::msm::{decode, encode, interpolate_points, msm, msm_in_parts, multiples};
use dn_vector::Octet;
use ff::Field;
use halo2_proofs::halo2curves::bn256::{multi_miller_loop, Fr, G1Affine, G2Affine, G2Prepared, G1};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine as _;
use halo2_proofs::halo2curves::group::{Curve as _, Group as _};
use halo2_proofs::halo2curves::pairing::MillerLoopResult as _;
use halo2_proofs::halo2curves::serde::SerdeObject as _;
use rand_core::{CryptoRng, RngCore};
use rayon::prelude::*;

use super::arithmetic::Arithmetic;

/// Rows of columns that are committed to by one multiplication for a whole group; longer ones are by one each.
const TOGETHER: usize = 1 << 14;
/// Bytes of a base in a file.
const POINT_BYTES: usize = 64;
/// Bases that are read at once.
const CHUNK: usize = 1 << 14;

/// `[tau^a L_j(tau^t)]` at index `a n + j`.
#[derive(Debug)]
pub(crate) struct Grid<A: Arithmetic> {
    bases: Vec<<A::Fq as Octet>::Pair>,
    k: u32,
}

impl<A: Arithmetic> Grid<A> {
    /// Of a secret that everyone knows. None where a base is infinity, which happens to chosen secrets only.
    pub(crate) fn of_secret(tau: Fr, g1: &G1Affine, k: u32, places: usize) -> Option<Self> {
        let (n, omega) = (1usize << k, root_of_unity(k));
        let power = tau.pow_vartime([places as u64]);
        let scale = (power.pow_vartime([n as u64]) - Fr::ONE)
            * Fr::from(n as u64).invert().expect("a domain has elements");
        let mut lagrange: Vec<Fr> = dn_vector::column::powers_in_order(omega, n);
        lagrange.par_iter_mut().for_each(|w| {
            *w *= scale * (power - *w).invert().unwrap_or(Fr::ZERO);
        });
        let mut bases = Vec::with_capacity(places * n);
        for _ in 0..places {
            bases.extend(multiples::<A::Fq>(g1, &lagrange)?);
            lagrange.par_iter_mut().for_each(|x| *x *= tau);
        }
        Some(Self { bases, k })
    }

    /// Of the powers of a secret, `places` for each row. None where a base is infinity.
    pub(crate) fn of_powers(powers: &[G1Affine], k: u32, places: usize) -> Option<Self> {
        let bases = interpolate_points::<A::Fq>(powers, root_of_unity(k), 1 << k, places)?;
        Some(Self { bases, k })
    }

    /// Columns to a commitment.
    pub(super) fn places(&self) -> usize {
        self.bases.len() >> self.k
    }

    /// The commitment to a group of columns, which may be shorter than the rows.
    pub(super) fn commit(&self, columns: &[&[Fr]]) -> G1 {
        let n = 1usize << self.k;
        if n > TOGETHER {
            let commit = |(a, column): (usize, &&[Fr])| msm::<A::Fq>(column, &self.bases[a * n..]);
            return columns.par_iter().enumerate().map(commit).reduce(G1::identity, |a, b| a + b);
        }
        let mut cells = vec![Fr::ZERO; columns.len() * n];
        for (cells, column) in cells.chunks_exact_mut(n).zip(columns) {
            cells[..column.len()].copy_from_slice(column);
        }
        msm::<A::Fq>(&cells, &self.bases)
    }

    /// The commitment to the cells of all places, one place behind the other.
    pub(super) fn commit_cells(&self, cells: &[Fr]) -> G1 {
        msm_in_parts::<A::Fq>(cells, &self.bases)
    }

    /// The bases as bytes: coordinates as the curve library keeps them.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bases.len() * POINT_BYTES);
        for pair in &self.bases {
            bytes.extend(decode::<A::Fq>(pair).to_raw_bytes());
        }
        bytes
    }

    /// Bases from bytes. None unless they are as many as needed, and all on the curve and not infinity.
    pub(crate) fn from_bytes(bytes: &[u8], k: u32, places: usize) -> Option<Self> {
        if bytes.len() != (places << k) * POINT_BYTES {
            return None;
        }
        let chunk = |bytes: &[u8]| {
            let point = |bytes: &[u8]| {
                let point = G1Affine::from_raw_bytes(bytes)?;
                (!bool::from(point.is_identity())).then_some(point)
            };
            let points: Option<Vec<G1Affine>> =
                bytes.chunks_exact(POINT_BYTES).map(point).collect();
            points.map(|points| encode::<A::Fq>(&points))
        };
        let chunks: Option<Vec<Vec<_>>> =
            bytes.par_chunks(CHUNK * POINT_BYTES).map(chunk).collect();
        Some(Self { bases: chunks?.concat(), k })
    }

    /// Whether the bases are those of a reference string, by one random pairing: what a changed base adds to one side
    /// is missed with probability below `2^-15`. That is against accidents: who can write the file can change the program.
    ///
    /// With `L_j = L_j(tau^t)` the bases are determined by three equations: `tau B_(a,j) = B_(a+1,j)`;
    /// `tau B_(t-1,j) = w^j (B_(0,j) + C)` for one point `C`, which weights `r_j` with `sum_j r_j w^j = 0` take away;
    /// `sum_j B_(0,j) = G1`.
    pub(crate) fn is_of(&self, string: &Generators, rng: &mut (impl RngCore + CryptoRng)) -> bool {
        let n = 1usize << self.k;
        let last = self.bases.len() - n;
        let mut draw = || Fr::from(u64::from(rng.next_u32() & 0xffff));
        let mut weights: Vec<Fr> = (0..self.bases.len()).map(|_| draw()).collect();
        let elements = dn_vector::column::powers_in_order(root_of_unity(self.k), n);
        weights[last] = Fr::ZERO;
        let mut wrapped: Vec<Fr> =
            weights[last..].iter().zip(&elements).map(|(r, w)| *r * w).collect();
        weights[last] = -wrapped.iter().sum::<Fr>();
        wrapped[0] = weights[last];
        let right = msm_in_parts::<A::Fq>(&weights, &self.bases);
        let left = msm_in_parts::<A::Fq>(&weights[..last], &self.bases[n..])
            + msm_in_parts::<A::Fq>(&wrapped, &self.bases);
        let sum = msm_in_parts::<A::Fq>(&vec![Fr::ONE; n], &self.bases);
        sum.to_affine() == string.g1
            && is_tau_times(&left.to_affine(), &right.to_affine(), &string.g2, &string.s_g2)
    }
}

/// Whether `e(left, G2) = e(right, tau G2)`.
fn is_tau_times(left: &G1Affine, right: &G1Affine, g2: &G2Affine, s_g2: &G2Affine) -> bool {
    let terms = [(left, &G2Prepared::from(*g2)), (&-right, &G2Prepared::from(*s_g2))];
    bool::from(multi_miller_loop(&terms).final_exponentiation().is_identity())
}
