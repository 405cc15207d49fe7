//! Merged openings, the prover's side: SHPLONK (ePrint 2020/081, section 4) of polynomials
//! `F(X) = sum_a X^a f_a(X^t)`, whose values at `x` are their remainders modulo `X^t - x`.
//!
//! With `Z_g` the product of `X^t - p` over a group's points `p`, `R_g = sum_a X^a r_a(X^t)` where `r_a` interpolates the values
//! of column `a`, `U = u^t`, and `s_g = v^g prod (U - p)` over the points that the group is not opened at:
//!
//! ```text
//! W1 = sum_g v^g (F_g - R_g) / Z_g
//! W2 = (sum_g s_g (F_g - R_g(u)) - (U - x)(U - x') W1) / (X - u)
//! ```
//!
//! Both are computed cell by cell in the basis `X^a L_j(X^t)`, in which columns are committed to. There `Z_g` is a number in each row,
//! since `X^t` is the row's element `w`; and a division by `X - u` modulo `X^t - w` has, for `l = sum_a l_a X^a`, the
//! coefficients `b_(t-1) = l(u) / (w - U)`, `b_(a-1) = l_a + u b_a`.

use dn_vector::column::{combine, pack, powers_in_order, splat_all};
use dn_vector::{Column, Coset, Octet, LANES};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use rayon::prelude::*;

use super::opening::{inverses, Polynomial};

/// A column at some place, with the power of `v` of its group.
pub(super) struct Term<'a, V: Octet> {
    pub(super) polynomial: Polynomial<'a, V>,
    pub(super) weight: Fr,
    pub(super) here: Fr,
    pub(super) before: Option<Fr>,
}

/// The columns at one place of all groups, combined: those opened at both points, and those opened at `x`.
struct Place<V: Octet> {
    pair: Column<V>,
    single: Column<V>,
    /// What the first interpolate to: slope and constant term.
    line: [Fr; 2],
    /// The value of the others.
    value: Fr,
}

/// The opening between the verifier's challenges.
pub(super) struct GroupOpening<V: Octet> {
    points: [Fr; 2],
    elements: Column<V>,
    places: Vec<Place<V>>,
    first: Vec<Column<V>>,
}

