//! A plan as people look at it: runs of rows of one kind, what they belong to, and the fixed columns by name.

use std::ops::Range;

use dn_core::Width;

use super::sections::Sections;
use crate::system::fixed::Fixed;
use crate::system::kind::Kind;
use crate::system::steering::{fixed_columns, Fx};

/// Rows of one kind, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The kind's name, as in the book's table of rows.
    pub kind: &'static str,
    /// What `hi`, `lo` and `out` of a lane hold; less than three where the cells of all lanes hold one thing.
    pub cells: &'static [&'static str],
    /// Where they stand.
    pub rows: Range<usize>,
}

/// What rows belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The digest's tree.
    Digest,
    /// Hashes of the inputs.
    InputHashes,
    /// The inputs' values.
    Inputs,
    /// A node of the graph, from 0.
    Node(usize),
    /// Labels and scores.
    Quality,
    /// Hashes of the outputs.
    OutputHashes,
}

/// The used rows, by kind, in order.
pub(super) fn runs(fixed: &Fixed, rows: usize) -> Vec<Run> {
    let mut runs: Vec<(Kind, Range<usize>)> = Vec::new();
    for row in 0..rows {
        let kind = match fixed.kind(row) {
            // A permutation's rows alternate: one run.
            Kind::Round(_) => Kind::ALL[Kind::ALL.len() - 1],
            kind => kind,
        };
        match runs.last_mut() {
            Some((last, rows)) if *last == kind => rows.end = row + 1,
            _ => runs.push((kind, row..row + 1)),
        }
    }
    let told = |(kind, rows): (Kind, Range<usize>)| {
        let about = kind.about();
        Run { kind: about.name, cells: about.cells, rows }
    };
    runs.into_iter().map(told).collect()
}

/// Where the parts of `rows` rows stand, in order; what has none is left out.
pub(super) fn parts(s: &Sections, rows: usize) -> Vec<(Part, Range<usize>)> {
    let nodes = s.node_starts.iter().enumerate().map(|(i, row)| (Part::Node(i), *row));
    let mut starts: Vec<(Part, usize)> =
        vec![(Part::InputHashes, s.input_hashes), (Part::Inputs, s.values)];
    if s.digest > 0 {
        starts.insert(0, (Part::Digest, s.digest));
    }
    starts.extend(nodes);
    starts.extend([(Part::Quality, s.quality), (Part::OutputHashes, s.output_hashes)]);
    let ends: Vec<usize> = starts.iter().skip(1).map(|s| s.1).chain([rows]).collect();
    let parts = starts.into_iter().zip(ends).map(|((part, start), end)| (part, start..end));
    parts.filter(|(_, rows)| !rows.is_empty()).collect()
}

/// Names of the fixed columns, in order; marks that share one are joined by a stroke, weights are numbered.
#[must_use]
pub fn fixed_names(width: Width) -> Vec<String> {
    let mut names = vec![Vec::new(); fixed_columns(width)];
    let marks = Fx::ALL.into_iter().filter(|fx| fx.is_in(width) && *fx != Fx::Weight0);
    for fx in marks {
        names[fx.index(width)].push(format!("{fx:?}"));
    }
    let weights = Fx::Weight0.index(width);
    let number = |(column, names): (usize, Vec<String>)| {
        if names.is_empty() {
            format!("Weight{}", column - weights)
        } else {
            names.join(" / ")
        }
    };
    names.into_iter().enumerate().map(number).collect()
}
