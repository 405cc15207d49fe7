//! Writes the generated parts of the Solidity verifiers: `cargo run -p dn-circuits --example export_verifier`.

use std::error::Error;
use std::path::Path;

use dn_circuits::solidity;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(solidity::FOLDER);
    for (name, source) in solidity::contracts()? {
        std::fs::write(folder.join(name), source)?;
    }
    Ok(())
}
