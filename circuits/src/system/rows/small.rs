//! Small cells of a row that looks up, and the marks that all such rows have.

use dn_core::Width;
use halo2_proofs::halo2curves::bn256::Fr;

use crate::field::signed;
use crate::system::columns::{Cell, MAX_LANES};
use crate::system::fixed::Draft;
use crate::system::steering::Fx;

/// Small cells of one row, before they become field elements.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Small {
    hi: [u64; MAX_LANES],
    lo: [u64; MAX_LANES],
    out: [u64; MAX_LANES],
}

impl Small {
    /// Sets a cell.
    #[inline]
    pub(crate) fn set(&mut self, cell: Cell, x: u64) {
        match cell {
            Cell::Hi(lane) => self.hi[lane] = x,
            Cell::Lo(lane) => self.lo[lane] = x,
            Cell::Out(lane) => self.out[lane] = x,
        }
    }

    /// Sets `hi`, `lo` and `out` of a lane.
    #[inline]
    pub(crate) fn put(&mut self, lane: usize, [hi, lo, out]: [u64; 3]) {
        self.hi[lane] = hi;
        self.lo[lane] = lo;
        self.out[lane] = out;
    }

    /// `hi`, `lo` and `out` of a lane.
    #[inline]
    pub(crate) fn lane(&self, lane: usize) -> [u64; 3] {
        [self.hi[lane], self.lo[lane], self.out[lane]]
    }

    /// Writes a cell of every lane from another one.
    pub(crate) fn derive(&mut self, width: Width, of: impl Fn(u64) -> u64) {
        (0..width.lanes()).for_each(|lane| self.out[lane] = of(self.hi[lane]));
    }
}

/// Marks of a row of values, the first chunk of a position or another.
pub(crate) fn chunk(d: &mut Draft, row: usize, is_first: bool, tags: (u64, u64)) {
    look_up(d, row, tags);
    if !is_first {
        d.mark(Fx::Chunk, row);
    }
}

/// Marks of a row that looks up: `hi` and `out` under one tag, `lo` under another, if it has one.
pub(crate) fn look_up(d: &mut Draft, row: usize, (a, b): (u64, u64)) {
    d.mark(Fx::Lookup, row);
    d.set(Fx::TagA, row, Fr::from(a));
    if b != 0 {
        d.set(Fx::TagB, row, Fr::from(b));
    }
}

/// How a row divides accumulators.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Divided {
    /// Tags of (quotient, value) and of the remainder.
    pub(crate) tags: (u64, u64),
    /// log2 of the remainders' range.
    pub(crate) lo_bits: u32,
    /// What scaled accumulators add to `2^bits hi + lo`.
    pub(crate) offset: i64,
    /// What is stored for 0.
    pub(crate) zero: u64,
}

/// Marks of a row of quotients and remainders.
pub(crate) fn divide(d: &mut Draft, row: usize, of: &Divided) {
    look_up(d, row, of.tags);
    d.set(Fx::Scale, row, Fr::from(1 << of.lo_bits));
    d.set(Fx::Offset, row, signed(of.offset));
    d.set(Fx::Zero, row, Fr::from(of.zero));
}
