//! Error, range and rows of each layer.

use std::fmt::Write as _;

use dn_circuits::plan::rows_by_part;
use dn_import::Layer;
use dn_prover::ProveError;

use super::markup::text;
use super::{grouped, share, Page};
use crate::error::Failure;
use crate::model::frame_of;

/// Extents of a bar, in pixels.
const BAR: (f64, f64) = (150.0, 14.0);

/// The section with one line for each layer.
///
/// # Errors
/// When the graph does not fit the layout.
pub(super) fn section(page: &Page<'_>) -> Result<String, Failure> {
    let graph = &page.package.graph;
    let frame = frame_of(page.package, page.batch);
    let parts = rows_by_part(graph, frame).map_err(ProveError::from)?;
    let layers = &page.fidelity.layers;
    let largest = layers.iter().map(|l| l.error).fold(f64::MIN_POSITIVE, f64::max);
    let most = parts.nodes.iter().copied().max().unwrap_or(1).max(1);
    let mut out = String::from(
        "<h2>Layers</h2>\n<p>Error: of the spread of its values, behind all layers in front of it; dark is what \
         the layer adds. Range: what its float values take of the codes from -128 to 127. Rows: of a batch of ",
    );
    let _ = writeln!(
        out,
        "{}; quotients: rows that it adds to the table, once.</p>\n<div class=\"wide\"><table>\n<tr><th>layer</th>\
         <th>operator</th><th colspan=\"2\">error</th><th>range</th><th>saturated</th><th colspan=\"2\">rows</th>\
         <th>quotients</th></tr>",
        grouped(page.batch)
    );
    for (i, layer) in layers.iter().enumerate() {
        let rows = parts.nodes[i];
        let bars =
            [error_bar(layer, largest), range_bar(layer.reach), bar(rows as f64 / most as f64)];
        let [error, range, share_of_rows] = bars;
        let _ = writeln!(
            out,
            "<tr><td class=\"name\">{}</td><td>{}</td><td>{}</td><td>{error}</td><td>{range}</td><td>{}</td><td>{}</td>\
             <td>{share_of_rows}</td><td>{}</td></tr>",
            text(&layer.node),
            text(&layer.op),
            share(layer.error),
            share(layer.saturated),
            grouped(rows),
            grouped(parts.quotients[i]),
        );
    }
    let others = [
        ("inputs", parts.inputs),
        ("hashes of inputs and outputs", parts.hashes),
        ("scores", parts.quality),
        ("lookup table, beside the others", parts.table),
    ];
    for (what, rows) in others {
        let _ = writeln!(
            out,
            "<tr><td class=\"name\" colspan=\"6\">{what}</td><td>{}</td><td></td><td></td></tr>",
            grouped(rows)
        );
    }
    Ok(out + "</table></div>\n")
}

fn svg(inside: &str) -> String {
    let (w, h) = BAR;
    format!(
        "<svg width=\"{w}\" height=\"{h}\" role=\"img\">{inside}<rect class=\"frame\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\"/></svg>",
        w - 1.0,
        h - 1.0
    )
}

/// A part of a bar, from and to shares of its length.
fn part(from: f64, to: f64, class: &str) -> String {
    let (from, to) = (from.clamp(0.0, 1.0) * BAR.0, to.clamp(0.0, 1.0) * BAR.0);
    let h = BAR.1;
    format!(
        "<rect class=\"{class}\" x=\"{from:.1}\" y=\"0\" width=\"{:.1}\" height=\"{h}\"/>",
        to - from
    )
}

fn bar(share: f64) -> String {
    svg(&part(0.0, share, "bar"))
}

/// What a layer reads, then what it adds.
fn error_bar(layer: &Layer, largest: f64) -> String {
    let before = (layer.error - layer.added) / largest;
    svg(&(part(0.0, before, "bar") + &part(before, layer.error / largest, "bad")))
}

/// What values take of the codes; what lies beyond them is marked at the end.
fn range_bar([low, high]: [f64; 2]) -> String {
    let at = |code: f64| (code + 128.0) / 255.0;
    let mut inside = part(at(low), at(high), "bar");
    if low < -129.0 {
        inside += &part(0.0, 0.03, "bad");
    }
    if high > 128.0 {
        inside += &part(0.97, 1.0, "bad");
    }
    svg(&inside)
}
