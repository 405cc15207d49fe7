//! halo2's verifier and this one give the same verdict on a good proof and on corrupted ones.

mod case;

use case::{is_exhaustive, prover, Case};
use dn_circuits::protocol;
use dn_core::protocol::Protocol;
use dn_verifier::{verify, VerifyError};

#[test]
fn agrees_with_halo2_on_good_and_corrupted_proofs() {
    let case = Case::new("verdicts");
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

    let other = prover(4, "verdicts-other");
    let wrong = protocol::export(other.keys().vk(), &other.keys().params, case.instances.len());
    assert!(verify(&wrong, &case.instances, &case.proof).is_err());
    let mut broken = case.protocol.clone();
    broken.constraints[0] = u32::MAX;
    assert!(matches!(verify(&broken, &case.instances, &case.proof), Err(VerifyError::Protocol(_))));
}
