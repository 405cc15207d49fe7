//! A small model with a proof, and the verdicts on what is made of it.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::path::Path;

use dn_circuits::field::{from_core, CoreFr};
use dn_circuits::{protocol, Slot};
use dn_core::commitment::{from_bytes, to_bytes};
use dn_core::protocol::{Protocol, Word};
use dn_core::quant::{Activation, Graph, Node, Shape};
use dn_prover::Prover;
use dn_verifier::verify;

pub(crate) fn graph(bias: i32) -> Graph {
    let weights = (0..24).map(|i| (i * 29) % 17 - 8).collect();
    let input = Shape::vector(8);
    let node = Node::dense((0, input), weights, vec![bias, -5, 70], 5, Activation::relu());
    Graph { input, nodes: vec![node] }
}

pub(crate) struct Case {
    pub(crate) prover: Prover,
    pub(crate) protocol: Protocol,
    pub(crate) instances: Vec<Word>,
    pub(crate) proof: Vec<u8>,
    #[cfg(feature = "evm")]
    pub(crate) evm: std::cell::RefCell<dn_verifier::evm::EvmVerifier>,
}

impl Case {
    /// A proof by the model `graph(bias)` of tasks that depend on `seed`.
    pub(crate) fn new(folder: &Path, bias: i32, seed: i8) -> Self {
        let name = format!("case{bias}");
        let prover = Prover::new(graph(bias), 8, folder, &name, None).expect("keys");
        let tasks: Vec<Slot> = (0..6)
            .map(|i: i8| Slot {
                input: (0..8).map(|j| i * 20 - j * 9 + seed).collect(),
                salt: CoreFr::from(i + 1),
                label: (i % 2 == 0).then_some(1),
            })
            .collect();
        let proof = prover.prove(&tasks, CoreFr::from(5u8)).expect("a proof");
        let instances: Vec<Word> = proof.statement.instances().into_iter().map(to_bytes).collect();
        let keys = prover.keys();
        let protocol = protocol::export(keys.vk(), &keys.params, instances.len());
        #[cfg(feature = "evm")]
        let evm = dn_verifier::evm::EvmVerifier::deploy(&protocol).expect("deployed").into();
        Self {
            prover,
            protocol,
            instances,
            proof: proof.bytes,
            #[cfg(feature = "evm")]
            evm,
        }
    }

    #[cfg(feature = "evm")]
    fn on_chain(&self, instances: &[Word], proof: &[u8]) -> Option<bool> {
        let verdict = self.evm.borrow_mut().verify(instances, proof).expect("a verdict");
        Some(verdict.accepted)
    }

    #[cfg(not(feature = "evm"))]
    fn on_chain(&self, _instances: &[Word], _proof: &[u8]) -> Option<bool> {
        None
    }

    /// All verdicts, which must agree.
    pub(crate) fn accepts(&self, instances: &[Word], proof: &[u8]) -> bool {
        let ours = verify(&self.protocol, instances, proof).is_ok();
        let decoded: Option<Vec<_>> =
            instances.iter().map(|i| from_bytes(i).map(from_core)).collect();
        // halo2 reads a prefix and takes any number of instances; the length is part of the format.
        let shape = proof.len() == self.protocol.proof_len()
            && instances.len() == self.protocol.instances as usize;
        let theirs = shape && decoded.is_some_and(|i| self.prover.verify(&i, proof));
        assert_eq!(ours, theirs);
        assert_eq!(ours, self.on_chain(instances, proof).unwrap_or(ours), "the contract differs");
        ours
    }
}
