//! Scales, shifts and rounding of the layers of sequences.

/// Numbers of a tensor that a scale is chosen by.
const SAMPLED: usize = 60_000;
/// Clips that are tried, from the smallest share of the largest number to all of it.
const CLIPS: usize = 14;

/// Codes per unit with the least squared error, of those that clip at `least` to 1 of the largest number, where codes
/// reach to `largest`. 1 if all numbers are 0.
pub(super) fn best(numbers: &[f64], largest: f64, least: f64) -> f64 {
    let most = numbers.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    if most == 0.0 || !most.is_finite() {
        return 1.0;
    }
    let step = numbers.len().div_ceil(SAMPLED).max(1);
    let sample: Vec<f64> = numbers.iter().copied().step_by(step).collect();
    let error = |scale: f64| -> f64 {
        let one = |x: &f64| (rounded(x * scale).clamp(-largest - 1.0, largest) / scale - x).powi(2);
        sample.iter().map(one).sum()
    };
    let clip = |i: usize| least + (1.0 - least) * i as f64 / (CLIPS - 1) as f64;
    let scales = (0..CLIPS).map(|i| largest / (most * clip(i)));
    let tried = scales.map(|scale| (error(scale), scale));
    tried.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(1.0, |(_, scale)| scale)
}

/// The nearest whole number, halves up.
pub(super) fn rounded(x: f64) -> f64 {
    (x + 0.5).floor()
}

/// The largest shift up to `most` at which numbers stay within `largest`.
pub(super) fn shift(numbers: impl Iterator<Item = f64>, largest: f64, most: u32) -> u32 {
    let top = numbers.fold(0.0, |top: f64, x| top.max(x.abs()));
    (0..=most).rev().find(|s| top * f64::from(*s).exp2() <= largest).unwrap_or(0)
}

/// `x` with a shift, as an integer of 32 bits.
pub(super) fn integer(x: f64, shift: u32) -> i32 {
    // The cast saturates, and what is so large is refused by its bound.
    rounded(x * f64::from(shift).exp2()) as i32
}

/// The same as a weight.
pub(super) fn weight(x: f64, shift: u32) -> i16 {
    let value = rounded(x * f64::from(shift).exp2());
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_clips_what_is_rare_and_far() {
        let mut numbers: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1000.0).collect();
        assert!((best(&numbers, 127.0, 0.5) - 127.0 / 0.999).abs() < 1.0);
        numbers.push(1.6);
        assert!(best(&numbers, 7.0, 0.35) > 7.0 / 1.6);
        assert_eq!(best(&[0.0; 4], 127.0, 0.5), 1.0);
    }

    #[test]
    fn shifts_are_the_largest_that_fit() {
        assert_eq!(shift([0.5, -0.9].into_iter(), 127.0, 14), 7);
        assert_eq!(shift([0.0].into_iter(), 127.0, 14), 14);
        assert_eq!(shift([1e6].into_iter(), 127.0, 14), 0);
        assert_eq!((integer(-0.375, 2), weight(0.625, 2)), (-1, 3));
    }
}
