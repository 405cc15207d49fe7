//! Multi-scalar multiplication for committed columns: Pippenger's buckets over signed windows,
//! summed in affine coordinates, eight additions at a time, with one inversion per round.
//!
//! Columns are far from uniform: lookup cells are small, accumulators stay constant over long runs
//! and a hash row's fixed parts repeat. So scalars below `2^16` go to a sum of their own with one
//! or two windows, and equal large scalars are merged into one by adding their bases first.

mod buckets;
mod digits;
mod multiples;
mod points;
mod sums;
mod terms;
mod transform;

use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine, G1};
use halo2_proofs::halo2curves::group::Group;
use rayon::prelude::*;

use crate::Octet;
use digits::{digits, Digit, MAX_WIDTH};
pub use multiples::multiples;
use sums::{Indexed, Runs, Scratch};
use terms::Terms;
pub use transform::interpolate_points;

/// `sum_i scalars_i bases_i`. There are at least as many bases as scalars, none at infinity.
pub fn msm<V: Octet<Field = Fq>>(scalars: &[Fr], bases: &[V::Pair]) -> G1 {
    let (small, mut large) = terms::split(scalars);
    let sum = pippenger::<V>(&small, bases);
    let merged = terms::merge::<V>(&mut large, bases);
    sum + pippenger::<V>(&Terms::from(large), merged.as_deref().unwrap_or(bases))
}

/// Terms whose bases fit the cache.
const PART: usize = 1 << 18;

/// [`msm`] of any number of terms, a part of them at a time: bases that leave the cache take a third more.
pub fn msm_in_parts<V: Octet<Field = Fq>>(scalars: &[Fr], bases: &[V::Pair]) -> G1 {
    let parts = scalars.chunks(PART).zip(bases.chunks(PART));
    parts.map(|(scalars, bases)| msm::<V>(scalars, bases)).sum()
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

/// The point of a pair.
pub fn decode<V: Octet<Field = Fq>>(pair: &V::Pair) -> G1Affine {
    let [x, y] = V::run(
        #[inline(always)]
        || V::elements(pair),
    );
    G1Affine { x, y }
}

/// Additions to a bucket that take as long as passing one.
const PASS: usize = 2;

fn pippenger<V: Octet<Field = Fq>>(terms: &Terms, points: &[V::Pair]) -> G1 {
    let bits = terms.bits();
    if bits == 0 {
        return G1::identity();
    }
    let cost = |width: usize| (bits / width + 1) * (terms.len() + (PASS << (width - 1)));
    let width = (1..=MAX_WIDTH).min_by_key(|w| cost(*w)).unwrap_or(1);
    let sums: Vec<G1> = (0..=bits / width)
        .into_par_iter()
        .map_init(Scratch::default, |scratch, window| {
            let digits = V::run(
                #[inline(always)]
                || digits(&terms.limbs, window, width),
            );
            window_sum::<V>(scratch, &terms.bases, &digits, points, 1 << (width - 1))
        })
        .collect();
    sums.into_iter()
        .rev()
        .fold(G1::identity(), |acc, sum| (0..width).fold(acc, |doubled, _| doubled.double()) + sum)
}

/// `sum_i digit_i points_i`: the points of each digit are added up, negative ones with minus signs.
fn window_sum<V: Octet<Field = Fq>>(
    scratch: &mut Scratch<V>,
    bases: &[u32],
    digits: &[Digit],
    points: &[V::Pair],
    buckets: usize,
) -> G1 {
    let mut lens = vec![0u32; buckets];
    for bucket in digits.iter().filter_map(|d| d.bucket()) {
        lens[bucket] += 1;
    }
    let signed = digits.iter().zip(bases).filter_map(
        #[inline(always)]
        |(d, base)| d.bucket().map(|bucket| (bucket, Indexed::new(*base, d.is_negative()))),
    );
    let runs = Runs::sorted(&lens, signed);
    let mut sums = scratch.sum_runs(points, runs).into_iter();
    let buckets: Vec<Option<V::Pair>> =
        lens.iter().map(|len| if *len > 0 { sums.next().flatten() } else { None }).collect();
    buckets::weigh::<V>(&buckets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Portable;
    use ff::Field;
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
