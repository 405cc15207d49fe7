//! A real proof: accepted as it is, rejected after any change.

use std::path::Path;
use std::sync::Arc;

use dn_circuits::blinding::{BlindingRng, ZeroWords};
use dn_circuits::columns::advice_columns;
use dn_circuits::field::{from_core, CoreFr};
use dn_circuits::transcript::KeccakWrite;
use dn_circuits::{BatchCircuit, Frame, Slot, Width, Witness};
use dn_core::proof_file::ProofFile;
use dn_core::quant::{Activation, Graph, Node, Shape};
use dn_prover::{Phase, ProveError, Prover};
use halo2_proofs::halo2curves::bn256::{Bn256, Fr};
use halo2_proofs::plonk::{create_proof, keygen_pk, keygen_vk};
use halo2_proofs::poly::kzg::commitment::KZGCommitmentScheme;
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use halo2_proofs::transcript::TranscriptWriterBuffer;
use rand_core::OsRng;

fn graph() -> Graph {
    let weights = (0..40).map(|i| (i * 37) % 23 - 11).collect();
    let input = Shape::vector(10);
    let node = Node::dense((0, input), weights, vec![3, -5, 70, 0], 5, Activation::relu());
    let graph = Graph { input, nodes: vec![node] };
    graph.validate().expect("a valid graph");
    graph
}

#[test]
fn soundness_row_23_proves_hides_and_rejects() {
    let data = std::env::temp_dir().join(format!("dn-prover-{}", std::process::id()));
    for width in Width::ALL {
        proves_hides_and_rejects(width, &data);
    }
}

fn proves_hides_and_rejects(width: Width, data: &Path) {
    let frame = Frame::of(8, width);
    let prover = Prover::new(graph(), frame, data, "test", None).expect("keys");
    let tasks: Vec<Slot> = (0..5)
        .map(|i: i8| Slot {
            input: (0..10).map(|j| i * 20 - j * 9).collect(),
            salt: CoreFr::from(i + 1),
            label: (i == 2).then_some(1),
        })
        .collect();
    let proof = prover.prove(&tasks, CoreFr::from(5u8)).expect("a proof");
    let again = prover.prove(&tasks, CoreFr::from(5u8)).expect("a proof");
    let instances: Vec<Fr> = proof.statement.instances().into_iter().map(from_core).collect();
    assert!(prover.verify(&instances, &proof.bytes));

    let commitments = advice_columns(width);
    for (a, b) in proof.bytes.chunks(64).zip(again.bytes.chunks(64)).take(commitments) {
        assert_ne!(a, b, "two proofs of one witness share an advice commitment");
    }
    for at in (0..proof.bytes.len()).step_by(97) {
        let mut forged = proof.bytes.clone();
        forged[at] ^= 1;
        assert!(!prover.verify(&instances, &forged), "byte {at}");
    }
    for at in 0..instances.len() {
        let mut forged = instances.clone();
        forged[at] += Fr::one();
        assert!(!prover.verify(&forged, &proof.bytes), "instance {at}");
    }
    let file = ProofFile::new([7; 32], &proof.statement, proof.bytes.clone());
    assert_eq!(ProofFile::from_bytes(&file.to_bytes()).expect("a file"), file);
    assert_eq!(by_the_library(&prover, &tasks).len(), proof.bytes.len());
    println!("k {} proof {} B {:?}", prover.keys().plan.k, proof.bytes.len(), proof.usage);
    std::fs::remove_dir_all(data).expect("remove the temporary folder");
}

/// The proof of halo2's own prover for the same circuit and its own keys, verified.
fn by_the_library(prover: &Prover, tasks: &[Slot]) -> Vec<u8> {
    let keys = prover.keys();
    let witness = Witness::new(&graph(), &keys.plan, tasks, CoreFr::from(5u8)).expect("a witness");
    let instances: Vec<Fr> = witness.statement.instances().into_iter().map(from_core).collect();
    let zeros = ZeroWords::default();
    let circuit = BatchCircuit::for_proof(keys.plan.clone(), Arc::new(witness), zeros.clone());
    let key_circuit = BatchCircuit::for_keys(keys.plan.clone());
    let library = keys.library().expect("plain openings");
    let vk = keygen_vk(&library.params, &key_circuit).expect("a verifying key");
    assert_eq!(vk.fixed_commitments(), library.vk.fixed_commitments());
    assert_eq!(vk.transcript_repr(), library.vk.transcript_repr());
    let pk = keygen_pk(&library.params, vk, &key_circuit).expect("a proving key");
    let mut transcript = KeccakWrite::init(Vec::new());
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, _>, _, _, _, _>(
        &library.params,
        &pk,
        &[circuit],
        &[&[&instances]],
        BlindingRng::new(OsRng, zeros.clone()),
        &mut transcript,
    )
    .expect("a proof");
    assert_eq!(zeros.left(), 0);
    let bytes = transcript.finalize();
    assert!(prover.verify(&instances, &bytes));
    bytes
}

#[test]
fn an_observer_hears_of_every_phase_and_can_cancel() {
    let data = std::env::temp_dir().join(format!("dn-phases-{}", std::process::id()));
    let prover = Prover::new(graph(), 8, &data, "phases", None).expect("keys");
    let tasks = [Slot::null(10)];
    let mut heard = Vec::new();
    let mut observe = |phase| {
        heard.push(phase);
        true
    };
    prover.prove_observed(&tasks, CoreFr::from(5u8), &mut observe).expect("a proof");
    assert_eq!(heard, Phase::ALL);
    let stopped = prover.prove_observed(&tasks, CoreFr::from(5u8), &mut |p| p != Phase::Quotient);
    assert!(matches!(stopped, Err(ProveError::Cancelled(Phase::Quotient))));
    std::fs::remove_dir_all(data).expect("remove the temporary folder");
}
