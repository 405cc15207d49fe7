//! The checked-in parts of the Solidity verifiers are those that the constraint systems yield.

use std::path::Path;

use dn_circuits::solidity;

#[test]
fn the_generated_contracts_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(solidity::FOLDER);
    for (name, generated) in solidity::contracts().expect("supported layouts") {
        let checked_in = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(
            checked_in == generated,
            "{name} is stale: cargo run -p dn-circuits --example export_verifier && contracts/export-abi.sh"
        );
    }
}
