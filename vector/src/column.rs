//! Columns and polynomials: eight elements to an octet.

use halo2_proofs::halo2curves::bn256::Fr;
use rayon::prelude::*;

use crate::{Octet, LANES};

/// A column or a polynomial, packed. Coefficients stand in bit-reversed order.
pub type Column<V> = Vec<<V as Octet>::Packed>;

/// Packs elements; their number is a multiple of eight.
pub fn pack<V: Octet<Field = Fr>>(elements: &[Fr]) -> Column<V> {
    let mut column = Vec::with_capacity(elements.len() / LANES);
    V::run(
        #[inline(always)]
        || {
            for xs in elements.chunks_exact(LANES) {
                column.push(V::load(xs).pack());
            }
        },
    );
    column
}

/// The elements of a column.
pub fn unpack<V: Octet<Field = Fr>>(column: &[V::Packed]) -> Vec<Fr> {
    let mut elements = vec![Fr::from(0); column.len() * LANES];
    V::run(
        #[inline(always)]
        || {
            for (xs, octet) in elements.chunks_exact_mut(LANES).zip(column) {
                V::unpack(octet).store(xs);
            }
        },
    );
    elements
}

/// `1, base, base^2, ..` in bit-reversed order, as coefficients stand.
pub fn powers<V: Octet<Field = Fr>>(base: Fr, n: usize) -> Column<V> {
    let mut powers = powers_in_order(base, n);
    reverse_bits(&mut powers);
    pack::<V>(&powers)
}

/// `sum_i a_i b_i`
pub fn inner_product<V: Octet<Field = Fr>>(a: &[V::Packed], b: &[V::Packed]) -> Fr {
    let mut lanes = [Fr::from(0); LANES];
    V::run(
        #[inline(always)]
        || {
            let mut sum = V::splat(Fr::from(0));
            for (x, y) in a.iter().zip(b) {
                sum = sum.add(V::unpack(x).mul(V::unpack(y))).reduce();
            }
            sum.store(&mut lanes);
        },
    );
    lanes.iter().sum()
}

/// `sum_j weights_j columns_j` of columns of `n` elements.
pub fn combine<V: Octet<Field = Fr>>(
    n: usize,
    columns: &[&Column<V>],
    weights: &[Fr],
) -> Column<V> {
    let octets = n / LANES;
    let part = octets.div_ceil(rayon::current_num_threads());
    let combine = |from: usize| -> Column<V> {
        let mut sums = Vec::with_capacity(part);
        V::run(
            #[inline(always)]
            || {
                let weights = splat_all::<V>(weights);
                for i in from..octets.min(from + part) {
                    let mut sum = V::splat(Fr::from(0));
                    for (column, weight) in columns.iter().zip(&weights) {
                        sum = sum.add(V::unpack(&column[i]).mul(*weight)).reduce();
                    }
                    sums.push(sum.pack());
                }
            },
        );
        sums
    };
    let parts: Vec<usize> = (0..octets).step_by(part).collect();
    parts.into_par_iter().flat_map_iter(combine).collect()
}

/// Each element, eight times.
#[inline(always)]
pub fn splat_all<V: Octet<Field = Fr>>(elements: &[Fr]) -> Vec<V> {
    let mut all = Vec::with_capacity(elements.len());
    for x in elements {
        all.push(V::splat(*x));
    }
    all
}

/// `1, base, base^2, ..`
#[must_use]
pub fn powers_in_order(base: Fr, n: usize) -> Vec<Fr> {
    std::iter::successors(Some(Fr::from(1)), |p| Some(*p * base)).take(n).collect()
}

/// Element `i` moves to where its index, read backwards, says.
pub fn reverse_bits<T>(values: &mut [T]) {
    let n = values.len();
    let bits = n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            values.swap(i, j);
        }
    }
}
