//! Fractions of the protocol: integers with [`ONE`] for 1.0. Division rounds down everywhere.

use ruint::aliases::U256;

/// 1.0.
pub const ONE: u32 = u32::MAX;

/// A number from 0 to 1 in steps of `1 / ONE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fraction(pub u32);

impl Fraction {
    /// 0.
    pub const ZERO: Self = Self(0);
    /// 1.
    pub const ONE: Self = Self(ONE);

    /// `floor(part * ONE / whole)`. `None` when the part is larger than the whole or both are zero.
    #[must_use]
    pub fn of_down(part: u128, whole: u128) -> Option<Self> {
        if part > whole || whole == 0 {
            return None;
        }
        u32::try_from(mul_div_down(part, u128::from(ONE), whole)?).ok().map(Self)
    }

    /// `floor(amount * self / ONE)`, at most the amount.
    #[must_use]
    pub fn times_down(self, amount: u128) -> u128 {
        // The quotient is at most `amount`, so it exists.
        mul_div_down(amount, u128::from(self.0), u128::from(ONE)).unwrap_or(amount)
    }
}

/// `floor(a * b / c)`. `None` when `c` is zero or the quotient does not fit.
#[must_use]
pub fn mul_div_down(a: u128, b: u128, c: u128) -> Option<u128> {
    if c == 0 {
        return None;
    }
    u128::try_from(U256::from(a) * U256::from(b) / U256::from(c)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_any_size_are_exact() {
        assert_eq!(mul_div_down(u128::MAX, u128::MAX, u128::MAX), Some(u128::MAX));
        assert_eq!(mul_div_down(u128::MAX, 2, 1), None);
        assert_eq!(mul_div_down(1, 1, 0), None);
        assert_eq!(mul_div_down(7, 3, 2), Some(10));
    }

    #[test]
    fn a_fraction_is_at_most_one() {
        assert_eq!(Fraction::of_down(3, 2), None);
        assert_eq!(Fraction::of_down(0, 0), None);
        assert_eq!(Fraction::of_down(2, 2), Some(Fraction::ONE));
        assert_eq!(Fraction::ONE.times_down(u128::MAX), u128::MAX);
        assert_eq!(Fraction(ONE / 2).times_down(2), 0, "rounds down");
    }
}
