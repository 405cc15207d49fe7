//! `dn-worker run`

use std::time::Instant;

use dn_import::{npz, Package};
use dn_worker::backend;

use crate::args::Run;
use crate::failure::Failure;
use dn_service::Report;

/// Runs every example as one batch on a backend that passed its self-test.
pub(crate) fn run(args: &Run) -> Result<Report, Failure> {
    let (package, _) = Package::read(&args.package)?;
    let examples = npz::read_for(&args.inputs, &package)?;
    let quantized: Vec<Vec<i8>> = examples.x.iter().map(|x| package.quantize_input(x)).collect();
    let backend = backend::open(args.backend, &package.graph)?;
    let start = Instant::now();
    let outputs = backend.run(&quantized)?;
    let wall = start.elapsed();
    npz::write_outputs(&args.output, &package, &outputs)?;

    let mut report = Report::default();
    report
        .set("backend", backend.name())
        .set("device", backend.device())
        .set("batch", outputs.len())
        .set("wall_s", wall.as_secs_f64());
    if let Some(accuracy) = examples.accuracy(&outputs) {
        report.set("accuracy", accuracy);
    }
    Ok(report)
}
