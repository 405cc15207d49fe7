//! The contract on several proofs at once, on keys of other layouts, and its gas.
#![cfg(feature = "evm")]

mod case;

use std::path::{Path, PathBuf};

use ark_bn254::{Fq, G1Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{BigInteger, PrimeField};
use case::{graph, tasks, Case};
use dn_circuits::field::CoreFr;
use dn_circuits::{Frame, Scheme, Scoring, Slot, Width, Witness};
use dn_core::commitment::to_bytes;
use dn_core::protocol::{Protocol, Word};
use dn_prover::Prover;
use dn_verifier::evm::{Claim, EvmVerifier};
use dn_verifier::verify;

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("dn-{name}-{}", std::process::id()))
}

/// Two proofs of one model, one of another, and the keys' contracts.
struct Batch {
    evm: EvmVerifier,
    proofs: Vec<(Vec<Word>, Vec<u8>)>,
    keys: Vec<dn_verifier::evm::Address>,
}

impl Batch {
    fn new(folder: &Path, scheme: Scheme) -> Self {
        let frame = Frame::new(8, Width::Default).opened(scheme);
        let case = |(bias, seed)| Case::new(folder, bias, frame, seed);
        let [a, b, c] = [(3, 0), (3, 7), (4, 0)].map(case);
        assert_eq!(a.protocol, b.protocol);
        let mut evm = EvmVerifier::deploy(&a.protocol).expect("deployed");
        let keys = vec![evm.key(), evm.key(), evm.deploy_key(&c.protocol).expect("deployed")];
        let proofs = [a, b, c].map(|case| (case.instances, case.proof)).into();
        Self { evm, proofs, keys }
    }

    /// The verdict on the proofs with these indices.
    fn accepts(&mut self, order: &[usize]) -> bool {
        let proofs = self.proofs.clone();
        let claim = |i: &usize| Claim {
            key: self.keys[*i],
            instances: &proofs[*i].0,
            proof: &proofs[*i].1,
        };
        let claims: Vec<_> = order.iter().map(claim).collect();
        self.evm.verify_batch(&claims).expect("a verdict").accepted
    }
}

#[test]
fn accepts_good_proofs_together_and_no_bad_one() {
    for scheme in Scheme::ALL {
        let folder = folder(&format!("batch-{}", scheme.name()));
        accepts_good_proofs_and_no_bad_one(&mut Batch::new(&folder, scheme));
        std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
    }
}

fn accepts_good_proofs_and_no_bad_one(batch: &mut Batch) {
    for order in [&[0][..], &[2], &[0, 1], &[0, 0], &[0, 1, 2], &[2, 0, 1], &[0, 2, 1, 2, 0]] {
        assert!(batch.accepts(order), "{order:?}");
    }
    assert!(!batch.accepts(&[]));

    for bad in 0..3 {
        let good = batch.proofs[bad].clone();
        let last = good.1.len() - 1;
        // A commitment, a value, the first and the last point of the opening; each of them breaks another part of the check.
        for at in [0, 70, last - 1200, last - 100, last] {
            batch.proofs[bad].1[at] ^= 1;
            assert!(!batch.accepts(&[0, 1, 2]), "proof {bad}, byte {at}");
            assert!(!batch.accepts(&[bad]));
            batch.proofs[bad] = good.clone();
        }
        batch.proofs[bad].0[1][31] ^= 1;
        assert!(!batch.accepts(&[0, 1, 2]), "proof {bad}, public input");
        batch.proofs[bad] = good.clone();
        batch.proofs[bad].1.pop();
        assert!(!batch.accepts(&[0, 1, 2]), "proof {bad}, length");
        batch.proofs[bad] = good;
    }
    batch.keys.swap(1, 2);
    assert!(!batch.accepts(&[0, 1, 2]), "another proof's key");
    batch.keys.swap(1, 2);
    batch.proofs.swap(0, 1);
    assert!(batch.accepts(&[0, 1, 2]));
}

