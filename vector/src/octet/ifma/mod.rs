//! Arithmetic with AVX-512 IFMA: eight elements in five vectors of 52-bit limbs.
//!
//! Elements are in Montgomery form with `R = 2^260`; limbs are normalised, below `2^52`. The sum
//! `acc + lo(x y)` or `acc + hi(x y)` of 52-bit `x`, `y` is one instruction. A product interleaves
//! the rows of `a b` with Montgomery's reduction, one limb of `b` at a time: no limb of the sum
//! passes `2^58`. From operands below `c p` and `d p` it gives less than `(c d p / 2^260 + 1) p`,
//! which is below `2 p` for `c d <= 80`.
//!
//! halo2curves keeps elements in Montgomery form with `R = 2^256`: times 16 is the same element
//! here, a shift of the limbs by four bits.

#![allow(unsafe_code, reason = "vector instructions and the memory of field elements")]

mod constants;
mod moves;

use std::arch::x86_64::*;
use std::fmt;
use std::marker::PhantomData;
use std::sync::OnceLock;

use halo2_proofs::halo2curves::bn256::{Fq, Fr};

use super::{Modulus, Octet, LANES};
use constants::{limbs, multiple_above, power_of_two, Constants};
use moves::{
    each, join_indices, read, select, splat, splat_limbs, split_indices, to_limbs, to_words,
    transpose, write_words,
};

const LIMBS: usize = 5;
const BITS: u32 = 52;
const MASK: u64 = (1 << BITS) - 1;
/// Words of an element in memory.
const WORDS: usize = 4;

/// Eight elements in 52-bit limbs.
pub struct Ifma<F>([__m512i; LIMBS], PhantomData<F>);

impl<F> Clone for Ifma<F> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Ifma<F> {}

impl<F> fmt::Debug for Ifma<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ifma")
    }
}

/// Eight elements in 64-bit words, word by word.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Packed([[u64; LANES]; WORDS]);

/// Two elements, word by word.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Pair([u64; 2 * WORDS]);

/// Whether this machine has the instructions, and elements are in memory what [`Modulus`] says.
#[inline]
pub(crate) fn is_supported() -> bool {
    static IS_SUPPORTED: OnceLock<bool> = OnceLock::new();
    *IS_SUPPORTED.get_or_init(detect)
}

fn detect() -> bool {
    let has = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512ifma");
    has && in_memory::<Fr>() && in_memory::<Fq>()
}

/// 1 and 2 look as expected.
fn in_memory<F: Modulus>() -> bool {
    let one = power_of_two(Constants::<F>::P, 256);
    size_of::<F>() == 8 * WORDS
        && limbs(words(&F::ONE)) == one
        && limbs(words(&(F::ONE + F::ONE))) == power_of_two(Constants::<F>::P, 257)
}

/// The memory of an element.
#[inline(always)]
fn words<F: Modulus>(x: &F) -> [u64; WORDS] {
    const { assert!(size_of::<F>() == 8 * WORDS && align_of::<F>() == 8) };
    // SAFETY: an element is four words, of which every value is valid.
    unsafe { std::ptr::from_ref(x).cast::<[u64; WORDS]>().read() }
}

/// The element with these words, which are below the modulus.
#[inline(always)]
fn element<F: Modulus>(words: [u64; WORDS]) -> F {
    const { assert!(size_of::<F>() == 8 * WORDS && align_of::<F>() == 8) };
    // SAFETY: an element is four words, of which every value is valid.
    unsafe { (&raw const words).cast::<F>().read() }
}

/// Two elements, word by word.
#[inline(always)]
fn two<F: Modulus>(a: &F, b: &F) -> __m512i {
    let (a, b) = (words(a), words(b));
    read(&[a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]])
}

// SAFETY of everything below: a value of this type, packed or not, is evidence that the machine was
// checked, since all come from `load` and `splat`; and vectors are read from and written to arrays of
// their size.

impl<F: Modulus> Ifma<F> {
    #[inline(always)]
    fn new(limbs: [__m512i; LIMBS]) -> Self {
        Self(limbs, PhantomData)
    }

    #[inline(always)]
    fn constant(limbs: [u64; LIMBS]) -> Self {
        Self::new(splat_limbs(limbs))
    }

