//! Commitments to columns.

use std::io;

use dn_circuits::columns::fixed_columns;
use dn_circuits::Plan;
use dn_vector::msm::{encode, msm};
use dn_vector::Octet;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G1};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine as _;
use halo2_proofs::halo2curves::group::Curve as _;
use halo2_proofs::poly::commitment::ParamsProver as _;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::{SerdeCurveAffine as _, SerdeFormat};
use rayon::prelude::*;

use super::arithmetic::Arithmetic;

/// Commitments to the Lagrange polynomials.
#[derive(Debug)]
pub(crate) struct Bases<A: Arithmetic>(Vec<<A::Fq as Octet>::Pair>);

impl<A: Arithmetic> Bases<A> {
    /// The second half of the parameters' own encoding, which is their only accessor.
    ///
    /// # Errors
    /// When a base is the point at infinity: such parameters commit to nothing.
    pub(crate) fn new(params: &ParamsKZG<Bn256>) -> io::Result<Self> {
        let n = params.get_g().len();
        let mut bytes = Vec::new();
        params.write_custom(&mut bytes, SerdeFormat::RawBytesUnchecked)?;
        let mut reader = &bytes[4 + 64 * n..];
        let read = |_| G1Affine::read(&mut reader, SerdeFormat::RawBytesUnchecked);
        let points: Vec<G1Affine> = (0..n).map(read).collect::<io::Result<_>>()?;
        if points.iter().any(|p| bool::from(p.is_identity())) {
            return Err(io::Error::other("a point of the reference string is at infinity"));
        }
        Ok(Self(encode::<A::Fq>(&points)))
    }

    /// The commitment to a column of values.
    pub(super) fn commit(&self, column: &[Fr]) -> G1 {
        msm::<A::Fq>(column, &self.0)
    }

    pub(super) fn commit_all(&self, columns: &[Vec<Fr>]) -> Vec<G1> {
        columns.par_iter().map(|column| self.commit(column)).collect()
    }

    /// Commitments to the fixed columns of a plan.
    pub(crate) fn commit_fixed(&self, plan: &Plan) -> Vec<G1Affine> {
        let commit = |i| self.commit(&plan.fixed_column(i).collect::<Vec<Fr>>()).to_affine();
        (0..fixed_columns(plan.width)).into_par_iter().map(commit).collect()
    }
}
