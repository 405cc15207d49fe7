//! Writes a model as a program in the fixed columns.
//!
//! ```text
//! row 0        idle
//! digest       per branch of its tree: Poseidon of the children (read, hash published), if the batch has a digest
//! hashes       per slot: Poseidon of the input         (words folded, hash published)
//! inputs       per image or value: chunks of as many slots as lanes, one or two values a row
//! nodes        per phase, per channel, per position: such chunks; spilled coefficients
//! quality      per slot: class rows, score row         (output bytes folded, labels published), if there are classes
//! zeros        words without labels                    (published)
//! outputs      per slot: Poseidon of the output        (the sum of scores published before the first one)
//! ```
//!
//! Kernels stand beside the rows of the images that they read. The table and the instance use rows
//! from 0 on, beside these.

pub(crate) mod exponents;
pub(crate) mod frame;
mod inputs;
mod kernel;
mod runs;
pub(crate) mod sections;
pub(crate) mod sequence;
mod tasks;
mod tensors;
mod writer;

use std::ops::Range;

use dn_core::commitment::{permutation_count, DOMAIN_INPUT, DOMAIN_OUTPUT};
use dn_core::labels::MAX_CLASSES;
use dn_core::quant::sequence::Sequence;
use dn_core::quant::Graph;
use dn_core::statement::Form;
use dn_core::{Scheme, Scoring, Width};
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use sha3::{Digest, Keccak256};

use crate::system::fixed::Fixed;
#[cfg(test)]
use crate::system::kind::Kind;
use crate::system::poseidon::{self, Constants};
use crate::system::steering::{fixed_columns, Fx};
use crate::system::table::{self, Table};
use exponents::Exponents;
use frame::log2_rows;
pub use frame::{Frame, PlanError, BLINDING_ROWS, MAX_K, MAX_SLOTS};
pub use runs::{fixed_names, Part, Run};
pub use sections::RowsByPart;
use sections::Sections;
use tensors::Model;
use writer::Writer;

/// A model and a batch size, laid out.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The layout.
    pub width: Width,
    /// Slots in the batch.
    pub slots: usize,
    /// How public inputs name the commitments.
    pub form: Form,
    /// What outputs are.
    pub scoring: Scoring,
    /// How columns are opened, which leaves rows and witness as they are.
    pub scheme: Scheme,
    /// Used rows; table and instance included.
    pub rows: usize,
    /// log2 of the circuit's rows.
    pub k: u32,
    /// The lookup table.
    pub table: Table,
    pub(crate) fixed: Fixed,
    pub(crate) exponents: Exponents,
    pub(crate) sections: Sections,
    /// Of a sequence model, which has no exponents; empty for graphs.
    pub(crate) sequence: sequence::Laid,
    pub(crate) poseidon: Constants,
}

/// Where the rows of a plan stand.
struct Written {
    exponents: Exponents,
    sections: Sections,
    sequence: sequence::Laid,
}

/// Writes every row of a model, up to the node that is behind row `limit`; returns where they stand.
fn write(w: &mut Writer, model: Model<'_>, limit: usize) -> Sections {
    let graph = model.graph;
    let mut sections = Sections::default();
    if w.form == Form::Digest {
        // Behind the public inputs: the branches are read after the digest.
        w.row = Form::Digest.instances(w.slots);
        sections.digest = w.row;
        w.branches();
    }
    sections.input_hashes = w.row;
    w.hashes(DOMAIN_INPUT, graph.input_len());
    sections.values = w.row;
    sections.inputs = model.inputs(w);
    for node in 0..graph.nodes.len() {
        sections.node_starts.push(w.row);
        let rows = model.node(w, node);
        sections.nodes.push(rows);
        if w.row > limit {
            return sections;
        }
    }
    w.draft.gaps(sections.values..w.row);
    sections.quality = w.row;
    if w.scoring == Scoring::Classes {
        // Scores are summed where kernels were.
        w.mark(Fx::KernelReset, w.row);
        w.quality(model.table, graph.output_len());
    }
    w.zeros();
    sections.output_hashes = w.row;
    w.hashes(DOMAIN_OUTPUT, graph.output_len());
    w.instance();
    sections
}

fn check(graph: &Graph, frame: Frame) -> Result<(), PlanError> {
    let (slots, lanes) = (frame.slots, frame.width.lanes());
    if !Width::ALL.contains(&frame.width) {
        return Err(PlanError::Layout { width: frame.width, model: "graphs" });
    }
    if slots == 0 || !slots.is_multiple_of(lanes) {
        return Err(PlanError::Slots { slots, lanes });
    }
    if slots > MAX_SLOTS {
        return Err(PlanError::TooManySlots { slots });
    }
    let outputs = graph.output_len();
    if frame.scoring == Scoring::Classes && outputs > MAX_CLASSES {
        return Err(PlanError::Outputs { outputs });
    }
    let rows = table::rows(graph);
    if rows > 1 << MAX_K {
        return Err(PlanError::Rows { rows });
    }
    Ok(())
}

