//! Eight points side by side in homogeneous coordinates, which are the curve library's too.
//!
//! Formulas are the complete ones of Renes, Costello and Batina (ePrint 2015/1060, algorithms 7 and 9), since empty sums and
//! equal points are everyday here.

use ff::Field;
use halo2_proofs::halo2curves::bn256::{Fq, G1};
use halo2_proofs::halo2curves::group::Group as _;

use crate::{Octet, LANES};

/// Three times the curve's constant.
pub(super) const NINE: u64 = 9;

/// `x : y : z`, bounds 4.
#[derive(Clone, Copy)]
pub(super) struct Points<V>(pub(super) [V; 3]);

impl<V: Octet<Field = Fq>> Points<V> {
    #[inline(always)]
    pub(super) fn identity() -> Self {
        Self([V::splat(Fq::ZERO), V::splat(Fq::ONE), V::splat(Fq::ZERO)])
    }

    /// `nine` is [`NINE`].
    #[inline(always)]
    pub(super) fn add(self, other: Self, nine: V) -> Self {
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

    /// Twice the points. `nine` is [`NINE`].
    #[inline(always)]
    pub(super) fn double(self, nine: V) -> Self {
        let [x, y, z] = self.0;
        let (xy, yy, yz) = (x.mul(y), y.mul(y), y.mul(z));
        let zz = nine.mul(z.mul(z));
        let two = yy.add(yy);
        let four = two.add(two);
        let eight = four.add(four);
        let low = yy.sub(zz.add(zz).add(zz), 6);
        let x = low.mul(xy);
        Self([x.add(x), zz.mul(eight).add(low.mul(yy.add(zz))), yz.mul(eight)])
    }

    #[inline(always)]
    pub(super) fn negate(self) -> Self {
        let [x, y, z] = self.0;
        Self([x, y.neg(4), z])
    }

    /// The point of each lane.
    #[inline(always)]
    pub(super) fn lanes(self) -> [G1; LANES] {
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
