//! Writes a model as a program in the fixed columns.
//!
//! ```text
//! row 0        idle
//! hashes       per slot: Poseidon of the input         (words folded, hash published)
//! inputs       per pair of neurons: chunks of 8 slots beside weight rows
//! activations  per tensor, per neuron: chunks of 8 slots beside weight rows
//! quality      per slot: class rows, score row         (output bytes folded, score published)
//! outputs      per slot: Poseidon of the output
//! ```
//!
//! The table and the instance use rows from 0 on, beside these.

use dn_core::commitment::{
    permutation_count, tag, DOMAIN_INPUT, DOMAIN_OUTPUT, FIRST_RATE, NEXT_RATE, WORD_BYTES,
};
use dn_core::quant::{Graph, ZERO_POINT};
use dn_core::statement;
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use sha3::{Digest, Keccak256};
use thiserror::Error;

use crate::columns::{Fx, FIXED, LANES, WEIGHT_LANES};
use crate::field::{from_core, signed};
use crate::gates::{label_scale, CLASSES};
use crate::poseidon::{row_kind, Constants, RowKind, ROWS, WIDTH};
use crate::table::{Table, SCORE_CORRECT, SCORE_MARGIN};

/// Rows that halo2 blinds, and as many again for the randomness of the lookup helpers.
pub const BLINDING_ROWS: usize = 6;
/// Largest circuit that is planned: `2^22` rows.
pub const MAX_K: u32 = 22;
/// Most classes that the quality score can handle.
pub const MAX_CLASSES: usize = 511;

/// Why a model cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// The batch size is not a positive multiple of the lane count.
    #[error("a batch of {slots} slots is not a positive multiple of {LANES}")]
    Slots {
        /// What was asked for.
        slots: usize,
    },
    /// The output has too many values for the quality score.
    #[error("{outputs} outputs; the quality score handles at most {MAX_CLASSES}")]
    Outputs {
        /// What the model has.
        outputs: usize,
    },
    /// More rows than the largest circuit.
    #[error("the batch needs {rows} rows, more than 2^{MAX_K}")]
    Rows {
        /// What the batch needs.
        rows: usize,
    },
}

/// First rows of each section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sections {
    pub(crate) input_hashes: usize,
    /// By tensor, by neuron.
    pub(crate) neurons: Vec<Vec<usize>>,
    pub(crate) quality: usize,
    pub(crate) output_hashes: usize,
}

/// A model and a batch size, laid out.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Slots in the batch.
    pub slots: usize,
    /// Used rows; table and instance included.
    pub rows: usize,
    /// log2 of the circuit's rows.
    pub k: u32,
    /// The lookup table.
    pub table: Table,
    pub(crate) fixed: Vec<Vec<Fr>>,
    pub(crate) sections: Sections,
    pub(crate) poseidon: Constants,
}

/// Class rows of one task.
pub(crate) fn class_rows(outputs: usize) -> usize {
    outputs.div_ceil(CLASSES)
}

/// Words that are folded for a message of `len` values, padding included.
pub(crate) fn folded_words(len: usize) -> usize {
    FIRST_RATE - 2 + (permutation_count(len) - 1) * NEXT_RATE
}

/// Rows of weights of one input neuron, word packing included.
pub(crate) fn input_weight_rows(graph: &Graph) -> usize {
    graph.layers[0].outputs.div_ceil(WEIGHT_LANES) + input_shift(graph) / WEIGHT_LANES
}

/// Weights that pack an input neuron into its word, padded to whole rows.
pub(crate) fn input_shift(graph: &Graph) -> usize {
    folded_words(graph.input_len()).next_multiple_of(WEIGHT_LANES)
}

/// Rows of one pair of input neurons.
pub(crate) fn input_span(graph: &Graph, slots: usize) -> usize {
    (slots / LANES).max(2 * input_weight_rows(graph))
}

/// log2 of the domain that holds `rows` used rows and their blinding.
pub(crate) fn log2_rows(rows: usize) -> u32 {
    (rows + 2 * BLINDING_ROWS).next_power_of_two().trailing_zeros()
}

