//! Sums of runs of points.
//!
//! Each round adds neighbours, eight pairs at a time, until a run is one point. Slopes
//! share inversions. A run in which two points have one `x` is left to the curve library: bases
//! are independent, so that only happens to chosen ones.

use ff::Field;
use halo2_proofs::halo2curves::bn256::{Fq, G1};
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
/// the differences of `x` before them. A coordinate is a field of its own: arrays of them are copied in memory.
#[derive(Clone, Copy)]
struct Loaded<V> {
    x: V,
    y: V,
    delta_x: V,
    delta_y: V,
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
        let mut apart = vec![round.add_all::<V, true>(points, work, last, &mut lens)];
        while lens.iter().any(|len| *len > 2) {
            round.advance(&mut lens);
            apart.push(round.add_all::<V, false>(last, work, next, &mut lens));
            std::mem::swap(last, next);
        }
        let (mut pairs, mut singles) = (last.iter(), last[round.pairs.len()..].iter());
        let mut sum =
            |len: &u32| (if *len == 2 { &mut pairs } else { &mut singles }).next().copied();
        let sums = lens.iter().map(&mut sum).collect();
        apart.into_iter().rev().filter(|apart| !apart.is_empty()).fold(sums, insert)
    }
}

/// Sums of runs that left the others, each with its place among those that were there then.
type Apart<P> = Vec<(usize, Option<P>)>;

/// Sums of all runs that were there before some of them left.
fn insert<P>(others: Vec<Option<P>>, apart: Apart<P>) -> Vec<Option<P>> {
    let mut all = Vec::with_capacity(others.len() + apart.len());
    let mut others = others.into_iter();
    for (place, sum) in apart {
        let between = place - all.len();
        all.extend(others.by_ref().take(between));
        all.push(sum);
    }
    all.extend(others);
    all
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

    /// Adds the points of each run in pairs. Runs of which two points have one `x` are summed and leave.
    fn add_all<V: Octet<Field = Fq>, const SCATTERED: bool>(
        &mut self,
        points: &[V::Pair],
        work: &mut Work<V>,
        sums: &mut Vec<V::Pair>,
        lens: &mut Vec<u32>,
    ) -> Apart<V::Pair> {
        let mut add = |round: &Self| {
            V::run(
                #[inline(always)]
                || round.add::<V, SCATTERED>(points, work, sums),
            )
        };
        if add(self) {
            return Vec::new();
        }
        let apart = self.set_apart::<V>(points, lens);
        add(self);
        apart
    }

    /// Sums and takes out the runs of which two points would be added that have one `x`.
    fn set_apart<V: Octet<Field = Fq>>(
        &mut self,
        points: &[V::Pair],
        lens: &mut Vec<u32>,
    ) -> Apart<V::Pair> {
        let indices = self.in_order(lens);
        let (mut apart, mut kept, mut kept_lens) = (Vec::new(), Vec::new(), Vec::new());
        let mut rest = indices.as_slice();
        for (place, len) in lens.iter().enumerate() {
            let (run, behind) = rest.split_at(*len as usize);
            rest = behind;
            if run.as_chunks::<2>().0.iter().any(|pair| meets::<V>(points, pair)) {
                apart.push((place, sum_by_library::<V>(points, run)));
            } else {
                kept.extend(run);
                kept_lens.push(*len);
            }
        }
        Runs { lens: *lens, round: *self } = Runs::in_order(&kept, kept_lens);
        apart
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
            let empty = Loaded { x: one, y: one, delta_x: one, delta_y: one, prefix: one };
            self.0.resize(pairs.len(), empty);
        }
        let (mut first, mut second) = (one, one);
        let groups = pairs.as_chunks::<WAYS>().0.iter().zip(self.0.as_chunks_mut::<WAYS>().0);
        for (i, (pair, loaded)) in groups.enumerate() {
            if SCATTERED {
                let ahead = pairs.get(WAYS * i + AHEAD..).unwrap_or(&[]);
                for ahead in ahead.iter().take(WAYS).flatten().flatten() {
                    V::prefetch(&points[ahead.index()]);
                }
            }
            first = loaded[0].take::<SCATTERED>(points, &pair[0], first);
            second = loaded[1].take::<SCATTERED>(points, &pair[1], second);
        }
        [first, second]
    }

    /// Adds all pairs. `inverses` are those of the products of all differences. The steps of both chains alternate, each
    /// in variables of its own.
    #[inline(always)]
    fn add(&self, inverses: [V; WAYS], sums: &mut [[V::Pair; LANES]]) {
        let [mut first, mut second] = inverses;
        let groups = self.0[..sums.len()].as_chunks::<WAYS>().0;
        for ([a, b], [to_a, to_b]) in groups.iter().zip(sums.as_chunks_mut::<WAYS>().0).rev() {
            let (slope_a, slope_b) = (first.mul(a.prefix), second.mul(b.prefix));
            (first, second) = (first.mul(a.delta_x), second.mul(b.delta_x));
            let (slope_a, slope_b) = (a.delta_y.mul(slope_a), b.delta_y.mul(slope_b));
            let (x_a, x_b) = (a.sum_x(slope_a), b.sum_x(slope_b));
            let (y_a, y_b) = (a.sum_y(slope_a, x_a), b.sum_y(slope_b, x_b));
            V::store_pairs(x_a, y_a, to_a);
            V::store_pairs(x_b, y_b, to_b);
        }
    }
}

