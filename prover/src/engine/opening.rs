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

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use rayon::prelude::*;

/// A polynomial and its values at `x` and, perhaps, at the previous point.
pub(crate) struct Opened<'a> {
    pub(crate) polynomial: &'a [Fr],
    pub(crate) here: Fr,
    pub(crate) before: Option<Fr>,
}

/// The polynomials of one set, combined.
struct Set {
    with_previous: bool,
    combined: Vec<Fr>,
    here: Fr,
    before: Fr,
}

/// The multi-opening between the verifier's challenges.
pub(crate) struct Opening {
    points: [Fr; 2],
    sets: Vec<Set>,
    v: Fr,
    first: Vec<Fr>,
}

impl Opening {
    /// Combines the polynomials, in order, at the points `x` and its predecessor.
    pub(crate) fn new(opened: &[Opened<'_>], points: [Fr; 2], y: Fr, v: Fr) -> Self {
        let kind = |o: &Opened<'_>| o.before.is_some();
        let first = opened.first().is_some_and(kind);
        let mut sets: Vec<Set> = [first, !first]
            .iter()
            .filter(|k| opened.iter().any(|o| kind(o) == **k))
            .map(|k| Set::new(opened.iter().filter(|o| kind(o) == *k).collect(), *k, y))
            .collect();
        let mut quotient = vec![Fr::ZERO; sets[0].combined.len()];
        let mut power = Fr::ONE;
        for set in &mut sets {
            let part = set.quotient(points);
            quotient.par_iter_mut().zip(&part).for_each(|(q, p)| *q += power * p);
            power *= v;
        }
        Self { points, sets, v, first: quotient }
    }

    /// Coefficients of `h1`.
    pub(crate) fn first(&self) -> &[Fr] {
        &self.first
    }

    /// Coefficients of `h2` at the challenge `u`.
    pub(crate) fn second(mut self, u: Fr) -> Vec<Fr> {
        let [to_x, to_previous] = self.points.map(|p| u - p);
        let outside = |set: &Set| if set.with_previous { Fr::ONE } else { to_previous };
        let all =
            to_x * if self.sets.iter().any(|s| s.with_previous) { to_previous } else { Fr::ONE };
        let normalize = outside(&self.sets[0]).invert().unwrap_or(Fr::ZERO);
        let minus_all = -all * normalize;
        self.first.par_iter_mut().for_each(|c| *c *= minus_all);
        let mut power = normalize;
        for set in &self.sets {
            let scale = power * outside(set);
            self.first[0] -= scale * set.value(u, self.points);
            let terms = self.first.par_iter_mut().zip(&set.combined);
            terms.for_each(|(c, p)| *c += scale * p);
            power *= self.v;
        }
        divide(&mut self.first, u);
        self.first
    }
}

impl Set {
    fn new(opened: Vec<&Opened<'_>>, with_previous: bool, y: Fr) -> Self {
        let n = opened.iter().map(|o| o.polynomial.len()).max().unwrap_or(0);
        let powers: Vec<Fr> =
            std::iter::successors(Some(Fr::ONE), |p| Some(*p * y)).take(opened.len()).collect();
        let mut combined = vec![Fr::ZERO; n];
        combined.par_chunks_mut(256).enumerate().for_each(|(chunk, sum)| {
            for (o, power) in opened.iter().zip(&powers) {
                let from = &o.polynomial[(chunk * 256).min(o.polynomial.len())..];
                sum.iter_mut().zip(from).for_each(|(s, c)| *s += *power * c);
            }
        });
        let fold = |value: fn(&Opened<'_>) -> Fr| -> Fr {
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

    /// Coefficients of `(C_s - R_s) / Z_s`.
    fn quotient(&self, points: [Fr; 2]) -> Vec<Fr> {
        let mut numerator = self.combined.clone();
        let (slope, constant) = self.line(points);
        numerator[0] -= constant;
        numerator[1] -= slope;
        divide(&mut numerator, points[0]);
        if self.with_previous {
            divide(&mut numerator, points[1]);
        }
        numerator
    }
}

/// Divides by `X - root`, dropping the remainder.
fn divide(coefficients: &mut [Fr], root: Fr) {
    let mut carry = Fr::ZERO;
    for c in coefficients.iter_mut().rev() {
        let next = *c + carry * root;
        *c = carry;
        carry = next;
    }
}
