//! What the codes of a tensor stand for.

use serde::{Deserialize, Serialize};

use crate::quantize::to_int8;

/// Float values of the int8 codes of a tensor: `value = offset + scale code`.
///
/// There is one pair for all values, one per channel, or one per value. In row-major order that is
/// one rule: value `i` of `n` has the pair `i pairs / n`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Codes {
    /// Float value of one step, positive and finite.
    pub scale: Vec<f32>,
    /// Float value of code 0, finite; as many as scales.
    pub offset: Vec<f32>,
}

impl Codes {
    /// One scale for all values; code 0 is zero.
    #[must_use]
    pub fn uniform(scale: f32) -> Self {
        Self { scale: vec![scale], offset: vec![0.0] }
    }

    /// Codes of `x`: the nearest step, halves up, saturated.
    #[must_use]
    pub fn quantize(&self, x: &[f32]) -> Vec<i8> {
        self.steps(x).map(to_int8).collect()
    }

    /// How many of `x` no code stands for, not even rounded.
    #[must_use]
    pub fn saturated(&self, x: &[f32]) -> usize {
        self.steps(x).filter(|q| !(-129.0..=128.0).contains(q)).count()
    }

    /// Float values of the codes `q`.
    #[must_use]
    pub fn dequantize(&self, q: &[i8]) -> Vec<f32> {
        self.values(&q.iter().map(|q| f32::from(*q)).collect::<Vec<_>>())
    }

    /// `x` in steps from code 0.
    pub(crate) fn numbers(&self, x: &[f32]) -> Vec<f32> {
        self.steps(x).collect()
    }

    /// The values of numbers of steps.
    pub(crate) fn values(&self, steps: &[f32]) -> Vec<f32> {
        let pairs = (0..steps.len()).map(|i| self.pair(i, steps.len()));
        pairs.zip(steps).map(|((scale, offset), v)| offset + scale * v).collect()
    }

    /// With every step so many times as large. Where all channels or values have one pair, it stands
    /// for all.
    pub(crate) fn times(&self, factor: f32) -> Self {
        let scale: Vec<f32> = self.scale.iter().map(|s| s * factor).collect();
        let Self { offset, .. } = self;
        let same = |list: &[f32]| list.iter().all(|v| *v == list[0]);
        let count = if same(&scale) && same(offset) { 1 } else { scale.len() };
        Self { scale: scale[..count].to_vec(), offset: offset[..count].to_vec() }
    }

    fn steps<'a>(&'a self, x: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        let pairs = (0..x.len()).map(|i| self.pair(i, x.len()));
        pairs.zip(x).map(|((scale, offset), v)| (v - offset) / scale)
    }

    /// Scale and offset of value `i` of `n`.
    fn pair(&self, i: usize, n: usize) -> (f32, f32) {
        let at = i * self.scale.len() / n;
        (self.scale[at], self.offset[at])
    }

    /// Whether there is one pair for all, for each of `channels`, or for each of `len` values, and
    /// every number is sane.
    pub(crate) fn fits(&self, channels: usize, len: usize) -> bool {
        let count = self.scale.len();
        count == self.offset.len()
            && [1, channels, len].contains(&count)
            && self.scale.iter().all(|s| s.is_finite() && *s > 0.0)
            && self.offset.iter().all(|o| o.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_for_all_values_for_channels_or_for_single_values() {
        let x = [1.0, 2.0, 30.0, 40.0];
        let codes =
            |scale: &[f32], offset: &[f32]| Codes { scale: scale.into(), offset: offset.into() };
        assert_eq!(Codes::uniform(10.0).quantize(&x), [0, 0, 3, 4]);
        let channels = codes(&[1.0, 10.0], &[0.0, 20.0]);
        assert_eq!(channels.quantize(&x), [1, 2, 1, 2]);
        assert_eq!(channels.dequantize(&[1, 2, 1, 2]), x);
        let values = codes(&[1.0, 1.0, 10.0, 20.0], &[1.0, 0.0, 0.0, 40.0]);
        assert_eq!(values.quantize(&x), [0, 2, 3, 0]);
        assert!(values.fits(2, 4) && channels.fits(2, 4) && !values.fits(2, 5));
        assert!(!codes(&[0.0], &[0.0]).fits(1, 1) && !codes(&[1.0], &[f32::NAN]).fits(1, 1));
    }

    #[test]
    fn what_no_code_stands_for_is_counted() {
        assert_eq!(Codes::uniform(1.0).saturated(&[127.0, 128.0, -128.5, 129.5, -1e9]), 2);
    }
}
