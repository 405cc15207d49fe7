//! `deepnode model ...`

mod check_key;
mod import;
mod inspect;
mod open;
mod operators;
mod prove;
mod run;
mod verify;

use std::fs;
use std::path::Path;

use dn_circuits::estimate::{best_batch, estimate};
use dn_circuits::Frame;
use dn_core::statement::Form;
use dn_import::Package;
use dn_prover::ProveError;
use dn_service::Report;

use crate::error::Failure;

pub(crate) use check_key::check_key;
pub(crate) use import::import;
pub(crate) use inspect::inspect;
pub(crate) use open::open;
pub(crate) use operators::operators;
pub(crate) use prove::prove;
pub(crate) use run::run;
pub(crate) use verify::verify;

/// A package with the id that its bytes have.
struct Loaded {
    package: Package,
    id: [u8; 32],
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|e| Failure::file(path, &e))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|e| Failure::file(path, &e))
}

fn load(path: &Path) -> Result<Loaded, Failure> {
    let (package, id) = Package::read(path)?;
    Ok(Loaded { package, id })
}

fn id_text(id: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(id))
}

/// What proving takes at a batch size.
fn estimates(report: &mut Report, package: &Package, batch: usize) -> Result<(), Failure> {
    let estimate =
        estimate(&package.graph, Frame::of(batch, package.width)).map_err(ProveError::from)?;
    report
        .set("layout", package.width.name())
        .set("lanes", package.width.lanes())
        .set("batch", batch)
        .set("slots", estimate.slots)
        .set("rows", estimate.rows)
        .set("k", estimate.k)
        .set("estimated_cpu_s", crate::output::thousandths(estimate.cpu_s))
        .set("estimated_memory_mb", estimate.memory_mb.round());
    Ok(())
}

/// Largest batch that the planner chooses by itself.
const AUTO_LIMIT: usize = 256;

/// The planner's batch size for `available` inputs.
fn auto_batch(package: &Package, available: usize, form: Form) -> Result<usize, Failure> {
    let limit = available.min(AUTO_LIMIT);
    Ok(best_batch(&package.graph, limit, package.width, form).map_err(ProveError::from)?)
}
