//! `deepnode model inspect`

use dn_circuits::estimate::estimate;
use dn_core::quant::{Node, Shape, Source};
use dn_core::statement::Form;
use dn_import::{Package, PackageError, Stored};
use dn_prover::ProveError;
use dn_service::Report;
use serde_json::{json, Value};

use super::page::picture;
use super::provable::Provable;
use super::{auto_batch, estimates, frame_of, id_text, tokens, write, AUTO_LIMIT};
use crate::args::{Batch, Global, Inspect};
use crate::error::Failure;
use crate::output::thousandths;

/// Shows a package's shape, scales and what proving takes.
pub(crate) fn inspect(args: &Inspect, _global: &Global) -> Result<Report, Failure> {
    let provable = Provable::read(&args.package)?;
    let package = match &provable.stored {
        Stored::Graph(package) => package,
        Stored::Sequence(_) if args.svg.is_some() => return Err(PackageError::IsSequence.into()),
        Stored::Sequence(package) => return Ok(tokens::inspect(&provable, package)),
    };
    let graph = &package.graph;
    let nodes: Vec<Value> = graph.nodes.iter().map(node).collect();
    let mut report = Report::default();
    report
        .set("model_id", id_text(&provable.id))
        .set("name", package.name.clone())
        .set("input", extents(graph.input))
        .set("nodes", nodes)
        .set("macs", graph.macs())
        .set("input_scale", package.input.scale.clone())
        .set("input_offset", package.input.offset.clone())
        .set("output_scale", package.output.scale.clone())
        .set("output_offset", package.output.offset.clone());
    let plans: Result<Vec<Value>, Failure> = SIZES.iter().map(|b| plan(package, *b)).collect();
    report.set("plans", plans?);
    let chosen = auto_batch(package, AUTO_LIMIT, Form::Listed)?;
    estimates(&mut report, package, chosen)?;
    if let Some(path) = &args.svg {
        let batch = match args.batch {
            Batch::Auto => chosen,
            Batch::Exactly(batch) => batch,
        };
        let svg = picture(package, frame_of(package, batch))?;
        write(path, svg.as_bytes())?;
        report.set("svg", path.display().to_string());
    }
    Ok(report)
}

/// Batch sizes that are shown beside the planner's choice.
const SIZES: [usize; 6] = [1, 16, 64, 128, 256, 1024];

fn plan(package: &Package, batch: usize) -> Result<Value, Failure> {
    let e = estimate(&package.graph, frame_of(package, batch)).map_err(ProveError::from)?;
    let per_inference = thousandths(1e3 * e.cpu_s / batch as f64);
    Ok(
        json!({ "batch": batch, "rows": e.rows, "k": e.k, "cpu_ms_per_inference": per_inference, "gas": e.gas }),
    )
}

fn extents(s: Shape) -> Value {
    json!([s.channels, s.height, s.width])
}

fn node(n: &Node) -> Value {
    let source = |s: &Source| {
        let g = &s.geometry;
        json!({
            "tensor": s.tensor, "kernel": g.kernel, "stride": g.stride, "pad": g.pad,
            "dilation": g.dilation, "groups": g.groups,
        })
    };
    let sources: Vec<Value> = n.sources.iter().map(source).collect();
    json!({ "shape": extents(n.output()), "pool": n.pool, "sources": sources })
}
