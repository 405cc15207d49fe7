//! The integer graph as a picture: one box for each node, from top to bottom, arcs for what skips some.

use std::fmt::Write as _;

use dn_core::quant::{Node, Shape};
use dn_import::{Fidelity, Package};

use super::markup::{short, text};
use super::share;

/// Distance from one box to the next, and extents of a box, in pixels.
const PITCH: usize = 46;
const BOX: (usize, usize) = (430, 30);
/// How far the widest arc leads away from the boxes.
const ARC: usize = 220;
/// Characters of a name in a box.
const NAME: usize = 44;

/// The section with the graph.
pub(super) fn section(package: &Package, fidelity: &Fidelity) -> String {
    let graph = &package.graph;
    let (width, height) = (BOX.0 + ARC + 10, (graph.nodes.len() + 1) * PITCH);
    let mut svg = format!(
        "<h2>Graph</h2>\n<div class=\"wide\"><svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n"
    );
    for (i, node) in graph.nodes.iter().enumerate() {
        for source in &node.sources {
            svg += &edge(source.tensor, i + 1);
        }
    }
    svg += &tensor(0, "input", "", &extents(graph.input));
    for (i, node) in graph.nodes.iter().enumerate() {
        let (name, op, error) = fidelity
            .layers
            .get(i)
            .map_or(("", "", 0.0), |layer| (&layer.node, &layer.op, layer.error));
        svg += &tensor(i + 1, name, op, &format!("{}, {}", described(node), share(error)));
    }
    svg + "</svg></div>\n"
}

/// The box of a tensor: its node's name, and what is known of it.
fn tensor(at: usize, name: &str, op: &str, about: &str) -> String {
    let y = at * PITCH + (PITCH - BOX.1) / 2;
    let title = text(&format!("{name} {op}"));
    let name = short(if name.is_empty() { op } else { name }, NAME);
    let mut out = format!("<g><title>{title}</title>");
    let (w, h) = BOX;
    let _ = write!(
        out,
        "<rect class=\"box\" x=\"1\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"5\"/>"
    );
    let _ = write!(out, "<text x=\"9\" y=\"{}\">{name}</text>", y + 13);
    let _ =
        writeln!(out, "<text class=\"faint\" x=\"9\" y=\"{}\">{}</text></g>", y + 26, text(about));
    out
}

/// A line to the next box, an arc to one further down.
fn edge(from: usize, to: usize) -> String {
    let bottom = from * PITCH + (PITCH + BOX.1) / 2;
    if to == from + 1 {
        let x = BOX.0 / 2;
        return format!("<path class=\"edge\" d=\"M{x} {bottom}V{}\"/>\n", bottom + PITCH - BOX.1);
    }
    let middle = |tensor: usize| tensor * PITCH + PITCH / 2;
    let reach = (BOX.0 + 20 + 14 * (to - from)).min(BOX.0 + ARC);
    let (a, b, x) = (middle(from), middle(to), BOX.0 + 1);
    format!("<path class=\"edge\" d=\"M{x} {a}C{reach} {a} {reach} {b} {x} {b}\"/>\n")
}

fn extents(s: Shape) -> String {
    format!("{} \u{d7} {} \u{d7} {}", s.channels, s.height, s.width)
}

/// Kernel and extents.
fn described(node: &Node) -> String {
    let kernels: Vec<String> = node
        .sources
        .iter()
        .map(|s| {
            let [rows, columns] = s.geometry.kernel;
            let groups = s.geometry.groups;
            let groups = if groups > 1 { format!(", {groups} groups") } else { String::new() };
            format!("{rows} \u{d7} {columns}{groups}")
        })
        .collect();
    let factors = if node.is_product() { "product, " } else { "" };
    let pool = if node.pool > 1 {
        format!(", largest of {0} \u{d7} {0}", node.pool)
    } else {
        String::new()
    };
    format!("{factors}kernel {}{pool}, {}", kernels.join(" + "), extents(node.output()))
}
