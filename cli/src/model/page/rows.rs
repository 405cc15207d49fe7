//! The circuit of a batch as a picture: its rows from top to bottom, what they belong to, of what kind they are, and
//! which fixed columns steer them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use dn_circuits::plan::{fixed_names, Part};
use dn_circuits::{Frame, Plan};
use dn_import::Package;
use dn_prover::ProveError;

use super::grouped;
use super::markup::text;
use crate::error::Failure;

/// Where the rows begin, and how tall they are all together, in pixels.
const TOP: usize = 190;
const TALL: usize = 720;
/// A line of the picture: rows below one are drawn together.
const LINE: usize = 2;
/// Left edges of the band of kinds and of the fixed columns; a column's width.
const BAND: (usize, usize) = (330, 46);
const COLUMNS: usize = 396;
const COLUMN: usize = 14;
/// Parts closer together than this are left out.
const APART: usize = 13;
/// Height of a line of the legend.
const ENTRY: usize = 20;

/// Colours that most people can tell apart, by kind in the order in which they appear.
const COLOURS: [&str; 12] = [
    "#3b76c4", "#e08a2e", "#4b9b6e", "#c0492f", "#8668b8", "#8a6d4f", "#c96ba5", "#7d848d",
    "#a9a62f", "#38a3ad", "#1f3f6e", "#d8b78a",
];

/// The picture of a batch of this package, an SVG file.
///
/// # Errors
/// When the batch does not fit the circuit.
pub(in super::super) fn picture(package: &Package, frame: Frame) -> Result<String, Failure> {
    let plan = Plan::new(&package.graph, frame).map_err(ProveError::from)?;
    let scale = Scale { rows: plan.rows };
    let names = fixed_names(plan.width);
    let kinds = Kinds::of(&plan);
    let wide = COLUMNS + COLUMN * names.len() + 20;
    let high = TOP + TALL + 50 + ENTRY * (kinds.0.len() + 1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide}\" height=\"{high}\" viewBox=\"0 0 {wide} {high}\" role=\"img\">\n\
         <style>{STYLE}</style>\n<rect class=\"back\" width=\"{wide}\" height=\"{high}\"/>\n"
    );
    let name = text(&package.name);
    let _ = writeln!(svg, "<text class=\"title\" x=\"12\" y=\"26\">{name}</text>");
    let about = format!(
        "{} rows of 2^{} for {} slots, {} layout: a row's fixed columns say what its cells are checked for",
        grouped(plan.rows),
        plan.k,
        plan.slots,
        plan.width.name(),
    );
    let _ = writeln!(svg, "<text class=\"faint\" x=\"12\" y=\"46\">{about}</text>");
    svg += &parts(&plan, package, &scale);
    svg += &kinds.band(&plan, &scale);
    for (column, name) in names.iter().enumerate() {
        svg += &self::column(&plan, &scale, column, name);
    }
    svg += &kinds.legend();
    Ok(svg + "</svg>\n")
}

/// From rows to pixels.
struct Scale {
    rows: usize,
}

impl Scale {
    fn y(&self, row: usize) -> usize {
        TOP + row * TALL / self.rows
    }

    /// The rows of each line, from top to bottom; few rows have lines of their own.
    fn lines(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let lines = (TALL / LINE).min(self.rows);
        (0..lines).map(move |line| line * self.rows / lines..(line + 1) * self.rows / lines)
    }
}

/// What rows belong to, on the left.
fn parts(plan: &Plan, package: &Package, scale: &Scale) -> String {
    let mut out = String::new();
    let mut free = 0;
    for (part, rows) in plan.parts() {
        let name = match part {
            Part::Digest => "digest of all commitments".to_owned(),
            Part::InputHashes => "hashes of inputs".to_owned(),
            Part::Inputs => "inputs".to_owned(),
            Part::Node(i) => {
                let shape = package.graph.nodes[i].output();
                format!("node {i}: {} x {} x {}", shape.channels, shape.height, shape.width)
            }
            Part::Quality => "labels and scores".to_owned(),
            Part::OutputHashes => "hashes of outputs".to_owned(),
        };
        let (top, bottom) = (scale.y(rows.start), scale.y(rows.end));
        let (right, count) = (BAND.0 - 6, grouped(rows.len()));
        if bottom < free + APART {
            continue;
        }
        let y = (top + 11).max(free + APART);
        free = y;
        let _ = writeln!(
            out,
            "<path class=\"edge\" d=\"M12 {top}H{right}\"/><text x=\"12\" y=\"{y}\">{name}</text>\
             <text class=\"faint end\" x=\"{right}\" y=\"{y}\">{count}</text>"
        );
    }
    out
}

