//! Creates proofs that halo2's verifier accepts, for circuits without permutations, library
//! lookups and selectors: the protocol of `docs/book/protocol.md`.
//!
//! The transcript is that of halo2's `create_proof`, message by message. What differs is how
//! commitments are computed ([`msm`]), that gates run as the exported program ([`gates`]) and that
//! columns come from the witness without a synthesis pass.

mod fft;
mod gates;
mod msm;
mod opening;

use std::io;

use dn_circuits::assignment::{first_phase, second_phase, SecondPhase};
use dn_circuits::columns::{fixed_columns, CHALLENGES};
use dn_circuits::estimate::RESIDENT_K;
use dn_circuits::field::from_core;
use dn_circuits::plan::BLINDING_ROWS;
use dn_circuits::transcript::KeccakWrite;
use dn_circuits::{protocol, Plan, Witness};
use dn_core::protocol::{Protocol, Query};
use dn_core::statement;
use ff::{Field, WithSmallOrderMulGroup};
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G1};
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::plonk::VerifyingKey;
use halo2_proofs::poly::commitment::ParamsProver;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::poly::EvaluationDomain;
use halo2_proofs::transcript::{
    EncodedChallenge, Transcript, TranscriptWrite, TranscriptWriterBuffer,
};
use halo2_proofs::{SerdeCurveAffine, SerdeFormat};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rayon::prelude::*;

use crate::phase::Phase;
use crate::prove::ProveError;
use fft::{Coset, Fft};
use gates::Gates;
use msm::msm;
use opening::{Opened, Opening};

/// What proofs of one key share.
#[derive(Debug)]
pub(crate) struct Engine {
    protocol: Protocol,
    gates: Gates,
    fft: Fft,
    /// The quotient is computed on these.
    cosets: Vec<Coset>,
    /// Coefficients of the fixed columns.
    fixed: Vec<Vec<Fr>>,
    /// Fixed columns on each coset; empty where they would take too much memory.
    fixed_on_cosets: Vec<Vec<Vec<Fr>>>,
    bases: Bases,
    domain: EvaluationDomain<Fr>,
    digest: Fr,
}

/// Commitments to the Lagrange polynomials.
#[derive(Debug)]
pub(crate) struct Bases(Vec<G1Affine>);

impl Bases {
    /// The second half of the parameters' own encoding, which is their only accessor.
    pub(crate) fn new(params: &ParamsKZG<Bn256>) -> io::Result<Self> {
        let n = params.get_g().len();
        let mut bytes = Vec::new();
        params.write_custom(&mut bytes, SerdeFormat::RawBytesUnchecked)?;
        let mut reader = &bytes[4 + 64 * n..];
        let read = |_| G1Affine::read(&mut reader, SerdeFormat::RawBytesUnchecked);
        (0..n).map(read).collect::<io::Result<_>>().map(Self)
    }

    fn commit(&self, columns: &[Vec<Fr>]) -> Vec<G1> {
        columns.par_iter().map(|c| msm(c, &self.0)).collect()
    }

    fn commit_second(&self, phase: &SecondPhase) -> Vec<G1> {
        let sum = |[a, b]: &[Vec<Fr>; 2]| msm(a, &self.0) + msm(b, &self.0);
        let mut commitments: Vec<G1> = phase.helpers.par_iter().map(sum).collect();
        commitments.extend(self.commit(&phase.accumulators));
        commitments
    }

    /// Commitments to the fixed columns of a plan.
    pub(crate) fn commit_fixed(&self, plan: &Plan) -> Vec<G1Affine> {
        let commit = |i| msm(&plan.fixed_column(i).collect::<Vec<Fr>>(), &self.0).to_affine();
        (0..fixed_columns(plan.width)).into_par_iter().map(commit).collect()
    }
}

type Writer = KeccakWrite<Vec<u8>>;

fn draw(transcript: &mut Writer) -> Fr {
    transcript.squeeze_challenge().get_scalar()
}

fn write_points(transcript: &mut Writer, points: &[G1]) -> io::Result<()> {
    let mut affine = vec![G1Affine::default(); points.len()];
    G1::batch_normalize(points, &mut affine);
    affine.into_iter().try_for_each(|point| transcript.write_point(point))
}

/// `sum_i a_i b_i`
fn inner_product(a: &[Fr], b: &[Fr]) -> Fr {
    a.iter().zip(b).map(|(x, y)| *x * y).sum()
}

fn powers(base: Fr, n: usize) -> Vec<Fr> {
    std::iter::successors(Some(Fr::ONE), |p| Some(*p * base)).take(n).collect()
}

