//! Many multiples of one point, by a table of its multiples in every window of a scalar.

use ff::{Field, PrimeField as _};
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine, G1};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine as _;
use halo2_proofs::halo2curves::group::{Curve as _, Group as _};
use rayon::prelude::*;

use super::digits::digits;
use super::encode;
use super::sums::{Indexed, Runs, Scratch};
use super::terms::Terms;
use crate::Octet;

/// Bits of a window.
const WIDTH: usize = 13;
/// Windows of a scalar.
const WINDOWS: usize = Fr::NUM_BITS as usize / WIDTH + 1;
/// Multiples of a window: digits have signs.
const MULTIPLES: usize = 1 << (WIDTH - 1);
/// Scalars of one piece of work.
const PART: usize = 1 << 13;

/// `scalar point` for every scalar; none where one of them is infinity.
#[must_use]
pub fn multiples<V: Octet<Field = Fq>>(point: &G1Affine, scalars: &[Fr]) -> Option<Vec<V::Pair>> {
    if bool::from(point.is_identity()) || scalars.iter().any(|s| bool::from(s.is_zero())) {
        return None;
    }
    let table = table::<V>(point)?;
    let parts: Option<Vec<Vec<V::Pair>>> =
        scalars.par_chunks(PART).map(|scalars| sums::<V>(&table, scalars)).collect();
    parts.map(|parts| parts.concat())
}

/// Entry `MULTIPLES window + digit - 1` is `digit 2^(WIDTH window)` times the point.
fn table<V: Octet<Field = Fq>>(point: &G1Affine) -> Option<Vec<V::Pair>> {
    let doubled = |p: &G1| Some(p.double());
    let powers: Vec<G1> =
        std::iter::successors(Some(point.to_curve()), doubled).take(WIDTH * WINDOWS).collect();
    let mut affine = vec![G1Affine::identity(); powers.len()];
    G1::batch_normalize(&powers, &mut affine);
    let powers = encode::<V>(&affine);
    let (mut indices, mut lens) = (Vec::new(), Vec::new());
    for window in 0..WINDOWS {
        for digit in 1..=MULTIPLES {
            let bits = (0..WIDTH).filter(|bit| digit >> bit & 1 == 1);
            let before = indices.len();
            indices.extend(bits.map(|bit| Indexed::new((WIDTH * window + bit) as u32, false)));
            lens.push((indices.len() - before) as u32);
        }
    }
    let sums = Scratch::<V>::default().sum_runs(&powers, Runs::in_order(&indices, lens));
    sums.into_iter().collect()
}

/// The multiples of some scalars, none of them zero.
fn sums<V: Octet<Field = Fq>>(table: &[V::Pair], scalars: &[Fr]) -> Option<Vec<V::Pair>> {
    let limbs = Terms::whole(scalars).limbs;
    let windows: Vec<_> = (0..WINDOWS)
        .map(|window| {
            V::run(
                #[inline(always)]
                || digits(&limbs, window, WIDTH),
            )
        })
        .collect();
    let (mut indices, mut lens) = (Vec::new(), Vec::with_capacity(scalars.len()));
    for i in 0..scalars.len() {
        let before = indices.len();
        for (window, digits) in windows.iter().enumerate() {
            if let Some(bucket) = digits[i].bucket() {
                let entry = (MULTIPLES * window + bucket) as u32;
                indices.push(Indexed::new(entry, digits[i].is_negative()));
            }
        }
        lens.push((indices.len() - before) as u32);
    }
    let sums = Scratch::<V>::default().sum_runs(table, Runs::in_order(&indices, lens));
    sums.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msm::decode;
    use crate::Portable;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn check<V: Octet<Field = Fq>>() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let point = G1Affine::random(&mut rng);
        let small = [1u64, 2, 4096, 4097, 8191, 8192, 1 << 40].map(Fr::from);
        let mut scalars: Vec<Fr> = small.into_iter().chain(small.map(|s| -s)).collect();
        scalars.extend((0..20).map(|_| Fr::random(&mut rng)));
        let found = multiples::<V>(&point, &scalars).unwrap();
        for (pair, scalar) in found.iter().zip(&scalars) {
            assert_eq!(decode::<V>(pair), (point * scalar).to_affine());
        }
        assert!(multiples::<V>(&point, &[Fr::ONE, Fr::ZERO]).is_none());
        assert!(multiples::<V>(&G1Affine::identity(), &[Fr::ONE]).is_none());
    }

    #[test]
    fn multiples_agree_with_the_library() {
        check::<Portable<Fq>>();
        #[cfg(target_arch = "x86_64")]
        if crate::has_ifma() {
            check::<crate::Ifma<Fq>>();
        }
    }
}
