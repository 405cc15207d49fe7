//! Multi-scalar multiplication for committed columns: Pippenger's buckets over signed windows,
//! summed in affine coordinates with one inversion per round.
//!
//! Columns are far from uniform: lookup cells are small, accumulators stay constant over long runs
//! and a hash row's fixed parts repeat. So scalars below `2^16` go to a sum of their own with one
//! or two windows, and equal large scalars are merged into one by adding their bases first.

use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine, G1};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::Group;
use rayon::prelude::*;

/// A scalar, little-endian, and the index of its base.
type Term = ([u64; 4], usize);

/// Bits of a scalar that counts as small.
const SMALL_BITS: usize = 16;
/// Windows from which on buckets of all windows are summed side by side.
const MANY_WINDOWS: usize = 16;

/// `sum_i scalars_i bases_i`. There are at least as many bases as scalars.
pub(crate) fn msm(scalars: &[Fr], bases: &[G1Affine]) -> G1 {
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for (i, scalar) in scalars.iter().enumerate().filter(|(_, s)| **s != Fr::ZERO) {
        let limbs = limbs(scalar);
        let is_small = limbs[0] >> SMALL_BITS == 0 && limbs[1..] == [0; 3];
        if is_small { &mut small } else { &mut large }.push((limbs, i));
    }
    let points: Vec<G1Affine> = small.iter().map(|t| bases[t.1]).collect();
    let sum = pippenger(&small, &points);
    let points = merge(&mut large, bases);
    sum + pippenger(&large, &points)
}

fn limbs(scalar: &Fr) -> [u64; 4] {
    let bytes = scalar.to_repr();
    std::array::from_fn(|i| {
        let mut limb = [0; 8];
        limb.copy_from_slice(&bytes.as_ref()[8 * i..8 * i + 8]);
        u64::from_le_bytes(limb)
    })
}

/// Leaves one term per distinct scalar; returns the sum of the bases of each.
fn merge(terms: &mut Vec<Term>, bases: &[G1Affine]) -> Vec<G1Affine> {
    terms.sort_unstable();
    let mut points: Vec<G1Affine> = terms.iter().map(|t| bases[t.1]).collect();
    let mut lens: Vec<usize> = terms.chunk_by(|a, b| a.0 == b.0).map(<[Term]>::len).collect();
    if lens.len() < terms.len() {
        sum_runs(&mut points, &mut lens);
        points.truncate(lens.len());
        terms.dedup_by_key(|t| t.0);
    }
    points
}

fn bit_length(limbs: &[u64; 4]) -> usize {
    let top = limbs.iter().rposition(|l| *l != 0);
    top.map_or(0, |i| 64 * (i + 1) - limbs[i].leading_zeros() as usize)
}

/// `sum_i terms_i points_i`, whatever the terms' bases were.
fn pippenger(terms: &[Term], points: &[G1Affine]) -> G1 {
    let bits = terms.iter().map(|t| bit_length(&t.0)).max().unwrap_or(0);
    if bits == 0 {
        return G1::identity();
    }
    // Adding a point costs 1, passing a bucket two additions, dearer where windows are few.
    let cost = |width: usize| {
        let windows = bits / width + 1;
        let pass = if windows < MANY_WINDOWS { 7 } else { 3 };
        windows * (terms.len() + (pass << (width - 1)))
    };
    let width = (1..=SMALL_BITS).min_by_key(|w| cost(*w)).unwrap_or(1);
    let sums: Vec<Vec<G1Affine>> = (0..=bits / width)
        .into_par_iter()
        .map(|window| bucket_sums(terms, points, window, width))
        .collect();
    let totals = if sums.len() < MANY_WINDOWS {
        sums.iter().map(|s| weigh(s)).collect()
    } else {
        weigh_all(&sums)
    };
    totals.into_iter().rev().fold(G1::identity(), |acc, total| {
        (0..width).fold(acc, |doubled, _| doubled.double()) + total
    })
}

