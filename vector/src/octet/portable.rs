//! The same arithmetic with halo2curves' elements, on any machine.

use std::array::from_fn;

use super::{Modulus, Octet, LANES};

/// Eight reduced elements. Bounds do not matter here.
#[derive(Clone, Copy, Debug)]
pub struct Portable<F>([F; LANES]);

impl<F: Modulus> Octet for Portable<F> {
    type Field = F;
    type Packed = [F; LANES];
    type Pair = [F; 2];

    #[inline(always)]
    fn run<R>(f: impl FnOnce() -> R) -> R {
        f()
    }

    #[inline(always)]
    fn load(elements: &[F]) -> Self {
        Self(from_fn(|i| elements[i]))
    }

    #[inline(always)]
    fn store(self, elements: &mut [F]) {
        elements.copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn splat(element: F) -> Self {
        Self([element; LANES])
    }

    #[inline(always)]
    fn unpack(packed: &[F; LANES]) -> Self {
        Self(*packed)
    }

    #[inline(always)]
    fn pack(self) -> [F; LANES] {
        self.0
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    fn neg(self, _: u32) -> Self {
        Self(self.0.map(|x| -x))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i] * other.0[i]))
    }

    #[inline(always)]
    fn reduce(self) -> Self {
        self
    }

    #[inline(always)]
    fn sub(self, other: Self, _: u32) -> Self {
        Self(from_fn(|i| self.0[i] - other.0[i]))
    }

    #[inline(always)]
    fn sub_all(self, others: [Self; 3], bound: u32) -> Self {
        others.into_iter().fold(self, |left, other| left.sub(other, bound))
    }

    #[inline(always)]
    fn neg_where(self, lanes: u8) -> Self {
        Self(from_fn(|i| if lanes >> i & 1 == 1 { -self.0[i] } else { self.0[i] }))
    }

    #[inline(always)]
    fn behind(self, before: Self) -> Self {
        Self(from_fn(|i| if i == 0 { before.0[LANES - 1] } else { self.0[i - 1] }))
    }

    #[inline(always)]
    fn split<const HALF: usize>(a: Self, b: Self) -> (Self, Self) {
        let at = |i: usize| if i < LANES { a.0[i] } else { b.0[i - LANES] };
        let from = |i: usize, odd: usize| at((2 * (i / HALF) + odd) * HALF + i % HALF);
        (Self(from_fn(|i| from(i, 0))), Self(from_fn(|i| from(i, 1))))
    }

    #[inline(always)]
    fn join<const HALF: usize>(low: Self, high: Self) -> (Self, Self) {
        let from = |i: usize| {
            let (block, at) = (i / HALF, i % HALF);
            let half = if block.is_multiple_of(2) { &low } else { &high };
            half.0[block / 2 * HALF + at]
        };
        (Self(from_fn(from)), Self(from_fn(|i| from(LANES + i))))
    }

    #[inline(always)]
    fn pair(x: F, y: F) -> [F; 2] {
        [x, y]
    }

    #[inline(always)]
    fn elements(pair: &[F; 2]) -> [F; 2] {
        *pair
    }

    #[inline(always)]
    fn mirror(pair: &[F; 2]) -> [F; 2] {
        [pair[0], -pair[1]]
    }

    #[inline(always)]
    fn prefetch(_: &[F; 2]) {}

    #[inline(always)]
    fn load_pairs(pairs: [&[F; 2]; LANES]) -> (Self, Self) {
        (Self(pairs.map(|p| p[0])), Self(pairs.map(|p| p[1])))
    }

    #[inline(always)]
    fn store_pairs(x: Self, y: Self, pairs: &mut [[F; 2]; LANES]) {
        for (i, pair) in pairs.iter_mut().enumerate() {
            *pair = [x.0[i], y.0[i]];
        }
    }
}
