//! Whatever arrives in the place of a key or a proof: a verdict or an error.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod case;

use std::sync::OnceLock;

use dn_core::proof_file::ProofFile;
use dn_core::protocol::Protocol;
use dn_core::vk_data::vk_data;
use dn_testing::{cases, damaged};
use dn_verifier::verify;
use proptest::prelude::*;

use case::Case;

fn case() -> &'static Case {
    static CASE: OnceLock<Case> = OnceLock::new();
    CASE.get_or_init(|| Case::alone("bytes"))
}

fn proof_file() -> Vec<u8> {
    let case = case();
    let (instances, proof) = (case.instances.clone(), case.proof.clone());
    let leaves = Vec::new();
    ProofFile { model_id: [7; 32], slots: 8, batch: 6, instances, leaves, proof }.to_bytes()
}

proptest! {
    #![proptest_config(cases(400, 40_000))]

    #[test]
    fn damaged_keys_are_read_or_refused(bytes in damaged(vec![case().protocol.to_bytes()])) {
        let Ok(protocol) = Protocol::from_bytes(&bytes) else { return Ok(()) };
        let is_same = protocol == case().protocol;
        // Neither panics.
        let _ = vk_data(&protocol);
        let verdict = verify(&protocol, &case().instances, &case().proof);
        prop_assert!(is_same || verdict.is_err(), "a key with another meaning accepts");
    }

    #[test]
    fn damaged_proof_files_are_read_or_refused(bytes in damaged(vec![proof_file()])) {
        let Ok(file) = ProofFile::from_bytes(&bytes) else { return Ok(()) };
        let is_same = file.instances == case().instances && file.proof == case().proof;
        let verdict = verify(&case().protocol, &file.instances, &file.proof);
        prop_assert_eq!(verdict.is_ok(), is_same);
    }

    #[test]
    fn damaged_proofs_are_rejected(proof in damaged(vec![case().proof.clone()])) {
        let verdict = verify(&case().protocol, &case().instances, &proof);
        prop_assert_eq!(verdict.is_ok(), proof == case().proof);
    }
}
