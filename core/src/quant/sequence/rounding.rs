//! From sums to values.

/// `floor((a + 2^(shift-1)) / 2^shift)`.
pub(super) fn rounded(a: i64, shift: u32) -> i64 {
    (a + half(shift)) >> shift
}

/// `2^(shift-1)`; 0 for a shift of 0.
pub(super) fn half(shift: u32) -> i64 {
    (1 << shift) >> 1
}

/// Saturates to so many bits, at most 16.
pub(super) fn saturated(q: i64, bits: u32) -> i16 {
    let end = 1i64 << (bits - 1);
    // The clamp makes the cast lossless.
    q.clamp(-end, end - 1) as i16
}
