//! Writes the generated part of the Solidity verifier: `cargo run -p dn-circuits --example export_verifier`.

use std::error::Error;
use std::path::Path;

use dn_circuits::{protocol, solidity};

fn main() -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(solidity::PATH);
    std::fs::write(path, solidity::layout_contract(&protocol::layout())?)?;
    Ok(())
}