/// Digit of a window: in `[-2^(width-1), 2^(width-1)]`, such that `sum digit 2^(width window)` is
/// the scalar. Reads one bit below the window, which stands for the carry.
fn digit(limbs: &[u64; 4], window: usize, width: usize) -> i32 {
    let bit = window * width;
    let from = bit.saturating_sub(1);
    let (limb, shift) = (from / 64, from % 64);
    let low = limbs.get(limb).map_or(0, |l| l >> shift);
    let high = limbs.get(limb + 1).map_or(0, |l| l.checked_shl(64 - shift as u32).unwrap_or(0));
    let mut bits = low | high;
    if bit == 0 {
        bits <<= 1;
    }
    let bits = (bits & ((2 << width) - 1)) as i32;
    ((bits + 1) >> 1) - ((bits >> width) << width)
}

/// Sum of the points of each digit `1..=2^(width-1)`; negative digits count with minus signs.
fn bucket_sums(terms: &[Term], points: &[G1Affine], window: usize, width: usize) -> Vec<G1Affine> {
    let digits: Vec<i32> = terms.iter().map(|t| digit(&t.0, window, width)).collect();
    let mut lens = vec![0usize; 1 << (width - 1)];
    for d in digits.iter().filter(|d| **d != 0) {
        lens[d.unsigned_abs() as usize - 1] += 1;
    }
    let mut next: Vec<usize> = lens
        .iter()
        .scan(0, |at, len| {
            let start = *at;
            *at += len;
            Some(start)
        })
        .collect();
    let mut sorted = vec![G1Affine::identity(); lens.iter().sum()];
    for (d, point) in digits.iter().zip(points).filter(|(d, _)| **d != 0) {
        let at = &mut next[d.unsigned_abs() as usize - 1];
        sorted[*at] = if *d > 0 { *point } else { -*point };
        *at += 1;
    }
    sum_runs(&mut sorted, &mut lens);
    let mut left = sorted.into_iter();
    let mut take = |len: &usize| if *len == 0 { None } else { left.next() };
    lens.iter().map(|len| take(len).unwrap_or(G1Affine::identity())).collect()
}

/// Replaces each run of points by its sum; afterwards the sums of the non-empty runs stand in
/// front and the lengths are 0 or 1.
fn sum_runs(points: &mut [G1Affine], lens: &mut [usize]) {
    let mut inverses = Vec::new();
    while lens.iter().any(|len| *len > 1) {
        inverses.clear();
        let mut from = 0;
        for len in lens.iter() {
            let pairs = points[from..from + len].chunks_exact(2);
            inverses.extend(pairs.map(|p| denominator(&p[0], &p[1])));
            from += len;
        }
        invert(&mut inverses);
        let (mut from, mut to, mut next) = (0, 0, inverses.iter());
        for len in lens.iter_mut() {
            let end = from + *len;
            while from < end {
                points[to] = match (end - from, next.as_slice().first()) {
                    (2.., Some(inverse)) => {
                        next.next();
                        add(&points[from], &points[from + 1], inverse)
                    }
                    _ => points[from],
                };
                from = (from + 2).min(end);
                to += 1;
            }
            *len = len.div_ceil(2);
        }
    }
}

/// `sum_d d buckets_d`, digits counted from 1.
fn weigh(buckets: &[G1Affine]) -> G1 {
    let (mut running, mut total) = (G1::identity(), G1::identity());
    for bucket in buckets.iter().rev() {
        running += bucket;
        total += running;
    }
    total
}

