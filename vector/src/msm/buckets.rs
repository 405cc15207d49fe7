//! Buckets: sums of points by digit.
//!
//! They are weighed, `sum_d d buckets_d`, by lanes that each run down a part of the buckets with a running sum and a total.

use ff::Field;
use halo2_proofs::halo2curves::bn256::{Fq, G1};
use halo2_proofs::halo2curves::group::Group as _;

use super::decode;
use super::points::{Points, NINE};
use super::sums::{Indexed, Runs, Scratch};
use crate::{Octet, LANES};

/// Sums of two lists of buckets, the first of which may have none yet.
pub(super) fn add<V: Octet<Field = Fq>>(
    scratch: &mut Scratch<V>,
    buckets: Vec<Option<V::Pair>>,
    more: Vec<Option<V::Pair>>,
) -> Vec<Option<V::Pair>> {
    if buckets.is_empty() {
        return more;
    }
    let (mut points, mut lens) = (Vec::with_capacity(2 * more.len()), Vec::new());
    for both in buckets.iter().zip(&more) {
        let before = points.len();
        points.extend([both.0, both.1].into_iter().flatten());
        lens.push((points.len() - before) as u32);
    }
    let indices: Vec<Indexed> = (0..points.len()).map(|i| Indexed::new(i as u32, false)).collect();
    let runs = Runs::in_order(&indices, lens.iter().copied().filter(|len| *len > 0).collect());
    let mut sums = scratch.sum_runs(&points, runs).into_iter();
    lens.iter().map(|len| if *len > 0 { sums.next().flatten() } else { None }).collect()
}

/// `sum_d d buckets_d`, digits counted from 1; the number of buckets is a power of two.
pub(super) fn weigh<V: Octet<Field = Fq>>(buckets: &[Option<V::Pair>]) -> G1 {
    let Some(filler) = buckets.iter().flatten().next() else { return G1::identity() };
    if buckets.len() < LANES {
        return weigh_few::<V>(buckets);
    }
    let part = buckets.len() / LANES;
    let (running, total) = V::run(
        #[inline(always)]
        || {
            let nine = V::splat(Fq::from(NINE));
            let (mut running, mut total) = (Points::<V>::identity(), Points::identity());
            for i in (0..part).rev() {
                let (mut points, mut used) = ([filler; LANES], [Fq::ZERO; LANES]);
                for lane in 0..LANES {
                    if let Some(point) = &buckets[lane * part + i] {
                        (points[lane], used[lane]) = (point, Fq::ONE);
                    }
                }
                let (x, y) = V::load_pairs(points);
                let z = V::load(&used);
                running = running.add(Points([x.mul(z), y, z]), nine);
                total = total.add(running, nine);
            }
            (running.lanes(), total.lanes())
        },
    );
    // Digits of a lane are larger than its own count by `part` per lane before it.
    let (mut above, mut shifted) = (G1::identity(), G1::identity());
    for lane in (1..LANES).rev() {
        above += running[lane];
        shifted += above;
    }
    let shifted = (0..part.trailing_zeros()).fold(shifted, |s, _| s.double());
    total.iter().fold(shifted, |sum, t| sum + t)
}

fn weigh_few<V: Octet<Field = Fq>>(buckets: &[Option<V::Pair>]) -> G1 {
    let (mut running, mut total) = (G1::identity(), G1::identity());
    for bucket in buckets.iter().rev() {
        if let Some(bucket) = bucket {
            running += decode::<V>(bucket);
        }
        total += running;
    }
    total
}
