//! Number-theoretic transforms over `2^k` roots of unity, or a coset of them. Serial: a prover works
//! on many columns at once.
//!
//! Values stand in order, coefficients in bit-reversed order, so neither direction moves anything.
//! Two layers are done at once, and parts that fit the cache are finished before the next one is
//! touched.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use crate::column::pack;
use crate::{Column, Octet, LANES};

/// Octets of a part that fits the second-level cache.
const PART: usize = 1 << 11;

/// `shift` times a domain of `n` elements, at least 16.
#[derive(Debug)]
pub struct Coset<V: Octet> {
    forward: Roots<V>,
    backward: Roots<V>,
    octets: usize,
    n_inverse: Fr,
}

/// The points at which the layers meet.
#[derive(Debug)]
struct Roots<V: Octet> {
    /// Of layers that meet inside of an octet, at distance 1, 2, 4.
    near: [V::Packed; 3],
    /// Entries `h..2h` of layers at distance `h` octets.
    far: Column<V>,
}

impl<V: Octet<Field = Fr>> Coset<V> {
    /// For `shift` times the domain that `omega` generates.
    pub fn new(n: usize, omega: Fr, shift: Fr) -> Self {
        assert!(n >= 2 * LANES, "a domain of two octets or more");
        let invert = |x: Fr| x.invert().expect("roots of unity, shifts and n are not zero");
        Self {
            forward: Roots::new(&layers(n, omega, shift)),
            backward: Roots::new(&layers(n, invert(omega), invert(shift))),
            octets: n / LANES,
            n_inverse: invert(Fr::from(n as u64)),
        }
    }

    /// Values of the polynomial with these coefficients.
    ///
    /// # Panics
    /// If their number is not the domain's.
    pub fn evaluate(&self, coefficients: &[V::Packed]) -> Column<V> {
        assert_eq!(coefficients.len(), self.octets, "coefficients of the domain");
        V::run(
            #[inline(always)]
            || {
                let mut work = spread::<V>(coefficients);
                let near = &self.forward.near;
                let (one, two, four) =
                    (V::unpack(&near[0]), V::unpack(&near[1]), V::unpack(&near[2]));
                for pair in work.chunks_exact_mut(2) {
                    rise_near::<V, 1>(pair, one);
                    rise_near::<V, 2>(pair, two);
                    rise_near::<V, 4>(pair, four);
                }
                rise(&mut work, &self.forward.far);
                gather(&work, V::splat(Fr::ONE))
            },
        )
    }

    /// Coefficients of the polynomial with these values.
    ///
    /// # Panics
    /// If their number is not the domain's.
    pub fn interpolate(&self, values: &[V::Packed]) -> Column<V> {
        assert_eq!(values.len(), self.octets, "values of the domain");
        V::run(
            #[inline(always)]
            || {
                let mut work = spread::<V>(values);
                fall(&mut work, &self.backward.far);
                let near = &self.backward.near;
                let (one, two, four) =
                    (V::unpack(&near[0]), V::unpack(&near[1]), V::unpack(&near[2]));
                for pair in work.chunks_exact_mut(2) {
                    fall_near::<V, 4>(pair, four);
                    fall_near::<V, 2>(pair, two);
                    fall_near::<V, 1>(pair, one);
                }
                gather(&work, V::splat(self.n_inverse))
            },
        )
    }
}

#[inline(always)]
fn spread<V: Octet>(column: &[V::Packed]) -> Vec<V> {
    let mut work = Vec::with_capacity(column.len());
    for octet in column {
        work.push(V::unpack(octet));
    }
    work
}

/// Packs values times `scale`.
#[inline(always)]
fn gather<V: Octet>(work: &[V], scale: V) -> Column<V> {
    let mut column = Vec::with_capacity(work.len());
    for octet in work {
        column.push(octet.mul(scale).pack());
    }
    column
}

