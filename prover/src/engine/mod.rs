//! Creates proofs that halo2's verifier accepts, for circuits without permutations, library
//! lookups and selectors: the protocol of `docs/book/protocol.md`.
//!
//! The transcript is that of halo2's `create_proof`, message by message. What differs is how
//! commitments are computed ([`dn_vector::msm`], all in the Lagrange basis), that gates run as the exported program
//! ([`gates`]), that columns come from the witness without a synthesis pass, and that arithmetic is done
//! eight elements at a time ([`dn_vector`]).

pub(crate) mod arithmetic;
pub(crate) mod bases;
mod gates;
mod opening;
#[cfg(test)]
mod pinned;

use std::io;

use dn_circuits::assignment::{first_phase, second_phase};
use dn_circuits::columns::{fixed_columns, CHALLENGES};
use dn_circuits::estimate::RESIDENT_K;
use dn_circuits::field::from_core;
use dn_circuits::plan::BLINDING_ROWS;
use dn_circuits::transcript::KeccakWrite;
use dn_circuits::{protocol, Plan, Witness};
use dn_core::protocol::{Protocol, Query};
use dn_vector::column::{self, combine, inner_product, pack, powers_in_order, unpack};
use dn_vector::{Column, Coset, Octet};
use ff::{Field, WithSmallOrderMulGroup};
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G1};
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::plonk::VerifyingKey;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::transcript::{
    EncodedChallenge, Transcript, TranscriptWrite, TranscriptWriterBuffer,
};
use rand_chacha::ChaCha20Rng;
use rayon::prelude::*;

use crate::error::ProveError;
use crate::phase::Phase;
use arithmetic::Arithmetic;
use bases::Bases;
use gates::Gates;
use opening::{Domain, Opened, Opening, Polynomial};

/// Makes the proofs of one key.
pub(crate) trait Prove: std::fmt::Debug + Send + Sync {
    /// [`Arithmetic::NAME`].
    fn arithmetic(&self) -> &'static str;

    /// Memory that the fixed columns take.
    fn fixed_bytes(&self) -> u64;

    /// The transcript of a proof that is blinded by `rng`. A wrong witness gives a wrong proof: the caller
    /// verifies it.
    fn prove(
        &self,
        plan: &Plan,
        witness: Witness,
        rng: ChaCha20Rng,
        begin: &mut dyn FnMut(Phase) -> Result<(), ProveError>,
    ) -> Result<Vec<u8>, ProveError>;
}

/// What proofs of one key share.
#[derive(Debug)]
pub(crate) struct Engine<A: Arithmetic> {
    protocol: Protocol,
    gates: Gates,
    /// The rows.
    domain: Coset<A::Fr>,
    omega: Fr,
    /// The quotient is computed on these.
    cosets: Vec<QuotientCoset<A>>,
    /// Coefficients of the fixed columns; empty where their values on the cosets stay.
    fixed: Vec<Column<A::Fr>>,
    bases: Bases<A>,
    digest: Fr,
}

/// One coset of the quotient's domain.
#[derive(Debug)]
struct QuotientCoset<A: Arithmetic> {
    coset: Coset<A::Fr>,
    /// `x^n` of its elements `x`.
    power: Fr,
    /// The fixed columns; empty where they would take too much memory.
    fixed: Vec<Column<A::Fr>>,
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

impl<A: Arithmetic> Engine<A> {
    /// Prepares proofs of `plan` under its key.
    pub(crate) fn new(
        plan: &Plan,
        params: &ParamsKZG<Bn256>,
        bases: Bases<A>,
        vk: &VerifyingKey<G1Affine>,
    ) -> Self {
        assert_eq!(vk.cs().blinding_factors() + 1, BLINDING_ROWS);
        assert_eq!(vk.get_domain().k(), plan.k, "the key of another domain");
        let protocol = protocol::export(vk, params, plan.instances());
        let (n, domain) = (1 << plan.k, vk.get_domain());
        let omega = domain.get_omega();
        let rows = Coset::new(n, omega, Fr::ONE);
        let coset = |i: u32| {
            let shift = Fr::ZETA * domain.get_extended_omega().pow_vartime([u64::from(i)]);
            let (coset, power) = (Coset::new(n, omega, shift), shift.pow_vartime([n as u64]));
            QuotientCoset { coset, power, fixed: Vec::new() }
        };
        let mut cosets: Vec<QuotientCoset<A>> = (0..protocol.quotient_pieces).map(coset).collect();
        let coefficients = |i| rows.interpolate(&fixed_values::<A>(plan, i));
        let columns = (0..fixed_columns(plan.width)).into_par_iter();
        let mut fixed = Vec::new();
        if plan.k <= RESIDENT_K {
            let on_cosets = |i| -> Vec<_> {
                let coefficients = coefficients(i);
                cosets.iter().map(|part| part.coset.evaluate(&coefficients)).collect()
            };
            let on_cosets: Vec<Vec<Column<A::Fr>>> = columns.map(on_cosets).collect();
            for values in on_cosets {
                cosets.iter_mut().zip(values).for_each(|(part, values)| part.fixed.push(values));
            }
        } else {
            fixed = columns.map(coefficients).collect();
        }
        Self {
            gates: Gates::new(&protocol),
            cosets,
            domain: rows,
            omega,
            fixed,
            bases,
            protocol,
            digest: vk.transcript_repr(),
        }
    }

