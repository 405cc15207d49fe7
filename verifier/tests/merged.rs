//! Merged openings: the witness of a proof that halo2 judges has one with merged openings, too.

mod case;

use std::path::PathBuf;
use std::sync::OnceLock;

use case::{graph, is_exhaustive, tasks, Case};
use dn_circuits::field::{from_core, CoreFr};
use dn_circuits::{Frame, Scheme, Slot, Width, Witness};
use dn_core::commitment::to_bytes;
use dn_core::groups::{groups, Part, Place};
use dn_core::protocol::{Protocol, Word};
use dn_core::quant::{Activation, Geometry, Graph, Node, Part as Role, Shape, Source};
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
        sources: vec![Source { part: Role::Sum, tensor: 0, geometry, weights }],
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

/// One proof for all forgeries.
fn case() -> &'static Case {
    static CASE: OnceLock<Case> = OnceLock::new();
    CASE.get_or_init(|| {
        let folder = folder("case");
        let case = Case::framed(&folder, Frame::of(8, Width::Default).opened(Scheme::Merged));
        std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
        assert!(case.accepts(&case.instances, &case.proof));
        case
    })
}

/// Where a value stands in a proof.
fn value_at(case: &Case, value: usize) -> usize {
    let sent = groups(&case.protocol).expect("groups");
    let points = sent.iter().filter(|g| g.part != Part::Fixed).count();
    64 * points + 32 * value
}

/// Words of a proof change places.
fn exchanged(case: &Case, a: usize, b: usize) -> Vec<u8> {
    let mut proof = case.proof.clone();
    for i in 0..32 {
        proof.swap(value_at(case, a) + i, value_at(case, b) + i);
    }
    proof
}

#[test]
fn soundness_merged_every_value_and_point_counts() {
    let case = case();
    let shifts = if is_exhaustive() { 0..32 } else { 31..32 };
    for at in (0..case.proof.len()).step_by(32) {
        for shift in shifts.clone() {
            let mut forged = case.proof.clone();
            forged[at + shift] ^= 1;
            assert!(!case.accepts(&case.instances, &forged), "byte {}", at + shift);
        }
        for fill in [0x00, 0xff] {
            let mut forged = case.proof.clone();
            forged[at..at + 32].fill(fill);
            // Fixed columns that this model does not use have the value 0.
            let same = forged == case.proof;
            assert_eq!(case.accepts(&case.instances, &forged), same, "word {}", at / 32);
        }
    }
    for len in [0, 31, case.proof.len() - 32, case.proof.len() - 1] {
        assert!(!case.accepts(&case.instances, &case.proof[..len]), "length {len}");
    }
    for at in 0..case.instances.len() {
        let mut other = case.instances.clone();
        other[at][31] ^= 1;
        assert!(!case.accepts(&other, &case.proof), "public input {at}");
    }
}

#[test]
fn soundness_merged_values_belong_to_their_places_and_points() {
    let case = case();
    for group in groups(&case.protocol).expect("groups") {
        let sent = |place: &&Place| place.here < case.protocol.advice_queries.len();
        for pair in group.places.windows(2).filter(|pair| sent(&&pair[0])) {
            let forged = exchanged(case, pair[0].here, pair[1].here);
            assert_eq!(case.accepts(&case.instances, &forged), forged == case.proof);
        }
        for place in group.places.iter().filter(sent) {
            let Some(before) = place.before else { continue };
            let forged = exchanged(case, place.here, before);
            assert_eq!(case.accepts(&case.instances, &forged), forged == case.proof);
        }
    }
}

/// Commitments changed places, or one became the point at infinity or was moved by the generator.
#[test]
fn soundness_merged_points_belong_to_their_groups() {
    let case = case();
    let (sent, len) = (value_at(case, 0), case.proof.len());
    let points: Vec<usize> = (0..sent).step_by(64).chain([len - 128, len - 64]).collect();
    for (i, at) in points.iter().enumerate() {
        let other = points[(i + 1) % points.len()];
        let mut forged = case.proof.clone();
        forged[*at..at + 64].copy_from_slice(&case.proof[other..other + 64]);
        forged[other..other + 64].copy_from_slice(&case.proof[*at..at + 64]);
        assert!(!case.accepts(&case.instances, &forged), "points {at} and {other}");
        let mut forged = case.proof.clone();
        forged[*at..at + 64].fill(0);
        assert!(!case.accepts(&case.instances, &forged), "infinity at {at}");
    }
}

