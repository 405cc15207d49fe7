//! The one lookup table of a model: tagged sections of triples.

use std::collections::BTreeMap;

use dn_core::quant::{requantize, Graph, ZERO_POINT};
use dn_core::Scoring;
use halo2_proofs::halo2curves::bn256::Fr;

/// Values that a probe's score packs: one for the probe, then correct, then the margin.
pub const SCORE_CORRECT: u64 = 1 << 16;
/// See [`SCORE_CORRECT`].
pub const SCORE_MARGIN: u64 = 1 << 32;
/// Range of the looked-up cells on quality rows: `[0, 2^9)` holds a byte plus one bit.
const QUALITY_BITS: u32 = 9;

/// log2 of the range that slacks and labels need: up to 511 classes that of a byte plus one bit.
fn label_bits(classes: usize) -> u32 {
    QUALITY_BITS.max(usize::BITS - classes.leading_zeros())
}

/// A row of the table, or a value looked up in it: tag, first, second.
pub type Triple = (u64, u64, u64);

/// How the accumulators of one node split into `hi` and `lo`.
///
/// All channels share one section of remainders, `[0, 2^bits)`. One with a smaller shift scales its
/// accumulator by `2^(bits - shift)` first: that leaves the quotient as it is and makes the
/// remainder a multiple of the scale, because everything else in the integer equation
/// `scale acc = 2^bits (hi + quotient_min) + lo - scale half` is one.
#[derive(Clone, Debug)]
pub struct Division {
    /// Tag of the pairs (`hi`, stored output byte).
    pub tag_hi: u64,
    /// Pooled nodes: tag of (difference to the largest quotient, what a position adds to its window).
    pub tag_window: Option<u64>,
    /// Smallest quotient of any accumulator; `hi` counts from it.
    pub quotient_min: i64,
    /// Right shift of each channel.
    pub(super) shift: Vec<u32>,
    /// log2 of the remainders' range.
    pub(super) bits: u32,
}

impl Division {
    /// What the accumulator of a channel and its weights are multiplied by.
    #[must_use]
    pub fn scale(&self, channel: usize) -> i64 {
        1 << (self.bits - self.shift[channel])
    }

    /// `hi` and `lo` of an accumulator, bias included.
    #[must_use]
    pub fn split(&self, channel: usize, acc: i32) -> (u64, u64) {
        let shift = self.shift[channel];
        let rounded = i64::from(acc) + half(shift);
        let hi = (rounded >> shift) - self.quotient_min;
        let lo = (rounded & ((1 << shift) - 1)) * self.scale(channel);
        (hi.unsigned_abs(), lo.unsigned_abs())
    }

    /// The smallest quotient, scaled.
    pub(crate) fn least(&self) -> i64 {
        self.quotient_min << self.bits
    }

    /// What a scaled accumulator without bias adds to `2^bits hi + lo`.
    #[must_use]
    pub fn offset(&self, channel: usize, bias: i32) -> i64 {
        let rounded = i64::from(bias) + half(self.shift[channel]);
        (self.quotient_min << self.bits) - rounded * self.scale(channel)
    }
}

