//! Rows whose cells hold nothing.

use super::about::About;
use super::tracks;
use crate::system::steering::Fx;

/// In front of and behind all others.
pub(crate) const IDLE: About = About {
    name: "idle",
    cells: &["nothing"],
    marks: &[],
    beside: &[tracks::PUBLIC],
    registers: &[],
};

/// Between rows of layers, where a fold takes more rows than there are values.
pub(crate) const ABOUT: About = About {
    name: "gap",
    cells: &["nothing"],
    marks: &[&[Fx::Bare]],
    beside: &[tracks::FOLDS, tracks::TENSORS, tracks::WORDS],
    registers: &[],
};
