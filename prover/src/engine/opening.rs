//! SHPLONK (ePrint 2020/081, section 4), the prover's side: all polynomials opened at `x`, some at
//! the point before it too, with two group elements.
//!
//! Polynomials with the same points form a set. With `C_s = sum_j y^j P_j` over a set, `R_s` the
//! same combination of the interpolated values, `Z_s` vanishing on the set's points and `T` on all:
//!
//! ```text
//! h1 = sum_s v^s (C_s - R_s) / Z_s
//! h2 = (sum_s v^s T/Z_s(u) (C_s - R_s(u)) - T(u) h1) / (T/Z_0(u) (X - u))
//! ```
//!
//! The divisions are done value by value on the domain, where the commitments' bases are too.

use dn_vector::column::{combine, pack, powers_in_order, splat_all};
use dn_vector::{Column, Coset, Octet, LANES};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

/// A polynomial by its coefficients or by its values on the domain.
pub(super) enum Polynomial<'a, V: Octet> {
    Coefficients(&'a Column<V>),
    Values(&'a Column<V>),
}

/// A polynomial and its values at `x` and, perhaps, at the previous point.
pub(super) struct Opened<'a, V: Octet> {
    pub(super) polynomial: Polynomial<'a, V>,
    pub(super) here: Fr,
    pub(super) before: Option<Fr>,
}

/// The polynomials of one set, combined.
struct Set<V: Octet> {
    with_previous: bool,
    /// Values on the domain.
    combined: Column<V>,
    here: Fr,
    before: Fr,
}

/// The domain, in order.
pub(super) struct Domain<'a, V: Octet> {
    pub(super) coset: &'a Coset<V>,
    pub(super) omega: Fr,
}

/// The multi-opening between the verifier's challenges.
pub(super) struct Opening<V: Octet> {
    points: [Fr; 2],
    sets: Vec<Set<V>>,
    v: Fr,
    elements: Column<V>,
    first: Column<V>,
}

