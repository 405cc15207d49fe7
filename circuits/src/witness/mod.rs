//! Phase 1: the cells and multiplicities of a batch.

mod attention;
mod error;
mod filler;
mod layers;
mod sequence;

use dn_core::commitment;
use dn_core::digest::{self, Tree, ARITY};
use dn_core::quant::sequence::{Sequence, SequenceTrace};
use dn_core::quant::{trace, Graph};
use dn_core::statement::{Form, Score, Statement};
use dn_core::{Scoring, Width};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use rayon::prelude::*;

use crate::cells::Cells;
use crate::field::{from_core, CoreFr};
use crate::plan::Plan;
use crate::system::columns;
use crate::system::poseidon::WIDTH;
use crate::system::rows::classes::{self, class_rows, classes, Judged};
use crate::system::rows::small::Small;
use crate::system::rows::{input, score};
pub use error::WitnessError;
use filler::Filler;

/// One task of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The quantised input.
    pub input: Vec<i8>,
    /// Salt of both commitments.
    pub salt: CoreFr,
    /// The class that it should have, if one is told.
    pub label: Option<u16>,
}

impl Slot {
    /// The padding of a batch that is not full: a zero input, salt 0, no label.
    #[must_use]
    pub fn null(input_len: usize) -> Self {
        Self { input: vec![0; input_len], salt: CoreFr::from(0u8), label: None }
    }

    /// Commitment to the input.
    #[must_use]
    pub fn input_commitment(&self) -> CoreFr {
        commitment::input(&self.input, self.salt)
    }
}

/// Everything the first phase commits to, and the statement it proves.
#[derive(Clone, Debug)]
pub struct Witness {
    /// By row.
    pub(crate) cells: Cells,
    /// By table row.
    pub(crate) multiplicities: Vec<u64>,
    /// The public inputs.
    pub statement: Statement,
    /// Outputs of the real tasks.
    pub outputs: Vec<Vec<i8>>,
}

impl Witness {
    /// Runs the batch and fills every cell. `header` is the hash of the batch's header.
    ///
    /// # Errors
    /// When the batch does not fit the plan or a task does not fit the model.
    pub fn new(
        graph: &Graph,
        plan: &Plan,
        tasks: &[Slot],
        header: CoreFr,
    ) -> Result<Self, WitnessError> {
        if plan.width == Width::Sequence {
            return Err(WitnessError::Kind);
        }
        check(plan, tasks, (graph.input_len(), graph.output_len()))?;
        let mut slots = tasks.to_vec();
        slots.resize(plan.slots, Slot::null(graph.input_len()));
        let traces: Vec<_> = slots.par_iter().map(|s| trace(graph, &s.input)).collect();
        let outputs: Vec<Vec<i8>> =
            traces.iter().map(|t| t.tensors[t.tensors.len() - 1].clone()).collect();

        let mut w = Filler::new(plan);
        let inputs = w.input_hashes(&slots);
        w.inputs(&traces)?;
        for node in 0..graph.nodes.len() {
            w.layer(graph, node, &traces)?;
        }
        let score = match plan.scoring {
            Scoring::Classes => w.quality(&slots, &outputs)?,
            Scoring::None => Score::default(),
        };
        Ok(w.stated(&slots, outputs, (tasks.len(), score), (inputs, header)))
    }

    /// Runs a batch of a sequence model and fills every cell. `header` is the hash of the batch's header.
    ///
    /// # Errors
    /// When the batch does not fit the plan or a task does not fit the model.
    pub fn of_sequence(
        model: &Sequence,
        plan: &Plan,
        tasks: &[Slot],
        header: CoreFr,
    ) -> Result<Self, WitnessError> {
        if plan.sequence.values.len() != model.layers.len() {
            return Err(WitnessError::Kind);
        }
        check(plan, tasks, (model.tokens, model.output_len()))?;
        let mut slots = tasks.to_vec();
        slots.resize(plan.slots, Slot::null(model.tokens));
        let traces: Vec<_> = slots.par_iter().map(|s| model.trace(&s.input)).collect();
        Self::of_traces((model, plan), &slots, &traces, (tasks.len(), header))
    }