    /// The constraints divided by the vanishing polynomial, in pieces of `n` coefficients.
    ///
    /// On a coset, where `x^n` is a constant `c`, the pieces `q_m` have the sum `sum_m c^m q_m`.
    fn quotient(&self, advice: &[Column<A::Fr>], challenges: &[Fr], y: Fr) -> Vec<Column<A::Fr>> {
        let sum = |part: &QuotientCoset<A>| {
            let advice = on_coset(&part.coset, advice);
            let (instance, advice) = advice.split_last().expect("the instance is the last column");
            let computed;
            let fixed = if part.fixed.is_empty() {
                computed = on_coset(&part.coset, &self.fixed);
                &computed
            } else {
                &part.fixed
            };
            let columns: Vec<_> = advice.iter().chain(fixed).chain([instance]).collect();
            let vanishing = part.power - Fr::ONE;
            let scale = vanishing.invert().expect("a coset does not meet the domain");
            let values = self.gates.evaluate::<A::Fr>(&columns, challenges, y, scale);
            part.coset.interpolate(&values)
        };
        let sums: Vec<Column<A::Fr>> = self.cosets.iter().map(sum).collect();
        let sums: Vec<&Column<A::Fr>> = sums.iter().collect();
        let n = 1 << self.protocol.k;
        let powers: Vec<Fr> = self.cosets.iter().map(|part| part.power).collect();
        invert_vandermonde(&powers).iter().map(|row| combine::<A::Fr>(n, &sums, row)).collect()
    }

    /// Evaluations and their multi-opening.
    fn open(
        &self,
        plan: &Plan,
        advice: &[Column<A::Fr>],
        (pieces, random): (&[Column<A::Fr>], &Column<A::Fr>),
        transcript: &mut Writer,
    ) -> io::Result<()> {
        let n = 1 << self.protocol.k;
        let x = draw(transcript);
        let previous = self.omega.invert().expect("a root of unity is not zero");
        let points = [x, x * previous];
        let evaluate = |queries: &[Query], columns: &[Column<A::Fr>], at: &[Column<A::Fr>; 2]| {
            let value = |q: &Query| {
                let at = &at[usize::from(q.rotation != 0)];
                inner_product::<A::Fr>(&columns[q.column as usize], at)
            };
            queries.par_iter().map(value).collect::<Vec<Fr>>()
        };
        // Advice columns are evaluated by their coefficients, fixed ones by their values.
        let powers = points.map(|p| column::powers::<A::Fr>(p, n));
        let advice_values = evaluate(&self.protocol.advice_queries, advice, &powers);
        let [at_x, _] = powers;
        let columns_of_plan = (0..fixed_columns(plan.width)).into_par_iter();
        let fixed: Vec<_> = columns_of_plan.map(|i| fixed_values::<A>(plan, i)).collect();
        let fixed_values = {
            let lagrange = points.map(|p| opening::lagrange::<A::Fr>(self.omega, p, n));
            evaluate(&self.protocol.fixed_queries, &fixed, &lagrange)
        };
        let random_value = inner_product::<A::Fr>(random, &at_x);
        let values = advice_values.iter().chain(&fixed_values).chain([&random_value]);
        values.into_iter().try_for_each(|v| transcript.write_scalar(*v))?;

        let xn = powers_in_order(x.pow_vartime([n as u64]), pieces.len());
        let folded = combine::<A::Fr>(n, &pieces.iter().collect::<Vec<_>>(), &xn);
        let coefficients = Polynomial::Coefficients;
        let mut opened =
            columns(&self.protocol.advice_queries, &advice_values, advice, coefficients);
        let queries = &self.protocol.fixed_queries;
        opened.extend(columns(queries, &fixed_values, &fixed, Polynomial::Values));
        let at_x_only = |column, here| Opened {
            polynomial: Polynomial::Coefficients(column),
            here,
            before: None,
        };
        opened.push(at_x_only(&folded, inner_product::<A::Fr>(&folded, &at_x)));
        opened.push(at_x_only(random, random_value));

        let (y, v) = (draw(transcript), draw(transcript));
        let domain = Domain { coset: &self.domain, omega: self.omega };
        let opening = Opening::new(&domain, n, &opened, points, y, v);
        write_points(transcript, &[self.bases.commit(&unpack::<A::Fr>(opening.first()))])?;
        let u = draw(transcript);
        write_points(transcript, &[self.bases.commit(&unpack::<A::Fr>(&opening.second(u)))])
    }
}

impl<A: Arithmetic> Prove for Engine<A> {
    fn arithmetic(&self) -> &'static str {
        A::NAME
    }

