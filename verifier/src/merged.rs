//! Merged openings: SHPLONK (ePrint 2020/081, section 4) of groups of columns, whose values at `x` are remainders modulo
//! `X^t - x`. Specification: `docs/book/protocol.md`.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_ff::{Field, One, Zero};
use dn_core::groups::{Group, Place};

use crate::error::VerifyError;
use crate::transcript::Transcript;

/// Commitments to groups, and the values of all places.
#[derive(Debug)]
pub(crate) struct Groups<'a> {
    pub(crate) groups: &'a [Group],
    /// One for each group.
    pub(crate) commitments: &'a [G1Affine],
    /// In the order in which places count them.
    pub(crate) values: &'a [Fr],
    /// `t`
    pub(crate) places: u64,
}

impl Groups<'_> {
    /// The pair `(L, R)` with `e(L, tau G2) = e(R, G2)` exactly when all values are right.
    pub(crate) fn reduce(
        &self,
        g1: G1Affine,
        [x, previous]: [Fr; 2],
        transcript: &mut Transcript<'_>,
    ) -> Result<(G1Affine, G1Affine), VerifyError> {
        let v = transcript.challenge();
        let first = transcript.point()?;
        let u = transcript.challenge();
        let second = transcript.point()?;

        let power = u.pow([self.places]);
        let [to_x, to_previous] = [x, previous].map(|point| power - point);
        let gap = (x - previous).inverse().ok_or(VerifyError::Degenerate)?;
        let fold = |group: &Group, value: &dyn Fn(&Place) -> Fr| {
            group.places.iter().rev().fold(Fr::zero(), |sum, place| sum * u + value(place))
        };
        let (mut bases, mut scalars) = (Vec::new(), Vec::new());
        let (mut constant, mut power_v) = (Fr::zero(), Fr::one());
        for (group, commitment) in self.groups.iter().zip(self.commitments) {
            let here = fold(group, &|place| self.values[place.here]);
            let before = fold(group, &|place| place.before.map_or(Fr::zero(), |i| self.values[i]));
            let (scale, value) = if group.is_pair {
                (power_v, (to_previous * here - to_x * before) * gap)
            } else {
                (power_v * to_previous, here)
            };
            constant += scale * value;
            bases.push(*commitment);
            scalars.push(scale);
            power_v *= v;
        }
        bases.extend([g1, first, second]);
        scalars.extend([-constant, -to_x * to_previous, u]);
        let right = G1Projective::msm(&bases, &scalars).map_err(|_| VerifyError::Degenerate)?;
        Ok((second, right.into_affine()))
    }
}
