//! Rows that publish a zero: words without labels that fill up a digest's branches, between quality and outputs.

use super::about::About;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "zero",
    cells: &["nothing"],
    marks: &[&[Fx::Publish]],
    beside: &[],
    registers: &[],
};

/// Another word.
pub(crate) fn marks(d: &mut Draft, row: usize) {
    d.kind(row, Kind::Zero);
    d.mark(Fx::Publish, row);
}