    /// The same from the numbers of every slot, of which the first `tasks` are real.
    pub(crate) fn of_traces(
        (model, plan): (&Sequence, &Plan),
        slots: &[Slot],
        traces: &[SequenceTrace],
        (tasks, header): (usize, CoreFr),
    ) -> Result<Self, WitnessError> {
        let outputs = traces.iter().map(|trace| answers(trace, model.tokens)).collect();
        let mut w = Filler::new(plan);
        let inputs = w.input_hashes(slots);
        w.sequences(model, slots, traces)?;
        Ok(w.stated(slots, outputs, (tasks, Score::default()), (inputs, header)))
    }
}

/// The last tensor, `[channels, tokens]`.
fn answers(trace: &SequenceTrace, tokens: usize) -> Vec<i8> {
    let Some(last) = trace.tensors.last() else { return Vec::new() };
    let channels = last.len() / tokens;
    // A validated model's last layer gives int8 values.
    let channel = |c: usize| last.iter().skip(c).step_by(channels).map(|v| *v as i8);
    (0..channels).flat_map(channel).collect()
}

fn check(
    plan: &Plan,
    tasks: &[Slot],
    (expected, outputs): (usize, usize),
) -> Result<(), WitnessError> {
    if tasks.len() > plan.slots {
        return Err(WitnessError::TooMany { got: tasks.len(), slots: plan.slots });
    }
    let classes = plan.scoring.classes(outputs);
    for (slot, task) in tasks.iter().enumerate() {
        if task.input.len() != expected {
            return Err(WitnessError::InputLength { slot, got: task.input.len(), expected });
        }
        if let Some(label) = task.label {
            if usize::from(label) >= classes {
                return Err(WitnessError::Label { slot, label, classes });
            }
        }
    }
    Ok(())
}

