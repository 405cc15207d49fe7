//! Rows of the input: one or two values each.
//!
//! Values that stand side by side share a row, the second one in `lo`, unless they belong to two
//! words. Their folds move on independently. Words are folded by Horner's rule along the way: with
//! `v` at the value of digit `k` of word `i`, the next value of digit `k'` of word `i'` makes it
//! `256^(k-k') e^(i'-i) v + value`.

use dn_core::commitment::WORD_BYTES;
use dn_core::quant::ZERO_POINT;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::tensors::{chunk_row, Ended, Model};
use super::writer::{Move, Moves, Writer};
use super::{folded_words, InputRow};
use crate::columns::{Fx, LANES};
use crate::field::signed;
use crate::layout::{phases, Reading};

/// `256^n`, also for negative `n`.
fn power_of_256(n: i64) -> Fr {
    let power = Fr::from(256).pow_vartime([n.unsigned_abs()]);
    if n < 0 {
        power.invert().unwrap_or(Fr::ZERO)
    } else {
        power
    }
}

/// The fold of words between two values.
#[derive(Debug, Default)]
struct Words {
    /// Last value that was packed, and its row.
    at: Option<(usize, usize)>,
}

impl Words {
    /// Rows that the fold needs to reach value `n`.
    fn rows(&self, n: usize) -> usize {
        self.at.map_or(1, |(before, _)| n / WORD_BYTES - before / WORD_BYTES)
    }

    /// Packs the value `n`, and the next one if it is there, on `row`.
    fn pack(&mut self, w: &mut Writer, n: usize, row: usize) {
        w.mark(Fx::Pack, row);
        if let Some((before, from)) = self.at {
            let words = n / WORD_BYTES - before / WORD_BYTES;
            let digits = (before % WORD_BYTES) as i64 - (n % WORD_BYTES) as i64;
            self.advance(w, from, row, words, digits);
        }
        self.at = Some((n, row));
    }

    /// Multiplies by `e^words 256^digits` on the rows behind `from`, up to `row`.
    fn advance(&self, w: &mut Writer, from: usize, row: usize, words: usize, digits: i64) {
        let factor = power_of_256(digits);
        w.set(if words == 0 { Fx::Scale } else { Fx::WordStep }, row, factor);
        for (i, r) in (from + 1..row).rev().enumerate() {
            w.mark(if i + 1 < words { Fx::WordStep } else { Fx::Scale }, r);
        }
    }

    /// Completes the fold of a message of `len` values; returns the row.
    fn done(&self, w: &mut Writer, len: usize) -> Option<usize> {
        let (last, from) = self.at?;
        let words = folded_words(len) - 1 - last / WORD_BYTES;
        let row = from + words.max(1);
        self.advance(w, from, row, words, (last % WORD_BYTES) as i64);
        w.mark(Fx::WordsDone, row);
        Some(row)
    }
}

/// A value of the input.
#[derive(Clone, Copy, Debug)]
struct Value {
    index: usize,
    channel: usize,
    position: [usize; 2],
}

impl Model<'_> {
    /// Rows of the input; returns the row of each value.
    pub(crate) fn inputs(&self, w: &mut Writer) -> Vec<InputRow> {
        let shape = self.graph.input;
        let mut rows = vec![InputRow::default(); shape.len()];
        w.flush();
        let stride = match self.layout.readings[0] {
            Reading::Image { stride, .. } => stride,
            Reading::Dense => [1; 2],
        };
        for phase in phases(stride) {
            let mut words = Words::default();
            for values in self.images(phase, stride) {
                self.input_image(w, (phase, stride), &values, &mut words, &mut rows);
            }
            let row = words.done(w, shape.len());
            w.row = w.row.max(row.map_or(0, |r| r + 1));
        }
        w.flush();
        // A row without a scale, on which folded words end.
        w.row += 1;
        rows
    }

    /// The values of a phase, ascending, cut where a new image begins.
    fn images(&self, phase: [usize; 2], stride: [usize; 2]) -> Vec<Vec<Value>> {
        let shape = self.graph.input;
        let channel = |channel: usize| -> Vec<Value> {
            let rows = (phase[0]..shape.height).step_by(stride[0]);
            rows.flat_map(|i| {
                (phase[1]..shape.width).step_by(stride[1]).map(move |j| Value {
                    index: channel * shape.positions() + i * shape.width + j,
                    channel,
                    position: [i, j],
                })
            })
            .collect()
        };
        let channels: Vec<Vec<Value>> = (0..shape.channels).map(channel).collect();
        match self.layout.readings[0] {
            Reading::Image { .. } => channels,
            Reading::Dense => vec![channels.concat()],
        }
    }

    fn input_image(
        &self,
        w: &mut Writer,
        (phase, stride): ([usize; 2], [usize; 2]),
        values: &[Value],
        words: &mut Words,
        rows: &mut [InputRow],
    ) {
        let width = match self.layout.readings[0] {
            Reading::Image { width, .. } => Some(width),
            Reading::Dense => None,
        };
        let moved = |before: &mut Option<i64>, v: &Value| {
            width.map_or(Move::Reset, |width| {
                let [a, b] = [0, 1].map(|axis| (v.position[axis] / stride[axis]) as i64);
                Move::to(before, a * width + b)
            })
        };
        let (mut image, mut outputs) = (None, None);
        let mut ended: [Option<Ended>; 2] = [None; 2];
        let mut at = 0;
        while let Some(first) = values.get(at) {
            let second = values.get(at + 1).filter(|s| {
                let same_row = width.is_none() || s.position[0] == first.position[0];
                same_row && s.index == first.index + 1 && s.index % WORD_BYTES != 0
            });
            at += 1 + usize::from(second.is_some());
            let moves = Moves {
                image: moved(&mut image, first),
                outputs: second.map_or(Move::Steps(0), |s| moved(&mut outputs, s)),
                rows: words.rows(first.index),
            };
            let (begin, row) = self.input_rows(w, moves, second.is_some());
            words.pack(w, first.index, row);
            for (i, v) in [Some(first), second].into_iter().enumerate() {
                let Some(v) = v else { continue };
                rows[v.index] = InputRow { row: begin, is_second: i == 1 };
                let (channel, position) = (v.channel, v.position);
                ended[i] = Some(Ended { tensor: 0, phase, channel, position, row });
            }
            if width.is_none() {
                self.input_products(w, std::mem::take(&mut ended));
            }
        }
        self.input_products(w, ended);
    }

    fn input_products(&self, w: &mut Writer, ended: [Option<Ended>; 2]) {
        for (i, ended) in ended.into_iter().enumerate() {
            if let Some(ended) = ended {
                self.products(w, ended, i == 1);
            }
        }
    }

    fn input_rows(&self, w: &mut Writer, moves: Moves, has_second: bool) -> (usize, usize) {
        let (first, row) = w.position(w.slots / LANES, moves);
        let zero = signed(i64::from(ZERO_POINT));
        for r in first..=row {
            chunk_row(w, r, first);
            w.set(Fx::TagA, r, Fr::from(self.table.tag_input));
            w.set(Fx::ZeroPoint, r, zero);
            if has_second {
                w.set(Fx::TagB, r, Fr::from(self.table.tag_byte));
                w.set(Fx::Offset, r, -zero);
            }
        }
        (first, row)
    }
}