pub(super) fn half(shift: u32) -> i64 {
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

/// The stored byte of 0, which folds of values leave out.
pub(crate) fn zero_point() -> Fr {
    Fr::from(ZERO_BYTE)
}

/// The stored byte of 0.
const ZERO_BYTE: u64 = ZERO_POINT.unsigned_abs() as u64;

/// Sections and rows of a model's table. Row 0 is the default `(0, 0, 0)`.
#[derive(Clone, Debug)]
pub struct Table {
    /// Every row, in order.
    pub rows: Vec<Triple>,
    /// By tag: the row at which the section's first value, or else the second one, is 0.
    pub(super) sections: Vec<usize>,
    /// Tag of input bytes in `out`; in a sequence's table of tokens, whose stored byte is in `out`.
    pub tag_input: u64,
    /// Tag of input bytes in `lo`.
    pub tag_byte: u64,
    /// Tag of the zero that stands in `out` where a row has a byte in `lo` alone.
    pub tag_absent: u64,
    /// By node.
    pub divisions: Vec<Division>,
    /// Tag of the remainders; slacks, sums and labels on quality rows use the same range.
    pub tag_lo: u64,
    /// log2 of the remainders' range.
    pub lo_bits: u32,
    /// Tag of (difference, score); bounds `hi` on class rows.
    pub tag_score: u64,
}

/// Rows of a validated graph's table, those of fixed size apart, before it is built.
pub(crate) fn rows(graph: &Graph) -> usize {
    let of = |node: usize| {
        let (low, high) = graph.quotient_range(node);
        (high - low).unsigned_abs() as usize + 1
    };
    (0..graph.nodes.len()).map(of).sum()
}

/// A table in the making.
pub(super) struct Builder {
    pub(super) rows: Vec<Triple>,
    pub(super) sections: Vec<usize>,
    /// Sections that whoever has the same pairs shares, and their tags.
    known: Vec<(Vec<(u64, u64)>, u64)>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self { rows: vec![(0, 0, 0)], sections: vec![0], known: Vec::new() }
    }

    /// Tag of the section with these pairs, which is added if there is none.
    pub(super) fn shared(&mut self, pairs: Vec<(u64, u64)>) -> u64 {
        if let Some((_, tag)) = self.known.iter().find(|(known, _)| *known == pairs) {
            return *tag;
        }
        let tag = self.section(pairs.iter().copied());
        self.known.push((pairs, tag));
        tag
    }

    /// Adds a section; returns its tag.
    pub(super) fn section(&mut self, pairs: impl Iterator<Item = (u64, u64)>) -> u64 {
        let tag = self.sections.len() as u64;
        self.sections.push(self.rows.len());
        self.rows.extend(pairs.map(|(a, b)| (tag, a, b)));
        tag
    }

    /// The section of windows of `pool` by `pool`: at most one position is chosen, where there is no
    /// difference.
    fn window(&mut self, pool: usize, differences: u64) -> u64 {
        self.rows.push((self.sections.len() as u64, 0, chosen(pool)));
        self.section((0..differences).map(|d| (d, NOT_CHOSEN)))
    }

    /// The section of a node, and the number of its quotients.
    fn division(&mut self, graph: &Graph, node: usize, bits: u32) -> (Division, u64) {
        let (quotient_min, quotient_max) = graph.quotient_range(node);
        let node = &graph.nodes[node];
        let pairs = (quotient_min..=quotient_max).map(|q| {
            // The clamp makes the cast lossless; a shift of 0 only saturates.
            let saturated = requantize(q.clamp(-128, 127) as i32, 0);
            ((q - quotient_min).unsigned_abs(), stored(node.activation.apply(saturated)))
        });
        let tag_hi = self.section(pairs);
        let shift = node.shift.clone();
        let division = Division { tag_hi, tag_window: None, quotient_min, shift, bits };
        (division, (quotient_max - quotient_min).unsigned_abs() + 1)
    }
}

/// A position of a window that is not its largest, or not the one of several.
pub(crate) const NOT_CHOSEN: u64 = ZERO_BYTE - 1;

/// The chosen position of a window of `pool` by `pool`. Its bytes sum to as many stored zeros.
pub(crate) fn chosen(pool: usize) -> u64 {
    NOT_CHOSEN + (pool * pool) as u64
}

impl Table {
    /// Builds the table of a validated graph. Without classes it has no scores.
    #[must_use]
    pub fn new(graph: &Graph, scoring: Scoring) -> Self {
        let mut b = Builder::new();
        let tag_input = b.section((0..256).map(|v| (0, v)));
        let tag_byte = b.section((0..256).map(|v| (v, 0)));
        let tag_absent = b.section([(0, ZERO_BYTE)].into_iter());
        let shifts = graph.nodes.iter().flat_map(|n| n.shift.iter().copied());
        let lo_bits = shifts.fold(
            match scoring {
                Scoring::Classes => label_bits(graph.output_len()),
                Scoring::None => 0,
            },
            u32::max,
        );
        let mut divisions = Vec::with_capacity(graph.nodes.len());
        let mut windows: BTreeMap<usize, u64> = BTreeMap::new();
        for (i, node) in graph.nodes.iter().enumerate() {
            let (division, quotients) = b.division(graph, i, lo_bits);
            divisions.push(division);
            if node.pool > 1 {
                let differences = windows.entry(node.pool).or_default();
                *differences = quotients.max(*differences);
            }
        }
        let tag_lo = b.section((0..1u64 << lo_bits).map(|v| (v, 0)));
        let keys = match scoring {
            Scoring::Classes => 1 << QUALITY_BITS,
            Scoring::None => 0,
        };
        let tag_score = b.section((0..keys).map(|key| (key, packed_score(key))));
        for (pool, differences) in windows {
            let tag = b.window(pool, differences);
            let pooled = divisions.iter_mut().zip(&graph.nodes).filter(|(_, n)| n.pool == pool);
            pooled.for_each(|(division, _)| division.tag_window = Some(tag));
        }
        Self {
            rows: b.rows,
            sections: b.sections,
            tag_input,
            tag_byte,
            tag_absent,
            divisions,
            tag_lo,
            lo_bits,
            tag_score,
        }
    }

    /// Row of a triple, if it is in the table.
    #[must_use]
    pub fn find(&self, triple: Triple) -> Option<usize> {
        let (tag, a, b) = triple;
        let first = *self.sections.get(usize::try_from(tag).ok()?)?;
        let row = if tag == self.tag_input {
            first + usize::try_from(b).ok()?
        } else {
            first + usize::try_from(a).ok()?
        };
        // The row of a chosen position stands before its section.
        [row, first.wrapping_sub(1)].into_iter().find(|row| self.rows.get(*row) == Some(&triple))
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
