//! halo2's verifier, this one and the contract give the same verdict on a good proof and on
//! corrupted ones.

mod case;

use std::path::PathBuf;

use case::{graph, Case};
use dn_circuits::Width;
use dn_core::commitment::to_bytes;
use dn_core::proof_file::ProofFile;
use dn_core::protocol::Protocol;
use dn_core::statement::Form;
use dn_prover::Prover;
use dn_verifier::{verify, VerifyError};

/// Every position instead of a sample, for `make test-all`.
fn is_exhaustive() -> bool {
    std::env::var_os("DN_EXHAUSTIVE").is_some()
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("dn-{name}-{}", std::process::id()))
}

#[test]
fn agrees_with_halo2_on_good_and_corrupted_proofs() {
    agrees_with_halo2(Width::Default);
}

#[test]
fn agrees_with_halo2_in_the_narrow_layout() {
    agrees_with_halo2(Width::Narrow);
}

/// The verifiers take a digest's statement like any other; what it says is the circuit's business.
#[test]
fn agrees_with_halo2_on_digests() {
    let folder = folder("verdicts-digest");
    let case = Case::in_layout(&folder, Width::Default, Form::Digest);
    assert_eq!(case.instances.len(), Form::Digest.instances(8));
    assert_eq!(case.instances[0], to_bytes(Form::Digest.version().into()));
    assert!(case.accepts(&case.instances, &case.proof));
    for at in 0..case.instances.len() {
        let mut other = case.instances.clone();
        other[at][31] ^= 1;
        assert!(!case.accepts(&other, &case.proof), "public input {at}");
    }
    for at in (0..case.proof.len()).step_by(331) {
        let mut forged = case.proof.clone();
        forged[at] ^= 1;
        assert!(!case.accepts(&case.instances, &forged), "byte {at}");
    }
    let file = ProofFile::new([7; 32], &case.whole.statement, case.proof.clone());
    assert_eq!(ProofFile::from_bytes(&file.to_bytes()).expect("a proof file"), file);
    let mut other = file.clone();
    other.leaves.swap(0, 1);
    assert!(ProofFile::from_bytes(&other.to_bytes()).is_err());
    // Numbers of slots whose public inputs or leaves are as many as these, modulo 2^64.
    for slots in [0, 9, (1 << 63) + 8, usize::MAX] {
        let other = ProofFile { slots, ..file.clone() };
        assert!(ProofFile::from_bytes(&other.to_bytes()).is_err(), "{slots} slots");
        let listed = ProofFile { slots, leaves: Vec::new(), ..file.clone() };
        assert!(ProofFile::from_bytes(&listed.to_bytes()).is_err(), "{slots} slots");
    }
    std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
}

#[test]
fn agrees_with_halo2_in_the_wide_layout() {
    agrees_with_halo2(Width::Wide);
}

fn agrees_with_halo2(width: Width) {
    let folder = folder(&format!("verdicts-{}", width.name()));
    let case = Case::in_layout(&folder, width, Form::Listed);
    assert!(case.accepts(&case.instances, &case.proof));
    let read_back = Protocol::from_bytes(&case.protocol.to_bytes()).expect("a protocol");
    assert_eq!(read_back, case.protocol);

    rejects_changed_bytes(&case);
    rejects_other_lengths(&case);
    rejects_moved_points(&case);
    rejects_other_public_inputs(&case);
    rejects_other_keys(&case, &folder);
    std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
}

/// One bit of a byte, and whole words that are zero or too large.
fn rejects_changed_bytes(case: &Case) {
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
}

fn rejects_other_lengths(case: &Case) {
    for (i, len) in [0, 31, 32, case.proof.len() - 32, case.proof.len() - 1].iter().enumerate() {
        assert!(!case.accepts(&case.instances, &case.proof[..*len]), "length {i}");
    }
    let longer = [&case.proof[..], &[0; 32]].concat();
    assert!(!case.accepts(&case.instances, &longer));
}

