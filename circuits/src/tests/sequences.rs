//! Sequence models: honest batches pass; what forgers try is in [`forged`] and
//! [`forged_attention`].

mod attending;
mod forged;
mod forged_attention;

use std::sync::Arc;

use dn_core::quant::sequence::{Embedding, Function, Layer, Linear, Norm, Residual, Sequence};
use dn_core::statement::Form;

use super::{failures, Stream};
use crate::field::CoreFr;
use crate::plan::{Frame, Plan, PlanError};
use crate::witness::{Slot, Witness, WitnessError};
use dn_core::{Scoring, Width};

/// A laid-out sequence model with one batch.
pub(super) struct Batch {
    pub(super) model: Sequence,
    pub(super) plan: Arc<Plan>,
    pub(super) witness: Witness,
    pub(super) tasks: Vec<Slot>,
}

/// A frame of sequences.
pub(super) fn frame(slots: usize) -> Frame {
    Frame::new(slots, Width::Sequence).scored(Scoring::None)
}

fn weights(s: &mut Stream, n: usize, limit: i64) -> Vec<i16> {
    (0..n).map(|_| s.int8(limit).into()).collect()
}

fn constants(s: &mut Stream, n: usize, limit: i64) -> Vec<i32> {
    (0..n).map(|_| i32::from(s.int8(limit))).collect()
}

/// Something that bends, as a GELU does.
fn bent() -> Function {
    let value = |q: i16| if q < 0 { q / 9 } else { q };
    Function { first: -100, values: (-100..=100).map(|q| value(q) as i8).collect() }
}

fn linear(s: &mut Stream, (tensor, inputs): (usize, usize), outputs: usize) -> Layer {
    let shift = (0..outputs as u32).map(|o| 6 + o % 2).collect();
    Layer::Linear(Linear {
        tensor,
        weights: weights(s, inputs * outputs, 9),
        bias: constants(s, outputs, 100),
        shift,
        function: bent(),
    })
}

fn norm(tensor: usize, channels: usize, bits: u32) -> Layer {
    let end = 1u64 << (bits - 1);
    let squares = channels as u64 * end * end;
    let root = |h: u64| {
        let mean = ((h << 6) as f64 + 32.0) / channels as f64;
        (4096.0 / mean.sqrt()).round().min(255.0) as u16
    };
    Layer::Norm(Norm {
        tensor,
        square_shift: 6,
        roots: (0..=squares >> 6).map(root).collect(),
        shift: 7,
    })
}

/// A block without attention: vectors with positions, a norm, a hidden layer, what it adds to the vectors, a norm and a
/// head. Two rows a token, or one with `channels` of eight.
pub(super) fn block(tokens: usize, channels: usize) -> Sequence {
    block_of(&mut Stream(83), tokens, channels)
}

fn block_of(s: &mut Stream, tokens: usize, channels: usize) -> Sequence {
    let vocabulary = 11;
    let embedding =
        Layer::Embedding(Embedding { channels, table: weights(s, vocabulary * channels, 100) });
    let first = Layer::Residual(Residual {
        shortcut: (1, 3),
        branch: None,
        bias: constants(s, channels, 50),
        positions: constants(s, tokens * channels, 90),
        shift: 2,
        bits: 8,
    });
    let hidden = channels + 1;
    let second = Layer::Residual(Residual {
        shortcut: (2, -40),
        branch: Some((4, weights(s, channels * hidden, 9))),
        bias: constants(s, channels, 100),
        positions: Vec::new(),
        shift: 6,
        bits: 9,
    });
    let layers = vec![
        embedding,
        first,
        norm(2, channels, 8),
        linear(s, (3, channels), hidden),
        second,
        norm(5, channels, 9),
        linear(s, (6, channels), 3),
    ];
    let model = Sequence { tokens, vocabulary, layers };
    model.validate().unwrap();
    model
}

