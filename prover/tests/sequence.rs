//! Real proofs of a sequence model, by both openings: three verdicts on each are one.

use dn_circuits::field::{from_core, CoreFr};
use dn_circuits::{Frame, Scheme, Scoring, Slot, Width};
use dn_core::commitment::to_bytes;
use dn_core::quant::sequence::{Embedding, Function, Layer, Linear, Norm, Residual, Sequence};
use dn_prover::Prover;
use halo2_proofs::halo2curves::bn256::Fr;

const CHANNELS: usize = 8;

/// Vectors, a norm, and a layer with a function that bends.
fn model() -> Sequence {
    let small = |i: usize, limit: i16| (i as i16 * 37) % (2 * limit + 1) - limit;
    let weights = |n: usize, limit: i16| (0..n).map(|i| small(i, limit)).collect::<Vec<_>>();
    let root = |h: usize| (2048.0 / (8.0 * h as f64 + 4.0).sqrt()).round().min(255.0) as u16;
    let squares = CHANNELS * 128 * 128;
    let model = Sequence {
        tokens: 16,
        vocabulary: 9,
        layers: vec![
            Layer::Embedding(Embedding { channels: CHANNELS, table: weights(9 * CHANNELS, 90) }),
            Layer::Residual(Residual {
                shortcut: (1, 3),
                branch: None,
                bias: vec![5; CHANNELS],
                positions: weights(16 * CHANNELS, 70).into_iter().map(i32::from).collect(),
                shift: 2,
                bits: 8,
            }),
            Layer::Norm(Norm {
                tensor: 2,
                square_shift: 6,
                roots: (0..=squares >> 6).map(root).collect(),
                shift: 6,
            }),
            Layer::Linear(Linear {
                tensor: 3,
                weights: weights(3 * CHANNELS, 20),
                bias: vec![7, -60, 0],
                shift: vec![6, 7, 6],
                function: Function {
                    first: -100,
                    values: (-100..=100).map(|q| if q < 0 { q / 9 } else { q }).collect(),
                },
            }),
        ],
    };
    model.validate().expect("a valid model");
    model
}

fn tasks() -> Vec<Slot> {
    (0..2)
        .map(|i: i8| Slot {
            input: (0..16).map(|j| (i * 5 + j * 7) % 12 - 1).collect(),
            salt: CoreFr::from(i + 1),
            label: None,
        })
        .collect()
}

#[test]
fn sequences_prove_and_verify_with_both_openings() {
    let data = std::env::temp_dir().join(format!("dn-sequence-{}", std::process::id()));
    for scheme in Scheme::ALL {
        let frame = Frame::new(3, Width::Sequence).scored(Scoring::None).opened(scheme);
        let prover = Prover::of_sequence(model(), frame, &data, "sequence", None).expect("keys");
        let proof = prover.prove(&tasks(), CoreFr::from(5u8)).expect("a proof");
        for (task, output) in tasks().iter().zip(&proof.outputs) {
            assert_eq!(*output, model().execute(&task.input));
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
