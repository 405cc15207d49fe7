//! A real proof: accepted as it is, rejected after any change.

use dn_circuits::field::{from_core, CoreFr};
use dn_circuits::Slot;
use dn_core::proof_file::ProofFile;
use dn_core::quant::{Activation, Dense, Graph};
use dn_prover::Prover;
use halo2_proofs::halo2curves::bn256::Fr;

fn graph() -> Graph {
    let weights = (0..40).map(|i| ((i * 37) % 23 - 11) as i8).collect();
    let layer = Dense {
        inputs: 10,
        outputs: 4,
        weights,
        bias: vec![3, -5, 70, 0],
        shift: 5,
        activation: Activation::relu(),
    };
    let graph = Graph { layers: vec![layer] };
    graph.validate().expect("a valid graph");
    graph
}

#[test]
fn proves_hides_and_rejects() {
    let data = std::env::temp_dir().join(format!("dn-prover-{}", std::process::id()));
    let prover = Prover::new(graph(), 8, &data, "test", None).expect("keys");
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

    let commitments = 25 + 8 + 12;
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
    println!("k {} proof {} B {:?}", prover.keys().plan.k, proof.bytes.len(), proof.usage);
    std::fs::remove_dir_all(&data).expect("remove the temporary folder");
}
