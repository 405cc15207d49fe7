//! Transforms of points: bases of merged commitments from the powers of a secret that nobody knows.
//!
//! A butterfly multiplies points by one root of unity. The points of all places, for which the roots are the same, lie side by
//! side in lanes, so a multiplication is the same doublings and additions for all.

use ff::{Field as _, PrimeField as _};
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine, G1};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine as _;
use halo2_proofs::halo2curves::group::Curve as _;
use rayon::prelude::*;

use super::encode;
use super::points::{Points, NINE};
use crate::column::{powers_in_order, reverse_bits};
use crate::{Octet, LANES};

/// Bits of a digit, its sign included.
const WIDTH: u32 = 5;
/// Odd multiples of a point that digits ask for.
const MULTIPLES: usize = 1 << (WIDTH - 2);

/// Three coordinates, packed.
type Packed<V> = [<V as Octet>::Packed; 3];

/// `sum_m omega^(-j m) powers_(a + t m) / n` at index `a n + j`, for `t` places `a` and all `n` powers of `omega`; none where
/// one of them is infinity.
///
/// # Panics
/// If there are less than `t n` powers.
#[must_use]
pub fn interpolate_points<V: Octet<Field = Fq>>(
    powers: &[G1Affine],
    omega: Fr,
    n: usize,
    t: usize,
) -> Option<Vec<V::Pair>> {
    assert!(powers.len() >= t * n && n.is_power_of_two(), "powers for each place and row");
    let octets = t.div_ceil(LANES);
    let mut rows: Vec<Vec<Packed<V>>> =
        powers[..t * n].chunks_exact(t).map(|row| load::<V>(row, octets)).collect();
    reverse_bits(&mut rows);
    let inverse = omega.invert().unwrap_or(Fr::ZERO);
    let mut half = 1;
    while half < n {
        let root = inverse.pow_vartime([(n / (2 * half)) as u64]);
        let roots: Vec<Vec<i8>> = powers_in_order(root, half).iter().map(digits).collect();
        rows.par_chunks_mut(2 * half).for_each(|block| {
            let (low, high) = block.split_at_mut(half);
            let pairs = low.par_iter_mut().zip(high.par_iter_mut()).zip(&roots);
            pairs.for_each(|((low, high), root)| butterfly::<V>(low, high, root));
        });
        half *= 2;
    }
    let scale = digits(&Fr::from(n as u64).invert().unwrap_or(Fr::ZERO));
    let points: Vec<Vec<G1>> = rows.par_iter().map(|row| scaled::<V>(row, &scale)).collect();
    let place = |a: usize| {
        let points: Vec<G1> = points.iter().map(|row| row[a]).collect();
        let mut affine = vec![G1Affine::identity(); n];
        G1::batch_normalize(&points, &mut affine);
        let is_finite = affine.iter().all(|p| !bool::from(p.is_identity()));
        is_finite.then(|| encode::<V>(&affine))
    };
    let places: Option<Vec<Vec<V::Pair>>> = (0..t).into_par_iter().map(place).collect();
    places.map(|places| places.concat())
}

/// Points side by side, the last one repeated to fill the lanes.
fn load<V: Octet<Field = Fq>>(points: &[G1Affine], octets: usize) -> Vec<Packed<V>> {
    let octet = |i: usize| {
        let lane = |lane: usize| points[(i * LANES + lane).min(points.len() - 1)];
        let of = |coordinate: fn(&G1Affine) -> Fq| -> [Fq; LANES] {
            std::array::from_fn(|l| coordinate(&lane(l)))
        };
        // Infinity has y = 0 in affine coordinates.
        let z = of(|p| if bool::from(p.is_identity()) { Fq::ZERO } else { Fq::ONE });
        let y = of(|p| if bool::from(p.is_identity()) { Fq::ONE } else { p.y });
        [of(|p| p.x), y, z].map(|x| V::load(&x).pack())
    };
    (0..octets).map(octet).collect()
}

/// Digits of a scalar, the lowest first: zero, or odd and below `2^(WIDTH-1)` in magnitude.
fn digits(scalar: &Fr) -> Vec<i8> {
    let bytes = scalar.to_repr();
    let mut limbs = [0u64; 5];
    for (limb, bytes) in limbs.iter_mut().zip(bytes.as_ref().as_chunks::<8>().0) {
        *limb = u64::from_le_bytes(*bytes);
    }
    let mut digits = Vec::with_capacity(Fr::NUM_BITS as usize + 1);
    while limbs.iter().any(|l| *l != 0) {
        let mut digit = 0;
        if limbs[0] & 1 == 1 {
            let low = (limbs[0] & ((1 << WIDTH) - 1)) as i8;
            digit = if low < 1 << (WIDTH - 1) { low } else { low - (1 << WIDTH) };
            subtract(&mut limbs, digit);
        }
        digits.push(digit);
        for i in 0..limbs.len() {
            limbs[i] = limbs[i] >> 1 | limbs.get(i + 1).map_or(0, |next| next << 63);
        }
    }
    digits
}