impl Plan {
    /// Lays out `graph`, which must be validated, for batches of `slots`.
    ///
    /// # Errors
    /// When the shape does not fit the layout.
    pub fn new(graph: &Graph, slots: usize) -> Result<Self, PlanError> {
        if slots == 0 || !slots.is_multiple_of(LANES) {
            return Err(PlanError::Slots { slots });
        }
        if graph.output_len() > MAX_CLASSES {
            return Err(PlanError::Outputs { outputs: graph.output_len() });
        }
        let table = Table::new(graph);
        let mut w =
            Writer { slots, row: 1, fixed: vec![Vec::new(); FIXED], poseidon: Constants::new() };
        let mut sections = Sections { input_hashes: w.row, ..Sections::default() };
        w.hashes(DOMAIN_INPUT, graph.input_len());
        sections.neurons.push(w.inputs(graph, &table));
        for tensor in 1..=graph.layers.len() {
            sections.neurons.push(w.tensor(graph, &table, tensor));
        }
        sections.quality = w.row;
        w.quality(&table, graph.output_len());
        sections.output_hashes = w.row;
        w.hashes(DOMAIN_OUTPUT, graph.output_len());
        w.instance();
        for (i, (a, b, c)) in table.rows.iter().enumerate() {
            for (fx, v) in [(Fx::Table0, a), (Fx::Table1, b), (Fx::Table2, c)] {
                w.set(fx, i, Fr::from(*v));
            }
        }
        let rows = w.row.max(table.rows.len());
        for row in 0..rows {
            w.set(Fx::Active, row, Fr::ONE);
        }
        for column in &mut w.fixed {
            column.resize(rows, Fr::ZERO);
        }
        let k = log2_rows(rows);
        if k > MAX_K {
            return Err(PlanError::Rows { rows });
        }
        Ok(Self { slots, rows, k, table, fixed: w.fixed, sections, poseidon: w.poseidon })
    }

    /// Hash of the fixed columns: keys of another layout or model have another one.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Keccak256::new();
        for column in &self.fixed {
            for (row, x) in column.iter().enumerate().filter(|(_, x)| **x != Fr::ZERO) {
                hasher.update((row as u64).to_be_bytes());
                hasher.update(x.to_repr());
            }
            hasher.update([0xff]);
        }
        hasher.finalize().into()
    }

    pub(crate) fn fx(&self, fx: Fx, row: usize) -> Fr {
        self.fixed[fx.index()][row]
    }

    pub(crate) fn is(&self, fx: Fx, row: usize) -> bool {
        self.fx(fx, row) != Fr::ZERO
    }
}

struct Writer {
    slots: usize,
    row: usize,
    fixed: Vec<Vec<Fr>>,
    poseidon: Constants,
}

impl Writer {
    fn set_at(&mut self, column: usize, row: usize, value: Fr) {
        let column = &mut self.fixed[column];
        if column.len() <= row {
            column.resize(row + 1, Fr::ZERO);
        }
        column[row] = value;
    }

    fn set(&mut self, fx: Fx, row: usize, value: Fr) {
        self.set_at(fx.index(), row, value);
    }

    fn mark(&mut self, fx: Fx, row: usize) {
        self.set(fx, row, Fr::ONE);
    }

    fn weight(&mut self, row: usize, lane: usize, value: Fr) {
        self.set_at(Fx::Weight0.index() + lane, row, value);
    }

