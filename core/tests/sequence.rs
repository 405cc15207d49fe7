//! The integers of sequence models: by hand, against their bounds, and what is refused.

use dn_core::quant::sequence::{
    Attention, Embedding, Function, Inner, Layer, Linear, Norm, Quantity, Residual, Sequence,
    SequenceError,
};
use dn_testing::{cases, Random};
use proptest::prelude::*;

fn embedding(channels: usize, table: &[i16]) -> Layer {
    Layer::Embedding(Embedding { channels, table: table.to_vec() })
}

/// One channel that stays as it is.
fn same(tensor: usize) -> Layer {
    Layer::Linear(Linear {
        tensor,
        weights: vec![1],
        bias: vec![0],
        shift: vec![0],
        function: Function::saturate(),
    })
}

/// Two tokens of one channel, which is query, key and value.
fn attention(is_causal: bool) -> Sequence {
    let attention = Attention {
        query: 2,
        key: 3,
        value: 4,
        heads: 1,
        is_causal,
        score_shift: 0,
        exponentials: vec![2, 1],
        inverses: vec![0, 8, 4, 3, 2],
        context_shift: 1,
        shift: 3,
    };
    let layers =
        vec![embedding(1, &[3, -2]), same(1), same(1), same(1), Layer::Attention(attention)];
    Sequence { tokens: 2, vocabulary: 2, layers }
}

#[test]
fn attention_by_hand() {
    let model = attention(true);
    model.validate().unwrap();
    // 7 3 and 7 (-2): halved, times 4, an eighth of it; halves up.
    assert_eq!(model.execute(&[0, 1]), [6, -3]);
    // Two keys that attain the maximum: 14 mod 3 counts them.
    let trace = model.trace(&[0, 0]);
    let Inner::Attention(a) = &trace.inner[4] else { panic!("the layer attends") };
    assert_eq!(a.sums, [7, 14]);
    assert_eq!(a.exponentials, [7, 0, 7, 7]);
    assert_eq!(trace.tensors[5], [6, 5]);
    // Without a mask the first token sees the second key, too.
    assert_eq!(attention(false).execute(&[0, 0]), [5, 5]);
}

#[test]
fn norms_residuals_and_functions_by_hand() {
    let residual = Residual {
        shortcut: (1, 3),
        branch: Some((1, vec![1, 1, 0, -1])),
        bias: vec![1, 2],
        positions: vec![0, 0, 10, 20],
        shift: 1,
        bits: 4,
    };
    let norm =
        Norm { tensor: 2, square_shift: 3, roots: (0..=16).map(|h| 40 - h).collect(), shift: 2 };
    let linear = Linear {
        tensor: 3,
        weights: vec![1, 0, -1, 0],
        bias: vec![0, 5],
        shift: vec![0, 2],
        function: Function { first: -1, values: vec![50, 60, 70] },
    };
    let layers = vec![
        embedding(2, &[1, 2, -1, 3]),
        Layer::Residual(residual),
        Layer::Norm(norm),
        Layer::Linear(linear),
        Layer::ArgMax { tensor: 4 },
    ];
    let model = Sequence { tokens: 2, vocabulary: 2, layers };
    model.validate().unwrap();
    let mut logits = model.clone();
    logits.layers.pop();
    assert_eq!(logits.execute(&[0, 1]), [70, 70, 50, 50], "channel by channel");
    // Ids are clamped to those that there are.
    let trace = model.trace(&[-5, 9]);
    assert_eq!(trace.tensors[0], [0, 1]);
    assert_eq!(trace.inner[1], Inner::Sums(vec![7, 6, 10, 28]));
    assert_eq!(trace.tensors[2], [4, 3, 5, 7]);
    let products = vec![4 * 37, 3 * 37, 5 * 31, 7 * 31];
    assert_eq!(
        trace.inner[2],
        Inner::Norm { squares: vec![25, 74], roots: vec![37, 31], products }
    );
    assert_eq!(trace.tensors[3], [37, 28, 39, 54]);
    assert_eq!(trace.tensors[4], [70, 50, 70, 50]);
    assert_eq!(model.execute(&[-5, 9]), [0, 0]);
    // Of two largest values the lowest channel.
    assert_eq!(trace.tensors[5], [0, 0]);
}