impl Filler<'_> {
    fn input_hashes(&mut self, slots: &[Slot]) -> Vec<CoreFr> {
        self.hashes(self.plan.sections.input_hashes, slots, |s| {
            let tag = commitment::tag(commitment::DOMAIN_INPUT, s.input.len());
            commitment::blocks(tag, s.salt, &s.input)
        })
    }

    /// Fills the hashes of outputs, and the branches of a digest's tree; of `outputs` the first `tasks` are real.
    fn stated(
        mut self,
        slots: &[Slot],
        outputs: Vec<Vec<i8>>,
        (tasks, score): (usize, Score),
        (inputs, header): (Vec<CoreFr>, CoreFr),
    ) -> Witness {
        let plan = self.plan;
        let pairs: Vec<_> = slots.iter().zip(&outputs).collect();
        let committed = self.hashes(plan.sections.output_hashes, &pairs, |(s, output)| {
            let tag = commitment::tag(commitment::DOMAIN_OUTPUT, output.len());
            commitment::blocks(tag, s.salt, output)
        });
        let count = u32::try_from(tasks).unwrap_or(u32::MAX);
        let labels = slots.iter().map(|slot| slot.label).collect();
        let mut statement =
            Statement { header, count, inputs, labels, score, outputs: committed, digest: None };
        if plan.form == Form::Digest {
            let tree = statement.tree().expect("layouts have even numbers of slots");
            self.branches(plan.sections.digest, &tree);
            statement.digest = Some(tree.root());
        }
        let outputs = outputs.into_iter().take(tasks).collect();
        Witness { cells: self.cells, multiplicities: self.multiplicities, statement, outputs }
    }

    fn inputs(&mut self, traces: &[dn_core::quant::Trace]) -> Result<(), WitnessError> {
        let plan = self.plan;
        let rows = &plan.sections.inputs;
        let mut value = 0;
        while let Some(at) = rows.get(value) {
            let first = (!at.is_second).then_some(value);
            let next = rows.get(value + 1).filter(|n| n.is_second && n.row == at.row);
            let second = if at.is_second { Some(value) } else { next.map(|_| value + 1) };
            let tags = input::tags(&plan.table, (first.is_some(), second.is_some()));
            for (chunk, items) in traces.chunks(self.lanes).enumerate() {
                let mut small = Small::default();
                for (lane, item) in items.iter().enumerate() {
                    let of = |value: usize| item.tensors[0][value];
                    input::fill(&mut small, lane, first.map(of), second.map(of));
                }
                self.lookup_row(at.row + chunk, tags, &small)?;
            }
            value += 1 + usize::from(next.is_some());
        }
        Ok(())
    }

    /// Fills the permutations of one message per item and returns the hashes.
    fn hashes<T: Sync>(
        &mut self,
        first: usize,
        items: &[T],
        blocks: impl Fn(&T) -> Vec<Vec<CoreFr>> + Sync,
    ) -> Vec<CoreFr> {
        let poseidon = &self.plan.poseidon;
        let done: Vec<(Cells, Fr)> = items
            .par_iter()
            .map(|item| {
                let mut rows = Cells::zeros(0, columns::cells(self.plan.width));
                let mut hash = None;
                for block in blocks(item) {
                    let block = block.into_iter().map(from_core);
                    let mut state = [Fr::ZERO; WIDTH];
                    for (to, x) in state[1..].iter_mut().zip(hash.into_iter().chain(block)) {
                        *to = x;
                    }
                    let (permutation, out) = poseidon.permute(state);
                    rows.extend(&permutation);
                    hash = Some(out);
                }
                (rows, hash.unwrap_or(Fr::ZERO))
            })
            .collect();
        let mut at = first;
        let mut hashes = Vec::with_capacity(items.len());
        for (rows, hash) in done {
            self.cells[at..at + rows.len()].copy_from_slice(&rows[0..rows.len()]);
            at += rows.len();
            hashes.push(crate::field::to_core(hash));
        }
        hashes
    }

    /// Fills the permutations of a tree's branches.
    fn branches(&mut self, first: usize, tree: &Tree) {
        let poseidon = &self.plan.poseidon;
        let count = poseidon.rounds.len();
        let done: Vec<Cells> = (0..digest::branches(self.plan.slots))
            .into_par_iter()
            .map(|branch| {
                let mut state = [Fr::ZERO; WIDTH];
                for (to, child) in state[1..].iter_mut().zip(&tree.elements()[ARITY * branch + 1..])
                {
                    *to = from_core(*child);
                }
                poseidon.permute(state).0
            })
            .collect();
        for (branch, rows) in done.iter().enumerate() {
            let at = first + branch * count;
            self.cells[at..at + count].copy_from_slice(&rows[0..count]);
        }
    }

    fn quality(&mut self, slots: &[Slot], outputs: &[Vec<i8>]) -> Result<Score, WitnessError> {
        let mut score = Score::default();
        let mut row = self.plan.sections.quality;
        for (slot, output) in slots.iter().zip(outputs) {
            score.add(output, slot.label);
            row = self.quality_rows(row, slot.label.map(usize::from), output)?;
        }
        Ok(score)
    }

    /// Class rows and score row of one task; returns the row behind them.
    fn quality_rows(
        &mut self,
        first: usize,
        label: Option<usize>,
        output: &[i8],
    ) -> Result<usize, WitnessError> {
        let (tags, width) = (classes::tags(&self.plan.table), self.plan.width);
        let task = Judged::new(output, label);
        let groups = class_rows(output.len(), width);
        for group in 0..groups {
            let small = classes::fill(width, group * classes(width), &task);
            self.lookup_row(first + group, tags, &small)?;
        }
        self.lookup_row(first + groups, tags, &score::fill(&task))?;
        Ok(first + groups + 1)
    }
}
