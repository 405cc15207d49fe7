//! Rows of single tasks: hashes and quality; and those of the public inputs.

use dn_core::commitment::{
    permutation_count, tag, DOMAIN_INPUT, DOMAIN_OUTPUT, FIRST_RATE, NEXT_RATE, WORD_BYTES,
};
use dn_core::digest::{self, branches};
use dn_core::labels;
use dn_core::statement::{self, Form};
use dn_core::{Scoring, Width};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::kernel::Program;
use super::writer::Writer;
use crate::field::from_core;
use crate::system::poseidon::rows;
use crate::system::rows::classes::{self, class_rows, classes};
use crate::system::rows::message::{self, Block};
use crate::system::rows::{branch, round, score, zero};
use crate::system::steering::Fx;
use crate::system::table::{Table, SCORE_CORRECT, SCORE_MARGIN};

/// Words that are folded for a message of `len` values, padding included.
pub(crate) fn folded_words(len: usize) -> usize {
    FIRST_RATE - 2 + (permutation_count(len) - 1) * NEXT_RATE
}

/// The kernel of output `n` of `len`: its copy on the quality rows.
pub(super) fn copy_program(len: usize, n: usize, width: Width) -> Program {
    let mut copies = vec![Fr::ZERO; class_rows(len, width) * classes(width)];
    copies[n] = Fr::ONE;
    Program::dense(&copies, 0, width)
}

/// Another one: its place in a word.
pub(super) fn word_program(len: usize, n: usize, width: Width) -> Program {
    let mut words = vec![Fr::ZERO; folded_words(len)];
    words[n / WORD_BYTES] = Fr::from(256).pow_vartime([(n % WORD_BYTES) as u64]);
    Program::words(&words, width)
}

impl Writer {
    pub(super) fn hashes(&mut self, domain: u64, len: usize) {
        let blocks = permutation_count(len);
        if self.draft.is_dry() {
            self.row += self.slots * blocks * rows(self.width);
            return;
        }
        let tag = from_core(tag(domain, len));
        let first = if domain == DOMAIN_INPUT { Block::Input(tag) } else { Block::Output(tag) };
        for slot in 0..self.slots {
            for block in 0..blocks {
                let row = self.row;
                message::marks(&mut self.draft, row, if block == 0 { first } else { Block::Next });
                if domain == DOMAIN_OUTPUT && (slot, block) == (0, 0) {
                    message::publish_scores(&mut self.draft, row);
                }
                let is_last = block == blocks - 1;
                if is_last {
                    self.item(slot, row, Fx::CloseWords);
                }
                self.permutation(is_last);
            }
        }
    }

    /// The branches of a digest's tree, from the root on.
    pub(super) fn branches(&mut self) {
        for _ in 0..branches(self.slots) {
            branch::marks(&mut self.draft, self.row);
            self.permutation(true);
        }
    }

    fn item(&mut self, slot: usize, row: usize, close: Fx) {
        self.mark(Fx::Item, row);
        if slot > 0 {
            self.mark(Fx::ItemFold, row);
        }
        if slot == self.slots - 1 {
            self.mark(close, row);
        }
    }

    fn permutation(&mut self, is_published: bool) {
        let count = rows(self.width);
        for i in 0..count {
            round::marks(&mut self.draft, self.row + i, &self.poseidon, i);
        }
        if is_published {
            round::publish(&mut self.draft, self.row + count - 1);
        }
        self.row += count;
    }

    pub(super) fn quality(&mut self, table: &Table, outputs: usize) {
        for slot in 0..self.slots {
            for group in 0..class_rows(outputs, self.width) {
                let first = group * classes(self.width);
                classes::marks(&mut self.draft, self.row, table, first, outputs);
                self.row += 1;
            }
            let row = self.row;
            score::marks(&mut self.draft, row, table, slot);
            self.item(slot, row, Fx::CloseCopies);
            self.row += 1;
        }
    }

    /// Words of labels that no quality rows publish: all without classes, else those that fill up a digest's
    /// branches.
    pub(super) fn zeros(&mut self) {
        let published = match self.scoring {
            Scoring::Classes => labels::words(self.slots),
            Scoring::None => 0,
        };
        let words = match self.form {
            Form::Listed => labels::words(self.slots),
            Form::Digest => digest::label_leaves(self.slots),
        };
        for _ in published..words {
            zero::marks(&mut self.draft, self.row);
            self.row += 1;
        }
        if self.scoring == Scoring::None {
            zero::close(&mut self.draft, self.row - 1);
        }
    }

    /// Rows from 0 on, beside the others: which public inputs are read, in the statement's order.
    pub(super) fn instance(&mut self) {
        if self.form == Form::Digest {
            self.mark(Fx::Read, statement::DIGEST_AT);
            self.mark(Fx::ReadScale, statement::DIGEST_AT);
            return;
        }
        let (score, outputs) = (statement::score_at(self.slots), statement::outputs_at(self.slots));
        for row in (statement::INPUTS_AT..=score).chain(outputs..outputs + self.slots) {
            self.mark(Fx::Read, row);
            self.mark(Fx::ReadScale, row);
        }
        self.draft.set(Fx::ReadScale, score + 1, Fr::from(SCORE_CORRECT));
        self.draft.set(Fx::ReadScale, score + 2, Fr::from(SCORE_MARGIN));
    }
}
