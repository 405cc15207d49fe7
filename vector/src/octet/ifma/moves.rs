//! Between words, limbs and lanes.
//!
//! SAFETY of all calls: only operations of `Ifma` come here, whose values are evidence that the machine
//! was checked; and vectors are read from and written to arrays of their size.

use std::arch::x86_64::*;

use super::{LANES, LIMBS, MASK, WORDS};

/// Where even (0) or odd (1) blocks of `half` elements are in two vectors.
#[inline(always)]
pub(super) const fn split_indices(half: usize, odd: usize) -> [u64; LANES] {
    let (mut indices, mut i) = ([0; LANES], 0);
    while i < LANES {
        indices[i] = ((2 * (i / half) + odd) * half + i % half) as u64;
        i += 1;
    }
    indices
}

/// Where the elements of the first (0) or second (1) vector are among even and odd blocks.
#[inline(always)]
pub(super) const fn join_indices(half: usize, second: usize) -> [u64; LANES] {
    let (mut indices, mut i) = ([0; LANES], 0);
    while i < LANES {
        let (block, at) = ((second * LANES + i) / half, (second * LANES + i) % half);
        indices[i] = (block % 2 * LANES + block / 2 * half + at) as u64;
        i += 1;
    }
    indices
}

#[inline(always)]
pub(super) fn splat(x: u64) -> __m512i {
    unsafe { _mm512_set1_epi64(x as i64) }
}

#[inline(always)]
pub(super) fn read(x: &[u64; LANES]) -> __m512i {
    unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
}

#[inline(always)]
pub(super) fn write(x: __m512i) -> [u64; LANES] {
    let mut out = [0; LANES];
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), x) };
    out
}

/// A vector for each limb. Closures that use vectors are inlined by attribute: only inside of `run`
/// do they compile to vector instructions.
#[inline(always)]
pub(super) fn each(f: impl Fn(usize) -> __m512i) -> [__m512i; LIMBS] {
    [f(0), f(1), f(2), f(3), f(4)]
}

#[inline(always)]
pub(super) fn splat_limbs(limbs: [u64; LIMBS]) -> [__m512i; LIMBS] {
    each(
        #[inline(always)]
        |i| splat(limbs[i]),
    )
}

#[inline(always)]
pub(super) fn write_words(w: [__m512i; WORDS]) -> [[u64; LANES]; WORDS] {
    [write(w[0]), write(w[1]), write(w[2]), write(w[3])]
}

/// Elements of `a` (0 to 7) and `b` (8 to 15).
#[inline(always)]
pub(super) fn select(a: __m512i, indices: [u64; LANES], b: __m512i) -> __m512i {
    unsafe { _mm512_permutex2var_epi64(a, read(&indices), b) }
}

/// The limb that begins `at - SHIFT` bits up in a word.
#[inline(always)]
pub(super) fn cut<const SHIFT: u32>(low: __m512i, high: __m512i, at: i64) -> __m512i {
    let at = at - i64::from(SHIFT);
    unsafe {
        let left = _mm512_sllv_epi64(high, _mm512_set1_epi64(64 - at));
        let right = _mm512_srlv_epi64(low, _mm512_set1_epi64(at));
        _mm512_and_si512(_mm512_or_si512(left, right), splat(MASK))
    }
}

/// The word of a limb from bit `right` on and the next one.
#[inline(always)]
pub(super) fn cat(low: __m512i, right: i64, high: __m512i) -> __m512i {
    unsafe {
        let low = _mm512_srlv_epi64(low, _mm512_set1_epi64(right));
        _mm512_or_si512(low, _mm512_sllv_epi64(high, _mm512_set1_epi64(52 - right)))
    }
}

/// Four words of eight elements to five limbs, shifted up by `SHIFT` bits.
#[inline(always)]
pub(super) fn to_limbs<const SHIFT: u32>(w: [__m512i; WORDS]) -> [__m512i; LIMBS] {
    unsafe {
        let mask = splat(MASK);
        let first = _mm512_sllv_epi64(w[0], _mm512_set1_epi64(i64::from(SHIFT)));
        [
            _mm512_and_si512(first, mask),
            cut::<SHIFT>(w[0], w[1], 52),
            cut::<SHIFT>(w[1], w[2], 40),
            cut::<SHIFT>(w[2], w[3], 28),
            _mm512_srlv_epi64(w[3], _mm512_set1_epi64(16 - i64::from(SHIFT))),
        ]
    }
}

/// Five limbs of values below `2^256` to four words.
#[inline(always)]
pub(super) fn to_words(l: [__m512i; LIMBS]) -> [__m512i; WORDS] {
    [cat(l[0], 0, l[1]), cat(l[1], 12, l[2]), cat(l[2], 24, l[3]), cat(l[3], 36, l[4])]
}

/// Rows to columns.
#[inline(always)]
pub(super) fn transpose(r: [__m512i; LANES]) -> [__m512i; LANES] {
    unsafe {
        let mut a = r;
        for i in 0..4 {
            a[2 * i] = _mm512_unpacklo_epi64(r[2 * i], r[2 * i + 1]);
            a[2 * i + 1] = _mm512_unpackhi_epi64(r[2 * i], r[2 * i + 1]);
        }
        // Pairs of columns 0, 2, 4, 6 in even vectors, of 1, 3, 5, 7 in odd ones.
        let mut b = a;
        for half in 0..2 {
            for odd in 0..2 {
                let (x, y) = (a[4 * half + odd], a[4 * half + 2 + odd]);
                b[4 * half + odd] = _mm512_shuffle_i64x2::<0b1000_1000>(x, y);
                b[4 * half + 2 + odd] = _mm512_shuffle_i64x2::<0b1101_1101>(x, y);
            }
        }
        let mut c = b;
        for i in 0..2 {
            c[i] = _mm512_shuffle_i64x2::<0b1000_1000>(b[i], b[4 + i]);
            c[4 + i] = _mm512_shuffle_i64x2::<0b1101_1101>(b[i], b[4 + i]);
            c[2 + i] = _mm512_shuffle_i64x2::<0b1000_1000>(b[2 + i], b[6 + i]);
            c[6 + i] = _mm512_shuffle_i64x2::<0b1101_1101>(b[2 + i], b[6 + i]);
        }
        c
    }
}
