//! SHPLONK (Boneh, Drake, Fisch, Gabizon: ePrint 2020/081, section 4): many polynomials opened at
//! many points with two group elements.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_ff::{Field, One, Zero};

use crate::error::VerifyError;
use crate::transcript::Transcript;

/// A commitment, as a combination of points, with its claimed values.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) terms: Vec<(Fr, G1Affine)>,
    /// Rotation and value, in any order, without repetition.
    pub(crate) values: Vec<(i32, Fr)>,
}

/// Openings at the same set of points.
struct Set<'a> {
    rotations: Vec<i32>,
    openings: Vec<&'a Opening>,
}

fn sets(openings: &[Opening]) -> Vec<Set<'_>> {
    let mut sets: Vec<Set<'_>> = Vec::new();
    for opening in openings {
        let mut rotations: Vec<i32> = opening.values.iter().map(|v| v.0).collect();
        rotations.sort_unstable();
        match sets.iter_mut().find(|s| s.rotations == rotations) {
            Some(set) => set.openings.push(opening),
            None => sets.push(Set { rotations, openings: vec![opening] }),
        }
    }
    sets
}

/// The pair `(L, R)` with `e(L, tau G2) = e(R, G2)` exactly when all openings are right.
pub(crate) fn reduce(
    openings: &[Opening],
    g1: G1Affine,
    rotate: impl Fn(i32) -> Fr,
    transcript: &mut Transcript<'_>,
) -> Result<(G1Affine, G1Affine), VerifyError> {
    let (y, v) = (transcript.challenge(), transcript.challenge());
    let h1 = transcript.point()?;
    let u = transcript.challenge();
    let h2 = transcript.point()?;

    let sets = sets(openings);
    let mut all: Vec<i32> = sets.iter().flat_map(|s| s.rotations.clone()).collect();
    all.sort_unstable();
    all.dedup();
    let vanishing =
        |points: &mut dyn Iterator<Item = &i32>| -> Fr { points.map(|r| u - rotate(*r)).product() };
    let outside = |set: &Set<'_>| vanishing(&mut all.iter().filter(|r| !set.rotations.contains(r)));

    let first = sets.first().ok_or(VerifyError::Degenerate)?;
    let normalize = outside(first).inverse().ok_or(VerifyError::Degenerate)?;
    let z0 = vanishing(&mut first.rotations.iter());
    let (mut bases, mut scalars, mut constant) = (Vec::new(), Vec::new(), Fr::zero());
    let mut power_v = Fr::one();
    for set in &sets {
        let scale = power_v * outside(set) * normalize;
        let mut power_y = Fr::one();
        for opening in &set.openings {
            let factor = scale * power_y;
            constant += factor * interpolate(&opening.values, &rotate, u)?;
            for (s, base) in &opening.terms {
                bases.push(*base);
                scalars.push(factor * s);
            }
            power_y *= y;
        }
        power_v *= v;
    }
    bases.extend([g1, h1, h2]);
    scalars.extend([-constant, -z0, u]);
    let right = G1Projective::msm(&bases, &scalars).map_err(|_| VerifyError::Degenerate)?;
    Ok((h2, right.into_affine()))
}

/// The value at `u` of the polynomial through the given values.
fn interpolate(
    values: &[(i32, Fr)],
    rotate: &impl Fn(i32) -> Fr,
    u: Fr,
) -> Result<Fr, VerifyError> {
    let mut sum = Fr::zero();
    for (i, (rotation, value)) in values.iter().enumerate() {
        let x = rotate(*rotation);
        let (mut numerator, mut denominator) = (Fr::one(), Fr::one());
        for (j, (other, _)) in values.iter().enumerate() {
            if i != j {
                numerator *= u - rotate(*other);
                denominator *= x - rotate(*other);
            }
        }
        sum += *value * numerator * denominator.inverse().ok_or(VerifyError::Degenerate)?;
    }
    Ok(sum)
}
