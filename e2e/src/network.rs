//! A development network with the digits model.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use dn_core::api::Amount;
use dn_devnet::{Offer, Options};
use dn_import::Package;

use crate::digits::root;

/// Tasks in a batch.
pub const BATCH: u32 = 64;
/// Fee of a task: a hundredth of a DN.
const PRICE: Amount = Amount(10_000_000_000_000_000);

/// The folder of the programs: beside this program, or one above it for a test.
///
/// # Errors
/// When they have not been built.
pub fn programs() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("find this program")?;
    let mut folders = exe.ancestors().skip(1).take(2);
    let found = folders.find(|f| f.join("dn-sequencer").exists() && f.join("dn-worker").exists());
    found.map(Path::to_owned).context("the services are not built: run make build first")
}

/// A network in a fresh folder `state` that serves `package`.
///
/// # Errors
/// When the programs are missing or the folder cannot be emptied.
pub fn options(package: &Package, state: PathBuf, data: PathBuf) -> Result<Options> {
    if state.exists() {
        std::fs::remove_dir_all(&state).context("empty the state folder")?;
    }
    std::fs::create_dir_all(&state).context("create the state folder")?;
    let anvil = root().join("contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
    let mut options = Options::new(state, data, programs()?, anvil);
    let package = package.to_bytes()?;
    let service = "digits".into();
    let web = root().join("web/dist");
    options.web = Some(web).filter(|web| web.join("index.html").exists());
    options.offers.push(Offer { package, slots: BATCH, price: PRICE, service });
    Ok(options)
}