    fn hashes(&mut self, domain: u64, len: usize) {
        let blocks = permutation_count(len);
        let message_tag = from_core(tag(domain, len, None));
        for slot in 0..self.slots {
            for block in 0..blocks {
                let first = self.row;
                if block == 0 {
                    self.mark(Fx::Absorb, first);
                    self.set(Fx::Offset, first, message_tag);
                    if domain == DOMAIN_INPUT {
                        self.set(Fx::Scale, first, label_scale());
                    }
                } else {
                    self.mark(Fx::AbsorbNext, first);
                }
                if block == blocks - 1 {
                    self.item(slot, first, Fx::CloseWords);
                    self.mark(Fx::Publish, first + ROWS - 1);
                    self.mark(Fx::PublishHash, first + ROWS - 1);
                }
                self.permutation();
            }
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

    fn permutation(&mut self) {
        for i in 0..ROWS {
            let row = self.row + i;
            let marks: &[Fx] = match row_kind(i) {
                RowKind::Input => &[],
                RowKind::Full => &[Fx::Full],
                RowKind::PartialFirst => &[Fx::PartialFirst],
                RowKind::PartialNext => &[Fx::PartialNext],
                RowKind::Leave => &[Fx::PartialLast],
            };
            for fx in marks {
                self.mark(*fx, row);
            }
            for k in 0..WIDTH {
                self.weight(row, k, self.poseidon.round[i][k]);
            }
        }
        self.row += ROWS;
    }

    /// Rows of the inputs; returns the first row of each neuron.
    ///
    /// A pair takes as many rows as its chunks or the weights of two neurons, whichever is more:
    /// first the weights of the pair before it, whose odd neuron is held, then, ending on the last
    /// row like the chunks, those of its even neuron.
    fn inputs(&mut self, graph: &Graph, table: &Table) -> Vec<usize> {
        let (neurons, chunks) = (graph.input_len(), self.slots / LANES);
        let weight_rows = input_weight_rows(graph);
        let span = input_span(graph, self.slots);
        let mut starts = Vec::with_capacity(neurons);
        for even in (0..neurons).step_by(2) {
            if let Some(held) = even.checked_sub(1) {
                self.input_weights(graph, table, held, Fx::ProductHeld);
                self.row -= weight_rows;
            }
            let end = self.row + span;
            let has_odd = even + 1 < neurons;
            for row in end - chunks..end {
                self.mark(Fx::Lookup, row);
                self.set(Fx::TagA, row, Fr::from(table.tag_input));
                if row > end - chunks {
                    self.mark(Fx::Chunk, row);
                }
                if has_odd {
                    self.set(Fx::TagB, row, Fr::from(table.tag_byte));
                    self.set(Fx::Offset, row, signed(-i64::from(ZERO_POINT)));
                }
            }
            if has_odd {
                self.mark(Fx::Neuron, end - 1);
            }
            self.row = end - weight_rows;
            self.input_weights(graph, table, even, Fx::Product);
            starts.extend([end - chunks, end - chunks]);
        }
        if neurons.is_multiple_of(2) {
            self.input_weights(graph, table, neurons - 1, Fx::ProductHeld);
        }
        starts.truncate(neurons);
        starts
    }

    /// Weights of an input neuron, then those that pack it into its word.
    fn input_weights(&mut self, graph: &Graph, table: &Table, neuron: usize, product: Fx) {
        let words = self.row + graph.layers[0].outputs.div_ceil(WEIGHT_LANES);
        self.weight_rows(self.row, &consumer_weights(graph, table, 0, neuron));
        self.row = words;
        self.mark(Fx::WeightFold, words);
        self.word_weights(graph.input_len(), neuron);
        self.mark(product, self.row - 1);
    }

    /// Rows of one tensor; returns the first row of each neuron.
    fn tensor(&mut self, graph: &Graph, table: &Table, tensor: usize) -> Vec<usize> {
        let neurons = graph.layers[tensor - 1].outputs;
        let mut starts = Vec::with_capacity(neurons);
        for neuron in 0..neurons {
            starts.push(self.row);
            let chunks = self.slots / LANES;
            self.activations(graph, table, tensor, neuron);
            let weights = consumer_weights(graph, table, tensor, neuron);
            let span = chunks.max(weights.len().div_ceil(WEIGHT_LANES));
            let first = self.row;
            let behind = first + span - weights.len().div_ceil(WEIGHT_LANES);
            self.weight_rows(behind, &weights);
            for row in first + chunks..first + span {
                self.mark(Fx::HoldX, row);
            }
            self.mark(Fx::Product, first + span - 1);
            self.row += span;
            if tensor == graph.layers.len() {
                let first = self.row;
                self.word_weights(neurons, neuron);
                for row in first..self.row {
                    self.mark(Fx::HoldX, row);
                }
                self.mark(Fx::Product, self.row - 1);
            }
        }
        if tensor == 1 {
            self.shift_rows(graph);
        }
        self.mark(Fx::Close, self.row - 1);
        starts
    }

    /// Rows that shift the first layer's accumulators by the words behind its weights.
    fn shift_rows(&mut self, graph: &Graph) {
        for _ in 0..input_shift(graph) {
            self.mark(Fx::Neuron, self.row);
            self.mark(Fx::NeuronFold, self.row);
            self.row += 1;
        }
    }

    fn activations(&mut self, graph: &Graph, table: &Table, tensor: usize, neuron: usize) {
        let chunks = self.slots / LANES;
        let (first, last) = (self.row, self.row + chunks - 1);
        for row in first..=last {
            self.mark(Fx::Lookup, row);
            if row > first {
                self.mark(Fx::Chunk, row);
            }
            let division = table.divisions[tensor - 1];
            let bias = graph.layers[tensor - 1].bias[neuron];
            self.set(Fx::TagA, row, Fr::from(division.tag_hi));
            self.set(Fx::TagB, row, Fr::from(table.tag_lo));
            self.set(Fx::Scale, row, Fr::from(1u64 << table.lo_bits));
            self.set(Fx::Offset, row, signed(division.offset(bias)));
        }
        self.mark(Fx::Neuron, last);
        if neuron == 0 {
            self.mark(Fx::Claim, first);
        } else {
            self.mark(Fx::NeuronFold, last);
        }
    }

    /// Weights from `first` on, padded in front so that the last one gets `e^0`.
    fn weight_rows(&mut self, first: usize, weights: &[Fr]) {
        let rows = weights.len().div_ceil(WEIGHT_LANES);
        let pad = rows * WEIGHT_LANES - weights.len();
        for (i, w) in weights.iter().enumerate() {
            let at = pad + i;
            self.weight(first + at / WEIGHT_LANES, at % WEIGHT_LANES, *w);
        }
        for row in first + 1..first + rows {
            self.mark(Fx::WeightFold, row);
        }
    }

    /// Rows whose weights pack value `index` of a message of `len` into its word.
    fn word_weights(&mut self, len: usize, index: usize) {
        let mut weights = vec![Fr::ZERO; folded_words(len)];
        weights[index / WORD_BYTES] = Fr::from(256).pow_vartime([(index % WORD_BYTES) as u64]);
        let first = self.row;
        let rows = weights.len().div_ceil(WEIGHT_LANES);
        self.weight_rows(first, &weights);
        for row in first..first + rows {
            self.mark(Fx::Word, row);
        }
        self.row += rows;
    }

    fn quality(&mut self, table: &Table, outputs: usize) {
        for slot in 0..self.slots {
            for group in 0..class_rows(outputs) {
                let row = self.row;
                self.quality_row(table, row);
                self.mark(if group == 0 { Fx::Classes } else { Fx::ClassesNext }, row);
                for i in 0..CLASSES {
                    let class = group * CLASSES + i;
                    if class < outputs {
                        self.weight(row, i, Fr::from(class as u64 + 1));
                        self.weight(row, CLASSES + i, Fr::ONE);
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
    fn instance(&mut self) {
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

/// Weights, scaled, with which `neuron` of `tensor` enters the next tensor; the last one enters
/// the copies on the quality rows.
fn consumer_weights(graph: &Graph, table: &Table, tensor: usize, neuron: usize) -> Vec<Fr> {
    if let Some(layer) = graph.layers.get(tensor) {
        let column = layer.weights.iter().skip(neuron).step_by(layer.inputs);
        let scale = table.divisions[tensor].scale();
        return column.map(|w| signed(i64::from(*w) * scale)).collect();
    }
    let mut copies = vec![Fr::ZERO; class_rows(graph.output_len()) * CLASSES];
    copies[neuron] = Fr::ONE;
    copies
}

#[cfg(test)]
impl Plan {
    /// Whether any gate reads cell `column` of `row`.
    pub(crate) fn reads(&self, row: usize, column: usize) -> bool {
        if self.is(Fx::Lookup, row) {
            return true;
        }
        let partial = self.is(Fx::PartialFirst, row) || self.is(Fx::PartialNext, row);
        let sbox = self.is(Fx::Full, row) || partial;
        let state = self.is(Fx::Absorb, row)
            || self.is(Fx::AbsorbNext, row)
            || self.is(Fx::PartialLast, row);
        match column {
            _ if self.is(Fx::Absorb, row) && column == 2 => false,
            _ if column < crate::poseidon::A => sbox || state,
            _ if column < crate::poseidon::ST => sbox,
            _ => {
                let label = self.is(Fx::Absorb, row) && self.is(Fx::Scale, row);
                partial || (label && column == crate::poseidon::ST)
            }
        }
    }
}