impl<V: Octet<Field = Fq>> Loaded<V> {
    /// Reads eight pairs behind others whose differences multiply to `prefix`; returns the product with theirs.
    #[inline(always)]
    fn take<const SCATTERED: bool>(
        &mut self,
        points: &[V::Pair],
        pairs: &[[Indexed; 2]; LANES],
        prefix: V,
    ) -> V {
        let (x, y) = load::<V, 0, SCATTERED>(points, pairs);
        let (other_x, other_y) = load::<V, 1, SCATTERED>(points, pairs);
        let delta_x = other_x.sub(x, 2);
        self.x = x;
        self.y = y;
        self.delta_x = delta_x;
        self.delta_y = other_y.sub(y, 2);
        self.prefix = prefix;
        prefix.mul(delta_x)
    }

    /// The sum's `x`. That of both points is below 8: twice the first one, and the difference.
    #[inline(always)]
    fn sum_x(&self, slope: V) -> V {
        slope.mul(slope).sub_all([self.x, self.x, self.delta_x], 8)
    }

    #[inline(always)]
    fn sum_y(&self, slope: V, x: V) -> V {
        slope.mul(self.x.sub(x, 16)).sub(self.y, 2)
    }
}

/// The first (0) or second (1) points of eight pairs.
#[inline(always)]
fn load<V: Octet<Field = Fq>, const SECOND: usize, const SCATTERED: bool>(
    points: &[V::Pair],
    pairs: &[[Indexed; 2]; LANES],
) -> (V, V) {
    let mut octet = [&points[pairs[0][SECOND].index()]; LANES];
    let mut signs = u8::from(pairs[0][SECOND].is_negative());
    for i in 1..LANES {
        octet[i] = &points[pairs[i][SECOND].index()];
        signs |= u8::from(pairs[i][SECOND].is_negative()) << i;
    }
    let (x, y) = V::load_pairs(octet);
    (x, if SCATTERED { y.neg_where(signs) } else { y })
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

/// Whether two points have one `x`.
fn meets<V: Octet<Field = Fq>>(points: &[V::Pair], pair: &[Indexed; 2]) -> bool {
    let [a, b] = pair.map(|index| decode::<V>(&points[index.index()]).x);
    a == b
}

/// The sum of a run by the curve library's complete formulas; none for infinity.
fn sum_by_library<V: Octet<Field = Fq>>(points: &[V::Pair], run: &[Indexed]) -> Option<V::Pair> {
    let point = |index: &Indexed| {
        let point = decode::<V>(&points[index.index()]);
        (if index.is_negative() { -point } else { point }).to_curve()
    };
    let total = run.iter().map(point).fold(G1::identity(), |sum, point| sum + point);
    (!bool::from(total.is_identity())).then(|| encode::<V>(&[total.to_affine()])[0])
}