/// Used rows of `graph`, which must be validated, for batches of each of `frames`, without a plan. Counting
/// ends beyond the largest circuit: such a number is at most what the batch needs.
///
/// # Errors
/// When the shape does not fit the layout.
pub fn count_rows(graph: &Graph, frames: &[Frame]) -> Result<Vec<usize>, PlanError> {
    frames.iter().try_for_each(|f| check(graph, *f))?;
    let exponents = Exponents::new(graph)?;
    let tables = [Scoring::Classes, Scoring::None].map(|scoring| Table::new(graph, scoring));
    let count = |frame: &Frame| {
        let hashes = hash_rows(graph, *frame);
        if hashes > 1 << MAX_K {
            return hashes;
        }
        let table = &tables[frame.scoring as usize];
        let mut w = Writer::new(*frame, true);
        write(&mut w, Model { graph, table, exponents: &exponents }, 1 << MAX_K);
        w.row.max(table.rows.len())
    };
    Ok(frames.iter().map(count).collect())
}

/// Rows of the hashes of a batch's inputs and outputs.
fn hash_rows(graph: &Graph, frame: Frame) -> usize {
    let permutations = [graph.input_len(), graph.output_len()].map(permutation_count);
    let slots = permutations.iter().sum::<usize>().saturating_mul(frame.slots);
    slots.saturating_mul(poseidon::rows(frame.width))
}

/// Rows of `graph`, which must be validated, by what they belong to.
///
/// # Errors
/// When the shape does not fit the layout.
pub fn rows_by_part(graph: &Graph, frame: Frame) -> Result<RowsByPart, PlanError> {
    check(graph, frame)?;
    let (table, exponents) = (Table::new(graph, frame.scoring), Exponents::new(graph)?);
    let mut w = Writer::new(frame, true);
    let model = Model { graph, table: &table, exponents: &exponents };
    let sections = write(&mut w, model, usize::MAX);
    let quotients = (0..graph.nodes.len()).map(|node| {
        let (low, high) = graph.quotient_range(node);
        (high - low + 1) as usize
    });
    let parts = sections.by_part(w.row);
    Ok(RowsByPart { quotients: quotients.collect(), table: table.rows.len(), ..parts })
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
        let (table, exponents) = (Table::new(graph, frame.scoring), Exponents::new(graph)?);
        let mut w = Writer::new(frame, false);
        let model = Model { graph, table: &table, exponents: &exponents };
        let sections = write(&mut w, model, usize::MAX);
        let laid = sequence::Laid::default();
        Ok(Self::finish(w, frame, table, Written { exponents, sections, sequence: laid }))
    }

    /// Lays out a validated sequence model for batches of a size.
    ///
    /// # Errors
    /// When the model does not fit the layout of sequences, or `frame` is for another one.
    pub fn of_sequence(model: &Sequence, frame: Frame) -> Result<Self, PlanError> {
        sequence::check(model, frame)?;
        let (table, looked) = Table::of_sequence(model);
        let rows = sequence::count_rows(model, frame, (&table, &looked))?;
        if log2_rows(rows) > MAX_K {
            return Err(PlanError::Rows { rows });
        }
        let mut w = Writer::new(frame, false);
        let (sections, laid) = sequence::write(&mut w, model, (&table, &looked));
        let exponents = Exponents::default();
        Ok(Self::finish(w, frame, table, Written { exponents, sections, sequence: laid }))
    }

    fn finish(mut w: Writer, frame: Frame, table: Table, written: Written) -> Self {
        let rows = w.row.max(table.rows.len());
        let k = log2_rows(rows);
        for (i, (a, b, c)) in table.rows.iter().enumerate() {
            for (fx, v) in [(Fx::Table0, a), (Fx::Table1, b), (Fx::Table2, c)] {
                w.draft.set(fx, i, Fr::from(*v));
            }
        }
        let (fixed, poseidon) = (w.draft.finish(rows), w.poseidon);
        let Frame { slots, width, form, scoring, scheme } = frame;
        let Written { exponents, sections, sequence } = written;
        Self {
            width,
            slots,
            form,
            scoring,
            scheme,
            rows,
            k,
            table,
            fixed,
            exponents,
            sections,
            sequence,
            poseidon,
        }
    }

    /// Batch size, layout, form of the statement, what is scored and opening scheme.
    #[must_use]
    pub fn frame(&self) -> Frame {
        let Self { slots, width, form, scoring, scheme, .. } = *self;
        Frame { slots, width, form, scoring, scheme }
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
        for column in 0..fixed_columns(self.width) {
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

    /// By used row, whether this fixed column is not zero there.
    pub fn is_used(&self, column: usize) -> impl Iterator<Item = bool> + '_ {
        self.fixed.column(column).map(|x| x != Fr::ZERO)
    }

    /// The used rows, by kind, in order.
    #[must_use]
    pub fn runs(&self) -> Vec<Run> {
        runs::runs(&self.fixed, self.rows)
    }

    /// Where the parts of a batch stand, in order; what has no rows is left out.
    #[must_use]
    pub fn parts(&self) -> Vec<(Part, Range<usize>)> {
        runs::parts(&self.sections, self.rows)
    }

    /// A whole column's cell, or that of the pair that a mark belongs to.
    pub(crate) fn fx(&self, fx: Fx, row: usize) -> Fr {
        self.fixed.fx(fx, row)
    }

    /// Whether a mark is set, or a whole column not zero.
    pub(crate) fn is(&self, fx: Fx, row: usize) -> bool {
        self.fixed.is_set(fx, row)
    }

    /// What a row holds.
    #[cfg(test)]
    pub(crate) fn kind(&self, row: usize) -> Kind {
        self.fixed.kind(row)
    }
}
