//! Sequence models with attention: honest batches pass, whatever their shape.

use std::sync::Arc;

use dn_core::quant::sequence::{Attention, Embedding, Layer, Residual, Sequence};
use dn_core::statement::Form;

use super::{constants, frame, linear, norm, tasks, weights, Batch};
use crate::field::CoreFr;
use crate::plan::{Plan, PlanError};
use crate::tests::checker::Checker;
use crate::tests::soundness::objections;
use crate::tests::weakening::challenges;
use crate::tests::{failures, Stream};
use crate::witness::{Slot, Witness};

/// What attention of a model has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) tokens: usize,
    pub(super) heads: usize,
    /// Channels of a head.
    pub(super) depth: usize,
    pub(super) is_causal: bool,
}

/// Layers of queries, keys and values, and of the attention, in [`gpt`].
pub(super) const QUERIES: usize = 3;
pub(super) const KEYS: usize = 4;
pub(super) const VALUES: usize = 5;
pub(super) const ATTENTION: usize = 6;

fn attention([query, key, value]: [usize; 3], shape: Shape) -> Layer {
    let exponential = |h: usize| (15.0 * (-(h as f64) / 6.0).exp()).round() as u16;
    let modulus = shape.tokens as f64 + 1.0;
    let inverse = |sum: usize| (16384.0 / (modulus * sum.max(1) as f64)).round() as u32;
    Layer::Attention(Attention {
        query,
        key,
        value,
        heads: shape.heads,
        is_causal: shape.is_causal,
        score_shift: 9,
        exponentials: (0..24).map(exponential).collect(),
        inverses: (0..=shape.tokens * 15).map(inverse).collect(),
        context_shift: 10,
        shift: 4,
    })
}

/// A dense layer of the first norm, with weights large enough for scores that differ.
fn projection(s: &mut Stream, channels: usize, width: usize) -> Layer {
    let mut layer = linear(s, (3, channels), width);
    let Layer::Linear(l) = &mut layer else { panic!("a dense layer") };
    l.weights.iter_mut().for_each(|weight| *weight *= 7);
    layer
}

/// Vectors and positions, norm, attention, shortcut, norm, hidden layer, shortcut, norm, logits.
pub(super) fn gpt(s: &mut Stream, shape: Shape) -> Sequence {
    let (tokens, channels, vocabulary) = (shape.tokens, 8, 11);
    let width = shape.heads * shape.depth;
    let residual = |s: &mut Stream, shortcut, branch: Option<(usize, usize)>| {
        Layer::Residual(Residual {
            shortcut,
            branch: branch.map(|(tensor, inputs)| (tensor, weights(s, channels * inputs, 9))),
            bias: constants(s, channels, 50),
            positions: match branch {
                None => constants(s, tokens * channels, 90),
                Some(_) => Vec::new(),
            },
            shift: if branch.is_some() { 6 } else { 4 },
            bits: 6,
        })
    };
    let layers = vec![
        Layer::Embedding(Embedding { channels, table: weights(s, vocabulary * channels, 100) }),
        residual(s, (1, 3), None),
        norm(2, channels, 6),
        projection(s, channels, width),
        projection(s, channels, width),
        projection(s, channels, width),
        attention([4, 5, 6], shape),
        residual(s, (2, 60), Some((7, width))),
        norm(8, channels, 6),
        linear(s, (9, channels), channels + 1),
        residual(s, (8, -50), Some((10, channels + 1))),
        norm(11, channels, 6),
        linear(s, (12, channels), 3),
    ];
    let model = Sequence { tokens, vocabulary, layers };
    model.validate().unwrap();
    model
}

impl Batch {
    fn of_shape(shape: Shape, slots: usize) -> Self {
        let model = gpt(&mut Stream(97), shape);
        let tasks = tasks(&model, slots.max(2) - 1);
        Self::new(model, frame(slots), tasks)
    }

    /// Two causal heads of two rows of channels, in two sequences of two rows of tokens.
    pub(in crate::tests) fn attending() -> Self {
        let shape = Shape { tokens: 16, heads: 2, depth: 16, is_causal: true };
        let model = gpt(&mut Stream(97), shape);
        let tasks = tasks(&model, 2);
        Self::new(model, frame(2), tasks)
    }
}

fn accepts(what: &str, batch: Batch) {
    let failures = failures(&batch.plan, batch.witness);
    assert!(failures.is_empty(), "{what}: {}", failures[..failures.len().min(5)].join("\n"));
}

