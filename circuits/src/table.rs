//! The one lookup table of a model: tagged sections of triples.

use std::collections::HashMap;

use dn_core::quant::{requantize, Dense, Graph, ZERO_POINT};

/// Values that a probe's score packs: one for the probe, then correct, then the margin.
pub const SCORE_CORRECT: u64 = 1 << 16;
/// See [`SCORE_CORRECT`].
pub const SCORE_MARGIN: u64 = 1 << 32;
/// Range of the cells on quality rows: `[0, 2^9)` holds a byte plus one bit.
const QUALITY_BITS: u32 = 9;

/// A row of the table, or a value looked up in it: tag, first, second.
pub type Triple = (u64, u64, u64);

/// How the accumulator of one layer splits into `hi` and `lo`.
///
/// All layers share one section of remainders, `[0, 2^bits)`. A layer with a smaller shift scales
/// its accumulator by `2^(bits - shift)` first: that leaves the quotient as it is and makes the
/// remainder a multiple of the scale, because everything else in the integer equation
/// `scale acc = 2^bits (hi + quotient_min) + lo - scale half` is one.
#[derive(Clone, Copy, Debug)]
pub struct Division {
    /// Tag of the pairs (`hi`, stored output byte).
    pub tag_hi: u64,
    /// Smallest quotient of any accumulator; `hi` counts from it.
    pub quotient_min: i64,
    /// Right shift.
    shift: u32,
    /// log2 of the remainders' range.
    bits: u32,
}

impl Division {
    /// What the accumulator and its weights are multiplied by.
    #[must_use]
    pub fn scale(&self) -> i64 {
        1 << (self.bits - self.shift)
    }

    /// `hi` and `lo` of an accumulator, bias included.
    #[must_use]
    pub fn split(&self, acc: i32) -> (u64, u64) {
        let rounded = i64::from(acc) + half(self.shift);
        let hi = (rounded >> self.shift) - self.quotient_min;
        let lo = (rounded & ((1 << self.shift) - 1)) * self.scale();
        (hi.unsigned_abs(), lo.unsigned_abs())
    }

    /// What a scaled accumulator without bias adds to `2^bits hi + lo`.
    #[must_use]
    pub fn offset(&self, bias: i32) -> i64 {
        (self.quotient_min << self.bits) - (i64::from(bias) + half(self.shift)) * self.scale()
    }
}

fn half(shift: u32) -> i64 {
    if shift == 0 {
        0
    } else {
        1 << (shift - 1)
    }
}

/// The stored byte of an int8 value.
#[must_use]
pub fn stored(q: i8) -> u64 {
    (i64::from(q) + i64::from(ZERO_POINT)).unsigned_abs()
}

/// Sections and rows of a model's table. Row 0 is the default `(0, 0, 0)`.
#[derive(Clone, Debug)]
pub struct Table {
    /// Every row, in order.
    pub rows: Vec<Triple>,
    index: HashMap<Triple, usize>,
    /// Tag of input bytes in `out`.
    pub tag_input: u64,
    /// Tag of input bytes in `lo`.
    pub tag_byte: u64,
    /// By layer.
    pub divisions: Vec<Division>,
    /// Tag of the remainders; slacks and sums on quality rows use the same range.
    pub tag_lo: u64,
    /// log2 of the remainders' range.
    pub lo_bits: u32,
    /// Tag of (difference, score); bounds `hi` on class rows.
    pub tag_score: u64,
}

struct Builder {
    rows: Vec<Triple>,
    tags: u64,
}

impl Builder {
    fn section(&mut self, pairs: impl Iterator<Item = (u64, u64)>) -> u64 {
        self.tags += 1;
        let tag = self.tags;
        self.rows.extend(pairs.map(|(a, b)| (tag, a, b)));
        tag
    }

    fn division(&mut self, layer: &Dense, bits: u32) -> Division {
        let ranges: Vec<_> = (0..layer.outputs).map(|o| layer.accumulator_range(o)).collect();
        let rounded = |acc: i64| (acc + half(layer.shift)) >> layer.shift;
        let quotient_min = rounded(ranges.iter().map(|r| r.0).min().unwrap_or(0));
        let quotient_max = rounded(ranges.iter().map(|r| r.1).max().unwrap_or(0));
        let pairs = (quotient_min..=quotient_max).map(|q| {
            // The clamp makes the cast lossless; a shift of 0 only saturates.
            let saturated = requantize(q.clamp(-128, 127) as i32, 0);
            ((q - quotient_min).unsigned_abs(), stored(layer.activation.apply(saturated)))
        });
        let tag_hi = self.section(pairs);
        Division { tag_hi, quotient_min, shift: layer.shift, bits }
    }
}

impl Table {
    /// Builds the table of a validated graph.
    #[must_use]
    pub fn new(graph: &Graph) -> Self {
        let mut b = Builder { rows: vec![(0, 0, 0)], tags: 0 };
        let tag_input = b.section((0..256).map(|v| (0, v)));
        let tag_byte = b.section((0..256).map(|v| (v, 0)));
        let lo_bits = graph.layers.iter().map(|l| l.shift).fold(QUALITY_BITS, u32::max);
        let divisions = graph.layers.iter().map(|l| b.division(l, lo_bits)).collect();
        let tag_lo = b.section((0..1u64 << lo_bits).map(|v| (v, 0)));
        let tag_score = b.section((0..1 << QUALITY_BITS).map(|key| (key, packed_score(key))));
        let index = b.rows.iter().enumerate().map(|(i, t)| (*t, i)).collect();
        Self { rows: b.rows, index, tag_input, tag_byte, divisions, tag_lo, lo_bits, tag_score }
    }

    /// Row of a triple, if it is in the table.
    #[must_use]
    pub fn find(&self, triple: Triple) -> Option<usize> {
        self.index.get(&triple).copied()
    }
}

/// Score of `key`: 0 without a label, else 256 + label's output - best other.
#[must_use]
pub fn packed_score(key: u64) -> u64 {
    match key {
        0 => 0,
        1..=256 => 1,
        _ => 1 + SCORE_CORRECT + (key - 256) * SCORE_MARGIN,
    }
}