/// Commitments changed places, or one became the point at infinity.
fn rejects_moved_points(case: &Case) {
    let p = &case.protocol;
    let first = p.advice_columns() + 1 + p.quotient_pieces as usize;
    let last = case.proof.len() / 64 - 2;
    let points: Vec<usize> =
        (0..first).map(|i| 64 * i).chain([64 * last, 64 * last + 64]).collect();
    for (i, at) in points.iter().enumerate() {
        let other = points[(i + 1) % points.len()];
        let mut forged = case.proof.clone();
        forged[*at..at + 64].copy_from_slice(&case.proof[other..other + 64]);
        forged[other..other + 64].copy_from_slice(&case.proof[*at..at + 64]);
        let same = forged == case.proof;
        assert_eq!(case.accepts(&case.instances, &forged), same, "points {at} and {other}");
        let mut forged = case.proof.clone();
        forged[*at..at + 64].fill(0);
        assert!(!case.accepts(&case.instances, &forged), "infinity at {at}");
    }
}

fn rejects_other_public_inputs(case: &Case) {
    let count = case.instances.len();
    for at in 0..count {
        let mut forged = case.instances.clone();
        forged[at][31] ^= 1;
        assert!(!case.accepts(&forged, &case.proof), "public input {at}");
        // Half a turn reaches every pair.
        for step in 1..=count / 2 {
            let mut forged = case.instances.clone();
            forged.swap(at, (at + step) % count);
            let same = forged == case.instances;
            assert_eq!(case.accepts(&forged, &case.proof), same, "swap {at} by {step}");
        }
    }
    for turn in 1..count {
        let mut forged = case.instances.clone();
        forged.rotate_left(turn);
        assert!(!case.accepts(&forged, &case.proof), "rotation by {turn}");
    }
    for at in [0, 3, count - 1] {
        let mut above = case.instances.clone();
        above[at] = [0xff; 32];
        assert!(!case.accepts(&above, &case.proof));
        let verdict = verify(&case.protocol, &above, &case.proof);
        assert!(matches!(verdict, Err(VerifyError::Instance { index }) if index == at));
    }
    assert!(!case.accepts(&case.instances[1..], &case.proof));
    let longer = [&case.instances[..], &[[0; 32]]].concat();
    assert!(!case.accepts(&longer, &case.proof));
}

/// The key of another model, and keys that differ in one part.
fn rejects_other_keys(case: &Case, folder: &std::path::Path) {
    let frame = case.prover.keys().plan.frame();
    let other = Prover::new(graph(4), frame, folder, "other", None).expect("keys");
    let mut keys = vec![other.keys().protocol().clone()];
    let changes: [fn(&mut Protocol); 8] = [
        |p| p.k += 1,
        |p| p.digest[31] ^= 1,
        |p| p.omega = p.digest,
        |p| p.g1 = p.fixed[0],
        |p| p.g2 = p.s_g2,
        |p| p.s_g2 = p.g2,
        |p| p.fixed.swap(0, 1),
        |p| p.fixed[2] = [[0; 32]; 2],
    ];
    keys.extend(changes.map(|change| {
        let mut key = case.protocol.clone();
        change(&mut key);
        key
    }));
    for (i, key) in keys.iter().enumerate() {
        assert!(verify(key, &case.instances, &case.proof).is_err(), "key {i}");
        #[cfg(feature = "evm")]
        {
            let mut evm = dn_verifier::evm::EvmVerifier::deploy(key).expect("deployed");
            let verdict = evm.verify(&case.instances, &case.proof).expect("a verdict");
            assert!(!verdict.accepted, "key {i}");
        }
    }
    let mut broken = case.protocol.clone();
    broken.constraints[0] = u32::MAX;
    assert!(matches!(verify(&broken, &case.instances, &case.proof), Err(VerifyError::Protocol(_))));
}