impl<V: Octet<Field = Fr>> Roots<V> {
    fn new(layers: &[Fr]) -> Self {
        let near = |half: usize| {
            let root = |i: usize| layers[half + i % half];
            pack::<V>(&std::array::from_fn::<Fr, LANES, _>(root))[0]
        };
        Self { near: [near(1), near(2), near(4)], far: pack::<V>(layers) }
    }
}

/// The points at which each layer meets, without those that differ in sign: entry `m + j` is
/// `shift^(n/2m)` times the `j`-th power of the `2m`-th root of unity. So a shift costs nothing.
fn layers(n: usize, omega: Fr, shift: Fr) -> Vec<Fr> {
    let mut roots = vec![Fr::ONE; n];
    let (mut half, mut root, mut shift) = (n / 2, omega, shift);
    while half > 0 {
        let mut point = shift;
        for entry in &mut roots[half..2 * half] {
            *entry = point;
            point *= root;
        }
        half /= 2;
        root = root.square();
        shift = shift.square();
    }
    roots
}

/// Evaluates: adds 2 to the bound. Roots have bound 1.
#[inline(always)]
fn rise_at<V: Octet>(low: &mut V, high: &mut V, root: V) {
    let turned = high.mul(root);
    *high = low.sub(turned, 2);
    *low = low.add(turned);
}

/// Interpolates values of bound 8: the first result has bound 16, the second 2.
#[inline(always)]
fn fall_at<V: Octet>(low: &mut V, high: &mut V, root: V) {
    let difference = low.sub(*high, 8);
    *low = low.add(*high);
    *high = difference.mul(root);
}

#[inline(always)]
fn rise_near<V: Octet, const HALF: usize>(pair: &mut [V], root: V) {
    let (mut low, mut high) = V::split::<HALF>(pair[0], pair[1]);
    rise_at(&mut low, &mut high, root);
    (pair[0], pair[1]) = V::join::<HALF>(low, high);
}

#[inline(always)]
fn fall_near<V: Octet, const HALF: usize>(pair: &mut [V], root: V) {
    let (mut low, mut high) = V::split::<HALF>(pair[0], pair[1]);
    fall_at(&mut low, &mut high, root);
    (pair[0], pair[1]) = V::join::<HALF>(low.reduce(), high);
}

/// All layers between octets, upwards. With those inside of octets `k` layers make a bound of 2 + 2 k,
/// 58 for the largest domain of the field.
#[inline(always)]
fn rise<V: Octet>(work: &mut [V], roots: &[V::Packed]) {
    let (n, mut half) = (work.len(), 1);
    for part in work.chunks_exact_mut(n.min(PART)) {
        half = 1;
        if part.len().trailing_zeros() % 2 == 1 {
            for p in part.chunks_exact_mut(2) {
                rise_two(p, roots, 1);
            }
            half = 2;
        }
        while half < part.len() {
            for p in part.chunks_exact_mut(4 * half) {
                rise_four(p, roots, half);
            }
            half *= 4;
        }
    }
    while half < n {
        if 2 * half == n {
            rise_two(work, roots, half);
        } else {
            for p in work.chunks_exact_mut(4 * half) {
                rise_four(p, roots, half);
            }
        }
        half *= 4;
    }
}

/// All layers between octets, downwards.
#[inline(always)]
fn fall<V: Octet>(work: &mut [V], roots: &[V::Packed]) {
    let (n, mut half) = (work.len(), work.len() / 2);
    while 2 * half > PART {
        if half == PART {
            for p in work.chunks_exact_mut(2 * half) {
                fall_two(p, roots, half);
            }
            half /= 2;
        } else {
            for p in work.chunks_exact_mut(2 * half) {
                fall_four(p, roots, half / 2);
            }
            half /= 4;
        }
    }
    for part in work.chunks_exact_mut(n.min(PART)) {
        let mut half = part.len() / 2;
        while half > 1 {
            for p in part.chunks_exact_mut(2 * half) {
                fall_four(p, roots, half / 2);
            }
            half /= 4;
        }
        if half == 1 {
            for p in part.chunks_exact_mut(2) {
                fall_two(p, roots, 1);
            }
        }
    }
}

