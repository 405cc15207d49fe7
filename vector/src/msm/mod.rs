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

use std::sync::{Mutex, MutexGuard, PoisonError};

use ff::PrimeField as _;
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

/// [`msm`] of any number of terms, few of them equal, a part of them at a time: bases that leave the cache take a third
/// more. All parts share their buckets, which are weighed once.
pub fn msm_in_parts<V: Octet<Field = Fq>>(scalars: &[Fr], bases: &[V::Pair]) -> G1 {
    sum_of_parts::<V>(scalars, bases, PART)
}

fn sum_of_parts<V: Octet<Field = Fq>>(scalars: &[Fr], bases: &[V::Pair], part: usize) -> G1 {
    let mut windows = Windows::<V>::new(Fr::NUM_BITS as usize, part.min(scalars.len()));
    let parts = scalars.chunks(part).zip(bases.chunks(part));
    let small = parts.map(|(scalars, bases)| {
        let (small, large) = terms::split(scalars);
        windows.add(&Terms::from(large), bases);
        pippenger::<V>(&small, bases)
    });
    small.sum::<G1>() + windows.total()
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
    let mut windows = Windows::<V>::new(terms.bits(), terms.len());
    windows.add(terms, points);
    windows.total()
}

/// The buckets of every window of a sum. In each are the points of all terms that have the window's digit.
struct Windows<V: Octet<Field = Fq>> {
    width: usize,
    buckets: Vec<Buckets<V::Pair>>,
    /// Memory that nobody uses at the moment.
    idle: Mutex<Vec<Scratch<V>>>,
}

/// Sums of points by digit, none for infinity; empty as long as there are none.
type Buckets<P> = Vec<Option<P>>;

impl<V: Octet<Field = Fq>> Windows<V> {
    /// For scalars of so many bits, as wide as suits so many terms at a time.
    fn new(bits: usize, terms: usize) -> Self {
        let cost = |width: &usize| (bits / width + 1) * (terms + (PASS << (width - 1)));
        let width = (1..=MAX_WIDTH).min_by_key(cost).unwrap_or(1);
        let count = if bits == 0 { 0 } else { bits / width + 1 };
        Self { width, buckets: vec![Vec::new(); count], idle: Mutex::default() }
    }

    /// Puts terms into the buckets.
    fn add(&mut self, terms: &Terms, points: &[V::Pair]) {
        let (width, idle) = (self.width, &self.idle);
        let add = |(window, buckets): (usize, &mut Buckets<V::Pair>)| {
            let digits = V::run(
                #[inline(always)]
                || digits(&terms.limbs, window, width),
            );
            let mut scratch = lock(idle).pop().unwrap_or_default();
            let bases = (terms.bases.as_slice(), digits.as_slice());
            let more = sums_by_digit(&mut scratch, bases, points, 1 << (width - 1));
            *buckets = buckets::add(&mut scratch, std::mem::take(buckets), more);
            lock(idle).push(scratch);
        };
        self.buckets.par_iter_mut().enumerate().for_each(add);
    }

    /// The sum of all terms.
    fn total(&self) -> G1 {
        let sums: Vec<G1> = self.buckets.par_iter().map(|b| buckets::weigh::<V>(b)).collect();
        let double = |acc: G1| (0..self.width).fold(acc, |doubled, _| doubled.double());
        sums.into_iter().rev().fold(G1::identity(), |acc, sum| double(acc) + sum)
    }
}

/// What a thread that panicked left is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The points of each digit are added up, negative ones with minus signs.
fn sums_by_digit<V: Octet<Field = Fq>>(
    scratch: &mut Scratch<V>,
    (bases, digits): (&[u32], &[Digit]),
    points: &[V::Pair],
    buckets: usize,
) -> Buckets<V::Pair> {
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
    lens.iter().map(|len| if *len > 0 { sums.next().flatten() } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Portable;
    use ff::Field;
    use halo2_proofs::arithmetic::best_multiexp;
    use halo2_proofs::halo2curves::group::Curve as _;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn check(scalars: &[Fr], bases: &[G1Affine]) {
        check_with::<Portable<Fq>>(scalars, bases);
        #[cfg(target_arch = "x86_64")]
        if crate::has_ifma() {
            check_with::<crate::Ifma<Fq>>(scalars, bases);
        }
    }

    fn check_with<V: Octet<Field = Fq>>(scalars: &[Fr], bases: &[G1Affine]) {
        let expected = best_multiexp(scalars, bases);
        let bases = encode::<V>(bases);
        assert_eq!(msm::<V>(scalars, &bases), expected);
        for part in [PART, 128] {
            assert_eq!(sum_of_parts::<V>(scalars, &bases, part), expected);
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
        // Sums of neighbours meet, round after round.
        let mut progression = vec![bases[0]; 300];
        for i in 1..300 {
            progression[i] = (progression[i - 1] + bases[0]).to_affine();
        }
        check(&[random[1]; 300], &progression);
        check(&random, &progression);
        check(&small, &progression);
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
