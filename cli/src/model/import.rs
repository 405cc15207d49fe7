//! `deepnode model import`

use dn_circuits::estimate::best_width;
use dn_core::statement::Form;
use dn_core::Width;
use dn_import::{import_onnx, npz, Package};
use dn_prover::ProveError;
use dn_service::Report;

use super::{auto_batch, estimates, id_text, read, write, AUTO_LIMIT};
use crate::args::{Global, Import};
use crate::error::Failure;
use crate::output::spinner;

/// Quantises an ONNX file and reports accuracy and what proving will take.
pub(crate) fn import(args: &Import, _global: &Global) -> Result<Report, Failure> {
    let progress = spinner("quantising");
    let calibration = npz::read(&args.calibration)?;
    let name = args.onnx.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    let mut imported = import_onnx(&read(&args.onnx)?, &calibration, &name)?;
    imported.package.width = match (args.layout, args.optimize) {
        (Some(layout), _) => layout.into(),
        (None, Some(objective)) => {
            best_width(&imported.package.graph, AUTO_LIMIT, objective.into())
                .map_err(ProveError::from)?
        }
        (None, None) => Width::Default,
    };
    let bytes = imported.package.to_bytes()?;
    write(&args.output, &bytes)?;
    let examples = match &args.heldout {
        Some(path) => npz::read_for(path, &imported.package)?,
        None => calibration,
    };
    let accuracy = imported.accuracy(&examples);
    progress.finish_and_clear();

    let package = &imported.package;
    let mut report = Report::default();
    report
        .set("model_id", id_text(&Package::model_id(&bytes)))
        .set("name", package.name.clone())
        .set("package_bytes", bytes.len())
        .set("macs", package.graph.macs())
        .set("examples", examples.x.len());
    if let Some(accuracy) = accuracy {
        report.set("accuracy_float", accuracy.float).set("accuracy", accuracy.int8);
    }
    estimates(&mut report, package, auto_batch(package, AUTO_LIMIT, Form::Listed)?)?;
    Ok(report)
}