#[test]
fn accepts_attention_of_any_shape() {
    for (tokens, heads, depth, is_causal, slots) in [
        (8, 1, 8, true, 1),
        (8, 2, 8, true, 3),
        (24, 3, 8, false, 2),
        (16, 4, 8, true, 2),
        (40, 1, 16, false, 1),
    ] {
        let shape = Shape { tokens, heads, depth, is_causal };
        accepts(&format!("{shape:?} {slots}"), Batch::of_shape(shape, slots));
    }
    accepts("two heads of two rows", Batch::attending());
}

/// Its outputs are the answers, so words end within their rows; another attention reads the outputs of the first one.
#[test]
fn accepts_attention_as_the_last_layer_and_behind_another_one() {
    let shape = Shape { tokens: 16, heads: 2, depth: 8, is_causal: true };
    let mut model = gpt(&mut Stream(97), shape);
    model.layers.truncate(ATTENTION + 1);
    let s = &mut Stream(101);
    model.layers.extend((0..3).map(|_| linear(s, (7, 16), 16)));
    model.layers.push(attention([8, 9, 10], Shape { is_causal: false, ..shape }));
    model.validate().unwrap();
    for form in [Form::Listed, Form::Digest] {
        let tasks = tasks(&model, 2);
        accepts(&format!("{form:?}"), Batch::new(model.clone(), frame(2).with(form), tasks));
    }
}

/// Queries and keys of the tokens as they are, and as they were a layer before.
#[test]
fn accepts_queries_keys_and_values_of_different_tensors() {
    let shape = Shape { tokens: 16, heads: 2, depth: 8, is_causal: true };
    for other in [QUERIES, KEYS, VALUES] {
        let mut model = gpt(&mut Stream(97), shape);
        // A dense layer of the norm stands between.
        model.layers.insert(3, linear(&mut Stream(5), (3, 8), 8));
        for layer in &mut model.layers[4..] {
            shift(layer);
        }
        let Layer::Linear(l) = &mut model.layers[other + 1] else { panic!("a dense layer") };
        l.tensor = 4;
        model.validate().unwrap();
        let tasks = tasks(&model, 2);
        accepts(&format!("{other}"), Batch::new(model, frame(2), tasks));
    }
}

/// Reads what stands one layer further behind, but for what is in front of the inserted one.
fn shift(layer: &mut Layer) {
    let on = |tensor: &mut usize| *tensor += usize::from(*tensor > 3);
    match layer {
        Layer::Linear(l) => on(&mut l.tensor),
        Layer::Norm(n) => on(&mut n.tensor),
        Layer::Attention(a) => [&mut a.query, &mut a.key, &mut a.value].into_iter().for_each(on),
        Layer::Residual(r) => {
            on(&mut r.shortcut.0);
            if let Some((tensor, _)) = &mut r.branch {
                on(tensor);
            }
        }
        Layer::Embedding(_) | Layer::ArgMax { .. } => {}
    }
}

#[test]
fn soundness_row_21_random_attention_always_has_a_witness() {
    for seed in 0..6 {
        let s = &mut Stream(2000 + seed);
        let heads = 1 + s.next(3) as usize;
        let is_causal = s.next(2) == 0;
        let shape = Shape { tokens: 8, heads, depth: 8, is_causal };
        let model = gpt(s, shape);
        let plan = Arc::new(Plan::of_sequence(&model, frame(12)).unwrap());
        let slot = |_| Slot { input: (0..8).map(|_| s.int8(127)).collect(), ..Slot::null(8) };
        let tasks: Vec<Slot> = (0..12).map(slot).collect();
        let w = Witness::of_sequence(&model, &plan, &tasks, CoreFr::from(3u8)).unwrap();
        let c = Checker::new(&plan, challenges());
        assert_eq!(objections(&c, &c.grid(&w)), Default::default(), "{shape:?}");
    }
}

#[test]
fn attention_without_rows_is_refused_with_the_layer() {
    let refused = |heads, change: &dyn Fn(&mut Attention), more: &dyn Fn(&mut Sequence)| {
        let shape = Shape { tokens: 8, heads, depth: 8, is_causal: true };
        let mut model = gpt(&mut Stream(97), shape);
        let Layer::Attention(a) = &mut model.layers[ATTENTION] else { panic!("it attends") };
        change(a);
        more(&mut model);
        model.validate().unwrap();
        let error = Plan::of_sequence(&model, frame(2)).unwrap_err();
        assert!(matches!(error, PlanError::Layer { layer: ATTENTION, .. }), "{error}");
    };
    refused(2, &|a| a.heads = 4, &|_| {});
    refused(2, &|a| a.key = a.query, &|_| {});
    refused(1, &|a| a.value = 3, &|_| {});
    refused(2, &|_| {}, &|model| {
        model.layers.push(linear(&mut Stream(5), (VALUES + 1, 16), 3));
    });
}