/// Good proofs of keys of one layout with both opening schemes, and of another layout.
#[test]
fn refuses_to_mix_layouts_and_opening_schemes() {
    let folder = folder("mixed");
    let frames = [
        (Width::Default, Scheme::Plain),
        (Width::Default, Scheme::Merged),
        (Width::Narrow, Scheme::Plain),
        (Width::Narrow, Scheme::Merged),
    ];
    let cases =
        frames.map(|(width, scheme)| Case::new(&folder, 3, Frame::new(8, width).opened(scheme), 0));
    for (own, case) in cases.iter().enumerate() {
        let mut evm = EvmVerifier::deploy(&case.protocol).expect("deployed");
        let keys = cases.each_ref().map(|c| evm.deploy_key(&c.protocol).expect("deployed"));
        let claim = |i: usize| Claim {
            key: keys[i],
            instances: &cases[i].instances,
            proof: &cases[i].proof,
        };
        let mut accepts =
            |claims: &[Claim<'_>]| evm.verify_batch(claims).expect("a verdict").accepted;
        assert!(accepts(&[claim(own), claim(own)]));
        for other in (0..cases.len()).filter(|other| *other != own) {
            assert!(!accepts(&[claim(own), claim(other)]), "{other} behind {own}");
            assert!(!accepts(&[claim(other), claim(own)]), "{other} before {own}");
            // A proof of the same witness under the other one's key, and the other way round.
            assert!(!accepts(&[claim(own), Claim { key: keys[other], ..claim(own) }]));
            assert!(!accepts(&[claim(own), Claim { key: keys[own], ..claim(other) }]));
        }
    }
    std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
}

/// The proof with `by` added to its last point, which no challenge depends on.
fn moved(proof: &[u8], by: G1Affine) -> Vec<u8> {
    let at = proof.len() - 64;
    let number = |at: usize| Fq::from_be_bytes_mod_order(&proof[at..at + 32]);
    let point = (G1Affine::new(number(at), number(at + 32)) + by).into_affine();
    let coordinates = [point.x, point.y].map(|c| c.into_bigint().to_bytes_be());
    [&proof[..at], &coordinates.concat()].concat()
}

/// The same proof twice, wrong by a point and by its negative: equal weights would accept it.
#[test]
fn rejects_errors_that_cancel() {
    for scheme in Scheme::ALL {
        let folder = folder(&format!("cancel-{}", scheme.name()));
        let mut batch = Batch::new(&folder, scheme);
        let (instances, proof) = batch.proofs[0].clone();
        let generator = G1Affine::generator();
        batch.proofs[0] = (instances.clone(), moved(&proof, generator));
        batch.proofs[1] = (instances, moved(&moved(&proof, generator), -generator));
        assert_eq!(batch.proofs[1].1, proof);
        batch.proofs[1].1 = moved(&proof, -generator);
        assert!(!batch.accepts(&[0, 1]));
        std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
    }
}

#[test]
fn refuses_keys_of_other_layouts_and_mixed_reference_strings() {
    let folder = folder("layouts");
    let case = Case::new(&folder, 3, Frame::new(8, Width::Default), 0);
    let mut evm = EvmVerifier::deploy(&case.protocol).expect("deployed");
    let good = evm.key();
    let changes: [fn(&mut Protocol); 5] = [
        |p| p.constraints.swap(0, 1),
        |p| p.constants[0][31] ^= 1,
        |p| p.fixed.push(p.fixed[0]),
        |p| p.fixed.truncate(p.fixed.len() - 1),
        |p| p.s_g2 = p.g2,
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut other = case.protocol.clone();
        change(&mut other);
        let key = evm.deploy_key(&other).expect("deployed");
        let claim = |key| Claim { key, instances: &case.instances, proof: &case.proof };
        for claims in [&[claim(key)][..], &[claim(good), claim(key)], &[claim(key), claim(good)]] {
            assert!(!evm.verify_batch(claims).expect("a verdict").accepted, "layout {i}");
        }
    }
    std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
}

/// Gas of calldata.
fn calldata_gas(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.map(|b| if b == 0 { 4 } else { 16 }).sum()
}

/// One scalar multiplication and addition per commitment, and a pairing of two pairs, are all
/// that the precompiles must do (EIP-1108, and 100 for each call).
fn floor(p: &Protocol) -> u64 {
    let shared = p.quotient_pieces as usize + 4;
    6_350 * (p.advice_columns() + p.fixed.len() + shared) as u64 + 113_100
}

#[test]
fn costs_little_more_than_the_precompiles() {
    let folder = folder("gas");
    let slots = 64;
    let prover = Prover::new(graph(3), slots, &folder, "gas", None).expect("keys");
    let slot = |i: i8| Slot { input: vec![i; 8], salt: CoreFr::from(i), label: None };
    let tasks: Vec<_> = (0..64).map(slot).collect();
    let proof = prover.prove(&tasks, CoreFr::from(5u8)).expect("a proof");
    let instances: Vec<Word> = proof.statement.instances().into_iter().map(to_bytes).collect();
    let p = prover.keys().protocol().clone();
    let mut evm = EvmVerifier::deploy(&p).expect("deployed");

    let one = evm.verify(&instances, &proof.bytes).expect("a verdict");
    assert!(one.accepted);
    let bytes = instances.concat().into_iter().chain(proof.bytes.iter().copied());
    let execution = one.gas - 21_000 - calldata_gas(bytes);
    assert!(execution < floor(&p) + 110_000, "{execution} gas, floor {}", floor(&p));

    // Each further proof with the same key saves the pairing and the key's multiplications.
    let claim = Claim { key: evm.key(), instances: &instances, proof: &proof.bytes };
    let four = evm.verify_batch(&[claim; 4]).expect("a verdict");
    assert!(four.accepted);
    let saved = (4 * one.gas - four.gas) / 3;
    let least = 113_000 + 6_350 * (p.fixed.len() as u64 - 1);
    assert!(saved > least, "{saved} gas saved per proof, {least} expected");
    std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
}

/// A model without classes: its proofs are accepted, and none with a label or a score.
#[test]
fn a_model_without_classes_has_neither_labels_nor_a_score() {
    let folder = folder("none");
    let frame = Frame::new(8, Width::Default).scored(Scoring::None);
    let prover = Prover::new(graph(3), frame, &folder, "none", None).expect("keys");
    let unlabelled = tasks(1).into_iter().map(|task| Slot { label: None, ..task });
    let tasks: Vec<Slot> = unlabelled.collect();
    let p = prover.keys().protocol().clone();
    let mut evm = EvmVerifier::deploy(&p).expect("deployed");
    let mut accepts = |witness: Witness| {
        let words: Vec<Word> = witness.statement.instances().into_iter().map(to_bytes).collect();
        let proof = prover.prove_witness(witness).expect("a proof");
        let verdict = verify(&p, &words, &proof).is_ok();
        assert_eq!(evm.verify(&words, &proof).expect("a verdict").accepted, verdict);
        verdict
    };
    let header = CoreFr::from(5u8);
    let honest = Witness::new(&graph(3), &prover.keys().plan, &tasks, header).expect("a witness");
    assert!(accepts(honest.clone()));
    let mut labelled = honest;
    labelled.statement.labels[2] = Some(1);
    labelled.statement.score.probe_count = 1;
    assert!(!accepts(labelled));
    std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
}