impl<V: Octet<Field = Fr>> Opening<V> {
    /// Combines the polynomials, in order, at the points `x` and its predecessor.
    pub(super) fn new(
        domain: &Domain<'_, V>,
        n: usize,
        opened: &[Opened<'_, V>],
        points: [Fr; 2],
        y: Fr,
        v: Fr,
    ) -> Self {
        let kind = |o: &Opened<'_, V>| o.before.is_some();
        let first = opened.first().is_some_and(kind);
        let sets: Vec<Set<V>> = [first, !first]
            .iter()
            .filter(|k| opened.iter().any(|o| kind(o) == **k))
            .map(|k| {
                let of_kind: Vec<_> = opened.iter().filter(|o| kind(o) == *k).collect();
                Set::new(domain.coset, n, &of_kind, *k, y)
            })
            .collect();
        let elements = pack::<V>(&powers_in_order(domain.omega, n));
        let first = quotient(&sets, &elements, points, v);
        Self { points, sets, v, elements, first }
    }

    /// Values of `h1`.
    pub(super) fn first(&self) -> &Column<V> {
        &self.first
    }

    /// Values of `h2` at the challenge `u`.
    pub(super) fn second(&self, u: Fr) -> Column<V> {
        let [to_x, to_previous] = self.points.map(|p| u - p);
        let outside = |set: &Set<V>| if set.with_previous { Fr::ONE } else { to_previous };
        let all =
            to_x * if self.sets.iter().any(|s| s.with_previous) { to_previous } else { Fr::ONE };
        let normalize = outside(&self.sets[0]).invert().unwrap_or(Fr::ZERO);
        let (mut power, mut constant) = (normalize, Fr::ZERO);
        let mut scales = Vec::new();
        for set in &self.sets {
            let scale = power * outside(set);
            constant += scale * set.value(u, self.points);
            scales.push(scale);
            power *= self.v;
        }
        let mut values = Vec::with_capacity(self.first.len());
        V::run(
            #[inline(always)]
            || {
                let minus_all = V::splat(-all * normalize);
                let minus_constant = V::splat(-constant);
                let scales = splat_all::<V>(&scales);
                let inverses = inverses::<V>(&self.elements, u);
                for (i, inverse) in inverses.iter().enumerate() {
                    let mut sum = V::unpack(&self.first[i]).mul(minus_all).add(minus_constant);
                    for (set, scale) in self.sets.iter().zip(&scales) {
                        sum = sum.add(V::unpack(&set.combined[i]).mul(*scale));
                    }
                    values.push(sum.mul(*inverse).pack());
                }
            },
        );
        values
    }
}

impl<V: Octet<Field = Fr>> Set<V> {
    fn new(
        coset: &Coset<V>,
        n: usize,
        opened: &[&Opened<'_, V>],
        with_previous: bool,
        y: Fr,
    ) -> Self {
        let powers = powers_in_order(y, opened.len());
        let (mut coefficients, mut values) = (Vec::new(), Vec::new());
        for (o, power) in opened.iter().zip(&powers) {
            match o.polynomial {
                Polynomial::Coefficients(column) => coefficients.push((column, *power)),
                Polynomial::Values(column) => values.push((column, *power)),
            }
        }
        let (columns, factors): (Vec<&Column<V>>, Vec<Fr>) = coefficients.into_iter().unzip();
        let evaluated = coset.evaluate(&combine::<V>(n, &columns, &factors));
        values.push((&evaluated, Fr::ONE));
        let (columns, factors): (Vec<&Column<V>>, Vec<Fr>) = values.into_iter().unzip();
        let combined = combine::<V>(n, &columns, &factors);
        let fold = |value: fn(&Opened<'_, V>) -> Fr| -> Fr {
            opened.iter().zip(&powers).map(|(o, p)| value(o) * p).sum()
        };
        let here = fold(|o| o.here);
        let before = fold(|o| o.before.unwrap_or(Fr::ZERO));
        Self { with_previous, combined, here, before }
    }

    /// Slope and constant term of `R_s`.
    fn line(&self, [x, previous]: [Fr; 2]) -> (Fr, Fr) {
        if !self.with_previous {
            return (Fr::ZERO, self.here);
        }
        let inverse = (x - previous).invert().unwrap_or(Fr::ZERO);
        let slope = (self.here - self.before) * inverse;
        (slope, self.here - slope * x)
    }

    fn value(&self, u: Fr, points: [Fr; 2]) -> Fr {
        let (slope, constant) = self.line(points);
        slope * u + constant
    }
}

/// `h1`, value by value.
fn quotient<V: Octet<Field = Fr>>(
    sets: &[Set<V>],
    elements: &Column<V>,
    points: [Fr; 2],
    v: Fr,
) -> Column<V> {
    let powers = powers_in_order(v, sets.len());
    let mut values = Vec::with_capacity(elements.len());
    V::run(
        #[inline(always)]
        || {
            let to_x = inverses::<V>(elements, points[0]);
            let to_previous = inverses::<V>(elements, points[1]);
            let mut lines = Vec::new();
            for (set, power) in sets.iter().zip(&powers) {
                let (slope, constant) = set.line(points);
                lines.push([V::splat(-slope), V::splat(-constant), V::splat(*power)]);
            }
            for (i, element) in elements.iter().enumerate() {
                let mut sum = V::splat(Fr::ZERO);
                for (set, [slope, constant, power]) in sets.iter().zip(&lines) {
                    let line = V::unpack(element).mul(*slope).add(*constant);
                    let mut part = V::unpack(&set.combined[i]).add(line).mul(to_x[i]);
                    if set.with_previous {
                        part = part.mul(to_previous[i]);
                    }
                    sum = sum.add(part.mul(*power));
                }
                values.push(sum.pack());
            }
        },
    );
    values
}

/// Values at `point` of the Lagrange polynomials of the domain of `n` elements, in order.
pub(super) fn lagrange<V: Octet<Field = Fr>>(omega: Fr, point: Fr, n: usize) -> Column<V> {
    let elements = pack::<V>(&powers_in_order(omega, n));
    let inverse_n = Fr::from(n as u64).invert().expect("a domain has elements");
    let scale = (Fr::ONE - point.pow_vartime([n as u64])) * inverse_n;
    let mut values = Vec::with_capacity(elements.len());
    V::run(
        #[inline(always)]
        || {
            let scale = V::splat(scale);
            let inverses = inverses::<V>(&elements, point);
            for (element, inverse) in elements.iter().zip(&inverses) {
                values.push(V::unpack(element).mul(*inverse).mul(scale).pack());
            }
        },
    );
    values
}

/// `1 / (element - point)`, with one inversion for all. Zero where a lane meets the point, which a
/// random point does with negligible probability.
#[inline(always)]
pub(super) fn inverses<V: Octet<Field = Fr>>(elements: &Column<V>, point: Fr) -> Vec<V> {
    let point = V::splat(point);
    let mut product = V::splat(Fr::ONE);
    let mut prefixes = Vec::with_capacity(elements.len());
    for x in elements {
        prefixes.push(product);
        product = product.mul(V::unpack(x).sub(point, 1));
    }
    let mut lanes = [Fr::ZERO; LANES];
    product.store(&mut lanes);
    let mut inverse = V::load(&lanes.map(|x| x.invert().unwrap_or(Fr::ZERO)));
    for (prefix, x) in prefixes.iter_mut().zip(elements).rev() {
        let here = inverse.mul(*prefix);
        inverse = inverse.mul(V::unpack(x).sub(point, 1));
        *prefix = here;
    }
    prefixes
}
