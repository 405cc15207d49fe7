//! halo2's verifier and this one give the same verdict on a good proof and on corrupted ones.

use dn_circuits::field::{from_core, CoreFr};
use dn_circuits::{protocol, Slot};
use dn_core::commitment::{from_bytes, to_bytes};
use dn_core::protocol::{Protocol, Word};
use dn_core::quant::{Activation, Graph, Node, Shape};
use dn_prover::Prover;
use dn_verifier::{verify, VerifyError};

fn graph(bias: i32) -> Graph {
    let weights = (0..24).map(|i| (i * 29) % 17 - 8).collect();
    let input = Shape::vector(8);
    let node = Node::dense((0, input), weights, vec![bias, -5, 70], 5, Activation::relu());
    Graph { input, nodes: vec![node] }
}

struct Case {
    prover: Prover,
    protocol: Protocol,
    instances: Vec<Word>,
    proof: Vec<u8>,
    #[cfg(feature = "evm")]
    evm: std::cell::RefCell<dn_verifier::evm::EvmVerifier>,
}

impl Case {
    fn new(folder: &std::path::Path) -> Self {
        let prover = Prover::new(graph(3), 8, folder, "verdicts", None).expect("keys");
        let tasks: Vec<Slot> = (0..6)
            .map(|i: i8| Slot {
                input: (0..8).map(|j| i * 20 - j * 9).collect(),
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
    fn accepts(&self, instances: &[Word], proof: &[u8]) -> bool {
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

/// Every position instead of a sample, for `make test-all`.
fn is_exhaustive() -> bool {
    std::env::var_os("DN_EXHAUSTIVE").is_some()
}

#[test]
fn agrees_with_halo2_on_good_and_corrupted_proofs() {
    let folder = std::env::temp_dir().join(format!("dn-verdicts-{}", std::process::id()));
    let case = Case::new(&folder);
    assert!(case.accepts(&case.instances, &case.proof));
    let read_back = Protocol::from_bytes(&case.protocol.to_bytes()).expect("a protocol");
    assert_eq!(read_back, case.protocol);

    let (bytes, words) = if is_exhaustive() { (1, 1) } else { (23, 5) };
    for at in (0..case.proof.len()).step_by(bytes) {
        let mut forged = case.proof.clone();
        forged[at] ^= 1 << (at % 8);
        assert!(!case.accepts(&case.instances, &forged), "byte {at}");
    }
    for word in (0..case.proof.len() / 32).step_by(words) {
        for fill in [0x00, 0xff] {
            let mut forged = case.proof.clone();
            forged[32 * word..32 * word + 32].fill(fill);
            // Fixed columns that this model does not use have the value 0.
            let same = forged == case.proof;
            assert_eq!(case.accepts(&case.instances, &forged), same, "word {word}");
        }
    }
    for (i, len) in [0, 31, 32, case.proof.len() - 32, case.proof.len() - 1].iter().enumerate() {
        assert!(!case.accepts(&case.instances, &case.proof[..*len]), "length {i}");
    }
    let longer = [&case.proof[..], &[0; 32]].concat();
    assert!(!case.accepts(&case.instances, &longer));
    for at in 0..case.instances.len() {
        let mut forged = case.instances.clone();
        forged[at][31] ^= 1;
        assert!(!case.accepts(&forged, &case.proof), "public input {at}");
        let mut forged = case.instances.clone();
        forged.swap(at, (at + 1) % case.instances.len());
        assert_eq!(case.accepts(&forged, &case.proof), forged == case.instances, "swap {at}");
    }
    let mut above = case.instances.clone();
    above[3] = [0xff; 32];
    let verdict = verify(&case.protocol, &above, &case.proof);
    assert!(matches!(verdict, Err(VerifyError::Instance { index: 3 })));
    assert!(!case.accepts(&case.instances[1..], &case.proof));

    let other = Prover::new(graph(4), 8, &folder, "verdicts-other", None).expect("keys");
    let wrong = protocol::export(other.keys().vk(), &other.keys().params, case.instances.len());
    assert!(verify(&wrong, &case.instances, &case.proof).is_err());
    let mut broken = case.protocol.clone();
    broken.constraints[0] = u32::MAX;
    assert!(matches!(verify(&broken, &case.instances, &case.proof), Err(VerifyError::Protocol(_))));
    std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
}
