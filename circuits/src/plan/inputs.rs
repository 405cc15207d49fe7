//! Rows of the input: one or two values each.
//!
//! Values that stand side by side share a row, the second one in `lo`, unless they belong to two
//! words. Their folds move on independently. Words are folded by Horner's rule along the way: with
//! `v` at the value of digit `k` of word `i`, the next value of digit `k'` of word `i'` makes it
//! `256^(k-k') e^(i'-i) v + value`.

use dn_core::commitment::WORD_BYTES;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::exponents::{phases, Reading};
use super::sections::InputRow;
use super::tasks::folded_words;
use super::tensors::{Ended, Model};
use super::writer::{Move, Moves, Writer};
use crate::system::rows::input;
use crate::system::steering::Fx;

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
    /// Word and digit that stand at `256^0 e^0`, and their row.
    at: Option<(usize, i64, usize)>,
}

impl Words {
    /// Rows that the fold needs to reach value `n`.
    fn rows(&self, n: usize) -> usize {
        self.at.map_or(1, |(word, _, _)| n / WORD_BYTES - word)
    }

    /// Packs a row whose first value is `n`, or whose second one is if there is no first.
    fn pack(&mut self, w: &mut Writer, n: usize, has_first: bool, row: usize) {
        w.mark(Fx::Pack, row);
        let (word, digit) = (n / WORD_BYTES, (n % WORD_BYTES) as i64 - i64::from(!has_first));
        if let Some((from_word, from_digit, from)) = self.at {
            advance(w, (from, row), word - from_word, from_digit - digit);
        }
        self.at = Some((word, digit, row));
    }

    /// Completes the fold of a message of `len` values; returns the row.
    fn done(&self, w: &mut Writer, len: usize) -> Option<usize> {
        let (word, digit, from) = self.at?;
        let words = folded_words(len) - 1 - word;
        let row = from + words.max(1);
        advance(w, (from, row), words, digit);
        w.mark(Fx::WordsDone, row);
        Some(row)
    }
}

/// Multiplies folded words by `e^words 256^digits` on the rows behind `from`, up to `row`.
fn advance(w: &mut Writer, (from, row): (usize, usize), words: usize, digits: i64) {
    if w.draft.is_dry() {
        return;
    }
    w.draft.set(if words == 0 { Fx::Scale } else { Fx::WordStep }, row, power_of_256(digits));
    for (i, r) in (from + 1..row).rev().enumerate() {
        w.mark(if i + 1 < words { Fx::WordStep } else { Fx::Scale }, r);
    }
}

/// A value of the input.
#[derive(Clone, Copy, Debug)]
struct Value {
    index: usize,
    channel: usize,
    position: [usize; 2],
}

/// The values of one row: at least one of them.
#[derive(Clone, Copy, Debug)]
struct Pair {
    first: Option<Value>,
    second: Option<Value>,
}

