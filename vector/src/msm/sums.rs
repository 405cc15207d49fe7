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

/// How many groups of pairs before they are read the memory is asked for them.
const AHEAD: usize = 2;

/// Octets that are worked on side by side: a product must wait for the one before it.
const WAYS: usize = 2;
/// Pairs of points in a group.
const GROUP: usize = WAYS * LANES;

/// A group: coordinates of first and second points, and the products of the differences before them.
struct Loaded<V> {
    a: [[V; 2]; WAYS],
    b: [[V; 2]; WAYS],
    prefix: [V; WAYS],
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
    // The last pair fills up the last group.
    while begins.len() % GROUP > 0 {
        begins.push(begins[begins.len() - 1]);
        ends.push(ends[ends.len() - 1]);
    }

    let (first, is_negative) = at(0);
    let filler = if is_negative { V::mirror(first) } else { *first };
    let mut sums = vec![filler; to as usize];
    let zero = [V::splat(Fq::ZERO); 2];
    let mut loaded: Vec<Loaded<V>> = Vec::with_capacity(PART / GROUP);
    for (begins, ends) in begins.chunks(PART).zip(ends.chunks(PART)) {
        let mut product = [V::splat(Fq::ONE); WAYS];
        loaded.clear();
        let groups = begins.as_chunks::<GROUP>().0;
        for (i, begin) in groups.iter().enumerate() {
            for ahead in groups.get(i + AHEAD).into_iter().flatten() {
                V::prefetch(at(*ahead as usize).0);
                V::prefetch(at(*ahead as usize + 1).0);
            }
            let mut group = Loaded { a: [zero; WAYS], b: [zero; WAYS], prefix: product };
            for (way, begin) in begin.as_chunks::<LANES>().0.iter().enumerate() {
                group.a[way] = load::<V>(&at, begin, 0);
                group.b[way] = load::<V>(&at, begin, 1);
            }
            for (product, (a, b)) in product.iter_mut().zip(group.a.iter().zip(&group.b)) {
                *product = product.mul(b[0].sub(a[0], 2));
            }
            loaded.push(group);
        }
        let mut lanes = [Fq::ZERO; GROUP];
        for (product, lanes) in product.iter().zip(lanes.as_chunks_mut::<LANES>().0) {
            product.store(lanes);
        }
        let lanes = invert_all(lanes)?;
        let mut inverse = product;
        for (inverse, lanes) in inverse.iter_mut().zip(lanes.as_chunks::<LANES>().0) {
            *inverse = V::load(lanes);
        }
        for (group, end) in loaded.iter().zip(ends.as_chunks::<GROUP>().0).rev() {
            add_group(group, &mut inverse, end, &mut sums);
        }
    }
    for [from, to] in singles {
        let (point, is_negative) = at(from as usize);
        sums[to as usize] = if is_negative { V::mirror(point) } else { *point };
    }
    lens.iter_mut().for_each(|len| *len = len.div_ceil(2));
    Some(sums)
}

/// Adds the pairs of a group. `inverse` is that of the differences up to this group, afterwards up to the
/// one before.
#[inline(always)]
fn add_group<V: Octet<Field = Fq>>(
    Loaded { a, b, prefix }: &Loaded<V>,
    inverse: &mut [V; WAYS],
    end: &[u32; GROUP],
    sums: &mut [V::Pair],
) {
    let (mut slope, mut x, mut y) = (*prefix, *prefix, *prefix);
    for way in 0..WAYS {
        slope[way] = inverse[way].mul(slope[way]);
    }
    for way in 0..WAYS {
        inverse[way] = inverse[way].mul(b[way][0].sub(a[way][0], 2));
    }
    for way in 0..WAYS {
        slope[way] = b[way][1].sub(a[way][1], 2).mul(slope[way]);
    }
    for way in 0..WAYS {
        x[way] = slope[way].mul(slope[way]).sub(a[way][0], 2).sub(b[way][0], 2);
    }
    for way in 0..WAYS {
        y[way] = slope[way].mul(a[way][0].sub(x[way], 8)).sub(a[way][1], 2);
    }
    let ends = end.as_chunks::<LANES>().0;
    for way in 0..WAYS {
        V::store_pairs(x[way], y[way], sums, &ends[way]);
    }
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