impl Engine {
    /// Prepares proofs of `plan` under its key.
    pub(crate) fn new(
        plan: &Plan,
        params: &ParamsKZG<Bn256>,
        bases: Bases,
        vk: &VerifyingKey<G1Affine>,
    ) -> Self {
        assert_eq!(vk.cs().blinding_factors() + 1, BLINDING_ROWS);
        let protocol = protocol::export(vk, params, statement::len(plan.slots));
        let (n, domain) = (1 << plan.k, vk.get_domain());
        let omega = domain.get_omega();
        let shifts = (0..domain.extended_len() / n)
            .map(|i| Fr::ZETA * domain.get_extended_omega().pow_vartime([i as u64]));
        let cosets: Vec<Coset> = shifts.map(|s| Coset::new(n, omega, s)).collect();
        let fft = Fft::new(n, omega);
        let coefficients = |i| {
            let mut column: Vec<Fr> = plan.fixed_column(i).collect();
            column.resize(n, Fr::ZERO);
            if column.iter().any(|x| *x != Fr::ZERO) {
                fft.to_coefficients(&mut column);
            }
            column
        };
        let columns = 0..fixed_columns(plan.width);
        let fixed: Vec<Vec<Fr>> = columns.into_par_iter().map(coefficients).collect();
        let resident = if plan.k <= RESIDENT_K { &cosets[..] } else { &[] };
        let on_cosets = resident.iter().map(|c| on_coset(c, fixed.iter().map(|p| &p[..])));
        Self {
            gates: Gates::new(&protocol),
            fft,
            fixed_on_cosets: on_cosets.collect(),
            fixed,
            cosets,
            bases,
            protocol,
            domain: domain.clone(),
            digest: vk.transcript_repr(),
        }
    }

    /// Memory that the fixed columns take.
    pub(crate) fn fixed_bytes(&self) -> u64 {
        let columns = self.fixed.iter().chain(self.fixed_on_cosets.iter().flatten());
        columns.map(|c| 32 * c.len() as u64).sum()
    }

    /// The transcript of a proof. A wrong witness gives a wrong proof: the caller verifies it.
    pub(crate) fn prove(
        &self,
        plan: &Plan,
        params: &ParamsKZG<Bn256>,
        witness: Witness,
        begin: &mut dyn FnMut(Phase) -> Result<(), ProveError>,
    ) -> Result<Vec<u8>, ProveError> {
        let mut rng = ChaCha20Rng::from_entropy();
        let mut transcript = Writer::init(Vec::new());
        let instances: Vec<Fr> = witness.statement.instances().into_iter().map(from_core).collect();
        transcript.common_scalar(self.digest)?;
        instances.iter().try_for_each(|x| transcript.common_scalar(*x))?;

        begin(Phase::CommitTrace)?;
        let mut advice = first_phase(plan, &witness, &mut rng);
        write_points(&mut transcript, &self.bases.commit(&advice))?;
        let challenges: [Fr; CHALLENGES] = std::array::from_fn(|_| draw(&mut transcript));
        begin(Phase::Fold)?;
        let second = second_phase(plan, &witness, challenges, &mut rng);
        drop(witness);
        begin(Phase::CommitFolds)?;
        write_points(&mut transcript, &self.bases.commit_second(&second))?;
        advice.extend(second.into_columns());
        // theta, beta and gamma of the arguments that the layout does not use.
        let _unused: [Fr; 3] = std::array::from_fn(|_| draw(&mut transcript));

        let n = 1 << plan.k;
        let mut random = vec![Fr::ZERO; n];
        random.iter_mut().for_each(|x| *x = Fr::random(&mut rng));
        write_points(&mut transcript, &[msm(&random, params.get_g())])?;
        let y = draw(&mut transcript);

        begin(Phase::Transform)?;
        let mut instance = instances;
        instance.resize(n, Fr::ZERO);
        advice.push(instance);
        advice.par_iter_mut().for_each(|column| self.fft.to_coefficients(column));
        begin(Phase::Quotient)?;
        let pieces = self.quotient(&advice, &challenges, y);
        begin(Phase::CommitQuotient)?;
        let commitments: Vec<G1> =
            pieces.par_iter().map(|piece| msm(piece, params.get_g())).collect();
        write_points(&mut transcript, &commitments)?;
        begin(Phase::Open)?;
        self.open(params, &advice, (&pieces, &random), &mut transcript)?;
        Ok(transcript.finalize())
    }