#[test]
fn what_is_no_model_is_refused() {
    type Change = fn(&mut Sequence);
    fn head(m: &mut Sequence) -> &mut Attention {
        let Some(Layer::Attention(a)) = m.layers.last_mut() else { panic!("the layer attends") };
        a
    }
    let wrong: [Change; 16] = [
        |m| m.tokens = 0,
        |m| m.vocabulary = 129,
        |m| m.layers.clear(),
        |m| m.layers.truncate(1),
        |m| m.layers[0] = embedding(2, &[1; 3]),
        |m| m.layers[0] = embedding(1, &[1, 1 << 13]),
        |m| m.layers[1] = same(0),
        |m| m.layers[1] = same(2),
        |m| head(m).heads = 2,
        |m| head(m).exponentials[0] = 0,
        |m| head(m).exponentials[1] = 3,
        |m| head(m).inverses.truncate(4),
        |m| head(m).score_shift = 17,
        |m| head(m).inverses[4] = 1 << 24,
        |m| head(m).query = 5,
        |m| m.layers.push(Layer::ArgMax { tensor: 6 }),
    ];
    for (i, change) in wrong.into_iter().enumerate() {
        let mut model = attention(true);
        model.validate().unwrap();
        change(&mut model);
        assert!(model.validate().is_err(), "change {i}");
    }
}

/// The largest model whose sum of values is proven to fit, and one token more.
#[test]
fn contexts_are_bounded_by_their_length() {
    let of = |tokens: usize| {
        let mut model = attention(true);
        model.tokens = tokens;
        let Some(Layer::Attention(a)) = model.layers.last_mut() else { panic!("it attends") };
        a.exponentials = vec![31];
        a.context_shift = 16;
        a.inverses = vec![1; 31 * tokens + 1];
        model.validate()
    };
    of(735).unwrap();
    let Err(SequenceError::Overflow { quantity: Quantity::Context, .. }) = of(736) else {
        panic!("128 736 (737 31 + 1) is above 2^31");
    };
}

/// A block of the extents that a proof of a small language model is made for: 64 tokens, 64 channels, 4 heads.
fn block() -> Sequence {
    let (n, d) = (64usize, 64usize);
    let linear = |tensor: usize| {
        let weights = (0..d * d).map(|i| (i * 89 % 255) as i16 - 127).collect();
        let function = Function::saturate();
        Layer::Linear(Linear { tensor, weights, bias: vec![0; d], shift: vec![9; d], function })
    };
    let root = |h: u32| (30.0 * 2_048.0 / ((f64::from(h) + 0.5) * 256.0).sqrt()).round();
    let norm = Norm {
        tensor: 2,
        square_shift: 14,
        roots: (0..=1024).map(|h| root(h).min(2_047.0) as u16).collect(),
        shift: 11,
    };
    let attention = Attention {
        query: 4,
        key: 5,
        value: 6,
        heads: 4,
        is_causal: true,
        score_shift: 7,
        exponentials: (0..34)
            .map(|h| (31.0 * f64::exp(-f64::from(h) / 8.0)).round() as u16)
            .collect(),
        inverses: (0..=31 * 64).map(|a| if a == 0 { 0 } else { (1 << 22) / (65 * a) }).collect(),
        context_shift: 12,
        shift: 10,
    };
    let residual = |shortcut, branch, positions: Vec<i32>| {
        Layer::Residual(Residual {
            shortcut: (shortcut, 512),
            branch,
            bias: vec![0; d],
            positions,
            shift: 9,
            bits: 10,
        })
    };
    let table = (0..63 * d).map(|i| (i * 37 % 900) as i16 - 450).collect();
    let branch = (0..d * d).map(|i| (i * 71 % 255) as i16 - 127).collect();
    let layers = vec![
        Layer::Embedding(Embedding { channels: d, table }),
        residual(1, None, (0..n * d).map(|i| (i * 53 % 30_000) as i32 - 15_000).collect()),
        Layer::Norm(norm),
        linear(3),
        linear(3),
        linear(3),
        Layer::Attention(attention),
        residual(2, Some((7, branch)), Vec::new()),
        linear(8),
    ];
    Sequence { tokens: n, vocabulary: 63, layers }
}

