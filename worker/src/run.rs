//! `dn-worker run`

use std::time::Instant;

use anyhow::Result;
use dn_import::npz::{self, NpzError};
use dn_import::{Package, PackageError};
use dn_service::{Failure, Report};
use dn_worker::backend::{self, BackendError};

use crate::args::Run;

/// Runs every example as one batch on a backend that passed its self-test.
pub(crate) fn run(args: &Run) -> Result<Report> {
    let (package, _) = Package::read(&args.package).map_err(packaged)?;
    let examples = npz::read_for(&args.inputs, &package).map_err(arrays)?;
    let quantized: Vec<Vec<i8>> = examples.x.iter().map(|x| package.quantize_input(x)).collect();
    let backend = backend::open(args.backend, &package.graph).map_err(executor)?;
    let start = Instant::now();
    let outputs = backend.run(&quantized).map_err(executor)?;
    let wall = start.elapsed();
    npz::write_outputs(&args.output, &package, &outputs).map_err(arrays)?;

    let mut report = Report::default();
    report
        .set("backend", backend.name())
        .set("device", backend.device())
        .set("batch", outputs.len())
        .set("wall_s", wall.as_secs_f64());
    let values: Vec<Vec<f32>> = outputs.iter().map(|q| package.dequantize_output(q)).collect();
    if let Some(accuracy) = examples.accuracy(&values) {
        report.set("accuracy", accuracy);
    }
    Ok(report)
}

fn packaged(e: PackageError) -> Failure {
    Failure::of(e.code(), &e, e.hint())
}

fn arrays(e: NpzError) -> Failure {
    Failure::of(e.code(), &e, e.hint())
}

fn executor(e: BackendError) -> Failure {
    Failure::of(e.code(), &e, e.hint())
}
