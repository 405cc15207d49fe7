//! `deepnode model ...`

mod check_key;
mod fidelity;
mod import;
mod inspect;
mod open;
mod operators;
mod page;
mod provable;
mod prove;
mod publish;
mod run;
#[cfg(test)]
mod sample;
mod tokens;
mod verify;

use std::fs;
use std::path::Path;

use dn_circuits::estimate::{best_batch, estimate};
use dn_circuits::Frame;
use dn_core::statement::Form;
use dn_import::{Calibration, Package};
use dn_prover::{available_mb, ProveError};
use dn_service::Report;

use crate::args::{Global, ModelCommand};
use crate::error::Failure;
use crate::output::warn;

/// Does what is asked of a model.
pub(crate) fn model(command: &ModelCommand, global: &Global) -> Result<Report, Failure> {
    match command {
        ModelCommand::Import(a) => import::import(a, global),
        ModelCommand::Operators => Ok(operators::operators()),
        ModelCommand::Inspect(a) => inspect::inspect(a, global),
        ModelCommand::Run(a) => run::run(a, global),
        ModelCommand::Prove(a) => prove::prove(a, global),
        ModelCommand::Verify(a) => verify::verify(a, global),
        ModelCommand::Open(a) => open::open(a),
        ModelCommand::CheckKey(a) => check_key::check_key(a, global),
        ModelCommand::Publish(a) => publish::publish(a, global),
        ModelCommand::Deprecate(a) => publish::deprecate(a),
        ModelCommand::ReturnBond(a) => publish::return_bond(a),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|e| Failure::file(path, &e))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|e| Failure::file(path, &e))
}

/// A batch of so many slots.
fn frame(package: &Package, slots: usize) -> Frame {
    Frame::new(slots, package.width).scored(package.scoring).opened(package.scheme)
}

/// A batch of so many inferences.
fn frame_of(package: &Package, batch: usize) -> Frame {
    Frame::of(batch, package.width).scored(package.scoring).opened(package.scheme)
}

fn id_text(id: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(id))
}

/// The classes of the inputs, array `y`.
pub(crate) fn labels(examples: &Calibration) -> Result<Vec<u16>, Failure> {
    let classes = examples.y.iter().flatten().map(|y| u16::try_from(*y));
    let labels: Vec<u16> = classes.collect::<Result<_, _>>().unwrap_or_default();
    if labels.len() == examples.x.len() {
        return Ok(labels);
    }
    let hint = "give an array y with the number of a class for each input, or leave out --labels";
    Err(Failure::new("labels", "the file does not tell the class of each input", hint))
}

/// Says how many input values no code stands for: they count as the nearest one that does.
fn saturation(report: &mut Report, package: &Package, inputs: &[Vec<f32>]) {
    let counts: Vec<usize> = inputs.iter().map(|x| package.input.saturated(x)).collect();
    let total: usize = counts.iter().sum();
    report.set("saturated_inputs", total);
    if total > 0 {
        let rows = counts.iter().filter(|n| **n > 0).count();
        warn(&format!(
            "{total} input values of {rows} rows lie beyond what the calibration data reached; they count as the nearest \
             value that has a code"
        ));
    }
}

/// What proving takes at a batch size.
fn estimates(report: &mut Report, package: &Package, batch: usize) -> Result<(), Failure> {
    let estimate = estimate(&package.graph, frame_of(package, batch)).map_err(ProveError::from)?;
    report
        .set("layout", package.width.name())
        .set("score", package.scoring.name())
        .set("lanes", package.width.lanes())
        .set("opening", package.scheme.name())
        .set("batch", batch)
        .set("slots", estimate.slots)
        .set("rows", estimate.rows)
        .set("k", estimate.k)
        .set("estimated_cpu_s", crate::output::thousandths(estimate.cpu_s))
        .set("estimated_memory_mb", estimate.memory_mb.round())
        .set("estimated_gas", estimate.gas);
    if let Some(bases) = estimate.bases {
        report
            .set("bases_mb", bases.memory_mb.round())
            .set("bases_powers", bases.powers)
            .set("estimated_bases_cpu_s", crate::output::thousandths(bases.cpu_s))
            .set("estimated_bases_of_ceremony_cpu_s", bases.ceremony_cpu_s.round());
    }
    Ok(())
}

/// Largest batch that the planner chooses by itself.
const AUTO_LIMIT: usize = 256;

/// Share of the available memory that a proof of the planner's choice may take.
const MEMORY_SHARE: f64 = 0.75;
/// How much more per inference a batch of half the size may cost to be preferred.
const HALF: f64 = 1.1;

/// The planner's batch size for `available` inputs: the cheapest per inference that fits this machine's
/// memory, and a smaller one that costs about as much.
fn auto_batch(package: &Package, available: usize, form: Form) -> Result<usize, Failure> {
    let Package { graph, width, .. } = package;
    let of = |batch: usize| estimate(graph, frame_of(package, batch).with(form));
    let memory_mb = available_mb().map_or(f64::INFINITY, |mb| mb as f64 * MEMORY_SHARE);
    let mut limit = available.min(AUTO_LIMIT);
    while limit > width.lanes() && of(limit).map_err(ProveError::from)?.memory_mb > memory_mb {
        limit = (limit / 2).max(width.lanes());
    }
    let best = |limit| best_batch(graph, limit, frame_of(package, 1).with(form));
    let each = |batch: usize| Ok(of(batch)?.cpu_s / batch as f64);
    let mut chosen = best(limit).map_err(ProveError::from)?;
    let least: f64 = each(chosen).map_err(ProveError::Plan)?;
    while chosen > width.lanes() {
        let half = best(chosen / 2).map_err(ProveError::from)?;
        if each(half).map_err(ProveError::Plan)? > HALF * least {
            break;
        }
        chosen = half;
    }
    Ok(chosen)
}