    /// Carries limbs, which may be negative, into the next ones.
    #[inline(always)]
    fn carry(mut t: [__m512i; LIMBS]) -> Self {
        unsafe {
            let mask = splat(MASK);
            for i in 0..LIMBS - 1 {
                t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srai_epi64::<BITS>(t[i]));
                t[i] = _mm512_and_si512(t[i], mask);
            }
        }
        Self::new(t)
    }

    #[inline(always)]
    fn minus(self, other: [__m512i; LIMBS]) -> [__m512i; LIMBS] {
        each(
            #[inline(always)]
            |i| unsafe { _mm512_sub_epi64(self.0[i], other[i]) },
        )
    }

    #[inline(always)]
    fn select(self, indices: [u64; LANES], other: Self) -> Self {
        Self::new(each(
            #[inline(always)]
            |i| select(self.0[i], indices, other.0[i]),
        ))
    }

    /// From strictly below twice the modulus, as products and reduced values are, to the one representative below the modulus.
    #[inline(always)]
    fn canonical(self) -> Self {
        let less = Self::carry(self.minus(splat_limbs(Constants::<F>::P)));
        unsafe {
            let negative = _mm512_cmplt_epi64_mask(less.0[LIMBS - 1], splat(0));
            Self::new(each(
                #[inline(always)]
                |i| _mm512_mask_blend_epi64(negative, less.0[i], self.0[i]),
            ))
        }
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn featured<R>(f: impl FnOnce() -> R) -> R {
    f()
}

impl<F: Modulus> Octet for Ifma<F> {
    type Field = F;
    type Packed = Packed;
    type Pair = Pair;

    #[inline(always)]
    fn run<R>(f: impl FnOnce() -> R) -> R {
        assert!(is_supported(), "a machine with AVX-512 IFMA");
        // SAFETY: the machine was checked.
        unsafe { featured(f) }
    }

    #[inline(always)]
    fn load(elements: &[F]) -> Self {
        assert!(is_supported(), "a machine with AVX-512 IFMA");
        let e: &[F; LANES] = elements.try_into().expect("eight elements");
        let rows = [two(&e[0], &e[1]), two(&e[2], &e[3]), two(&e[4], &e[5]), two(&e[6], &e[7])];
        let low = [[0, 4, 8, 12, 1, 5, 9, 13], [2, 6, 10, 14, 3, 7, 11, 15]];
        let half = [[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]];
        let (a, b) = (select(rows[0], low[0], rows[1]), select(rows[2], low[0], rows[3]));
        let (c, d) = (select(rows[0], low[1], rows[1]), select(rows[2], low[1], rows[3]));
        let words = [
            select(a, half[0], b),
            select(a, half[1], b),
            select(c, half[0], d),
            select(c, half[1], d),
        ];
        Self::new(to_limbs::<4>(words)).reduce().canonical()
    }

    #[inline(always)]
    fn store(self, elements: &mut [F]) {
        let left = self.mul(Self::constant(Constants::<F>::LEAVE)).canonical();
        let w = write_words(to_words(left.0));
        for (i, x) in elements.iter_mut().enumerate() {
            *x = element([w[0][i], w[1][i], w[2][i], w[3][i]]);
        }
    }

    #[inline(always)]
    fn splat(x: F) -> Self {
        assert!(is_supported(), "a machine with AVX-512 IFMA");
        let w = words(&x);
        let words = [splat(w[0]), splat(w[1]), splat(w[2]), splat(w[3])];
        Self::new(to_limbs::<4>(words)).reduce().canonical()
    }

    #[inline(always)]
    fn unpack(packed: &Packed) -> Self {
        let w = &packed.0;
        Self::new(to_limbs::<0>([read(&w[0]), read(&w[1]), read(&w[2]), read(&w[3])]))
    }

    #[inline(always)]
    fn pack(self) -> Packed {
        Packed(write_words(to_words(self.reduce().0)))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self::carry(each(
            #[inline(always)]
            |i| unsafe { _mm512_add_epi64(self.0[i], other.0[i]) },
        ))
    }

    #[inline(always)]
    fn neg(self, bound: u32) -> Self {
        Self::carry(Self::constant(multiple_above::<F>(bound)).minus(self.0))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let p = splat_limbs(Constants::<F>::P);
        unsafe {
            let zero = _mm512_setzero_si512();
            let inverse = splat(Constants::<F>::INVERSE);
            let mut t = [zero; LIMBS + 1];
            for b in other.0 {
                for (t, a) in t.iter_mut().zip(&self.0) {
                    *t = _mm512_madd52lo_epu64(*t, *a, b);
                }
                let m = _mm512_madd52lo_epu64(zero, t[0], inverse);
                for j in 0..LIMBS {
                    t[j] = _mm512_madd52lo_epu64(t[j], m, p[j]);
                }
                let low = _mm512_srli_epi64::<BITS>(t[0]);
                t[1] = _mm512_add_epi64(t[1], low);
                for j in 0..LIMBS {
                    t[j + 1] = _mm512_madd52hi_epu64(t[j + 1], self.0[j], b);
                    t[j + 1] = _mm512_madd52hi_epu64(t[j + 1], m, p[j]);
                }
                t = [t[1], t[2], t[3], t[4], t[5], zero];
            }
            Self::carry([t[0], t[1], t[2], t[3], t[4]])
        }
    }

    #[inline(always)]
    fn reduce(self) -> Self {
        let table = &Constants::<F>::MULTIPLES;
        unsafe {
            let top = self.0[LIMBS - 1];
            let scaled = _mm512_madd52hi_epu64(splat(0), top, splat(Constants::<F>::QUOTIENT));
            let quotient = _mm512_srli_epi64::<45>(scaled);
            let multiple = each(
                #[inline(always)]
                |i| _mm512_permutex2var_epi64(read(&table[i][0]), quotient, read(&table[i][1])),
            );
            Self::carry(self.minus(multiple))
        }
    }

    #[inline(always)]
    fn sub(self, other: Self, bound: u32) -> Self {
        let multiple = splat_limbs(multiple_above::<F>(bound));
        Self::carry(each(
            #[inline(always)]
            |i| unsafe { _mm512_sub_epi64(_mm512_add_epi64(self.0[i], multiple[i]), other.0[i]) },
        ))
    }

    #[inline(always)]
    fn sub_all(self, [a, b, c]: [Self; 3], bound: u32) -> Self {
        let multiple = splat_limbs(multiple_above::<F>(bound));
        Self::carry(each(
            #[inline(always)]
            |i| unsafe {
                let others = _mm512_add_epi64(_mm512_add_epi64(a.0[i], b.0[i]), c.0[i]);
                _mm512_sub_epi64(_mm512_add_epi64(self.0[i], multiple[i]), others)
            },
        ))
    }

    #[inline(always)]
    fn neg_where(self, lanes: u8) -> Self {
        let negative = self.neg(2);
        Self::new(each(
            #[inline(always)]
            |i| unsafe { _mm512_mask_blend_epi64(lanes, self.0[i], negative.0[i]) },
        ))
    }

    #[inline(always)]
    fn behind(self, before: Self) -> Self {
        Self::new(each(
            #[inline(always)]
            |i| unsafe { _mm512_alignr_epi64::<7>(self.0[i], before.0[i]) },
        ))
    }

    #[inline(always)]
    fn split<const HALF: usize>(a: Self, b: Self) -> (Self, Self) {
        (a.select(split_indices(HALF, 0), b), a.select(split_indices(HALF, 1), b))
    }

    #[inline(always)]
    fn join<const HALF: usize>(low: Self, high: Self) -> (Self, Self) {
        (low.select(join_indices(HALF, 0), high), low.select(join_indices(HALF, 1), high))
    }

    #[inline(always)]
    fn pair(x: F, y: F) -> Pair {
        let x = write_words(to_words(Self::splat(x).0));
        let y = write_words(to_words(Self::splat(y).0));
        Pair([x[0][0], x[1][0], x[2][0], x[3][0], y[0][0], y[1][0], y[2][0], y[3][0]])
    }

    #[inline(always)]
    fn elements(pair: &Pair) -> [F; 2] {
        let (x, y) = Self::load_pairs([pair; LANES]);
        let (mut xs, mut ys) = ([F::ZERO; LANES], [F::ZERO; LANES]);
        x.store(&mut xs);
        y.store(&mut ys);
        [xs[0], ys[0]]
    }

    #[inline(always)]
    fn mirror(pair: &Pair) -> Pair {
        let (mut mirrored, mut borrow) = (*pair, 0i128);
        for (word, twice) in mirrored.0[WORDS..].iter_mut().zip(Constants::<F>::TWICE) {
            borrow += i128::from(twice) - i128::from(*word);
            *word = borrow as u64;
            borrow >>= 64;
        }
        mirrored
    }

    #[inline(always)]
    fn prefetch(pair: &Pair) {
        // SAFETY: whatever the address, this reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(pair).cast()) };
    }

    #[inline(always)]
    fn load_pairs(pairs: [&Pair; LANES]) -> (Self, Self) {
        let p = pairs;
        let w = transpose([
            read(&p[0].0),
            read(&p[1].0),
            read(&p[2].0),
            read(&p[3].0),
            read(&p[4].0),
            read(&p[5].0),
            read(&p[6].0),
            read(&p[7].0),
        ]);
        let x = Self::new(to_limbs::<0>([w[0], w[1], w[2], w[3]]));
        (x, Self::new(to_limbs::<0>([w[4], w[5], w[6], w[7]])))
    }

    #[inline(always)]
    fn store_pairs(x: Self, y: Self, pairs: &mut [Pair; LANES]) {
        let (x, y) = (to_words(x.reduce().0), to_words(y.reduce().0));
        let rows = transpose([x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3]]);
        for (row, pair) in rows.into_iter().zip(pairs) {
            unsafe { _mm512_storeu_si512(pair.0.as_mut_ptr().cast(), row) };
        }
    }
}
