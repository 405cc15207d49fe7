//! The verifier's side of the protocol. Specification: `docs/book/protocol.md`.

use ark_bn254::{Bn254, Fr, G1Affine};
use ark_ec::pairing::Pairing;
use ark_ec::AffineRepr;
use ark_ff::{Field, One, Zero};
use dn_core::canonical;
use dn_core::groups::{groups, Group, Part};
use dn_core::protocol::{Protocol, Word};
use dn_core::Scheme;

use crate::error::VerifyError;
use crate::field;
use crate::gates::{evaluate, Evaluations};
use crate::merged::Groups;
use crate::shplonk::{reduce, Opening};
use crate::transcript::Transcript;

/// Verifies that `proof` proves the public inputs under a verifying key, and that an honest batch can
/// have them.
///
/// # Errors
/// Says why the proof is rejected.
pub fn verify(protocol: &Protocol, instances: &[Word], proof: &[u8]) -> Result<(), VerifyError> {
    protocol.check()?;
    let groups = match protocol.scheme() {
        Scheme::Plain => None,
        Scheme::Merged => Some(merged_groups(protocol)?),
    };
    let words = instances;
    let instances = read_instances(protocol, words)?;
    canonical::read(words)?;
    if proof.len() != protocol.proof_len() {
        let expected = protocol.proof_len();
        return Err(VerifyError::ProofLength { got: proof.len(), expected });
    }
    let key = Key::read(protocol)?;
    let mut t = Transcript::new(proof);
    t.absorb(&protocol.digest);
    instances.iter().for_each(|(word, _)| t.absorb(word));
    let claim = Claim { protocol, key: &key, instances: &instances };
    let (left, right) = match &groups {
        None => plain(&claim, &mut t)?,
        Some(groups) => merged(&claim, groups, &mut t)?,
    };
    let product = Bn254::multi_pairing([left, -right], [key.s_g2, key.g2]);
    if product.is_zero() {
        Ok(())
    } else {
        Err(VerifyError::Pairing)
    }
}

/// The groups of a key that says what its digest is of.
fn merged_groups(protocol: &Protocol) -> Result<Vec<Group>, VerifyError> {
    let groups = groups(protocol)?;
    if protocol.merged_digest()? != protocol.digest {
        return Err(VerifyError::Key { what: "digest" });
    }
    Ok(groups)
}

fn read_instances<'a>(
    protocol: &Protocol,
    instances: &'a [Word],
) -> Result<Vec<(&'a Word, Fr)>, VerifyError> {
    let expected = protocol.instances as usize;
    if instances.len() != expected {
        return Err(VerifyError::InstanceCount { got: instances.len(), expected });
    }
    let read = |(index, word)| {
        field::scalar(word).map(|x| (word, x)).ok_or(VerifyError::Instance { index })
    };
    instances.iter().enumerate().map(read).collect()
}

impl Key {
    fn omega_inverse(&self) -> Result<Fr, VerifyError> {
        self.omega.inverse().ok_or(VerifyError::Key { what: "generator" })
    }
}

struct Key {
    omega: Fr,
    g1: G1Affine,
    g2: <Bn254 as Pairing>::G2Affine,
    s_g2: <Bn254 as Pairing>::G2Affine,
    fixed: Vec<G1Affine>,
    constants: Vec<Fr>,
}

impl Key {
    fn read(p: &Protocol) -> Result<Self, VerifyError> {
        let bad = |what| VerifyError::Key { what };
        let omega = field::scalar(&p.omega).ok_or(bad("generator"))?;
        let half = omega.pow([1u64 << (p.k - 1)]);
        if half != -Fr::one() {
            return Err(bad("generator"));
        }
        let constants: Option<_> = p.constants.iter().map(field::scalar).collect();
        let fixed: Option<_> = p.fixed.iter().map(field::point_or_infinity).collect();
        Ok(Self {
            omega,
            g1: field::point(&p.g1[0], &p.g1[1]).ok_or(bad("G1 generator"))?,
            g2: field::point_g2(&p.g2).ok_or(bad("G2 generator"))?,
            s_g2: field::point_g2(&p.s_g2).ok_or(bad("power of tau"))?,
            fixed: fixed.ok_or(bad("fixed commitment"))?,
            constants: constants.ok_or(bad("constant"))?,
        })
    }
}

/// A key and public inputs.
struct Claim<'a> {
    protocol: &'a Protocol,
    key: &'a Key,
    instances: &'a [(&'a Word, Fr)],
}

/// What is claimed at the evaluation point.
struct Values<'a> {
    challenges: &'a [Fr],
    advice: &'a [Fr],
    fixed: &'a [Fr],
    x: Fr,
    /// `x^n`
    xn: Fr,
}

impl Claim<'_> {
    /// The quotient's value, which the gates determine.
    fn quotient(&self, values: &Values<'_>, y: Fr) -> Result<Fr, VerifyError> {
        let Values { challenges, advice, fixed, x, xn } = *values;
        let vanishing_inverse = (xn - Fr::one()).inverse().ok_or(VerifyError::Degenerate)?;
        let instance = interpolate_instance(self.protocol, self.key.omega, self.instances, x, xn)?;
        let constants = &self.key.constants;
        let evaluations = Evaluations { constants, advice, fixed, instance, challenges };
        Ok(evaluate(self.protocol, &evaluations, y) * vanishing_inverse)
    }
}

