//! Real proofs of a sequence model, by both openings: three verdicts on each are one.

use dn_circuits::field::{from_core, CoreFr};
use dn_circuits::{Frame, Scheme, Scoring, Slot, Width};
use dn_core::commitment::to_bytes;
use dn_core::quant::sequence::{
    Attention, Embedding, Function, Layer, Linear, Norm, Residual, Sequence,
};
use dn_prover::Prover;
use halo2_proofs::halo2curves::bn256::Fr;

/// A GPT.
#[derive(Clone, Copy)]
struct Size {
    tokens: usize,
    channels: usize,
    heads: usize,
    hidden: usize,
    blocks: usize,
    vocabulary: usize,
}

const SMALL: Size =
    Size { tokens: 16, channels: 16, heads: 2, hidden: 24, blocks: 1, vocabulary: 9 };

fn weights(n: usize, limit: i64, turn: usize) -> Vec<i16> {
    (0..n).map(|i| (((i + turn) as i64 * 37) % (2 * limit + 1) - limit) as i16).collect()
}

impl Size {
    /// A dense layer with a function that bends, as a GELU does. `turn` tells its weights from others'.
    fn linear(self, (tensor, inputs): (usize, usize), outputs: usize, turn: usize) -> Layer {
        Layer::Linear(Linear {
            tensor,
            weights: weights(outputs * inputs, 20, turn),
            bias: (0..outputs as i32).map(|i| 7 - 20 * (i % 5)).collect(),
            shift: (0..outputs as u32).map(|i| 6 + i % 2).collect(),
            function: Function {
                first: -100,
                values: (-100..=100).map(|q| if q < 0 { q / 9 } else { q }).collect(),
            },
        })
    }

    fn norm(self, tensor: usize) -> Layer {
        let channels = self.channels;
        let root = |h: usize| {
            let mean = ((h << 10) + 512) as f64 / channels as f64;
            (2048.0 / mean.sqrt()).round().min(255.0) as u16
        };
        let roots = (0..=(channels * 128 * 128) >> 10).map(root).collect();
        Layer::Norm(Norm { tensor, square_shift: 10, roots, shift: 6 })
    }

    /// What is added to a tensor: another one of so many channels, or positions.
    fn residual(self, shortcut: (usize, i32), branch: Option<(usize, usize)>) -> Layer {
        let (tokens, channels) = (self.tokens, self.channels);
        let added = |(tensor, inputs)| (tensor, weights(channels * inputs, 15, tensor));
        Layer::Residual(Residual {
            shortcut,
            branch: branch.map(added),
            bias: vec![5; channels],
            positions: match branch {
                None => weights(tokens * channels, 70, 0).into_iter().map(i32::from).collect(),
                Some(_) => Vec::new(),
            },
            shift: if branch.is_some() { 6 } else { 2 },
            bits: 8,
        })
    }

    /// Causal heads.
    fn attention(self, [query, key, value]: [usize; 3]) -> Layer {
        let inverse = |sum: usize| ((1 << 18) / ((self.tokens + 1) * sum.max(1))) as u32;
        Layer::Attention(Attention {
            query,
            key,
            value,
            heads: self.heads,
            is_causal: true,
            score_shift: 8,
            exponentials: vec![15, 13, 11, 9, 8, 7, 6, 5, 4, 3, 2, 1],
            inverses: (0..=self.tokens * 15).map(inverse).collect(),
            context_shift: 12,
            shift: 6,
        })
    }

