//! A commitment for each column, and openings as halo2 has them.

use std::io;

use dn_circuits::assignment::SecondPhase;
use dn_circuits::plan::BLINDING_ROWS;
use dn_circuits::Plan;
use dn_core::protocol::Query;
use dn_vector::column::{combine, inner_product, powers_in_order, unpack};
use dn_vector::{Column, Octet};
use ff::Field;
use halo2_proofs::halo2curves::bn256::{Fr, G1};
use halo2_proofs::transcript::TranscriptWrite as _;
use rand_chacha::ChaCha20Rng;
use rayon::prelude::*;

use super::arithmetic::Arithmetic;
use super::bases::Bases;
use super::circuit::{draw, write_points, Circuit, Values, Writer};
use super::opening::{Domain, Opened, Opening, Polynomial};
use super::scheme::{Openings, Polynomials};

impl<A: Arithmetic> Openings<A> for Bases<A> {
    fn commit_first(&self, columns: &[Vec<Fr>]) -> Vec<G1> {
        self.commit_all(columns)
    }

    fn commit_second(&self, columns: &SecondPhase) -> Vec<G1> {
        let sum = |[a, b]: &[Vec<Fr>; 2]| self.commit(a) + self.commit(b);
        let mut commitments: Vec<G1> = columns.helpers.par_iter().map(sum).collect();
        commitments.extend(self.commit_all(&columns.accumulators));
        commitments
    }

    fn mask(
        &self,
        circuit: &Circuit<A>,
        rng: &mut ChaCha20Rng,
        transcript: &mut Writer,
    ) -> io::Result<Vec<Vec<Fr>>> {
        // theta, beta and gamma of the arguments that the layout does not use.
        let _unused: [Fr; 3] = std::array::from_fn(|_| draw(transcript));
        let n = circuit.rows();
        let mut random = vec![Fr::ZERO; n];
        // Its commitment and its value at one point are all that is seen of it: two numbers, which as
        // many random rows as other columns have make uniform.
        random[n - BLINDING_ROWS..].iter_mut().for_each(|x| *x = Fr::random(&mut *rng));
        write_points(transcript, &[self.commit(&random)])?;
        Ok(vec![random])
    }

    fn send_quotient(
        &self,
        circuit: &Circuit<A>,
        pieces: Vec<Column<A::Fr>>,
        _rng: &mut ChaCha20Rng,
        transcript: &mut Writer,
    ) -> io::Result<Vec<Column<A::Fr>>> {
        let values = |piece: &Column<A::Fr>| unpack::<A::Fr>(&circuit.domain.evaluate(piece));
        let values: Vec<Vec<Fr>> = pieces.par_iter().map(values).collect();
        write_points(transcript, &self.commit_all(&values))?;
        Ok(pieces)
    }

    fn open(
        &self,
        circuit: &Circuit<A>,
        plan: &Plan,
        polynomials: &Polynomials<'_, A>,
        transcript: &mut Writer,
    ) -> io::Result<()> {
        let (n, x) = (circuit.rows(), draw(transcript));
        let Polynomials { advice, pieces, masks } = *polynomials;
        let random = masks.first().expect("the random polynomial");
        let points = circuit.points(x);
        let Values { advice: advice_values, fixed: fixed_values, columns: fixed, at_x } =
            circuit.values(plan, advice, points);
        let random_value = inner_product::<A::Fr>(random, &at_x);
        let values = advice_values.iter().chain(&fixed_values).chain([&random_value]);
        values.into_iter().try_for_each(|v| transcript.write_scalar(*v))?;

        let xn = powers_in_order(x.pow_vartime([n as u64]), pieces.len());
        let folded = combine::<A::Fr>(n, &pieces.iter().collect::<Vec<_>>(), &xn);
        let coefficients = Polynomial::Coefficients;
        let queries = &circuit.protocol.advice_queries;
        let mut opened = columns(queries, &advice_values, advice, coefficients);
        let queries = &circuit.protocol.fixed_queries;
        opened.extend(columns(queries, &fixed_values, &fixed, Polynomial::Values));
        let at_x_only = |column, here| Opened {
            polynomial: Polynomial::Coefficients(column),
            here,
            before: None,
        };
        opened.push(at_x_only(&folded, inner_product::<A::Fr>(&folded, &at_x)));
        opened.push(at_x_only(random, random_value));

        let (y, v) = (draw(transcript), draw(transcript));
        let domain = Domain { coset: &circuit.domain, omega: circuit.omega };
        let opening = Opening::new(&domain, n, &opened, points, y, v);
        write_points(transcript, &[self.commit(&unpack::<A::Fr>(opening.first()))])?;
        let u = draw(transcript);
        write_points(transcript, &[self.commit(&unpack::<A::Fr>(&opening.second(u)))])
    }
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