pub(super) fn tasks(model: &Sequence, count: usize) -> Vec<Slot> {
    let mut s = Stream(89);
    let slot = |i: usize| Slot {
        // Ids, and what is below and above them.
        input: (0..model.tokens).map(|_| s.next(14) as i8 - 2).collect(),
        salt: CoreFr::from(1000 + i as u64),
        label: None,
    };
    (0..count).map(slot).collect()
}

impl Batch {
    pub(super) fn new(model: Sequence, frame: Frame, tasks: Vec<Slot>) -> Self {
        let plan = Arc::new(Plan::of_sequence(&model, frame).unwrap());
        let witness = Witness::of_sequence(&model, &plan, &tasks, CoreFr::from(3u8)).unwrap();
        Self { model, plan, witness, tasks }
    }

    /// Two sequences of 32 tokens: words end within rows of tokens and of the answers.
    pub(super) fn long() -> Self {
        let model = block(32, 16);
        let tasks = tasks(&model, 2);
        Self::new(model, frame(2), tasks)
    }

    /// Three sequences of 8 tokens, of which the last is padding.
    pub(super) fn short() -> Self {
        let model = block(8, 8);
        let tasks = tasks(&model, 2);
        Self::new(model, frame(3), tasks)
    }
}

#[test]
fn accepts_honest_sequences() {
    for batch in [Batch::short(), Batch::long()] {
        let failures = failures(&batch.plan, batch.witness);
        assert!(failures.is_empty(), "{}", failures[..failures.len().min(5)].join("\n"));
    }
}

#[test]
fn the_statement_of_sequences_is_what_the_domain_crate_computes() {
    let batch = Batch::long();
    for (i, task) in batch.tasks.iter().enumerate() {
        let output = batch.model.execute(&task.input);
        assert_eq!(batch.witness.outputs[i], output);
        let statement = &batch.witness.statement;
        assert_eq!(statement.inputs[i], task.input_commitment());
        assert_eq!(statement.outputs[i], dn_core::commitment::output(&output, task.salt));
    }
}

#[test]
fn accepts_sequences_with_a_digest() {
    let model = block(8, 8);
    let tasks = tasks(&model, 3);
    let batch = Batch::new(model, frame(4).with(Form::Digest), tasks);
    let failures = failures(&batch.plan, batch.witness);
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(5)].join("\n"));
}

/// Sections hold every quotient, root and vector that any tokens lead to.
#[test]
fn soundness_row_21_random_sequences_always_have_a_witness() {
    for seed in 0..12 {
        let model = block_of(&mut Stream(1000 + seed), 8, 8);
        let plan = Plan::of_sequence(&model, frame(12)).unwrap();
        let mut s = Stream(seed);
        let tasks: Vec<Slot> = (0..12)
            .map(|_| Slot { input: (0..8).map(|_| s.int8(127)).collect(), ..Slot::null(8) })
            .collect();
        Witness::of_sequence(&model, &plan, &tasks, CoreFr::from(3u8)).unwrap();
    }
}

#[test]
fn layouts_are_of_one_kind_of_model() {
    let model = block(8, 8);
    for width in Width::ALL {
        let frame = Frame::new(16, width).scored(Scoring::None);
        let error = Plan::of_sequence(&model, frame).unwrap_err();
        assert_eq!(error, PlanError::Layout { width, model: "sequences" });
    }
    let graph = super::model(&mut Stream(7));
    let error = Plan::new(&graph, Frame::new(16, Width::Sequence)).unwrap_err();
    assert_eq!(error, PlanError::Layout { width: Width::Sequence, model: "graphs" });
    let (short, header) = (Batch::short(), CoreFr::from(3u8));
    let error = Witness::new(&graph, &short.plan, &short.tasks, header).unwrap_err();
    assert_eq!(error, WitnessError::Kind);
    let (_, plan, _) = super::setup(5, 8);
    let error = Witness::of_sequence(&model, &plan, &short.tasks, header).unwrap_err();
    assert_eq!(error, WitnessError::Kind);
}
