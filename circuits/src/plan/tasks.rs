//! Rows of single tasks: hashes and quality; and those of the public inputs.

use dn_core::commitment::{permutation_count, tag, DOMAIN_INPUT, WORD_BYTES};
use dn_core::digest::nodes;
use dn_core::statement::{self, Form};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::kernel::Program;
use super::writer::Writer;
use super::{class_rows, folded_words};
use crate::columns::{Fx, Width};
use crate::field::from_core;
use crate::gates::{classes, real_mark};
use crate::poseidon::{rows, RowKind};
use crate::table::{Table, SCORE_CORRECT, SCORE_MARGIN};

/// The kernels of output `n` of `len`: its copy on the quality rows, and its place in a word.
pub(super) fn output_programs(len: usize, n: usize, width: Width) -> [Program; 2] {
    let mut copies = vec![Fr::ZERO; class_rows(len, width) * classes(width)];
    copies[n] = Fr::ONE;
    let mut words = vec![Fr::ZERO; folded_words(len)];
    words[n / WORD_BYTES] = Fr::from(256).pow_vartime([(n % WORD_BYTES) as u64]);
    [Program::dense(&copies, 0, width), Program::words(&words, width)]
}

impl Writer {
    pub(super) fn hashes(&mut self, domain: u64, len: usize) {
        let blocks = permutation_count(len);
        let message_tag = from_core(tag(domain, len, None));
        for slot in 0..self.slots {
            for block in 0..blocks {
                let first = self.row;
                self.mark(Fx::Absorb, first);
                if block == 0 {
                    self.set(Fx::Offset, first, message_tag);
                    if domain == DOMAIN_INPUT {
                        self.mark(Fx::Scale, first);
                    }
                } else {
                    self.mark(Fx::AbsorbNext, first);
                }
                if block == blocks - 1 {
                    self.item(slot, first, Fx::CloseWords);
                    self.publish_hash(first);
                }
                self.permutation();
            }
        }
    }

    /// The inner nodes of a digest's tree, from the root on.
    pub(super) fn nodes(&mut self) {
        for _ in 0..nodes(self.slots) {
            let first = self.row;
            self.mark(Fx::Absorb, first);
            self.mark(Fx::TagA, first);
            self.publish_hash(first);
            self.permutation();
        }
    }

    /// Publishes the hash of a permutation that begins at `first`.
    fn publish_hash(&mut self, first: usize) {
        let last = first + rows(self.width) - 1;
        self.mark(Fx::Publish, last);
        self.mark(Fx::PublishHash, last);
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

    fn permutation(&mut self) {
        let count = rows(self.width);
        for i in 0..count {
            let row = self.row + i;
            let marks: &[Fx] = match self.poseidon.kinds[i] {
                RowKind::Message if self.width == Width::Narrow => &[Fx::Full],
                RowKind::Message | RowKind::Powers => &[],
                RowKind::Full | RowKind::Squares => &[Fx::Full],
                RowKind::SquaresLast => &[Fx::Full, Fx::PartialLast],
                RowKind::PartialFirst => &[Fx::Partial, Fx::PartialFirst],
                RowKind::PartialNext => &[Fx::Partial],
                RowKind::Leave => &[Fx::PartialLast],
            };
            for fx in marks {
                self.mark(*fx, row);
            }
            // The narrow layout has other uses for the columns there: its gates know these constants.
            if self.poseidon.kinds[i] == RowKind::Message && self.width == Width::Narrow {
                continue;
            }
            let constants = self.poseidon.round[i];
            for (k, c) in constants.into_iter().enumerate().filter(|(_, c)| *c != Fr::ZERO) {
                self.round_constant(row, k, c);
            }
        }
        self.row += count;
    }

    pub(super) fn quality(&mut self, table: &Table, outputs: usize) {
        for slot in 0..self.slots {
            for group in 0..class_rows(outputs, self.width) {
                let row = self.row;
                self.quality_row(table, row);
                self.mark(Fx::Classes, row);
                if group > 0 {
                    self.mark(Fx::ClassesNext, row);
                }
                let in_row = classes(self.width);
                for i in (0..in_row).filter(|i| group * in_row + i < outputs) {
                    self.weight(row, i, Fr::from((group * in_row + i) as u64 + 1));
                    if let Some(real) = real_mark(self.width, i) {
                        self.set_at(real, row, Fr::ONE);
                    }
                }
                self.row += 1;
            }
            let row = self.row;
            self.quality_row(table, row);
            self.mark(Fx::Score, row);
            if slot == 0 {
                self.mark(Fx::Publish, row);
            }
            self.item(slot, row, Fx::CloseCopies);
            self.row += 1;
        }
    }

    fn quality_row(&mut self, table: &Table, row: usize) {
        self.mark(Fx::Lookup, row);
        self.set(Fx::TagA, row, Fr::from(table.tag_score));
        self.set(Fx::TagB, row, Fr::from(table.tag_lo));
    }

    /// Rows from 0 on, beside the others: which public inputs are read, in the statement's order.
    pub(super) fn instance(&mut self) {
        if self.form == Form::Digest {
            self.mark(Fx::Read, statement::DIGEST_AT);
            self.mark(Fx::ReadScale, statement::DIGEST_AT);
            return;
        }
        let (score, outputs) = (statement::score_at(self.slots), statement::outputs_at(self.slots));
        let hashes = (statement::INPUTS_AT..score).chain(outputs..outputs + self.slots);
        for row in hashes.chain([score]) {
            self.mark(Fx::Read, row);
            self.mark(Fx::ReadScale, row);
        }
        self.set(Fx::ReadScale, score + 1, Fr::from(SCORE_CORRECT));
        self.set(Fx::ReadScale, score + 2, Fr::from(SCORE_MARGIN));
    }
}