impl Model<'_> {
    /// Rows of the input; returns the row of each value.
    pub(crate) fn inputs(&self, w: &mut Writer) -> Vec<InputRow> {
        let shape = self.graph.input;
        let mut rows = vec![InputRow::default(); shape.len()];
        w.flush();
        let stride = self.stride();
        // Two neighbours share a row: of one phase, or of two phases side by side.
        let columns = if stride[1] == 1 { 1 } else { 2 };
        for phase in phases(stride).filter(|p| p[1].is_multiple_of(columns)) {
            let mut words = Words::default();
            for values in self.images(phase, stride) {
                let pairs = self.pairs(&values, columns);
                self.input_image(w, (phase, stride), &pairs, &mut words, &mut rows);
            }
            let row = words.done(w, shape.len());
            w.row = w.row.max(row.map_or(0, |r| r + 1));
        }
        w.flush();
        // A row without a scale, on which folded words end.
        w.row += 1;
        rows
    }

    /// The values of a phase and of the one to its right, ascending, cut where a new image begins.
    fn images(&self, phase: [usize; 2], stride: [usize; 2]) -> Vec<Vec<Value>> {
        let shape = self.graph.input;
        let is_here = |j: &usize| (phase[1]..phase[1] + 2).contains(&(j % stride[1]));
        let channel = |channel: usize| -> Vec<Value> {
            let rows = (phase[0]..shape.height).step_by(stride[0]);
            rows.flat_map(|i| {
                (0..shape.width).filter(is_here).map(move |j| Value {
                    index: channel * shape.positions() + i * shape.width + j,
                    channel,
                    position: [i, j],
                })
            })
            .collect()
        };
        let channels: Vec<Vec<Value>> = (0..shape.channels).map(channel).collect();
        match self.exponents.readings[0] {
            Reading::Image { .. } => channels,
            Reading::Dense => vec![channels.concat()],
        }
    }

    /// Puts neighbours of one word side by side. With two `columns` of phases, values of the right
    /// one are always second.
    fn pairs(&self, values: &[Value], columns: usize) -> Vec<Pair> {
        let is_flat = self.exponents.readings[0] == Reading::Dense;
        let is_right = |v: &Value| columns == 2 && v.position[1] % self.stride()[1] % 2 == 1;
        let (mut pairs, mut at) = (Vec::new(), 0);
        while let Some(value) = values.get(at).copied() {
            at += 1;
            if is_right(&value) {
                pairs.push(Pair { first: None, second: Some(value) });
                continue;
            }
            let second = values.get(at).copied().filter(|s| {
                let same_row = is_flat || s.position[0] == value.position[0];
                let fits = columns == 1 || is_right(s);
                fits && same_row && s.index == value.index + 1 && s.index % WORD_BYTES != 0
            });
            at += usize::from(second.is_some());
            pairs.push(Pair { first: Some(value), second });
        }
        pairs
    }

    fn stride(&self) -> [usize; 2] {
        match self.exponents.readings[0] {
            Reading::Image { stride, .. } => stride,
            Reading::Dense => [1; 2],
        }
    }

    fn input_image(
        &self,
        w: &mut Writer,
        (phase, stride): ([usize; 2], [usize; 2]),
        pairs: &[Pair],
        words: &mut Words,
        rows: &mut [InputRow],
    ) {
        let width = match self.exponents.readings[0] {
            Reading::Image { width, .. } => Some(width),
            Reading::Dense => None,
        };
        let moved = |before: &mut Option<i64>, v: Option<Value>| {
            let Some(v) = v else { return Move::Steps(0) };
            width.map_or(Move::Reset, |width| {
                let [a, b] = [0, 1].map(|axis| (v.position[axis] / stride[axis]) as i64);
                Move::to(before, a * width + b)
            })
        };
        let (mut image, mut outputs) = (None, None);
        let mut ended: [Option<Ended>; 2] = [None; 2];
        for Pair { first, second } in pairs.iter().copied() {
            let Some(index) = first.or(second).map(|v| v.index) else { continue };
            let moves = Moves {
                image: moved(&mut image, first),
                outputs: moved(&mut outputs, second),
                rows: words.rows(index),
            };
            let (begin, row) = self.input_rows(w, moves, (first.is_some(), second.is_some()));
            words.pack(w, index, first.is_some(), row);
            for (i, v) in [first, second].into_iter().enumerate() {
                let Some(v) = v else { continue };
                rows[v.index] = InputRow { row: begin, is_second: i == 1 };
                let right = usize::from(i == 1 && stride[1] > 1);
                let phase = [phase[0], phase[1] + right];
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

    fn input_rows(&self, w: &mut Writer, moves: Moves, has: (bool, bool)) -> (usize, usize) {
        let (first, row) = w.position(w.chunks(), moves);
        for r in first..=row {
            input::marks(&mut w.draft, r, r == first, self.table, has);
        }
        (first, row)
    }
}