/// Every kind of row that a plan has: what it is called, what its cells hold, how many rows are of it.
struct Kinds(Vec<(&'static str, String, usize)>);

impl Kinds {
    fn of(plan: &Plan) -> Self {
        let mut kinds: Vec<(&'static str, String, usize)> = Vec::new();
        for run in plan.runs() {
            match kinds.iter_mut().find(|k| k.0 == run.kind) {
                Some(kind) => kind.2 += run.rows.len(),
                None => kinds.push((run.kind, run.cells.join(" | "), run.rows.len())),
            }
        }
        Self(kinds)
    }

    fn colour(&self, kind: &str) -> &'static str {
        let at = self.0.iter().position(|k| k.0 == kind).unwrap_or(0);
        COLOURS[at % COLOURS.len()]
    }

    /// The kind that most rows of each line have, in its colour.
    fn band(&self, plan: &Plan, scale: &Scale) -> String {
        let runs = plan.runs();
        let mut out =
            format!("<text class=\"faint\" x=\"{}\" y=\"{}\">kinds</text>\n", BAND.0, TOP - 8);
        let mut at = 0;
        for line in scale.lines() {
            let mut most: BTreeMap<&str, usize> = BTreeMap::new();
            while runs[at].rows.end <= line.start {
                at += 1;
            }
            for run in runs[at..].iter().take_while(|run| run.rows.start < line.end) {
                let rows = run.rows.end.min(line.end) - run.rows.start.max(line.start);
                *most.entry(run.kind).or_default() += rows;
            }
            let Some((kind, _)) = most.into_iter().max_by_key(|(_, rows)| *rows) else { continue };
            let (top, bottom) = (scale.y(line.start), scale.y(line.end));
            let (x, w, h, colour) = (BAND.0, BAND.1, bottom - top, self.colour(kind));
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{top}\" width=\"{w}\" height=\"{h}\" fill=\"{colour}\"/>"
            );
        }
        out
    }

    fn legend(&self) -> String {
        let mut out = String::new();
        let mut y = TOP + TALL + 40;
        for (kind, cells, rows) in &self.0 {
            let (colour, top) = (self.colour(kind), y - 11);
            let _ = writeln!(
                out,
                "<rect x=\"12\" y=\"{top}\" width=\"14\" height=\"14\" fill=\"{colour}\"/>"
            );
            let (kind, cells) = (text(&kind.replace('`', "")), text(&cells.replace('`', "")));
            let _ = writeln!(
                out,
                "<text x=\"34\" y=\"{y}\">{kind}</text><text class=\"end\" x=\"{}\" y=\"{y}\">{}</text>\
                 <text class=\"faint\" x=\"{}\" y=\"{y}\">{cells}</text>",
                BAND.0 - 6,
                grouped(*rows),
                BAND.0 + 8
            );
            y += ENTRY;
        }
        out
    }
}

/// One fixed column: the darker a line, the more of its rows are not zero.
fn column(plan: &Plan, scale: &Scale, column: usize, name: &str) -> String {
    let x = COLUMNS + column * COLUMN;
    let (label, y) = (x + COLUMN - 4, TOP - 8);
    let mut out = format!(
        "<g><title>{name}</title><text class=\"small\" transform=\"translate({label} {y}) rotate(-90)\">{name}</text>\n"
    );
    let used: Vec<bool> = plan.is_used(column).collect();
    let mut paths: [String; 4] = Default::default();
    for line in scale.lines() {
        let set = used[line.clone()].iter().filter(|used| **used).count();
        if set == 0 {
            continue;
        }
        let shade = (set * 4 - 1) / line.len();
        let (top, bottom) = (scale.y(line.start), scale.y(line.end));
        let _ = write!(paths[shade], "M{x} {top}h{}V{bottom}h-{0}z", COLUMN - 1);
    }
    for (shade, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        let _ = writeln!(out, "<path class=\"shade{shade}\" d=\"{path}\"/>");
    }
    out + "</g>\n"
}

const STYLE: &str = "
svg { color-scheme: light dark; font: 12px system-ui, sans-serif }
text { fill: #1b1f24 } .faint { fill: #6b7480 } .title { font-size: 18px; font-weight: 600 } .small { font-size: 10px } .end { text-anchor: end }
.back { fill: #fff } .edge { stroke: #d5dae0; fill: none } .shade0 { fill: #c3d5ee } .shade1 { fill: #8fb1de } .shade2 { fill: #5c8ccd } .shade3 { fill: #24549a }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e7eb } .faint { fill: #98a1ac } .back { fill: #14171b } .edge { stroke: #363c44 }
  .shade0 { fill: #22344f } .shade1 { fill: #34578a } .shade2 { fill: #4c7fc4 } .shade3 { fill: #8db8f2 }
}
";

#[cfg(test)]
mod tests {
    use dn_core::Width;

    use super::super::super::frame_of;
    use super::super::super::sample::two_inputs;
    use super::super::markup::tags;
    use super::*;

    #[test]
    fn every_row_has_a_kind_and_every_column_a_name_in_every_layout() {
        for width in Width::ALL {
            let package = Package { name: "<net & \"co\">".to_owned(), ..two_inputs(width) };
            let frame = frame_of(&package, 16);
            let svg = picture(&package, frame).unwrap();
            let page = format!("<!DOCTYPE html>\n{svg}");
            let tags = tags(&page).unwrap();
            let columns = fixed_names(width).len();
            let rotated = |t: &&super::super::markup::Tag| {
                t.attributes.iter().any(|(key, _)| key == "transform")
            };
            assert_eq!(tags.iter().filter(rotated).count(), columns);
            let plan = Plan::new(&package.graph, frame).unwrap();
            let kinds = Kinds::of(&plan);
            assert_eq!(kinds.0.iter().map(|k| k.2).sum::<usize>(), plan.rows);
            let mut end = plan.parts()[0].1.start;
            for (part, rows) in plan.parts() {
                assert_eq!(rows.start, end, "{part:?} begins where the one before it ends");
                end = rows.end;
            }
            assert_eq!(end, plan.rows);
        }
    }
}
