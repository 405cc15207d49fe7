//! The constraint system of one key, whatever the scheme by which its columns are opened: the quotient, and the
//! values of queried columns.

use std::io;

use dn_circuits::columns::fixed_columns;
use dn_circuits::estimate::RESIDENT_K;
use dn_circuits::protocol::root_of_unity;
use dn_circuits::transcript::KeccakWrite;
use dn_circuits::Plan;
use dn_core::protocol::{Protocol, Query, Word};
use dn_vector::column::{self, combine, inner_product, pack};
use dn_vector::{Column, Coset, Octet};
use ff::{Field, PrimeField as _, WithSmallOrderMulGroup as _};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::group::Curve as _;
use halo2_proofs::transcript::{EncodedChallenge as _, Transcript as _, TranscriptWrite as _};
use rayon::prelude::*;

use super::arithmetic::Arithmetic;
use super::gates::Gates;
use super::opening::lagrange;

/// The transcript of a proof.
pub(super) type Writer = KeccakWrite<Vec<u8>>;

pub(super) fn draw(transcript: &mut Writer) -> Fr {
    transcript.squeeze_challenge().get_scalar()
}

pub(super) fn write_points(transcript: &mut Writer, points: &[G1]) -> io::Result<()> {
    let mut affine = vec![G1Affine::default(); points.len()];
    G1::batch_normalize(points, &mut affine);
    affine.into_iter().try_for_each(|point| transcript.write_point(point))
}

/// What proofs of one key share, besides what commits to columns.
#[derive(Debug)]
pub(crate) struct Circuit<A: Arithmetic> {
    pub(super) protocol: Protocol,
    pub(super) gates: Gates,
    /// The rows.
    pub(super) domain: Coset<A::Fr>,
    pub(super) omega: Fr,
    /// The quotient is computed on these.
    cosets: Vec<QuotientCoset<A>>,
    /// Coefficients of the fixed columns; empty where their values on the cosets stay.
    fixed: Vec<Column<A::Fr>>,
    pub(super) digest: Fr,
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

/// Values at `x` and the point before it, in the order of the queries.
pub(super) struct Values<A: Arithmetic> {
    pub(super) advice: Vec<Fr>,
    pub(super) fixed: Vec<Fr>,
    /// The fixed columns on the rows.
    pub(super) columns: Vec<Column<A::Fr>>,
    /// The powers of `x`.
    pub(super) at_x: Column<A::Fr>,
}

/// The number of a word, which is below the field's order.
fn number(word: &Word) -> Fr {
    let mut repr = *word;
    repr.reverse();
    Option::from(Fr::from_repr(repr)).expect("a number of an exported key")
}

impl<A: Arithmetic> Circuit<A> {
    /// Prepares proofs of `plan` under its key.
    pub(crate) fn new(plan: &Plan, protocol: Protocol) -> Self {
        assert_eq!(protocol.k, plan.k, "the key of another domain");
        let (n, pieces) = (1 << plan.k, protocol.quotient_pieces);
        let omega = root_of_unity(plan.k);
        let extended = root_of_unity(plan.k + pieces.next_power_of_two().trailing_zeros());
        let rows = Coset::new(n, omega, Fr::ONE);
        let coset = |i: u32| {
            let shift = Fr::ZETA * extended.pow_vartime([u64::from(i)]);
            let (coset, power) = (Coset::new(n, omega, shift), shift.pow_vartime([n as u64]));
            QuotientCoset { coset, power, fixed: Vec::new() }
        };
        let mut cosets: Vec<QuotientCoset<A>> = (0..pieces).map(coset).collect();
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
            digest: number(&protocol.digest),
            protocol,
        }
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        1 << self.protocol.k
    }

    /// Memory that the fixed columns take.
    pub(super) fn fixed_bytes(&self) -> u64 {
        let on_cosets = self.cosets.iter().flat_map(|part| &part.fixed);
        let octets: usize = self.fixed.iter().chain(on_cosets).map(Vec::len).sum();
        (octets * size_of::<<A::Fr as Octet>::Packed>()) as u64
    }

    /// The constraints divided by the vanishing polynomial, in pieces of `n` coefficients. The instance is the last
    /// column of `advice`.
    ///
    /// On a coset, where `x^n` is a constant `c`, the pieces `q_m` have the sum `sum_m c^m q_m`.
    pub(super) fn quotient(
        &self,
        advice: &[Column<A::Fr>],
        challenges: &[Fr],
        y: Fr,
    ) -> Vec<Column<A::Fr>> {
        let sum = |part: &QuotientCoset<A>| {
            let advice = on_coset(&part.coset, advice);
            let computed;
            let fixed = if part.fixed.is_empty() {
                computed = on_coset(&part.coset, &self.fixed);
                &computed
            } else {
                &part.fixed
            };
            let columns: Vec<_> = advice.iter().chain(fixed).collect();
            let vanishing = part.power - Fr::ONE;
            let scale = vanishing.invert().expect("a coset does not meet the domain");
            let values = self.gates.evaluate::<A::Fr>(&columns, challenges, y, scale);
            part.coset.interpolate(&values)
        };
        let sums: Vec<Column<A::Fr>> = self.cosets.iter().map(sum).collect();
        let sums: Vec<&Column<A::Fr>> = sums.iter().collect();
        let powers: Vec<Fr> = self.cosets.iter().map(|part| part.power).collect();
        let piece = |row: &Vec<Fr>| combine::<A::Fr>(self.rows(), &sums, row);
        invert_vandermonde(&powers).iter().map(piece).collect()
    }

    /// The point `x`, and the one before it.
    pub(super) fn points(&self, x: Fr) -> [Fr; 2] {
        [x, x * self.omega.invert().expect("a root of unity is not zero")]
    }

    /// Values of all queries. Advice columns are evaluated by their coefficients, fixed ones by their values.
    pub(super) fn values(
        &self,
        plan: &Plan,
        advice: &[Column<A::Fr>],
        points: [Fr; 2],
    ) -> Values<A> {
        let n = self.rows();
        let evaluate = |queries: &[Query], columns: &[Column<A::Fr>], at: &[Column<A::Fr>; 2]| {
            let value = |q: &Query| {
                let at = &at[usize::from(q.rotation != 0)];
                inner_product::<A::Fr>(&columns[q.column as usize], at)
            };
            queries.par_iter().map(value).collect::<Vec<Fr>>()
        };
        let powers = points.map(|p| column::powers::<A::Fr>(p, n));
        let advice = evaluate(&self.protocol.advice_queries, advice, &powers);
        let [at_x, _] = powers;
        let columns_of_plan = (0..fixed_columns(plan.width)).into_par_iter();
        let columns: Vec<_> = columns_of_plan.map(|i| fixed_values::<A>(plan, i)).collect();
        let lagrange = points.map(|p| lagrange::<A::Fr>(self.omega, p, n));
        let fixed = evaluate(&self.protocol.fixed_queries, &columns, &lagrange);
        Values { advice, fixed, columns, at_x }
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