/// The ends that the tables of such a block lead to, which is what a proof's table has rows for. None takes f64.
#[test]
fn a_block_of_64_tokens_stays_below_the_bounds_it_was_designed_for() {
    let model = block();
    model.validate().unwrap();
    let bounds = |layer| -> Vec<i64> { model.bounds(layer).iter().map(|b| b.largest).collect() };
    // 64 squares of 512; the root of a token of small squares is never met by a large value.
    let [squares, scaled] = bounds(2)[..] else { panic!("a norm has two sums") };
    assert!(squares == 1 << 24 && scaled < 1 << 19, "{scaled}");
    let exponentials = 64 * (65 * 31 + 1);
    let normalised = bounds(6)[3];
    assert_eq!(bounds(6)[..3], [(1 << 18) + 64, exponentials, 128 * exponentials + 2_048]);
    assert!(128 * exponentials + 2_048 < 1 << 24 && normalised < 1 << 18, "{normalised}");
    let input: Vec<i8> = (0..64i32).map(|i| (i * 41 % 63) as i8).collect();
    let output = model.execute(&input);
    assert!(output.iter().any(|v| *v > 20) && output.iter().any(|v| *v < -20));
}

/// The largest absolute value of a layer's numbers.
fn largest(numbers: &[i64]) -> i64 {
    numbers.iter().map(|x| x.abs()).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(cases(200, 20_000))]

    #[test]
    fn no_input_leads_out_of_the_bounds(seed in any::<u64>()) {
        let mut random = Random::seeded(seed);
        let model = random.sequence();
        prop_assert_eq!(model.validate(), Ok(()));
        for input in random.inputs(model.tokens) {
            let trace = model.trace(&input);
            for (layer, inner) in trace.inner.iter().enumerate() {
                for bound in model.bounds(layer) {
                    let found = match (inner, bound.quantity) {
                        (Inner::Sums(sums), Quantity::Accumulator) => largest(sums),
                        (Inner::Norm { squares, .. }, Quantity::Squares) => largest(squares),
                        (Inner::Norm { products, .. }, Quantity::Scaled) => largest(products),
                        (Inner::Attention(a), Quantity::Score) => largest(&a.scores),
                        (Inner::Attention(a), Quantity::Exponentials) => largest(&a.sums),
                        (Inner::Attention(a), Quantity::Context) => largest(&a.contexts),
                        (Inner::Attention(a), Quantity::Normalised) => largest(&a.products),
                        _ => panic!("{bound:?} of another layer"),
                    };
                    prop_assert!(found <= bound.largest, "layer {layer}: {found}, {bound:?}");
                }
                let (low, high) = model.values(layer + 1);
                let values = &trace.tensors[layer + 1];
                prop_assert!(values.iter().all(|v| (low..=high).contains(&i64::from(*v))));
            }
        }
    }

    /// What makes the maximum, and with it the answer, unique: how often it is attained is read off the sum.
    #[test]
    fn sums_count_the_keys_that_attain_the_maximum(seed in any::<u64>()) {
        let mut random = Random::seeded(seed);
        let model = random.sequence();
        let n = model.tokens;
        for input in random.inputs(n) {
            let trace = model.trace(&input);
            for (layer, inner) in model.layers.iter().zip(&trace.inner) {
                let (Layer::Attention(l), Inner::Attention(a)) = (layer, inner) else { continue };
                for (row, sum) in a.sums.iter().enumerate() {
                    let (i, half) = (row % n, (1i64 << l.score_shift) >> 1);
                    let scores = &a.scores[row * n..][..l.seen(i, n)];
                    let is_largest = |s: &&i64| (**s + half) >> l.score_shift == a.maxima[row];
                    let count = scores.iter().filter(is_largest).count() as i64;
                    prop_assert!(count > 0 && sum % (n as i64 + 1) == count);
                }
            }
        }
    }

    /// A causal model's answers do not depend on what comes behind.
    #[test]
    fn causal_models_do_not_look_ahead(seed in any::<u64>(), at in 0usize..6) {
        let mut random = Random::seeded(seed);
        let mut model = random.sequence();
        for layer in &mut model.layers {
            if let Layer::Attention(a) = layer {
                a.is_causal = true;
            }
        }
        let at = at % model.tokens;
        let mut input = random.any_bytes(model.tokens);
        let before = model.execute(&input);
        input[at] = !input[at];
        for (before, after) in before.chunks(model.tokens).zip(model.execute(&input).chunks(model.tokens)) {
            prop_assert_eq!(&before[..at], &after[..at]);
        }
    }
}
