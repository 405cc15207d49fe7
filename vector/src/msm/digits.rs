//! Signed digits of scalars.

/// Widest window: its digits fit [`Digit`].
pub(super) const MAX_WIDTH: usize = 15;

/// A digit's magnitude and sign.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Digit(u16);

impl Digit {
    #[inline(always)]
    fn new(digit: i32) -> Self {
        Self((digit.unsigned_abs() << 1) as u16 | u16::from(digit < 0))
    }

    /// The bucket, unless the digit is zero.
    #[inline(always)]
    pub(super) fn bucket(self) -> Option<usize> {
        (self.0 as usize >> 1).checked_sub(1)
    }

    #[inline(always)]
    pub(super) fn is_negative(self) -> bool {
        self.0 & 1 == 1
    }
}

/// The digits of all scalars in a window, each in `[-2^(width-1), 2^(width-1)]`, such that
/// `sum digit 2^(width window)` is the scalar. Reads one bit below the window, which stands for the
/// carry. `limbs` are those of all scalars, least significant first.
#[inline(always)]
pub(super) fn digits(limbs: &[Vec<u64>], window: usize, width: usize) -> Vec<Digit> {
    let bit = window * width;
    let from = bit.saturating_sub(1);
    let (limb, shift) = (from / 64, from % 64);
    let mut digits = vec![Digit::default(); limbs[0].len()];
    let Some(low) = limbs.get(limb) else { return digits };
    // Above the last limb there is nothing.
    let (high, above) = limbs.get(limb + 1).map_or((low, 0), |high| (high, u64::MAX));
    let (up, mask) = (u32::from(bit == 0), (2u64 << width) - 1);
    for (digit, (low, high)) in digits.iter_mut().zip(low.iter().zip(high)) {
        // In two steps, since a shift by 64 would be none.
        let bits = low >> shift | (high & above) << 1 << (63 - shift);
        let bits = (bits << up & mask) as i32;
        *digit = Digit::new(((bits + 1) >> 1) - ((bits >> width) << width));
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_add_up_to_the_scalar() {
        let scalars =
            [0, 1, 127, 128, 129, u128::MAX >> 2, 0x8765_4321_0fed_cba9_8000_0000_0000_0000 >> 2];
        let limbs = [0, 64].map(|shift| scalars.iter().map(|s| (s >> shift) as u64).collect());
        for width in 1..=MAX_WIDTH {
            let mut sums = scalars.map(|_| 0i128);
            for window in (0..=126 / width).rev() {
                for (sum, digit) in sums.iter_mut().zip(digits(&limbs, window, width)) {
                    let magnitude = digit.bucket().map_or(0, |b| b as i128 + 1);
                    assert!(magnitude <= 1 << (width - 1));
                    *sum =
                        (*sum << width) + if digit.is_negative() { -magnitude } else { magnitude };
                }
            }
            assert_eq!(sums.map(|s| s as u128), scalars, "{width}");
        }
    }
}