#[test]
fn soundness_merged_keys_of_another_kind_are_refused() {
    let case = case();
    let changes: [fn(&mut Protocol); 9] = [
        |p| p.places = p.places.map(|t| t + 1),
        |p| p.places = p.places.map(|t| t - 1),
        |p| p.places = None,
        |p| p.k += 1,
        |p| p.fixed.swap(0, 1),
        |p| p.fixed[0] = p.g1,
        |p| p.fixed[2] = [[0; 32]; 2],
        |p| p.s_g2 = p.g2,
        |p| p.advice_queries.swap(0, 1),
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut key = case.protocol.clone();
        change(&mut key);
        let refused = verify(&key, &case.instances, &case.proof).expect_err("another key");
        assert!(!refused.to_string().is_empty());
        // Whoever makes a key gives it the digest that it must have.
        if let Ok(digest) = key.merged_digest() {
            key.digest = digest;
        }
        assert!(verify(&key, &case.instances, &case.proof).is_err(), "key {i}");
        #[cfg(feature = "evm")]
        if dn_core::vk_data::vk_data(&key).is_ok() {
            assert!(!on_chain(&key, &case.instances, &case.proof), "key {i}");
        }
    }
    let mut key = case.protocol.clone();
    key.digest[31] ^= 1;
    let refused = verify(&key, &case.instances, &case.proof).expect_err("another digest");
    assert_eq!(refused.to_string(), "the verifying key has an invalid digest");
}

/// Two proofs of one witness have no point and no value of an advice column in common.
#[test]
fn soundness_row_23_merged_proofs_share_nothing() {
    let case = case();
    let again = case.prover.prove(&tasks(0), CoreFr::from(5u8)).expect("a proof");
    assert_eq!(again.statement, case.whole.statement);
    let fixed = value_at(case, case.protocol.advice_queries.len());
    let behind =
        value_at(case, case.protocol.advice_queries.len() + case.protocol.fixed_queries.len());
    let words = case.proof.chunks(32).zip(again.bytes.chunks(32)).enumerate();
    for (i, (a, b)) in words.filter(|(i, _)| !(fixed..behind).contains(&(32 * i))) {
        assert_ne!(a, b, "word {i}");
    }
}

/// Gas of whole transactions of the default layout, also under floors of 40 and 64 gas for a byte of calldata.
#[cfg(feature = "evm")]
#[test]
fn merged_proofs_cost_a_third_of_the_gas() {
    /// Most gas of one proof more by digest, its calldata included.
    const FURTHER: u64 = 180_000;
    let folder = folder("gas");
    for (slots, form, most) in
        [(64, Form::Listed, 420_000), (64, Form::Digest, 330_000), (1024, Form::Digest, 330 * 1024)]
    {
        let frame = Frame::of(slots, Width::Default).with(form).opened(Scheme::Merged);
        let prover = Prover::new(graph(3), frame, &folder, "gas", None).expect("keys");
        let slot = |i: i8| Slot { input: vec![i; 8], salt: CoreFr::from(i), label: None };
        let batch: Vec<Slot> = (0..64).map(slot).collect();
        let proof = prover.prove(&batch, CoreFr::from(5u8)).expect("a proof");
        let instances: Vec<Word> = proof.statement.instances().into_iter().map(to_bytes).collect();
        let key = prover.keys().protocol();
        let mut evm = dn_verifier::evm::EvmVerifier::deploy(key).expect("deployed");
        let verdict = evm.verify(&instances, &proof.bytes).expect("a verdict");
        println!("{slots} {form:?} {verdict:?} {}", verdict.gas_with_floor(64));
        assert!(verdict.accepted && verdict.gas_above_floor <= most);
        assert!(verdict.gas_with_floor(40) <= most);
        if form == Form::Digest {
            assert!(verdict.gas_with_floor(64) <= most);
        }
        let estimate = dn_circuits::gas::estimate(key, instances.len());
        assert!(estimate.abs_diff(verdict.gas_above_floor) < verdict.gas_above_floor / 30);
        let claim =
            dn_verifier::evm::Claim { key: evm.key(), instances: &instances, proof: &proof.bytes };
        let [two, three] = [2, 3].map(|n| evm.verify_batch(&vec![claim; n]).expect("a verdict"));
        assert!(two.accepted && three.accepted);
        // Under a floor of 64 the calldata of a further proof alone is 287,000.
        for floor in [0, 40, 64] {
            let further = three.gas_with_floor(floor) - two.gas_with_floor(floor);
            println!("a further proof of one key, {floor} gas a byte at least: {further}");
            assert!(form == Form::Listed || floor == 64 || further <= FURTHER);
        }
    }
    std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
}
