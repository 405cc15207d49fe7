//! Rows that publish a zero, between quality and outputs: a word without labels. Without classes there is one for each
//! word; of a digest, as many as bring its words to a multiple of four.
//!
//! Where there are no quality rows, the last one closes what they would: `I` and `K` are forgotten, so the claims take
//! salts of inputs and no copies, and the sum of scores that the first output publishes is 0.

use super::about::About;
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "zero",
    cells: &["nothing"],
    marks: &[&[Fx::Publish], &[Fx::ImageReset], &[Fx::KernelReset], &[Fx::CloseCopies]],
    beside: &[],
    registers: &[],
};

/// Another word.
pub(crate) fn marks(d: &mut Draft, row: usize) {
    d.kind(row, Kind::Zero);
    d.mark(Fx::Publish, row);
}

/// The last row of a model without classes.
pub(crate) fn close(d: &mut Draft, row: usize) {
    for fx in [Fx::ImageReset, Fx::KernelReset, Fx::CloseCopies] {
        d.mark(fx, row);
    }
}
