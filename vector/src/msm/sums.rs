//! Sums of runs of points.
//!
//! Each round adds neighbours, eight pairs at a time, until a run is one point. Slopes
//! share inversions. A round in which two points have one `x` is left to the curve library: bases
//! are independent, so that only happens to chosen ones.

use ff::Field;
use halo2_proofs::halo2curves::bn256::{Fq, G1Affine, G1};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine as _;
use halo2_proofs::halo2curves::group::{Curve as _, Group as _};

use super::{decode, encode};
use crate::{Octet, LANES};

/// A base and its sign.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Indexed(u32);

impl Indexed {
    pub(super) fn new(index: u32, is_negative: bool) -> Self {
        Self(index << 1 | u32::from(is_negative))
    }

    #[inline]
    fn index(self) -> usize {
        self.0 as usize >> 1
    }

    #[inline]
    fn is_negative(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Pairs that share an inversion: as many as fit the cache.
const PART: usize = 2048;

/// How many octets of pairs before they are read the memory is asked for them.
const AHEAD: usize = 4;

/// Coordinates of eight pairs of points, and the product of the differences before them.
struct Loaded<V> {
    a: [V; 2],
    b: [V; 2],
    prefix: V,
}

/// The sum of each run of points; none for infinity. Runs are not empty.
pub(super) fn sum_runs<V: Octet<Field = Fq>>(
    points: &[V::Pair],
    indices: Vec<Indexed>,
    mut lens: Vec<u32>,
) -> Vec<Option<V::Pair>> {
    if lens.is_empty() {
        return Vec::new();
    }
    let first = |i: usize| (&points[indices[i].index()], indices[i].is_negative());
    let Some(mut sums) = V::run(
        #[inline(always)]
        || halve::<V>(first, &mut lens),
    ) else {
        return sum_by_library::<V>(first, &lens);
    };
    while lens.iter().any(|len| *len > 1) {
        let at = |i: usize| (&sums[i], false);
        let Some(next) = V::run(
            #[inline(always)]
            || halve::<V>(at, &mut lens),
        ) else {
            return sum_by_library::<V>(at, &lens);
        };
        sums = next;
    }
    sums.into_iter().map(Some).collect()
}

/// Adds the points of each run in pairs and halves the lengths. None when a pair has one `x`; then
/// lengths are as before.
#[inline(always)]
fn halve<'a, V: Octet<Field = Fq>>(
    at: impl Fn(usize) -> (&'a V::Pair, bool),
    lens: &mut [u32],
) -> Option<Vec<V::Pair>> {
    // Where pairs begin, and where their sums go; single points are moved.
    let (mut begins, mut ends, mut singles) = (Vec::new(), Vec::new(), Vec::new());
    let (mut from, mut to) = (0u32, 0u32);
    for len in &*lens {
        for i in 0..len / 2 {
            begins.push(from + 2 * i);
            ends.push(to + i);
        }
        if len % 2 == 1 {
            singles.push([from + len - 1, to + len / 2]);
        }
        from += len;
        to += len.div_ceil(2);
    }
    // The last pair fills up the last eight.
    while begins.len() % LANES > 0 {
        begins.push(begins[begins.len() - 1]);
        ends.push(ends[ends.len() - 1]);
    }

    let (first, is_negative) = at(0);
    let filler = if is_negative { V::mirror(first) } else { *first };
    let mut sums = vec![filler; to as usize];
    let mut loaded: Vec<Loaded<V>> = Vec::with_capacity(PART / LANES);
    for (begins, ends) in begins.chunks(PART).zip(ends.chunks(PART)) {
        let mut product = V::splat(Fq::ONE);
        loaded.clear();
        let octets = begins.as_chunks::<LANES>().0;
        for (i, begin) in octets.iter().enumerate() {
            for ahead in octets.get(i + AHEAD).into_iter().flatten() {
                V::prefetch(at(*ahead as usize).0);
                V::prefetch(at(*ahead as usize + 1).0);
            }
            let (a, b) = (load::<V>(&at, begin, 0), load::<V>(&at, begin, 1));
            loaded.push(Loaded { a, b, prefix: product });
            product = product.mul(b[0].sub(a[0], 2));
        }
        let mut lanes = [Fq::ZERO; LANES];
        product.store(&mut lanes);
        let mut inverse = V::load(&invert_all(lanes)?);
        for (Loaded { a: [x1, y1], b: [x2, y2], prefix }, end) in
            loaded.iter().zip(ends.as_chunks::<LANES>().0).rev()
        {
            let slope = y2.sub(*y1, 2).mul(inverse.mul(*prefix));
            inverse = inverse.mul(x2.sub(*x1, 2));
            let x = slope.mul(slope).sub(*x1, 2).sub(*x2, 2);
            let y = slope.mul(x1.sub(x, 8)).sub(*y1, 2);
            V::store_pairs(x, y, &mut sums, end);
        }
    }
    for [from, to] in singles {
        let (point, is_negative) = at(from as usize);
        sums[to as usize] = if is_negative { V::mirror(point) } else { *point };
    }
    lens.iter_mut().for_each(|len| *len = len.div_ceil(2));
    Some(sums)
}

/// The first (0) or second (1) points of eight pairs.
#[inline(always)]
fn load<'a, V: Octet<Field = Fq>>(
    at: &impl Fn(usize) -> (&'a V::Pair, bool),
    begin: &[u32; LANES],
    second: usize,
) -> [V; 2] {
    let (first, is_negative) = at(begin[0] as usize + second);
    let (mut points, mut signs) = ([first; LANES], u8::from(is_negative));
    for i in 1..LANES {
        let (point, is_negative) = at(begin[i] as usize + second);
        points[i] = point;
        signs |= u8::from(is_negative) << i;
    }
    let (x, y) = V::load_pairs(points);
    [x, y.neg_where(signs)]
}

/// Inverts every element, unless one is zero.
fn invert_all<const N: usize>(mut elements: [Fq; N]) -> Option<[Fq; N]> {
    let mut product = Fq::ONE;
    let prefixes = elements.map(|x| {
        let before = product;
        product *= x;
        before
    });
    let mut inverse = Option::<Fq>::from(product.invert())?;
    for (x, prefix) in elements.iter_mut().zip(prefixes).rev() {
        (*x, inverse) = (inverse * prefix, inverse * *x);
    }
    Some(elements)
}

/// The sums of runs by the curve library's complete formulas.
fn sum_by_library<'a, V: Octet<Field = Fq>>(
    at: impl Fn(usize) -> (&'a V::Pair, bool),
    lens: &[u32],
) -> Vec<Option<V::Pair>> {
    let mut from = 0;
    let mut sum = |len: &u32| {
        let run = from..from + *len as usize;
        from = run.end;
        let total: G1 = run
            .map(|i| {
                let (point, is_negative) = at(i);
                let point: G1Affine = decode::<V>(point);
                (if is_negative { -point } else { point }).to_curve()
            })
            .fold(G1::identity(), |sum, point| sum + point);
        let is_infinity = bool::from(total.is_identity());
        (!is_infinity).then(|| encode::<V>(&[total.to_affine()])[0])
    };
    lens.iter().map(&mut sum).collect()
}
