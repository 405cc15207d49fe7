//! `deepnode model inspect`

use dn_service::Report;
use serde_json::{json, Value};

use super::{auto_batch, estimates, id_text, load, AUTO_LIMIT};
use crate::args::{Global, Inspect};
use crate::error::Failure;

/// Shows a package's shape, scales and what proving takes.
pub(crate) fn inspect(args: &Inspect, _global: &Global) -> Result<Report, Failure> {
    let loaded = load(&args.package)?;
    let package = &loaded.package;
    let layers: Vec<Value> = package
        .graph
        .layers
        .iter()
        .map(|l| json!({ "inputs": l.inputs, "outputs": l.outputs, "shift": l.shift }))
        .collect();
    let mut report = Report::default();
    report
        .set("model_id", id_text(&loaded.id))
        .set("name", package.name.clone())
        .set("layers", layers)
        .set("macs", package.graph.macs())
        .set("input_scale", package.input_scale)
        .set("output_scale", package.output_scale);
    estimates(&mut report, package, auto_batch(package, AUTO_LIMIT));
    Ok(report)
}