#[inline(always)]
fn rise_two<V: Octet>(part: &mut [V], roots: &[V::Packed], half: usize) {
    let (low, high) = part.split_at_mut(half);
    for ((a, b), root) in low.iter_mut().zip(high).zip(&roots[half..2 * half]) {
        rise_at(a, b, V::unpack(root));
    }
}

#[inline(always)]
fn fall_two<V: Octet>(part: &mut [V], roots: &[V::Packed], half: usize) {
    let (low, high) = part.split_at_mut(half);
    for ((a, b), root) in low.iter_mut().zip(high).zip(&roots[half..2 * half]) {
        fall_at(a, b, V::unpack(root));
        *a = a.reduce();
    }
}

/// The layers at `half` and at twice that.
#[inline(always)]
fn rise_four<V: Octet>(part: &mut [V], roots: &[V::Packed], half: usize) {
    for j in 0..half {
        let at = [j, j + half, j + 2 * half, j + 3 * half];
        let (mut a, mut b) = (part[at[0]], part[at[1]]);
        let (mut c, mut d) = (part[at[2]], part[at[3]]);
        let near = V::unpack(&roots[half + j]);
        rise_at(&mut a, &mut b, near);
        rise_at(&mut c, &mut d, near);
        rise_at(&mut a, &mut c, V::unpack(&roots[2 * half + j]));
        rise_at(&mut b, &mut d, V::unpack(&roots[3 * half + j]));
        (part[at[0]], part[at[1]], part[at[2]], part[at[3]]) = (a, b, c, d);
    }
}

/// The layers at twice `half` and at `half`. Values of bound 4 stay so.
#[inline(always)]
fn fall_four<V: Octet>(part: &mut [V], roots: &[V::Packed], half: usize) {
    for j in 0..half {
        let at = [j, j + half, j + 2 * half, j + 3 * half];
        let (mut a, mut b) = (part[at[0]], part[at[1]]);
        let (mut c, mut d) = (part[at[2]], part[at[3]]);
        fall_at(&mut a, &mut c, V::unpack(&roots[2 * half + j]));
        fall_at(&mut b, &mut d, V::unpack(&roots[3 * half + j]));
        let near = V::unpack(&roots[half + j]);
        fall_at(&mut a, &mut b, near);
        fall_at(&mut c, &mut d, near);
        (part[at[0]], part[at[1]], part[at[2]], part[at[3]]) = (a.reduce(), b, c, d);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{reverse_bits, unpack};
    use crate::Portable;
    use ff::PrimeField;
    use halo2_proofs::arithmetic::eval_polynomial;

    #[test]
    fn transforms_evaluate_and_interpolate() {
        for k in [4, 5, 6, 7, 13, 15, 16] {
            check::<Portable<Fr>>(k);
            #[cfg(target_arch = "x86_64")]
            if crate::has_ifma() {
                check::<crate::Ifma<Fr>>(k);
            }
        }
    }

    fn check<V: Octet<Field = Fr>>(k: u32) {
        let n = 1 << k;
        let omega = Fr::ROOT_OF_UNITY.pow_vartime([1 << (Fr::S - k)]);
        let shift = Fr::from(7);
        let coset = Coset::<V>::new(n, omega, shift);
        let coefficients: Vec<Fr> = (0..n as u64).map(|i| -Fr::from(i * i + 3)).collect();
        let mut reversed = coefficients.clone();
        reverse_bits(&mut reversed);
        let values = coset.evaluate(&pack::<V>(&reversed));
        assert_eq!(unpack::<V>(&coset.interpolate(&values)), reversed);
        for (i, value) in unpack::<V>(&values).iter().enumerate().step_by(n / 16) {
            let at = shift * omega.pow_vartime([i as u64]);
            assert_eq!(*value, eval_polynomial(&coefficients, at));
        }
    }
}
