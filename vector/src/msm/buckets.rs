//! Weighted sum of buckets, `sum_d d buckets_d`.
//!
//! Each lane runs down a part of the buckets with a running sum and a total. Empty buckets and equal
//! points are everyday here, so the additions are the complete ones of Renes, Costello and Batina
//! (ePrint 2015/1060, algorithm 7) in homogeneous coordinates, which are the curve library's too.

use ff::Field;
use halo2_proofs::halo2curves::bn256::{Fq, G1};
use halo2_proofs::halo2curves::group::Group as _;

use super::decode;
use crate::{Octet, LANES};

/// `x : y : z`, bounds 4.
#[derive(Clone, Copy)]
struct Points<V>([V; 3]);

impl<V: Octet<Field = Fq>> Points<V> {
    #[inline(always)]
    fn identity() -> Self {
        Self([V::splat(Fq::ZERO), V::splat(Fq::ONE), V::splat(Fq::ZERO)])
    }

    /// `nine` is three times the curve's constant.
    #[inline(always)]
    fn add(self, other: Self, nine: V) -> Self {
        let ([x1, y1, z1], [x2, y2, z2]) = (self.0, other.0);
        let (xx, yy, zz) = (x1.mul(x2), y1.mul(y2), z1.mul(z2));
        let xy = x1.add(y1).mul(x2.add(y2)).sub(xx, 2).sub(yy, 2);
        let yz = y1.add(z1).mul(y2.add(z2)).sub(yy, 2).sub(zz, 2);
        let xz = nine.mul(x1.add(z1).mul(x2.add(z2)).sub(xx, 2).sub(zz, 2));
        let xx = xx.add(xx).add(xx);
        let zz = nine.mul(zz);
        let (high, low) = (yy.add(zz), yy.sub(zz, 2));
        Self([
            xy.mul(low).sub(yz.mul(xz), 2),
            low.mul(high).add(xz.mul(xx)),
            high.mul(yz).add(xx.mul(xy)),
        ])
    }

    /// The point of each lane.
    #[inline(always)]
    fn lanes(self) -> [G1; LANES] {
        let mut all = [[Fq::ZERO; LANES]; 3];
        self.0[0].store(&mut all[0]);
        self.0[1].store(&mut all[1]);
        self.0[2].store(&mut all[2]);
        let [x, y, z] = all;
        let mut points = [G1::identity(); LANES];
        for (i, point) in points.iter_mut().enumerate() {
            *point = G1 { x: x[i], y: y[i], z: z[i] };
        }
        points
    }
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
            let nine = V::splat(Fq::from(9));
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
