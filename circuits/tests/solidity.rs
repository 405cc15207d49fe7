//! The checked-in part of the Solidity verifier is the one that the constraint system yields.

use std::path::Path;

use dn_circuits::{protocol, solidity};

#[test]
fn the_generated_contract_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(solidity::PATH);
    let checked_in = std::fs::read_to_string(path).expect("the generated contract");
    let generated = solidity::layout_contract(&protocol::layout()).expect("a supported layout");
    assert!(
        checked_in == generated,
        "stale: cargo run -p dn-circuits --example export_verifier && contracts/export-abi.sh"
    );
}
