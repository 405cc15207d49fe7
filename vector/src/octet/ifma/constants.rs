//! Numbers in 52-bit limbs, computed when the program is compiled.

use std::marker::PhantomData;

use super::{Modulus, BITS, LANES, LIMBS, MASK, WORDS};

pub(super) const fn limbs(words: [u64; WORDS]) -> [u64; LIMBS] {
    let mut limbs = [0; LIMBS];
    let mut i = 0;
    while i < LIMBS {
        let (word, shift) = (52 * i / 64, 52 * i % 64);
        let mut limb = words[word] >> shift;
        if shift > 12 && word + 1 < WORDS {
            limb |= words[word + 1] << (64 - shift);
        }
        limbs[i] = limb & MASK;
        i += 1;
    }
    limbs
}

/// `factor` times the modulus.
pub(super) const fn multiple(modulus: [u64; LIMBS], factor: u64) -> [u64; LIMBS] {
    let mut limbs = [0; LIMBS];
    let (mut carry, mut i) = (0u128, 0);
    while i < LIMBS {
        carry += modulus[i] as u128 * factor as u128;
        limbs[i] = carry as u64 & MASK;
        carry >>= BITS;
        i += 1;
    }
    limbs
}

/// `2^bits` modulo `modulus`, by doubling.
pub(super) const fn power_of_two(modulus: [u64; LIMBS], bits: u32) -> [u64; LIMBS] {
    let mut x = [1, 0, 0, 0, 0];
    let mut doubled = 0;
    while doubled < bits {
        x = multiple(x, 2);
        let (mut less, mut borrow, mut i) = ([0; LIMBS], 0i64, 0);
        while i < LIMBS {
            borrow += x[i] as i64 - modulus[i] as i64;
            less[i] = borrow as u64 & MASK;
            borrow >>= BITS;
            i += 1;
        }
        if borrow == 0 {
            x = less;
        }
        doubled += 1;
    }
    x
}

/// `-1 / x mod 2^52` by Newton's iteration.
pub(super) const fn negative_inverse(x: u64) -> u64 {
    let (mut inverse, mut i) = (1u64, 0);
    while i < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(x.wrapping_mul(inverse)));
        i += 1;
    }
    inverse.wrapping_neg() & MASK
}

/// Constants of a field.
pub(super) struct Constants<F>(PhantomData<F>);

impl<F: Modulus> Constants<F> {
    pub(super) const P: [u64; LIMBS] = limbs(F::MODULUS_WORDS);
    pub(super) const INVERSE: u64 = negative_inverse(F::MODULUS_WORDS[0]);
    /// Multiplying by it leads to Montgomery form with `R = 2^256`.
    pub(super) const LEAVE: [u64; LIMBS] = power_of_two(Self::P, 256);
    /// By the logarithm of the factor.
    pub(super) const POWERS: [[u64; LIMBS]; 7] = [
        Self::P,
        multiple(Self::P, 2),
        multiple(Self::P, 4),
        multiple(Self::P, 8),
        multiple(Self::P, 16),
        multiple(Self::P, 32),
        multiple(Self::P, 64),
    ];
    /// Twice the modulus, in words.
    pub(super) const TWICE: [u64; WORDS] = {
        let (mut twice, mut i) = (F::MODULUS_WORDS, WORDS);
        while i > 0 {
            i -= 1;
            twice[i] = twice[i] << 1 | if i > 0 { twice[i - 1] >> 63 } else { 0 };
        }
        twice
    };
    /// Limbs of the multiples 0 to 15, limb by limb.
    pub(super) const MULTIPLES: [[[u64; LANES]; 2]; LIMBS] = {
        let (mut table, mut factor) = ([[[0; LANES]; 2]; LIMBS], 0);
        while factor < 16 {
            let (of, mut limb) = (multiple(Self::P, factor as u64), 0);
            while limb < LIMBS {
                table[limb][factor / LANES][factor % LANES] = of[limb];
                limb += 1;
            }
            factor += 1;
        }
        table
    };
    /// `2^97 / (p_4 + 1)` for the top limb `p_4` of the modulus.
    pub(super) const QUOTIENT: u64 = ((1u128 << 97) / (Self::P[LIMBS - 1] as u128 + 1)) as u64;
}

/// The modulus times the next power of two.
#[inline(always)]
pub(super) fn multiple_above<F: Modulus>(bound: u32) -> [u64; LIMBS] {
    Constants::<F>::POWERS[bound.next_power_of_two().trailing_zeros() as usize]
}
