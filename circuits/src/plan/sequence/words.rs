//! Where the digits of a sequence's words stand in rows of tokens.

use dn_core::commitment::WORD_BYTES;
use dn_core::Width;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use crate::plan::kernel::Program;
use crate::plan::tasks::folded_words;
use crate::plan::writer::Writer;
use crate::system::rows::words::{self, power_of_256, Turn};
use crate::system::steering::Fx;

/// The fold of one run of neighbouring digits.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Word and digit that stand at `256^0 e^0`. The digit is negative in front of the word.
    at: Option<(usize, i64)>,
}

impl Words {
    /// Packs the digits from `n` on, as many as there are lanes.
    pub(super) fn pack(&mut self, w: &mut Writer, row: usize, n: usize) {
        let (word, digit) = (n / WORD_BYTES, n % WORD_BYTES);
        let turn = self
            .at
            .map(|(from, at)| Turn { digits: at - digit as i64, is_next_word: word != from });
        let splits = digit + w.width.lanes() > WORD_BYTES;
        let split = splits.then(|| WORD_BYTES - digit);
        words::marks(&mut w.draft, row, turn, split);
        let digit = digit as i64;
        self.at = Some(if splits { (word + 1, digit - WORD_BYTES as i64) } else { (word, digit) });
    }

    /// The image takes the words of sequence `slot`, which end on `row`.
    pub(super) fn end(w: &mut Writer, row: usize, slot: usize) {
        w.mark(Fx::Words, row);
        w.mark(if slot == 0 { Fx::ImageReset } else { Fx::ImageTau }, row);
    }

    /// The kernel that brings them to their place in a message of `len` values.
    pub(super) fn program(&self, len: usize, width: Width) -> Option<Program> {
        let (word, digit) = self.at?;
        let mut weights = vec![Fr::ZERO; folded_words(len)];
        weights[word] = power_of_256(digit);
        Some(Program::words(&weights, width))
    }
}
