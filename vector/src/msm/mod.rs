//! Multi-scalar multiplication for committed columns: Pippenger's buckets over signed windows,
//! summed in affine coordinates, eight additions at a time, with one inversion per round.
//!
//! Columns are far from uniform: lookup cells are small, accumulators stay constant over long runs
//! and a hash row's fixed parts repeat. So scalars below `2^16` go to a sum of their own with one
//! or two windows, and equal large scalars are merged into one by adding their bases first.

mod buckets;
mod sums;

use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine, G1};
use halo2_proofs::halo2curves::group::Group;
use rayon::prelude::*;

use crate::Octet;
use sums::{sum_runs, Indexed};

/// A scalar, little-endian, and the index of its base.
type Term = ([u64; 4], u32);

/// Bits of a scalar that counts as small.
const SMALL_BITS: usize = 16;

/// `sum_i scalars_i bases_i`. There are at least as many bases as scalars, none at infinity.
pub fn msm<V: Octet<Field = Fq>>(scalars: &[Fr], bases: &[V::Pair]) -> G1 {
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for (i, scalar) in (0..).zip(scalars).filter(|(_, s)| **s != Fr::ZERO) {
        let limbs = limbs(scalar);
        let is_small = limbs[0] >> SMALL_BITS == 0 && limbs[1..] == [0; 3];
        if is_small { &mut small } else { &mut large }.push((limbs, i));
    }
    let sum = pippenger::<V>(&small, bases);
    let merged = merge::<V>(&mut large, bases);
    sum + pippenger::<V>(&large, merged.as_deref().unwrap_or(bases))
}

/// Points as [`msm`] takes them.
pub fn encode<V: Octet<Field = Fq>>(points: &[G1Affine]) -> Vec<V::Pair> {
    let mut pairs = Vec::with_capacity(points.len());
    V::run(
        #[inline(always)]
        || {
            for p in points {
                pairs.push(V::pair(p.x, p.y));
            }
        },
    );
    pairs
}

fn decode<V: Octet<Field = Fq>>(pair: &V::Pair) -> G1Affine {
    let [x, y] = V::run(
        #[inline(always)]
        || V::elements(pair),
    );
    G1Affine { x, y }
}

fn limbs(scalar: &Fr) -> [u64; 4] {
    let bytes = scalar.to_repr();
    std::array::from_fn(|i| {
        let mut limb = [0; 8];
        limb.copy_from_slice(&bytes.as_ref()[8 * i..8 * i + 8]);
        u64::from_le_bytes(limb)
    })
}

/// Leaves one term per distinct scalar; returns the sum of the bases of each, if any are equal.
fn merge<V: Octet<Field = Fq>>(terms: &mut Vec<Term>, bases: &[V::Pair]) -> Option<Vec<V::Pair>> {
    terms.sort_unstable();
    let lens: Vec<u32> = terms.chunk_by(|a, b| a.0 == b.0).map(|run| run.len() as u32).collect();
    if lens.len() == terms.len() {
        return None;
    }
    let indices: Vec<Indexed> = terms.iter().map(|t| Indexed::new(t.1, false)).collect();
    terms.dedup_by_key(|t| t.0);
    let sums = sum_runs::<V>(bases, indices, lens);
    // Sums at infinity have no coordinates: their terms add nothing.
    let (mut points, mut kept) = (Vec::with_capacity(sums.len()), Vec::with_capacity(sums.len()));
    for (sum, term) in sums.into_iter().zip(&*terms) {
        if let Some(point) = sum {
            kept.push((term.0, points.len() as u32));
            points.push(point);
        }
    }
    *terms = kept;
    Some(points)
}

fn bit_length(limbs: &[u64; 4]) -> usize {
    let top = limbs.iter().rposition(|l| *l != 0);
    top.map_or(0, |i| 64 * (i + 1) - limbs[i].leading_zeros() as usize)
}

fn pippenger<V: Octet<Field = Fq>>(terms: &[Term], points: &[V::Pair]) -> G1 {
    let bits = terms.iter().map(|t| bit_length(&t.0)).max().unwrap_or(0);
    if bits == 0 {
        return G1::identity();
    }
    // An addition to a bucket costs 1, passing a bucket two general ones.
    let cost = |width: usize| (bits / width + 1) * (terms.len() + (PASS << (width - 1)));
    let width = (1..=SMALL_BITS).min_by_key(|w| cost(*w)).unwrap_or(1);
    let sums: Vec<G1> = (0..=bits / width)
        .into_par_iter()
        .map(|window| window_sum::<V>(terms, points, window, width))
        .collect();
    sums.into_iter()
        .rev()
        .fold(G1::identity(), |acc, sum| (0..width).fold(acc, |doubled, _| doubled.double()) + sum)
}

/// Additions to a bucket that take as long as passing one.
const PASS: usize = 4;

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

/// `sum_i digit_i points_i`: the points of each digit are added up, negative ones with minus signs.
fn window_sum<V: Octet<Field = Fq>>(
    terms: &[Term],
    points: &[V::Pair],
    window: usize,
    width: usize,
) -> G1 {
    let digits: Vec<i32> = terms.iter().map(|t| digit(&t.0, window, width)).collect();
    let mut lens = vec![0u32; 1 << (width - 1)];
    for d in digits.iter().filter(|d| **d != 0) {
        lens[d.unsigned_abs() as usize - 1] += 1;
    }
    let mut next: Vec<u32> = lens
        .iter()
        .scan(0, |at, len| {
            let start = *at;
            *at += len;
            Some(start)
        })
        .collect();
    let mut sorted = vec![Indexed::default(); lens.iter().sum::<u32>() as usize];
    for (d, term) in digits.iter().zip(terms).filter(|(d, _)| **d != 0) {
        let at = &mut next[d.unsigned_abs() as usize - 1];
        sorted[*at as usize] = Indexed::new(term.1, *d < 0);
        *at += 1;
    }
    let used: Vec<bool> = lens.iter().map(|len| *len > 0).collect();
    lens.retain(|len| *len > 0);
    let mut sums = sum_runs::<V>(points, sorted, lens).into_iter();
    let buckets: Vec<Option<V::Pair>> =
        used.into_iter().map(|used| if used { sums.next().flatten() } else { None }).collect();
    buckets::weigh::<V>(&buckets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Portable;
    use halo2_proofs::arithmetic::best_multiexp;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn check(scalars: &[Fr], bases: &[G1Affine]) {
        let expected = best_multiexp(scalars, bases);
        assert_eq!(msm::<Portable<Fq>>(scalars, &encode::<Portable<Fq>>(bases)), expected);
        #[cfg(target_arch = "x86_64")]
        if crate::has_ifma() {
            use crate::Ifma;
            assert_eq!(msm::<Ifma<Fq>>(scalars, &encode::<Ifma<Fq>>(bases)), expected);
        }
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

    #[test]
    fn agrees_with_the_library_on_many_terms() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let bases: Vec<G1Affine> = (0..5_000).map(|_| G1Affine::random(&mut rng)).collect();
        let random: Vec<Fr> = (0..5_000).map(|_| Fr::random(&mut rng)).collect();
        check(&random, &bases);
        let runs: Vec<Fr> = (0..5_000).map(|i| random[i / 9]).collect();
        check(&runs, &bases);
    }
}