    fn fixed_bytes(&self) -> u64 {
        let on_cosets = self.cosets.iter().flat_map(|part| &part.fixed);
        let octets: usize = self.fixed.iter().chain(on_cosets).map(Vec::len).sum();
        (octets * size_of::<<A::Fr as Octet>::Packed>()) as u64
    }

    fn prove(
        &self,
        plan: &Plan,
        witness: Witness,
        mut rng: ChaCha20Rng,
        begin: &mut dyn FnMut(Phase) -> Result<(), ProveError>,
    ) -> Result<Vec<u8>, ProveError> {
        let mut transcript = Writer::init(Vec::new());
        let instances: Vec<Fr> = witness.statement.instances().into_iter().map(from_core).collect();
        transcript.common_scalar(self.digest)?;
        instances.iter().try_for_each(|x| transcript.common_scalar(*x))?;

        begin(Phase::CommitTrace)?;
        let mut advice = first_phase(plan, &witness, &mut rng);
        write_points(&mut transcript, &self.bases.commit_all(&advice))?;
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
        // Its commitment and its value at one point are all that is seen of it: two numbers, which as
        // many random rows as other columns have make uniform.
        random[n - BLINDING_ROWS..].iter_mut().for_each(|x| *x = Fr::random(&mut rng));
        write_points(&mut transcript, &[self.bases.commit(&random)])?;
        let y = draw(&mut transcript);

        begin(Phase::Transform)?;
        let mut instance = instances;
        instance.resize(n, Fr::ZERO);
        advice.extend([instance, random]);
        let transform = |column: Vec<Fr>| self.domain.interpolate(&pack::<A::Fr>(&column));
        let mut advice: Vec<Column<A::Fr>> = advice.into_par_iter().map(transform).collect();
        let random = advice.pop().expect("the random polynomial is the last one");
        begin(Phase::Quotient)?;
        let pieces = self.quotient(&advice, &challenges, y);
        begin(Phase::CommitQuotient)?;
        let values = |piece: &Column<A::Fr>| unpack::<A::Fr>(&self.domain.evaluate(piece));
        let values: Vec<Vec<Fr>> = pieces.par_iter().map(values).collect();
        write_points(&mut transcript, &self.bases.commit_all(&values))?;
        begin(Phase::Open)?;
        self.open(plan, &advice, (&pieces, &random), &mut transcript)?;
        Ok(transcript.finalize())
    }
}

/// Values of fixed column `i` on the rows.
fn fixed_values<A: Arithmetic>(plan: &Plan, i: usize) -> Column<A::Fr> {
    let mut column: Vec<Fr> = plan.fixed_column(i).collect();
    column.resize(1 << plan.k, Fr::ZERO);
    pack::<A::Fr>(&column)
}

/// Polynomials on a coset.
fn on_coset<V: Octet<Field = Fr>>(coset: &Coset<V>, polynomials: &[Column<V>]) -> Vec<Column<V>> {
    polynomials.par_iter().map(|p| coset.evaluate(p)).collect()
}

/// Rows of coefficients: row `m` gives the coefficient of `c^m` of a polynomial from its values at
/// the points `c_i`.
fn invert_vandermonde(points: &[Fr]) -> Vec<Vec<Fr>> {
    let mut rows = vec![Vec::with_capacity(points.len()); points.len()];
    for at in points {
        // The polynomial that is 1 here and 0 at the other points.
        let (mut basis, mut scale) = (vec![Fr::ONE], Fr::ONE);
        for other in points.iter().filter(|p| *p != at) {
            basis.insert(0, Fr::ZERO);
            for i in 0..basis.len() - 1 {
                basis[i] = basis[i] - *other * basis[i + 1];
            }
            scale *= *at - other;
        }
        let scale = scale.invert().expect("the points are different");
        rows.iter_mut().zip(basis).for_each(|(row, c)| row.push(c * scale));
    }
    rows
}

/// Columns with their values, in the order in which they are first queried.
fn columns<'a, V: Octet>(
    queries: &[Query],
    values: &[Fr],
    polynomials: &'a [Column<V>],
    form: fn(&'a Column<V>) -> Polynomial<'a, V>,
) -> Vec<Opened<'a, V>> {
    let mut order: Vec<u32> = Vec::new();
    let mut opened = Vec::new();
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
            polynomial: form(&polynomials[query.column as usize]),
            here: value(0).expect("every column is queried at the current row"),
            before: value(-1),
        });
    }
    opened
}
