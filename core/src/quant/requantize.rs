//! From accumulators to int8, and from int8 to bytes.

/// Offset between an int8 value and the byte that commitments and circuit cells hold.
pub const ZERO_POINT: i32 = 128;

/// Rescales an accumulator to int8: `clamp(floor((acc + 2^(shift-1)) / 2^shift), -128, 127)`.
///
/// Halves round towards +infinity. A `shift` of 0 only saturates.
///
/// ```
/// use dn_core::quant::requantize;
/// assert_eq!(requantize(3, 1), 2); // 1.5 rounds up
/// assert_eq!(requantize(-3, 1), -1); // -1.5 rounds up
/// assert_eq!(requantize(i32::MAX, 4), 127);
/// ```
#[must_use]
pub fn requantize(acc: i32, shift: u32) -> i8 {
    let half = if shift == 0 { 0 } else { 1i64 << (shift - 1) };
    let scaled = (i64::from(acc) + half) >> shift;
    // The clamp makes the cast lossless.
    scaled.clamp(i64::from(i8::MIN), i64::from(i8::MAX)) as i8
}
