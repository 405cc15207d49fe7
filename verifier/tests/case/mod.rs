//! A small model with a proof, and the verdicts on what is made of it.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use dn_circuits::field::{from_core, CoreFr};
use dn_circuits::{Frame, Scheme, Slot, Width};
use dn_core::commitment::{from_bytes, to_bytes};
use dn_core::protocol::{Protocol, Word};
use dn_core::quant::{Activation, Graph, Node, Part, Shape, Source};
use dn_core::statement::Form;
use dn_prover::{Proof, Prover};
use dn_verifier::verify;

pub(crate) fn graph(bias: i32) -> Graph {
    let weights = (0..24).map(|i| (i * 29) % 17 - 8).collect();
    let input = Shape::vector(8);
    let node = Node::dense((0, input), weights, vec![bias, -5, 70], 5, Activation::relu());
    Graph { input, nodes: vec![node] }
}

/// The same behind which two sums are multiplied.
pub(crate) fn products() -> Graph {
    let mut graph = graph(3);
    let hidden = Node::dense(
        (1, Shape::vector(3)),
        vec![2, -1, 3, 0, 4, 1, -2, 1, 1],
        vec![9, -400, 7],
        7,
        Activation::identity(),
    );
    let factor = |part, sign: i16| Source {
        part,
        weights: hidden.sources[0].weights.iter().map(|w| sign * w + 1).collect(),
        ..hidden.sources[0].clone()
    };
    let sources = vec![hidden.sources[0].clone(), factor(Part::Left, 1), factor(Part::Right, -1)];
    graph.nodes.push(Node { sources, ..hidden });
    graph
}

pub(crate) fn tasks(first: i8) -> Vec<Slot> {
    (0..6)
        .map(|i: i8| Slot {
            input: (0..8).map(|j| first.wrapping_add(i * 20 - j * 9)).collect(),
            salt: CoreFr::from(i + 1),
            label: (i % 2 == 0).then_some(1),
        })
        .collect()
}

/// A prover whose keys are in memory only.
pub(crate) fn prover(bias: i32, name: &str) -> Prover {
    let folder: PathBuf = std::env::temp_dir().join(format!("dn-{name}-{}", std::process::id()));
    let prover = keys(&folder, bias, Frame::new(8, Width::Default));
    std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
    prover
}

fn keys(folder: &Path, bias: i32, frame: Frame) -> Prover {
    Prover::new(graph(bias), frame, folder, &format!("case{bias}"), None).expect("keys")
}

pub(crate) struct Case {
    pub(crate) prover: Prover,
    pub(crate) protocol: Protocol,
    pub(crate) instances: Vec<Word>,
    pub(crate) proof: Vec<u8>,
    pub(crate) whole: Proof,
    #[cfg(feature = "evm")]
    pub(crate) evm: Mutex<dn_verifier::evm::EvmVerifier>,
    #[cfg(not(feature = "evm"))]
    evm: Mutex<()>,
}

impl Case {
    /// A proof by the model `graph(3)`, whose keys are not kept.
    pub(crate) fn alone(name: &str) -> Self {
        Self::of(prover(3, name), 0)
    }

    /// A proof by the model `graph(bias)`, in any frame of eight slots or more, of tasks that depend on `seed`.
    pub(crate) fn new(folder: &Path, bias: i32, frame: Frame, seed: i8) -> Self {
        Self::of(keys(folder, bias, frame), seed)
    }

    /// The same for a layout and a form of the statement.
    pub(crate) fn in_layout(folder: &Path, width: Width, form: Form) -> Self {
        Self::framed(folder, Frame::of(8, width).with(form))
    }

    /// The same for any frame of eight slots or more.
    pub(crate) fn framed(folder: &Path, frame: Frame) -> Self {
        Self::new(folder, 3, frame, 0)
    }

    /// The model with products in a layout.
    pub(crate) fn with_products(folder: &Path, width: Width) -> Self {
        let name = format!("products-{}", width.name());
        Self::of(
            Prover::new(products(), Frame::of(8, width), folder, &name, None).expect("keys"),
            0,
        )
    }

    fn of(prover: Prover, seed: i8) -> Self {
        let whole = prover.prove(&tasks(seed), CoreFr::from(5u8)).expect("a proof");
        let instances: Vec<Word> = whole.statement.instances().into_iter().map(to_bytes).collect();
        let protocol = prover.keys().protocol().clone();
        #[cfg(feature = "evm")]
        let evm = dn_verifier::evm::EvmVerifier::deploy(&protocol).expect("deployed").into();
        #[cfg(not(feature = "evm"))]
        let evm = Mutex::new(());
        Self { prover, protocol, instances, proof: whole.bytes.clone(), whole, evm }
    }

    #[cfg(feature = "evm")]
    pub(crate) fn on_chain(&self, instances: &[Word], proof: &[u8]) -> Option<bool> {
        let mut evm = self.evm.lock().expect("no test panics inside of the EVM");
        Some(evm.verify(instances, proof).expect("a verdict").accepted)
    }

    #[cfg(not(feature = "evm"))]
    pub(crate) fn on_chain(&self, _instances: &[Word], _proof: &[u8]) -> Option<bool> {
        let _ = &self.evm;
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
        assert!(ours == theirs || self.protocol.scheme() == Scheme::Merged);
        assert_eq!(ours, self.on_chain(instances, proof).unwrap_or(ours), "the contract differs");
        ours
    }
}

/// Every position instead of a sample, for `make test-all`.
pub(crate) fn is_exhaustive() -> bool {
    std::env::var_os("DN_EXHAUSTIVE").is_some()
}