/// Reads a proof with plain openings: two points that a pairing compares.
fn plain(claim: &Claim<'_>, t: &mut Transcript<'_>) -> Result<(G1Affine, G1Affine), VerifyError> {
    let (p, key) = (claim.protocol, claim.key);
    let mut advice = vec![G1Affine::zero(); p.advice_columns()];
    let mut challenges = vec![Fr::zero(); p.challenges()];
    for phase in &p.phases {
        for column in &phase.advice {
            advice[*column as usize] = t.point()?;
        }
        for challenge in &phase.challenges {
            challenges[*challenge as usize] = t.challenge();
        }
    }
    // theta, beta and gamma of the arguments that the layout does not use.
    let _unused = t.challenges(3);
    let random = t.point()?;
    let y = t.challenge();
    let pieces = t.points(p.quotient_pieces as usize)?;
    let x = t.challenge();
    let advice_values = t.scalars(p.advice_queries.len())?;
    let fixed_values = t.scalars(p.fixed_queries.len())?;
    let random_value = t.scalar()?;

    let xn = x.pow([1u64 << p.k]);
    let values =
        Values { challenges: &challenges, advice: &advice_values, fixed: &fixed_values, x, xn };
    let quotient = claim.quotient(&values, y)?;

    let mut openings = columns(&p.advice_queries, &advice_values, &advice);
    openings.extend(columns(&p.fixed_queries, &fixed_values, &key.fixed));
    let mut power = Fr::one();
    let mut terms = Vec::with_capacity(pieces.len());
    for piece in pieces {
        terms.push((power, piece));
        power *= xn;
    }
    openings.push(Opening { terms, values: vec![(0, quotient)] });
    openings.push(Opening { terms: vec![(Fr::one(), random)], values: vec![(0, random_value)] });
    let omega_inverse = key.omega_inverse()?;
    let rotate = |rotation: i32| {
        let base = if rotation < 0 { omega_inverse } else { key.omega };
        x * base.pow([u64::from(rotation.unsigned_abs())])
    };
    reduce(&openings, key.g1, rotate, t)
}

/// The same for merged openings.
fn merged(
    claim: &Claim<'_>,
    groups: &[Group],
    t: &mut Transcript<'_>,
) -> Result<(G1Affine, G1Affine), VerifyError> {
    let (p, key) = (claim.protocol, claim.key);
    let mut commitments = Vec::with_capacity(groups.len());
    let mut challenges = vec![Fr::zero(); p.challenges()];
    for (i, phase) in p.phases.iter().enumerate() {
        let of_phase = groups.iter().filter(|g| g.part == Part::Phase(i)).count();
        commitments.extend(t.points(of_phase)?);
        for challenge in &phase.challenges {
            challenges[*challenge as usize] = t.challenge();
        }
    }
    let y = t.challenge();
    commitments.extend(&key.fixed);
    commitments.push(t.point()?);
    let x = t.challenge();
    let mut values = t.scalars(p.advice_queries.len() + p.fixed_queries.len() + 1)?;
    let (advice, fixed) = values.split_at(p.advice_queries.len());
    let (second, fixed) = fixed.split_last().ok_or(VerifyError::Degenerate)?;

    let n = 1u64 << p.k;
    let at = Values { challenges: &challenges, advice, fixed, x, xn: x.pow([n]) };
    let first = claim.quotient(&at, y)? - x.pow([n - 2]) * second;
    values.push(first);
    let points = [x, x * key.omega_inverse()?];
    let places = p.places.map_or(0, u64::from);
    let opened = Groups { groups, commitments: &commitments, values: &values, places };
    opened.reduce(key.g1, points, t)
}

/// Values grouped by column, in the order in which columns are first queried.
fn columns(
    queries: &[dn_core::protocol::Query],
    values: &[Fr],
    commitments: &[G1Affine],
) -> Vec<Opening> {
    let mut order: Vec<u32> = Vec::new();
    let mut openings: Vec<Opening> = Vec::new();
    for (query, value) in queries.iter().zip(values) {
        let at = order.iter().position(|c| *c == query.column).unwrap_or_else(|| {
            order.push(query.column);
            let terms = vec![(Fr::one(), commitments[query.column as usize])];
            openings.push(Opening { terms, values: Vec::new() });
            order.len() - 1
        });
        openings[at].values.push((query.rotation, *value));
    }
    openings
}

/// The instance column's value: `sum_i v_i omega^i (x^n - 1) / (n (x - omega^i))`.
fn interpolate_instance(
    p: &Protocol,
    omega: Fr,
    instances: &[(&Word, Fr)],
    x: Fr,
    xn: Fr,
) -> Result<Fr, VerifyError> {
    let mut denominators = Vec::with_capacity(instances.len());
    let mut point = Fr::one();
    let mut points = Vec::with_capacity(instances.len());
    for _ in instances {
        denominators.push(x - point);
        points.push(point);
        point *= omega;
    }
    if denominators.iter().any(Zero::is_zero) {
        return Err(VerifyError::Degenerate);
    }
    ark_ff::batch_inversion(&mut denominators);
    let n = Fr::from(1u64 << p.k).inverse().ok_or(VerifyError::Degenerate)?;
    let terms = instances.iter().zip(&points).zip(&denominators);
    let sum: Fr = terms.map(|(((_, v), w), d)| *v * w * d).sum();
    Ok(sum * (xn - Fr::one()) * n)
}
