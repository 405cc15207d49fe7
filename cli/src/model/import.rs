//! `deepnode model import`

use std::path::Path;

use dn_circuits::estimate::{best_layout, best_scheme, estimate};
use dn_circuits::Frame;
use dn_core::statement::Form;
use dn_core::{Scheme, Width};
use dn_import::{npz, Fidelity, ImportError, Imported, OnnxModel, Package, Reading, Transformer};
use dn_prover::{available_mb, ProveError};
use dn_service::Report;

use super::page::Page;
use super::{auto_batch, estimates, fidelity, frame_of, id_text, read, tokens, write, AUTO_LIMIT};
use crate::args::{Global, Import};
use crate::error::Failure;
use crate::output::{spinner, warn};

/// Quantises an ONNX file and reports accuracy and what proving will take.
pub(crate) fn import(args: &Import, _global: &Global) -> Result<Report, Failure> {
    let progress = spinner("reading the model");
    let reading = Reading {
        folder: args
            .onnx
            .parent()
            .map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p }.to_owned()),
        sizes: args.shapes.iter().cloned().collect(),
        outputs: args.output_names.clone(),
    };
    let bytes = read(&args.onnx)?;
    let model = match transformer(args, &bytes, &reading) {
        Ok(Some(model)) => {
            progress.finish_and_clear();
            return tokens::import(args, model);
        }
        Ok(None) => OnnxModel::read(&bytes, &reading)?,
        // What layers of sequences cannot express may be small enough for a graph.
        Err(e) => OnnxModel::read(&bytes, &reading).map_err(|_| e)?,
    };
    let names: Vec<String> = model.inputs().iter().map(|i| i.name.clone()).collect();
    let (outputs, notes) = (model.outputs().to_vec(), model.notes().to_vec());
    progress.set_message("reading the examples");
    let calibration = npz::read_named(&args.calibration, &names)?;
    let name = args.onnx.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    progress.set_message("quantising");
    let mut imported = model.quantise(&calibration, &name)?;
    if let Some(score) = args.score {
        imported.package.scoring = score.into();
    }
    progress.set_message("choosing layout and opening");
    let (width, scheme) = layout(args, &imported.package)?;
    (imported.package.width, imported.package.scheme) = (width, scheme);
    let bytes = imported.package.to_bytes()?;
    let examples = match &args.heldout {
        Some(path) => npz::read_for(path, &imported.package)?,
        None => calibration.without(imported.out_of_line()),
    };
    progress.set_message("comparing integers with floats");
    let fidelity = imported.fidelity(&examples);
    progress.set_message("choosing the batch");
    let batch = auto_batch(&imported.package, AUTO_LIMIT, Form::Listed)?;
    warn_of_memory(&imported.package, batch)?;
    let about = About { fidelity: &fidelity, notes: &notes, bytes: &bytes, batch };
    if let Some(path) = &args.report {
        progress.set_message("writing the report");
        write(path, page(args, &imported, &about)?.as_bytes())?;
    }
    progress.finish_and_clear();
    fidelity::judge(&fidelity, &imported, calibration.x.len(), args.accept_error)?;
    write(&args.output, &bytes)?;

    told(&imported, &outputs, &about)
}

/// The transformer that a file holds, if it is to be one of sequences.
fn transformer(
    args: &Import,
    bytes: &[u8],
    reading: &Reading,
) -> Result<Option<Transformer>, ImportError> {
    if args.graph {
        return Ok(None);
    }
    Transformer::read(bytes, reading)
}

/// Says that no proof fits this machine, if that is so of the smallest one.
fn warn_of_memory(package: &Package, batch: usize) -> Result<(), Failure> {
    let estimate = estimate(&package.graph, frame_of(package, batch)).map_err(ProveError::from)?;
    let Some(available) = available_mb().filter(|mb| (*mb as f64) < estimate.memory_mb) else {
        return Ok(());
    };
    warn(&format!(
        "a proof of {batch} takes about {:.0} MiB, of which this machine has {available}: --layout narrow takes less, or prove on a larger one",
        estimate.memory_mb
    ));
    Ok(())
}

/// What an import found out besides the package.
struct About<'a> {
    fidelity: &'a Fidelity,
    notes: &'a [String],
    /// The package's file.
    bytes: &'a [u8],
    batch: usize,
}

/// The command's output.
fn told(
    imported: &Imported,
    outputs: &[(String, Vec<usize>)],
    about: &About<'_>,
) -> Result<Report, Failure> {
    let About { fidelity, notes, bytes, batch } = *about;
    let package = &imported.package;
    let mut report = Report::default();
    report
        .set("model_id", id_text(&Package::model_id(bytes)))
        .set("name", package.name.clone())
        .set("package_bytes", bytes.len())
        .set("macs", package.graph.macs())
        .set("examples", fidelity.examples);
    if outputs.len() > 1 {
        report.set("outputs", outputs_text(outputs));
    }
    if !notes.is_empty() {
        report.set("notes", notes.join("; "));
    }
    fidelity::report(&mut report, fidelity, imported);
    if let Some(accuracy) = fidelity.accuracy {
        report.set("accuracy_float", accuracy.float).set("accuracy", accuracy.int8);
    }
    estimates(&mut report, package, batch)?;
    Ok(report)
}

/// The page about the import.
fn page(args: &Import, imported: &Imported, about: &About<'_>) -> Result<String, Failure> {
    let page = Page {
        package: &imported.package,
        id: id_text(&Package::model_id(about.bytes)),
        fidelity: about.fidelity,
        compared_on: if args.heldout.is_some() { "held-out data" } else { "the calibration data" },
        notes: about.notes,
        out_of_line: imported.out_of_line(),
        batch: about.batch,
        prices: args.prices.into(),
    };
    page.render()
}

/// Batch size at which opening schemes are compared: gas weighs more in smaller ones.
const COMPARED: usize = 64;

/// Layout and opening scheme that are asked for, or that cost least.
fn layout(args: &Import, package: &Package) -> Result<(Width, Scheme), ProveError> {
    let Package { graph, scoring, .. } = package;
    if let Some(objective) = args.optimize {
        return Ok(best_layout(graph, AUTO_LIMIT, *scoring, objective.into())?);
    }
    let width = args.layout.map_or(Width::Default, Width::from);
    let frame = Frame::of(COMPARED, width).scored(*scoring);
    let scheme = match args.opening {
        Some(opening) => opening.into(),
        None => best_scheme(graph, frame, &args.prices.into())?,
    };
    Ok((width, scheme))
}

/// Names of outputs with their numbers of values, in order.
fn outputs_text(outputs: &[(String, Vec<usize>)]) -> String {
    let one = |(name, dims): &(String, Vec<usize>)| {
        format!("{name} ({})", dims.iter().product::<usize>())
    };
    outputs.iter().map(one).collect::<Vec<_>>().join(", ")
}
