//! Writes a model as a program in the fixed columns.
//!
//! ```text
//! row 0        idle
//! digest       per inner node: Poseidon of its children (read, hash published), if the batch has a digest
//! hashes       per slot: Poseidon of the input         (words folded, hash published)
//! inputs       per image or value: chunks of as many slots as lanes, one or two values a row
//! nodes        per phase, per channel, per position: such chunks; spilled coefficients
//! quality      per slot: class rows, score row         (output bytes folded, score published)
//! outputs      per slot: Poseidon of the output
//! ```
//!
//! Kernels stand beside the rows of the images that they read. The table and the instance use rows
//! from 0 on, beside these.

mod fixed;
mod inputs;
mod kernel;
mod tasks;
mod tensors;
mod writer;

use dn_core::commitment::{permutation_count, DOMAIN_INPUT, DOMAIN_OUTPUT, FIRST_RATE, NEXT_RATE};
use dn_core::quant::Graph;
use dn_core::statement::Form;
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use sha3::{Digest, Keccak256};
use thiserror::Error;

use crate::columns::{Fx, Width};
use crate::gates::classes;
use crate::layout::Layout;
use crate::poseidon::Constants;
use crate::table::{self, Table};
use fixed::Fixed;
pub(crate) use tensors::spill_index;
use tensors::Model;
use writer::Writer;

/// Rows that halo2 blinds, and as many again for the randomness of the lookup helpers.
pub const BLINDING_ROWS: usize = 6;
/// Largest circuit that is planned: `2^22` rows.
pub const MAX_K: u32 = 22;
/// Most slots: a packed score has 16 bits for each count.
pub const MAX_SLOTS: usize = (1 << 16) - 1;
/// Most classes that the quality score can handle.
pub const MAX_CLASSES: usize = 511;

/// Why a model cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// The batch size is not a positive multiple of the lane count.
    #[error("a batch of {slots} slots is not a positive multiple of {lanes}")]
    Slots {
        /// What was asked for.
        slots: usize,
        /// Items side by side in the layout.
        lanes: usize,
    },
    /// More slots than sums of scores are unique for.
    #[error("a batch of {slots} slots; there are at most {MAX_SLOTS}")]
    TooManySlots {
        /// What was asked for.
        slots: usize,
    },
    /// The output has too many values for the quality score.
    #[error("{outputs} outputs; the quality score handles at most {MAX_CLASSES}")]
    Outputs {
        /// What the model has.
        outputs: usize,
    },
    /// Readers of a tensor want its values in different orders.
    #[error("tensor {tensor} is read in different ways; each needs a copy of its own")]
    Readers {
        /// Which tensor.
        tensor: usize,
    },
    /// More rows than the largest circuit.
    #[error("the batch needs {rows} rows, more than 2^{MAX_K}")]
    Rows {
        /// What the batch needs.
        rows: usize,
    },
}

/// Where a value of the input stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InputRow {
    /// Row of its first chunk.
    pub(crate) row: usize,
    /// In `lo`, not in `out`.
    pub(crate) is_second: bool,
}

/// First rows of a node's values.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeRows {
    /// Of every accumulator.
    pub(crate) accumulators: Vec<usize>,
    /// Of every output of a pooled node.
    pub(crate) pooled: Vec<usize>,
    /// Channel, index of the exponent, row.
    pub(crate) spilled: Vec<(usize, usize, usize)>,
}

/// Where everything stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sections {
    pub(crate) digest: usize,
    pub(crate) input_hashes: usize,
    pub(crate) inputs: Vec<InputRow>,
    pub(crate) nodes: Vec<NodeRows>,
    pub(crate) quality: usize,
    pub(crate) output_hashes: usize,
}

/// A batch size, a layout and a form of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Slots in the batch.
    pub slots: usize,
    /// The layout.
    pub width: Width,
    /// How public inputs name the commitments.
    pub form: Form,
}

impl Frame {
    /// A batch that lists its commitments.
    #[must_use]
    pub fn new(slots: usize, width: Width) -> Self {
        Self { slots, width, form: Form::Listed }
    }

    /// Slots for `batch` inferences: the next multiple of the lane count.
    #[must_use]
    pub fn of(batch: usize, width: Width) -> Self {
        Self::new(batch.max(1).next_multiple_of(width.lanes()), width)
    }

    /// The same with another form of the statement.
    #[must_use]
    pub fn with(self, form: Form) -> Self {
        Self { form, ..self }
    }
}

/// Slots in the default layout.
impl From<usize> for Frame {
    fn from(slots: usize) -> Self {
        Self::new(slots, Width::Default)
    }
}

/// A model and a batch size, laid out.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The layout.
    pub width: Width,
    /// Slots in the batch.
    pub slots: usize,
    /// How public inputs name the commitments.
    pub form: Form,
    /// Used rows; table and instance included.
    pub rows: usize,
    /// log2 of the circuit's rows.
    pub k: u32,
    /// The lookup table.
    pub table: Table,
    pub(crate) fixed: Fixed,
    pub(crate) layout: Layout,
    pub(crate) sections: Sections,
    pub(crate) poseidon: Constants,
}

/// Class rows of one task.
pub(crate) fn class_rows(outputs: usize, width: Width) -> usize {
    outputs.div_ceil(classes(width))
}

/// Words that are folded for a message of `len` values, padding included.
pub(crate) fn folded_words(len: usize) -> usize {
    FIRST_RATE - 2 + (permutation_count(len) - 1) * NEXT_RATE
}