/// A number less a small one. It has a limb more than it needs.
fn subtract(limbs: &mut [u64; 5], digit: i8) {
    let (by, is_negative) = (u64::from(digit.unsigned_abs()), digit < 0);
    let mut carry = by;
    for limb in limbs {
        let (next, over) =
            if is_negative { limb.overflowing_add(carry) } else { limb.overflowing_sub(carry) };
        (*limb, carry) = (next, u64::from(over));
    }
}

#[inline(always)]
fn unpack<V: Octet<Field = Fq>>(packed: &Packed<V>) -> Points<V> {
    Points([V::unpack(&packed[0]), V::unpack(&packed[1]), V::unpack(&packed[2])])
}

#[inline(always)]
fn pack<V: Octet<Field = Fq>>(points: Points<V>) -> Packed<V> {
    let [x, y, z] = points.0;
    [x.pack(), y.pack(), z.pack()]
}

/// Points times the number that has these digits.
#[inline(always)]
fn multiply<V: Octet<Field = Fq>>(points: Points<V>, digits: &[i8]) -> Points<V> {
    let nine = V::splat(Fq::from(NINE));
    let twice = points.double(nine);
    let mut odd = [points; MULTIPLES];
    for i in 1..MULTIPLES {
        odd[i] = odd[i - 1].add(twice, nine);
    }
    let mut sum = Points::identity();
    for digit in digits.iter().rev() {
        sum = sum.double(nine);
        if *digit != 0 {
            let multiple = odd[usize::from(digit.unsigned_abs() / 2)];
            sum = sum.add(if *digit < 0 { multiple.negate() } else { multiple }, nine);
        }
    }
    sum
}

fn butterfly<V: Octet<Field = Fq>>(low: &mut [Packed<V>], high: &mut [Packed<V>], root: &[i8]) {
    V::run(
        #[inline(always)]
        || {
            let nine = V::splat(Fq::from(NINE));
            for (low, high) in low.iter_mut().zip(high) {
                let sum = unpack::<V>(low);
                let turned = multiply(unpack::<V>(high), root);
                *low = pack(sum.add(turned, nine));
                *high = pack(sum.add(turned.negate(), nine));
            }
        },
    );
}

/// The points of a row times a number.
fn scaled<V: Octet<Field = Fq>>(row: &[Packed<V>], digits: &[i8]) -> Vec<G1> {
    let mut points = Vec::with_capacity(row.len() * LANES);
    V::run(
        #[inline(always)]
        || {
            for octet in row {
                points.extend(multiply(unpack::<V>(octet), digits).lanes());
            }
        },
    );
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msm::decode;
    use crate::Portable;

    fn check<V: Octet<Field = Fq>>(k: u32, t: usize) {
        let n = 1usize << k;
        let omega = (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
        let tau = Fr::from(0x1234_5678_9abc).square().square();
        let powers: Vec<G1> =
            powers_in_order(tau, t * n).iter().map(|x| G1::generator() * x).collect();
        let mut affine = vec![G1Affine::identity(); powers.len()];
        G1::batch_normalize(&powers, &mut affine);
        let found = interpolate_points::<V>(&affine, omega, n, t).unwrap();
        let power = tau.pow_vartime([t as u64]);
        let scale =
            (power.pow_vartime([n as u64]) - Fr::ONE) * Fr::from(n as u64).invert().unwrap();
        for (a, at) in powers_in_order(tau, t).into_iter().enumerate() {
            for (j, w) in powers_in_order(omega, n).into_iter().enumerate() {
                let value = at * scale * w * (power - w).invert().unwrap();
                let expected = (G1::generator() * value).to_affine();
                assert_eq!(decode::<V>(&found[a * n + j]), expected);
            }
        }
    }

    #[test]
    fn interpolates_points() {
        check::<Portable<Fq>>(3, 3);
        #[cfg(target_arch = "x86_64")]
        if crate::has_ifma() {
            check::<crate::Ifma<Fq>>(4, 9);
        }
    }

    #[test]
    fn digits_are_those_of_the_number() {
        for x in [Fr::ONE, -Fr::ONE, Fr::from(31), Fr::from(u64::MAX), -Fr::from(7).square()] {
            let sum = digits(&x).iter().rev().fold(Fr::ZERO, |sum, digit| {
                assert!(*digit == 0 || digit % 2 != 0 && digit.unsigned_abs() < 16);
                let digit = if *digit < 0 {
                    -Fr::from(u64::from(digit.unsigned_abs()))
                } else {
                    Fr::from(u64::from(digit.unsigned_abs()))
                };
                sum.double() + digit
            });
            assert_eq!(sum, x);
        }
    }
}
