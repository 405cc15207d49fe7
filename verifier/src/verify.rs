//! The verifier's side of the protocol. Specification: `docs/book/protocol.md`.

use ark_bn254::{Bn254, Fr, G1Affine};
use ark_ec::pairing::Pairing;
use ark_ec::AffineRepr;
use ark_ff::{Field, One, Zero};
use dn_core::canonical;
use dn_core::protocol::{Protocol, Word};

use crate::error::VerifyError;
use crate::field;
use crate::gates::{evaluate, Evaluations};
use crate::shplonk::{reduce, Opening};
use crate::transcript::Transcript;

/// Verifies that `proof` proves the public inputs under a verifying key, and that an honest batch can
/// have them.
///
/// # Errors
/// Says why the proof is rejected.
pub fn verify(protocol: &Protocol, instances: &[Word], proof: &[u8]) -> Result<(), VerifyError> {
    protocol.check()?;
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
    let opened = open(protocol, &key, &instances, &mut t)?;
    let omega_inverse = key.omega.inverse().ok_or(VerifyError::Key { what: "generator" })?;
    let rotate = |rotation: i32| {
        let base = if rotation < 0 { omega_inverse } else { key.omega };
        opened.x * base.pow([u64::from(rotation.unsigned_abs())])
    };
    let (left, right) = reduce(&opened.openings, key.g1, rotate, &mut t)?;
    let product = Bn254::multi_pairing([left, -right], [key.s_g2, key.g2]);
    if product.is_zero() {
        Ok(())
    } else {
        Err(VerifyError::Pairing)
    }
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

struct Opened {
    x: Fr,
    openings: Vec<Opening>,
}

/// Reads the proof up to the multi-opening and computes the quotient's value from the gates.
fn open(
    p: &Protocol,
    key: &Key,
    instances: &[(&Word, Fr)],
    t: &mut Transcript<'_>,
) -> Result<Opened, VerifyError> {
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
    let vanishing_inverse = (xn - Fr::one()).inverse().ok_or(VerifyError::Degenerate)?;
    let instance = interpolate_instance(p, key.omega, instances, x, xn)?;
    let evaluations = Evaluations {
        constants: &key.constants,
        advice: &advice_values,
        fixed: &fixed_values,
        instance,
        challenges: &challenges,
    };
    let quotient = evaluate(p, &evaluations, y) * vanishing_inverse;

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
    Ok(Opened { x, openings })
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
