//! Merged openings: the witness of a proof that halo2 judges has one with merged openings, too.

mod case;

use std::path::PathBuf;

use case::{graph, tasks};
use dn_circuits::field::{from_core, CoreFr};
use dn_circuits::{Frame, Scheme, Width, Witness};
use dn_core::commitment::to_bytes;
use dn_core::protocol::{Protocol, Word};
use dn_core::quant::{Activation, Geometry, Graph, Node, Part, Shape, Source};
use dn_core::statement::Form;
use dn_prover::Prover;
use dn_verifier::verify;

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("dn-merged-{name}-{}", std::process::id()))
}

/// A convolution whose images are padded, and a dense layer.
fn images() -> Graph {
    let input = Shape { channels: 1, height: 4, width: 4 };
    let geometry = Geometry { pad: [1; 2], ..Geometry::plain([3; 2]) };
    let weights = (0..18).map(|i| (i * 29) % 17 - 8).collect();
    let convolution = Node {
        shape: Shape { channels: 2, height: 4, width: 4 },
        sources: vec![Source { part: Part::Sum, tensor: 0, geometry, weights }],
        bias: vec![20, -30],
        shift: vec![6, 7],
        pool: 1,
        activation: Activation::relu(),
    };
    let mut graph = Graph { input, nodes: vec![convolution] };
    let weights = (0..96).map(|i| (i * 31) % 19 - 9).collect();
    let from = graph.shape(1);
    let dense = Node::dense((1, from), weights, vec![3, -5, 70], 6, Activation::identity());
    graph.nodes.push(dense);
    graph.validate().expect("a valid graph");
    graph
}

/// A witness that is proven with both schemes: halo2's verifier judges the plain proof, this crate's and the contracts
/// both.
fn prove_both(graph: &Graph, frame: Frame, name: &str) {
    let folder = folder(name);
    let prover = |scheme| {
        Prover::new(graph.clone(), frame.opened(scheme), &folder, name, None).expect("keys")
    };
    let [plain, merged] = Scheme::ALL.map(prover);
    let mut tasks = tasks(9);
    for task in &mut tasks {
        task.input.resize(graph.input_len(), -3);
    }
    let witness =
        Witness::new(graph, &plain.keys().plan, &tasks, CoreFr::from(5u8)).expect("a witness");
    let instances: Vec<CoreFr> = witness.statement.instances();
    let words: Vec<Word> = instances.iter().copied().map(to_bytes).collect();
    let instances: Vec<_> = instances.into_iter().map(from_core).collect();
    let proofs = [&plain, &merged].map(|p| p.prove_witness(witness.clone()).expect("a proof"));
    assert!(plain.keys().library().is_some() && merged.keys().library().is_none());
    assert!(plain.verify(&instances, &proofs[0]), "halo2's verdict on {name}");
    let keys = [&plain, &merged].map(|p| p.keys().protocol().clone());
    for (key, proof) in keys.iter().zip(&proofs) {
        verify(key, &words, proof).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(on_chain(key, &words, proof), "the contract's verdict on {name}");
    }
    for (key, proof) in keys.iter().zip(proofs.iter().rev()) {
        assert!(verify(key, &words, proof).is_err(), "the other scheme's proof of {name}");
        assert!(!on_chain(key, &words, proof) || cfg!(not(feature = "evm")));
    }
    std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
}

#[cfg(feature = "evm")]
fn on_chain(key: &Protocol, instances: &[Word], proof: &[u8]) -> bool {
    let mut evm = dn_verifier::evm::EvmVerifier::deploy(key).expect("deployed");
    let verdict = evm.verify(instances, proof).expect("a verdict");
    println!("{} {verdict:?}", key.scheme().name());
    verdict.accepted
}

#[cfg(not(feature = "evm"))]
fn on_chain(_key: &Protocol, _instances: &[Word], _proof: &[u8]) -> bool {
    true
}

#[test]
fn merged_and_plain_proofs_of_one_witness_hold_in_every_layout() {
    for width in Width::ALL {
        for form in [Form::Listed, Form::Digest] {
            for (graph, net) in [(graph(3), "dense"), (images(), "images")] {
                let frame = Frame::of(8, width).with(form);
                prove_both(&graph, frame, &format!("{net}-{}-{form:?}", width.name()));
            }
        }
    }
}