/// [`weigh`] of every window, side by side: per step one inversion for all windows.
fn weigh_all(windows: &[Vec<G1Affine>]) -> Vec<G1> {
    let n = windows.len();
    let mut sums = vec![G1Affine::identity(); 2 * n];
    let mut steps = vec![G1Affine::identity(); 2 * n];
    let mut inverses = Vec::with_capacity(2 * n);
    // The first half runs over the buckets; the second adds up the first one step later.
    for bucket in (0..=windows[0].len()).rev() {
        for (i, window) in windows.iter().enumerate() {
            steps[i] = bucket.checked_sub(1).map_or(G1Affine::identity(), |b| window[b]);
            steps[n + i] = sums[i];
        }
        inverses.clear();
        inverses.extend(sums.iter().zip(&steps).map(|(a, b)| denominator(a, b)));
        invert(&mut inverses);
        for ((sum, step), inverse) in sums.iter_mut().zip(&steps).zip(&inverses) {
            *sum = add(sum, step, inverse);
        }
    }
    sums[n..].iter().map(PrimeCurveAffine::to_curve).collect()
}

fn is_identity(p: &G1Affine) -> bool {
    p.x == Fq::ZERO && p.y == Fq::ZERO
}

/// Denominator of the slope through two points; 1 where the sum needs no slope.
fn denominator(a: &G1Affine, b: &G1Affine) -> Fq {
    if is_identity(a) || is_identity(b) {
        Fq::ONE
    } else if a.x != b.x {
        b.x - a.x
    } else if a.y == b.y {
        a.y.double()
    } else {
        Fq::ONE
    }
}

/// `a + b`, given the inverse of their [`denominator`]. No point of the curve has order two.
fn add(a: &G1Affine, b: &G1Affine, inverse: &Fq) -> G1Affine {
    if is_identity(a) {
        return *b;
    }
    if is_identity(b) {
        return *a;
    }
    let numerator = if a.x != b.x {
        b.y - a.y
    } else if a.y == b.y {
        let square = a.x.square();
        square.double() + square
    } else {
        return G1Affine::identity();
    };
    let slope = numerator * inverse;
    let x = slope.square() - a.x - b.x;
    G1Affine { x, y: slope * (a.x - x) - a.y }
}

/// Inverts every element; none is zero.
fn invert(elements: &mut [Fq]) {
    let mut product = Fq::ONE;
    let prefixes: Vec<Fq> = elements
        .iter()
        .map(|x| {
            let before = product;
            product *= x;
            before
        })
        .collect();
    let mut inverse = product.invert().expect("denominators are not zero");
    for (x, before) in elements.iter_mut().zip(prefixes).rev() {
        let next = inverse * *x;
        *x = inverse * before;
        inverse = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::arithmetic::best_multiexp;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn check(scalars: &[Fr], bases: &[G1Affine]) {
        assert_eq!(msm(scalars, bases), best_multiexp(scalars, bases));
    }

    #[test]
    fn agrees_with_the_library_on_every_kind_of_scalar() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut bases: Vec<G1Affine> = (0..300).map(|_| G1Affine::random(&mut rng)).collect();
        let random: Vec<Fr> = (0..300).map(|_| Fr::random(&mut rng)).collect();
        let small: Vec<Fr> = (0..300u64).map(|i| Fr::from(i * i)).collect();
        let border = [0, 1, (1 << 16) - 1, 1 << 16, u64::MAX].map(Fr::from);
        check(&random, &bases);
        check(&small, &bases);
        check(&border, &bases[..5]);
        check(&[-Fr::ONE, Fr::ONE, -Fr::from(2), Fr::ZERO], &bases[..4]);
        check(&[random[0]; 300], &bases);
        check(&[Fr::ZERO; 3], &bases[..3]);
        let mixed: Vec<Fr> =
            (0..300).map(|i| [random[i], small[i], random[i / 7]][i % 3]).collect();
        check(&mixed, &bases);
        // Equal and opposite bases meet in one bucket.
        for i in (0..300).step_by(3) {
            bases[i + 1] = bases[i];
            bases[i + 2] = -bases[i];
        }
        check(&[Fr::from(3); 300], &bases);
        check(&[random[1]; 300], &bases);
        check(&random, &bases);
    }
}