    /// Vectors and positions, then blocks of a GPT, a norm and logits.
    fn model(self) -> Sequence {
        let (channels, vocabulary) = (self.channels, self.vocabulary);
        let table = weights(vocabulary * channels, 90, 0);
        let mut layers =
            vec![Layer::Embedding(Embedding { channels, table }), self.residual((1, 3), None)];
        for block in 0..self.blocks {
            let old = layers.len();
            layers.push(self.norm(old));
            let projection = |turn| self.linear((old + 1, channels), channels, block + turn);
            layers.extend([0, 5, 11].map(projection));
            layers.push(self.attention([old + 2, old + 3, old + 4]));
            layers.push(self.residual((old, 50), Some((old + 5, channels))));
            layers.push(self.norm(old + 6));
            layers.push(self.linear((old + 7, channels), self.hidden, block + 3));
            layers.push(self.residual((old + 6, 40), Some((old + 8, self.hidden))));
        }
        let old = layers.len();
        layers.push(self.norm(old));
        layers.push(self.linear((old + 1, channels), vocabulary, 1));
        let model = Sequence { tokens: self.tokens, vocabulary, layers };
        model.validate().expect("a valid model");
        model
    }

    fn tasks(self, count: usize) -> Vec<Slot> {
        let token = |i: usize, j: usize| ((i * 5 + j * 7) % (self.vocabulary + 3)) as i8 - 1;
        (0..count)
            .map(|i| Slot {
                input: (0..self.tokens).map(|j| token(i, j)).collect(),
                salt: CoreFr::from(i as u64 + 1),
                label: None,
            })
            .collect()
    }
}

#[test]
fn sequences_prove_and_verify_with_both_openings() {
    let (model, tasks) = (SMALL.model(), SMALL.tasks(2));
    let data = std::env::temp_dir().join(format!("dn-sequence-{}", std::process::id()));
    for scheme in Scheme::ALL {
        let frame = Frame::new(3, Width::Sequence).scored(Scoring::None).opened(scheme);
        let prover =
            Prover::of_sequence(model.clone(), frame, &data, "sequence", None).expect("keys");
        let proof = prover.prove(&tasks, CoreFr::from(5u8)).expect("a proof");
        for (task, output) in tasks.iter().zip(&proof.outputs) {
            assert_eq!(*output, model.execute(&task.input));
        }
        let verdicts = |instances: &[CoreFr], bytes: &[u8]| {
            let words: Vec<_> = instances.iter().copied().map(to_bytes).collect();
            let cells: Vec<Fr> = instances.iter().copied().map(from_core).collect();
            let ours = dn_verifier::verify(prover.keys().protocol(), &words, bytes).is_ok();
            assert_eq!(ours, prover.verify(&cells, bytes), "verifiers differ");
            ours
        };
        let instances = proof.statement.instances();
        assert!(verdicts(&instances, &proof.bytes));
        for at in (0..proof.bytes.len()).step_by(331) {
            let mut forged = proof.bytes.clone();
            forged[at] ^= 1;
            assert!(!verdicts(&instances, &forged), "byte {at}");
        }
        for at in 0..instances.len() {
            let mut forged = instances.clone();
            forged[at] += CoreFr::from(1u8);
            assert!(!verdicts(&forged, &proof.bytes), "instance {at}");
        }
        let (plan, usage) = (&prover.keys().plan, proof.usage);
        println!("{scheme:?}: k {}, {} bytes, {usage:?}", plan.k, proof.bytes.len());
    }
    std::fs::remove_dir_all(data).expect("remove the temporary folder");
}

/// What a GPT of four layers takes: 64 channels, four heads, 64 tokens, 63 characters.
#[test]
#[ignore = "prints rows and seconds; takes a minute"]
fn a_gpt_of_four_layers_proves() {
    let size = Size { tokens: 64, channels: 64, heads: 4, hidden: 256, blocks: 4, vocabulary: 63 };
    let data = std::env::temp_dir().join(format!("dn-gpt-{}", std::process::id()));
    for slots in [1, 3] {
        let frame = Frame::new(slots, Width::Sequence).scored(Scoring::None);
        let prover = Prover::of_sequence(size.model(), frame, &data, "gpt", None).expect("keys");
        let proof = prover.prove(&size.tasks(slots), CoreFr::from(5u8)).expect("a proof");
        let (plan, usage) = (&prover.keys().plan, proof.usage);
        println!("{slots} sequences: {} rows, k {}, {usage:?}", plan.rows, plan.k);
    }
    std::fs::remove_dir_all(data).expect("remove the temporary folder");
}
