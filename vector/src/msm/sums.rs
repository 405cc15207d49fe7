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
    #[inline(always)]
    pub(super) fn new(index: u32, is_negative: bool) -> Self {
        Self(index << 1 | u32::from(is_negative))
    }

    #[inline(always)]
    fn index(self) -> usize {
        self.0 as usize >> 1
    }

    #[inline(always)]
    fn is_negative(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Pairs that share an inversion: as many as fit the cache.
const PART: usize = 4096;

/// How many octets of pairs before they are read the memory is asked for them.
const AHEAD: usize = 4;

/// Chains of products side by side: a product must wait for the one before it.
const WAYS: usize = 2;
/// Pairs of points, an octet for each chain.
const GROUP: usize = WAYS * LANES;

/// Eight pairs: coordinates of the first points, what the second ones' have more, and the products of
/// the differences of `x` before them.
#[derive(Clone, Copy)]
struct Loaded<V> {
    a: [V; 2],
    delta: [V; 2],
    prefix: V,
}

/// Memory that sums of many runs share.
pub(super) struct Scratch<V: Octet<Field = Fq>> {
    work: Work<V>,
    /// Sums of the round before, and of this one.
    sums: [Vec<V::Pair>; 2],
}

impl<V: Octet<Field = Fq>> Default for Scratch<V> {
    fn default() -> Self {
        Self { work: Work(Vec::new()), sums: [Vec::new(), Vec::new()] }
    }
}

impl<V: Octet<Field = Fq>> Scratch<V> {
    /// The sum of each run of points; none for infinity.
    pub(super) fn sum_runs(&mut self, points: &[V::Pair], runs: Runs) -> Vec<Option<V::Pair>> {
        let Runs { mut lens, mut round } = runs;
        let Self { work, sums: [last, next] } = self;
        if lens.is_empty() {
            return Vec::new();
        }
        let is_done = V::run(
            #[inline(always)]
            || round.add::<V, true>(points, work, last),
        );
        if !is_done {
            return sum_by_library::<V>(points, &round.in_order(&lens), &lens);
        }
        while lens.iter().any(|len| *len > 2) {
            round.advance(&mut lens);
            let is_done = V::run(
                #[inline(always)]
                || round.add::<V, false>(last, work, next),
            );
            if !is_done {
                return sum_by_library::<V>(last, &round.in_order(&lens), &lens);
            }
            std::mem::swap(last, next);
        }
        let (mut pairs, mut singles) = (last.iter(), last[round.pairs.len()..].iter());
        let mut sum =
            |len: &u32| (if *len == 2 { &mut pairs } else { &mut singles }).next().copied();
        lens.iter().map(&mut sum).collect()
    }
}

/// Runs of points, none of them empty.
pub(super) struct Runs {
    lens: Vec<u32>,
    round: Round,
}

impl Runs {
    /// Runs that follow each other in `points`.
    pub(super) fn in_order(points: &[Indexed], lens: Vec<u32>) -> Self {
        let (mut round, mut rest) = (Round::default(), points);
        for len in &lens {
            let (run, behind) = rest.split_at(*len as usize);
            let (pairs, single) = run.as_chunks::<2>();
            round.pairs.extend(pairs);
            round.singles.extend(single);
            rest = behind;
        }
        round.fill();
        Self { lens, round }
    }

    /// A run of the points of each bucket that has any. There are `lens` points in each bucket.
    pub(super) fn sorted(lens: &[u32], points: impl Iterator<Item = (usize, Indexed)>) -> Self {
        let mut slots = Vec::with_capacity(lens.len());
        let (mut slot, mut single) = (0, 0);
        for len in lens {
            let end = slot + len / 2 * 2;
            slots.push([slot, end, single]);
            (slot, single) = (end, single + len % 2);
        }
        let mut round = Round {
            pairs: vec![<[Indexed; 2]>::default(); slot as usize / 2],
            singles: vec![Indexed::default(); single as usize],
        };
        let pairs = round.pairs.as_flattened_mut();
        for (bucket, point) in points {
            let [next, end, single] = &mut slots[bucket];
            if next < end {
                pairs[*next as usize] = point;
                *next += 1;
            } else {
                round.singles[*single as usize] = point;
            }
        }
        round.fill();
        Self { lens: lens.iter().copied().filter(|len| *len > 0).collect(), round }
    }
}

/// Adds the points of each run in pairs. A run has its share of the pairs and, if its length is odd, of the
/// singles; their sums are in the same order, those of pairs first.
#[derive(Default)]
struct Round {
    pairs: Vec<[Indexed; 2]>,
    singles: Vec<Indexed>,
}

impl Round {
    /// Repeats the last pair to fill up the last group.
    fn fill(&mut self) {
        if let Some(pair) = self.pairs.last().copied() {
            self.pairs.resize(self.pairs.len().next_multiple_of(GROUP), pair);
        }
    }

    /// The sums are the next round's points. `lens` are this round's, then the next one's.
    fn advance(&mut self, lens: &mut [u32]) {
        let (mut pair, mut single) = (0, self.pairs.len() as u32);
        self.pairs.clear();
        self.singles.clear();
        for len in lens {
            let (pairs, is_odd) = (*len / 2, *len % 2 == 1);
            let end = pair + pairs;
            while pair + 2 <= end {
                self.pairs.push([Indexed::new(pair, false), Indexed::new(pair + 1, false)]);
                pair += 2;
            }
            match (pair < end, is_odd) {
                (true, true) => {
                    self.pairs.push([Indexed::new(pair, false), Indexed::new(single, false)]);
                }
                (true, false) => self.singles.push(Indexed::new(pair, false)),
                (false, true) => self.singles.push(Indexed::new(single, false)),
                (false, false) => {}
            }
            pair = end;
            single += u32::from(is_odd);
            *len = len.div_ceil(2);
        }
        self.fill();
    }

    /// The points of all runs.
    fn in_order(&self, lens: &[u32]) -> Vec<Indexed> {
        let (mut pairs, mut singles) = (self.pairs.iter(), self.singles.iter());
        let mut points = Vec::new();
        for len in lens {
            points.extend(pairs.by_ref().take(*len as usize / 2).flatten());
            points.extend(singles.by_ref().take(*len as usize % 2));
        }
        points
    }

    /// Whether no pair has one `x`; else there are no sums. `SCATTERED` points may be negative and need
    /// to be fetched.
    #[inline(always)]
    fn add<V: Octet<Field = Fq>, const SCATTERED: bool>(
        &self,
        points: &[V::Pair],
        work: &mut Work<V>,
        sums: &mut Vec<V::Pair>,
    ) -> bool {
        let len = self.pairs.len() + self.singles.len();
        if sums.len() < len {
            sums.resize(len, points[0]);
        }
        let (paired, single) = sums.split_at_mut(self.pairs.len());
        for (pairs, sums) in self.pairs.chunks(PART).zip(paired.chunks_mut(PART)) {
            let product = work.load::<SCATTERED>(points, pairs.as_chunks::<LANES>().0);
            let Some(inverse) = invert_lanes(product) else { return false };
            work.add(inverse, sums.as_chunks_mut::<LANES>().0);
        }
        for (index, sum) in self.singles.iter().zip(single) {
            let point = &points[index.index()];
            *sum = if index.is_negative() { V::mirror(point) } else { *point };
        }
        true
    }
}

/// Memory for the pairs of a part.
struct Work<V>(Vec<Loaded<V>>);

impl<V: Octet<Field = Fq>> Work<V> {
    /// Returns the products of all differences, a chain for each way.
    #[inline(always)]
    fn load<const SCATTERED: bool>(
        &mut self,
        points: &[V::Pair],
        pairs: &[[[Indexed; 2]; LANES]],
    ) -> [V; WAYS] {
        let one = V::splat(Fq::ONE);
        if self.0.len() < pairs.len() {
            self.0.resize(pairs.len(), Loaded { a: [one; 2], delta: [one; 2], prefix: one });
        }
        let mut product = [one; WAYS];
        for (i, (pair, loaded)) in pairs.iter().zip(&mut self.0).enumerate() {
            if SCATTERED {
                for ahead in pairs.get(i + AHEAD).into_iter().flatten().flatten() {
                    V::prefetch(&points[ahead.index()]);
                }
            }
            let a = load::<V, 0, SCATTERED>(points, pair);
            let b = load::<V, 1, SCATTERED>(points, pair);
            let product = &mut product[i % WAYS];
            let delta = [b[0].sub(a[0], 2), b[1].sub(a[1], 2)];
            loaded.prefix = *product;
            *product = product.mul(delta[0]);
            (loaded.a, loaded.delta) = (a, delta);
        }
        product
    }

    /// Adds all pairs. `inverse` is that of the products of all differences.
    #[inline(always)]
    fn add(&self, mut inverse: [V; WAYS], sums: &mut [[V::Pair; LANES]]) {
        let groups = self.0[..sums.len()].as_chunks::<WAYS>().0;
        for (group, sums) in groups.iter().zip(sums.as_chunks_mut::<WAYS>().0).rev() {
            let mut slope = inverse;
            let (mut x, mut y) = (slope, slope);
            for (way, Loaded { delta, prefix, .. }) in group.iter().enumerate() {
                slope[way] = inverse[way].mul(*prefix);
                inverse[way] = inverse[way].mul(delta[0]);
            }
            for (way, Loaded { delta, .. }) in group.iter().enumerate() {
                slope[way] = delta[1].mul(slope[way]);
            }
            for (way, Loaded { a, delta, .. }) in group.iter().enumerate() {
                // The sum of both `x` is below 8: twice the first one, and the difference.
                x[way] = slope[way].mul(slope[way]).sub_all([a[0], a[0], delta[0]], 8);
            }
            for (way, Loaded { a, .. }) in group.iter().enumerate() {
                y[way] = slope[way].mul(a[0].sub(x[way], 16)).sub(a[1], 2);
            }
            for (way, sums) in sums.iter_mut().enumerate() {
                V::store_pairs(x[way], y[way], sums);
            }
        }
    }
}

/// The first (0) or second (1) points of eight pairs.
#[inline(always)]
fn load<V: Octet<Field = Fq>, const SECOND: usize, const SCATTERED: bool>(
    points: &[V::Pair],
    pairs: &[[Indexed; 2]; LANES],
) -> [V; 2] {
    let mut octet = [&points[pairs[0][SECOND].index()]; LANES];
    let mut signs = u8::from(pairs[0][SECOND].is_negative());
    for i in 1..LANES {
        octet[i] = &points[pairs[i][SECOND].index()];
        signs |= u8::from(pairs[i][SECOND].is_negative()) << i;
    }
    let (x, y) = V::load_pairs(octet);
    [x, if SCATTERED { y.neg_where(signs) } else { y }]
}

/// The inverses of all lanes, unless one is zero.
#[inline(always)]
fn invert_lanes<V: Octet<Field = Fq>>(mut octets: [V; WAYS]) -> Option<[V; WAYS]> {
    let mut lanes = [Fq::ZERO; GROUP];
    for (octet, lanes) in octets.iter().zip(lanes.as_chunks_mut::<LANES>().0) {
        octet.store(lanes);
    }
    let lanes = invert_all(lanes)?;
    for (octet, lanes) in octets.iter_mut().zip(lanes.as_chunks::<LANES>().0) {
        *octet = V::load(lanes);
    }
    Some(octets)
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
fn sum_by_library<V: Octet<Field = Fq>>(
    points: &[V::Pair],
    indices: &[Indexed],
    lens: &[u32],
) -> Vec<Option<V::Pair>> {
    let mut rest = indices;
    let mut sum = |len: &u32| {
        let (run, behind) = rest.split_at(*len as usize);
        rest = behind;
        let total: G1 = run
            .iter()
            .map(|index| {
                let point: G1Affine = decode::<V>(&points[index.index()]);
                (if index.is_negative() { -point } else { point }).to_curve()
            })
            .fold(G1::identity(), |sum, point| sum + point);
        let is_infinity = bool::from(total.is_identity());
        (!is_infinity).then(|| encode::<V>(&[total.to_affine()])[0])
    };
    lens.iter().map(&mut sum).collect()
}