    /// The constraints divided by the vanishing polynomial, in pieces of `n` coefficients.
    fn quotient(&self, advice: &[Vec<Fr>], challenges: &[Fr], y: Fr) -> Vec<Vec<Fr>> {
        let domain = &self.domain;
        let n = 1 << domain.k();
        let mut parts = Vec::new();
        for (i, coset) in self.cosets.iter().enumerate() {
            let advice = on_coset(coset, advice.iter().map(|c| &c[..]));
            let computed;
            let fixed = match self.fixed_on_cosets.get(i) {
                Some(resident) => resident,
                None => {
                    computed = on_coset(coset, self.fixed.iter().map(|p| &p[..]));
                    &computed
                }
            };
            let (instance, advice) = advice.split_last().expect("the instance is the last column");
            let columns: Vec<&[Fr]> =
                advice.iter().chain(fixed).chain([instance]).map(|c| &c[..]).collect();
            let folded = self.gates.evaluate(n, &columns, challenges, y);
            parts.push(domain.lagrange_from_vec(folded));
        }
        let extended = domain.extended_from_lagrange_vec(parts);
        let quotient = domain.extended_to_coeff(domain.divide_by_vanishing_poly(extended));
        quotient.chunks(n).map(<[Fr]>::to_vec).collect()
    }

    /// Evaluations and their multi-opening.
    fn open(
        &self,
        params: &ParamsKZG<Bn256>,
        advice: &[Vec<Fr>],
        (pieces, random): (&[Vec<Fr>], &[Fr]),
        transcript: &mut Writer,
    ) -> io::Result<()> {
        let domain = &self.domain;
        let n = 1 << domain.k();
        let x = draw(transcript);
        let points = [x, x * domain.get_omega_inv()];
        let [at_x, at_previous] = points.map(|p| powers(p, n));
        let evaluate = |queries: &[Query], columns: &[&[Fr]]| -> Vec<Fr> {
            let value = |q: &Query| {
                let at = if q.rotation == 0 { &at_x } else { &at_previous };
                inner_product(columns[q.column as usize], at)
            };
            queries.par_iter().map(value).collect()
        };
        let advice: Vec<&[Fr]> = advice.iter().map(|c| &c[..]).collect();
        let fixed: Vec<&[Fr]> = self.fixed.iter().map(|p| &p[..]).collect();
        let advice_values = evaluate(&self.protocol.advice_queries, &advice);
        let fixed_values = evaluate(&self.protocol.fixed_queries, &fixed);
        let random_value = inner_product(random, &at_x);
        let values = advice_values.iter().chain(&fixed_values).chain([&random_value]);
        values.into_iter().try_for_each(|v| transcript.write_scalar(*v))?;

        let xn = x.pow_vartime([n as u64]);
        let folded = (0..n)
            .into_par_iter()
            .map(|i| pieces.iter().rev().fold(Fr::ZERO, |sum, piece| sum * xn + piece[i]))
            .collect::<Vec<Fr>>();
        let mut opened = columns(&self.protocol.advice_queries, &advice_values, &advice);
        opened.extend(columns(&self.protocol.fixed_queries, &fixed_values, &fixed));
        let at_x_only = |polynomial, here| Opened { polynomial, here, before: None };
        opened.push(at_x_only(&folded, inner_product(&folded, &at_x)));
        opened.push(at_x_only(random, random_value));

        let (y, v) = (draw(transcript), draw(transcript));
        let opening = Opening::new(&opened, points, y, v);
        write_points(transcript, &[msm(opening.first(), params.get_g())])?;
        let u = draw(transcript);
        write_points(transcript, &[msm(&opening.second(u), params.get_g())])
    }
}

/// Columns on a coset, each behind a copy of its last value, from their coefficients.
fn on_coset<'a>(coset: &Coset, columns: impl Iterator<Item = &'a [Fr]>) -> Vec<Vec<Fr>> {
    let columns: Vec<&[Fr]> = columns.collect();
    let evaluate = |coefficients: &&[Fr]| {
        let mut values = Vec::with_capacity(coefficients.len() + 1);
        values.push(Fr::ZERO);
        values.extend_from_slice(coefficients);
        coset.evaluate(&mut values[1..]);
        values[0] = values[coefficients.len()];
        values
    };
    columns.par_iter().map(evaluate).collect()
}

/// Columns with their values, in the order in which they are first queried.
fn columns<'a>(queries: &[Query], values: &[Fr], polynomials: &[&'a [Fr]]) -> Vec<Opened<'a>> {
    let mut order: Vec<u32> = Vec::new();
    let mut opened: Vec<Opened<'a>> = Vec::new();
    for query in queries {
        if order.contains(&query.column) {
            continue;
        }
        order.push(query.column);
        let value = |rotation: i32| {
            let wanted = Query { column: query.column, rotation };
            queries.iter().position(|q| *q == wanted).map(|i| values[i])
        };
        opened.push(Opened {
            polynomial: polynomials[query.column as usize],
            here: value(0).expect("every column is queried at the current row"),
            before: value(-1),
        });
    }
    opened
}
