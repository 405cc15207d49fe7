//! Ranges of values and the scales that cover them.

use crate::float::Scalar;

/// Largest int8 magnitude in use by scales.
const LIMIT: f32 = 127.0;
/// Points at which a function is compared with its value at the end of a range.
const SAMPLES: usize = 4096;

/// Smallest and largest value seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Range {
    /// The range of `values`; infinite if one of them is not finite.
    pub(super) fn of(values: &[f32]) -> Self {
        if values.iter().any(|v| !v.is_finite()) {
            return Self { low: f32::NEG_INFINITY, high: f32::INFINITY };
        }
        let none = Self { low: f32::INFINITY, high: f32::NEG_INFINITY };
        values.iter().fold(none, |r, v| Self { low: r.low.min(*v), high: r.high.max(*v) })
    }

    pub(super) fn join(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// The largest absolute value.
    pub(super) fn magnitude(self) -> f32 {
        self.low.abs().max(self.high.abs())
    }

    pub(super) fn is_finite(self) -> bool {
        self.low.is_finite() && self.high.is_finite()
    }

    /// Half of the distance from the lowest to the highest.
    pub(super) fn half(self) -> f32 {
        (self.high - self.low) / 2.0
    }

    /// With room on both sides, `margin` times the range about its middle.
    pub(super) fn widened(self, margin: f32) -> Self {
        let room = (margin - 1.0) * self.half();
        Self { low: self.low - room, high: self.high + room }
    }

    /// The range of `values / divisor`.
    pub(super) fn over(self, divisor: f32) -> Self {
        Self { low: self.low / divisor, high: self.high / divisor }
    }

    pub(super) fn scale(self) -> f32 {
        scale(self.magnitude())
    }

    /// The part of the range, up to one sample, outside of which `chain` is constant.
    pub(super) fn that_matters(self, chain: &[Scalar]) -> Self {
        let point = |i: usize| self.low + (self.high - self.low) * i as f32 / SAMPLES as f32;
        let value = |i: usize| crate::float::apply_all(chain, point(i));
        let from_low = (0..=SAMPLES).take_while(|i| value(*i) == value(0)).count();
        let from_high = (0..=SAMPLES).rev().take_while(|i| value(*i) == value(SAMPLES)).count();
        if from_low > SAMPLES {
            return self;
        }
        let high = (SAMPLES + 1).saturating_sub(from_high).min(SAMPLES);
        Self { low: point(from_low.saturating_sub(1)), high: point(high) }
    }
}

/// `m / 127`, or 1 for a tensor that is zero throughout.
fn scale(m: f32) -> f32 {
    let scale = m / LIMIT;
    if scale.is_normal() {
        scale
    } else {
        1.0
    }
}

/// Nearest integer, halves up, saturated to int8.
pub(crate) fn to_int8(x: f32) -> i8 {
    (x + 0.5).floor().clamp(-128.0, 127.0) as i8
}