impl<V: Octet<Field = Fr>> GroupOpening<V> {
    /// Combines the columns at each place, for the points `x` and its predecessor.
    pub(super) fn new(
        domain: &Coset<V>,
        (omega, n): (Fr, usize),
        places: &[Vec<Term<'_, V>>],
        points: [Fr; 2],
    ) -> Self {
        let elements = pack::<V>(&powers_in_order(omega, n));
        let places: Vec<Place<V>> =
            places.par_iter().map(|terms| Place::new(domain, n, terms, points)).collect();
        let first = quotients(&places, &elements, points);
        Self { points, elements, places, first }
    }

    /// Cells of `W1`, place by place.
    pub(super) fn first(&self) -> &[Column<V>] {
        &self.first
    }

    /// Cells of `W2` at the challenge `u`, place by place.
    pub(super) fn second(&self, u: Fr) -> Vec<Column<V>> {
        let t = self.places.len();
        let power = u.pow_vartime([t as u64]);
        let [to_x, to_previous] = self.points.map(|p| power - p);
        let value =
            |place: &Place<V>| place.line[0] * power + place.line[1] + to_previous * place.value;
        let constant: Fr =
            self.places.iter().zip(powers_in_order(u, t)).map(|(p, power)| value(p) * power).sum();
        let mut cells: Vec<Column<V>> =
            (0..t).map(|_| Vec::with_capacity(self.elements.len())).collect();
        V::run(
            #[inline(always)]
            || {
                let inverses = inverses::<V>(&self.elements, power);
                let (u, outside) = (V::splat(u), V::splat(to_previous));
                let minus_all = V::splat(-to_x * to_previous);
                let minus_constant = V::splat(-constant);
                let mut row = vec![V::splat(Fr::ZERO); t];
                for (i, inverse) in inverses.iter().enumerate() {
                    let mut at_u = V::splat(Fr::ZERO);
                    for a in (0..t).rev() {
                        let place = &self.places[a];
                        let single = V::unpack(&place.single[i]).mul(outside);
                        let first = V::unpack(&self.first[a][i]).mul(minus_all);
                        row[a] = V::unpack(&place.pair[i]).add(single).add(first);
                        if a == 0 {
                            row[a] = row[a].add(minus_constant);
                        }
                        at_u = at_u.mul(u).add(row[a]);
                    }
                    let mut cell = at_u.mul(*inverse);
                    for a in (0..t).rev() {
                        cells[a].push(cell.pack());
                        cell = cell.mul(u).add(row[a]);
                    }
                }
            },
        );
        cells
    }
}

impl<V: Octet<Field = Fr>> Place<V> {
    fn new(domain: &Coset<V>, n: usize, terms: &[Term<'_, V>], [x, previous]: [Fr; 2]) -> Self {
        let (pairs, singles): (Vec<_>, Vec<_>) = terms.iter().partition(|t| t.before.is_some());
        let fold = |terms: &[&Term<'_, V>], value: fn(&Term<'_, V>) -> Fr| -> Fr {
            terms.iter().map(|t| t.weight * value(t)).sum()
        };
        let here = fold(&pairs, |t| t.here);
        let before = fold(&pairs, |t| t.before.unwrap_or(Fr::ZERO));
        let slope = (here - before) * (x - previous).invert().unwrap_or(Fr::ZERO);
        Self {
            pair: combined(domain, n, &pairs),
            single: combined(domain, n, &singles),
            line: [slope, here - slope * x],
            value: fold(&singles, |t| t.here),
        }
    }
}

/// Values of a combination on the rows.
fn combined<V: Octet<Field = Fr>>(
    domain: &Coset<V>,
    n: usize,
    terms: &[&Term<'_, V>],
) -> Column<V> {
    let (mut coefficients, mut values) = (Vec::new(), Vec::new());
    for term in terms {
        match term.polynomial {
            Polynomial::Coefficients(column) => coefficients.push((column, term.weight)),
            Polynomial::Values(column) => values.push((column, term.weight)),
        }
    }
    let (columns, weights): (Vec<&Column<V>>, Vec<Fr>) = coefficients.into_iter().unzip();
    let evaluated = domain.evaluate(&combine::<V>(n, &columns, &weights));
    values.push((&evaluated, Fr::ONE));
    let (columns, weights): (Vec<&Column<V>>, Vec<Fr>) = values.into_iter().unzip();
    combine::<V>(n, &columns, &weights)
}

/// `W1`, cell by cell.
fn quotients<V: Octet<Field = Fr>>(
    places: &[Place<V>],
    elements: &Column<V>,
    points: [Fr; 2],
) -> Vec<Column<V>> {
    let inverses: Vec<Column<V>> = points
        .iter()
        .map(|point| {
            V::run(
                #[inline(always)]
                || {
                    let mut packed = Vec::with_capacity(elements.len());
                    for inverse in inverses::<V>(elements, *point) {
                        packed.push(inverse.pack());
                    }
                    packed
                },
            )
        })
        .collect();
    let quotient = |place: &Place<V>| {
        let mut cells = Vec::with_capacity(elements.len());
        let numbers = [-place.line[0], -place.line[1], -place.value];
        V::run(
            #[inline(always)]
            || {
                let numbers = splat_all::<V>(&numbers);
                let (slope, constant, value) = (numbers[0], numbers[1], numbers[2]);
                for (i, element) in elements.iter().enumerate() {
                    let to_x = V::unpack(&inverses[0][i]);
                    let to_previous = V::unpack(&inverses[1][i]);
                    let line = V::unpack(element).mul(slope).add(constant);
                    let pair = V::unpack(&place.pair[i]).add(line).mul(to_x).mul(to_previous);
                    let single = V::unpack(&place.single[i]).add(value).mul(to_x);
                    cells.push(pair.add(single).pack());
                }
            },
        );
        cells
    };
    places.par_iter().map(quotient).collect()
}

/// Elements of columns, one column behind the other.
pub(super) fn flatten<V: Octet<Field = Fr>>(columns: &[Column<V>]) -> Vec<Fr> {
    let mut elements = Vec::with_capacity(columns.iter().map(|c| c.len() * LANES).sum());
    columns.iter().for_each(|column| elements.extend(dn_vector::column::unpack::<V>(column)));
    elements
}