/// log2 of the domain that holds `rows` used rows and their blinding.
pub(crate) fn log2_rows(rows: usize) -> u32 {
    (rows + 2 * BLINDING_ROWS).next_power_of_two().trailing_zeros()
}

/// Writes every row of a model; returns where they stand.
fn write(w: &mut Writer, model: Model<'_>) -> Sections {
    let graph = model.graph;
    let mut sections = Sections::default();
    if w.form == Form::Digest {
        // Behind the public inputs: the nodes are read after the digest.
        w.row = Form::Digest.instances(w.slots);
        sections.digest = w.row;
        w.nodes();
    }
    sections.input_hashes = w.row;
    w.hashes(DOMAIN_INPUT, graph.input_len());
    sections.inputs = model.inputs(w);
    for node in 0..graph.nodes.len() {
        let rows = model.node(w, node);
        sections.nodes.push(rows);
    }
    sections.quality = w.row;
    // Salts of outputs are folded where kernels were.
    w.mark(Fx::KernelReset, w.row);
    w.quality(model.table, graph.output_len());
    sections.output_hashes = w.row;
    w.hashes(DOMAIN_OUTPUT, graph.output_len());
    w.instance();
    sections
}

fn check(graph: &Graph, frame: Frame) -> Result<(), PlanError> {
    let (slots, lanes) = (frame.slots, frame.width.lanes());
    if slots == 0 || !slots.is_multiple_of(lanes) {
        return Err(PlanError::Slots { slots, lanes });
    }
    if slots > MAX_SLOTS {
        return Err(PlanError::TooManySlots { slots });
    }
    let outputs = graph.output_len();
    if outputs > MAX_CLASSES {
        return Err(PlanError::Outputs { outputs });
    }
    let rows = table::rows(graph);
    if rows > 1 << MAX_K {
        return Err(PlanError::Rows { rows });
    }
    Ok(())
}

/// Used rows of `graph`, which must be validated, for batches of each of `frames`, without a plan.
///
/// # Errors
/// When the shape does not fit the layout.
pub fn count_rows(graph: &Graph, frames: &[Frame]) -> Result<Vec<usize>, PlanError> {
    frames.iter().try_for_each(|f| check(graph, *f))?;
    let (table, layout) = (Table::new(graph), Layout::new(graph)?);
    let model = Model { graph, table: &table, layout: &layout };
    let count = |frame: &Frame| {
        let mut w = Writer::new(*frame, true);
        write(&mut w, model);
        w.row.max(table.rows.len())
    };
    Ok(frames.iter().map(count).collect())
}

impl Plan {
    /// Lays out `graph`, which must be validated, for batches of a size.
    ///
    /// # Errors
    /// When the shape does not fit the layout.
    pub fn new(graph: &Graph, frame: impl Into<Frame>) -> Result<Self, PlanError> {
        let frame = frame.into();
        let rows = count_rows(graph, &[frame])?[0];
        if log2_rows(rows) > MAX_K {
            return Err(PlanError::Rows { rows });
        }
        let (table, layout) = (Table::new(graph), Layout::new(graph)?);
        let mut w = Writer::new(frame, false);
        let sections = write(&mut w, Model { graph, table: &table, layout: &layout });
        let rows = w.row.max(table.rows.len());
        let k = log2_rows(rows);
        for (i, (a, b, c)) in table.rows.iter().enumerate() {
            for (fx, v) in [(Fx::Table0, a), (Fx::Table1, b), (Fx::Table2, c)] {
                w.set(fx, i, Fr::from(*v));
            }
        }
        let (fixed, poseidon) = w.finish(rows);
        let Frame { slots, width, form } = frame;
        Ok(Self { width, slots, form, rows, k, table, fixed, layout, sections, poseidon })
    }

    /// Batch size, layout and form of the statement.
    #[must_use]
    pub fn frame(&self) -> Frame {
        Frame { slots: self.slots, width: self.width, form: self.form }
    }

    /// Number of public inputs.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.form.instances(self.slots)
    }

    /// Hash of the fixed columns: keys of another layout or model have another one.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Keccak256::new();
        for column in 0..crate::columns::fixed_columns(self.width) {
            for (row, x) in self.fixed.column(column).enumerate().filter(|(_, x)| *x != Fr::ZERO) {
                hasher.update((row as u64).to_be_bytes());
                hasher.update(x.to_repr());
            }
            hasher.update([0xff]);
        }
        hasher.finalize().into()
    }

    /// Values of fixed column `column` on the used rows.
    pub fn fixed_column(&self, column: usize) -> impl Iterator<Item = Fr> + '_ {
        self.fixed.column(column)
    }

    pub(crate) fn fx(&self, fx: Fx, row: usize) -> Fr {
        self.fixed.at(fx.index(self.width), row)
    }

    pub(crate) fn is(&self, fx: Fx, row: usize) -> bool {
        self.fixed.is_set(fx, row)
    }
}

#[cfg(test)]
impl Plan {
    /// Whether any gate reads cell `column` of `row`.
    pub(crate) fn reads(&self, row: usize, column: usize) -> bool {
        if self.is(Fx::Lookup, row) {
            return true;
        }
        let partial = self.is(Fx::Partial, row);
        let sbox = self.is(Fx::Full, row) || partial;
        let leave = self.is(Fx::PartialLast, row);
        let message = self.is(Fx::Absorb, row);
        match self.width {
            Width::Narrow => sbox || (row > 0 && self.is(Fx::Full, row - 1)),
            Width::Default | Width::Wide => match column {
                0..6 => sbox || message || leave,
                6..18 => sbox || message,
                18..24 => partial || message,
                _ => false,
            },
        }
    }
}
