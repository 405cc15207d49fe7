//! The first row of a branch of a digest's tree: its five children enter a permutation.
//!
//! A batch with a digest publishes the branches of its tree, from the root on, before everything else.
//! What is read is the digest, then the children of every branch. In the order of [`dn_core::digest`] both are
//! the elements of the tree, so each child is the branch or the commitment that was published.

use dn_core::digest::ARITY;

use super::about::About;
use super::tracks;
use crate::system::columns::{Acc, Ch};
use crate::system::fixed::Draft;
use crate::system::kind::Kind;
use crate::system::poseidon::WIDTH;
use crate::system::row::{Mark, Row};
use crate::system::steering::Fx;

pub(crate) const ABOUT: About = About {
    name: "branch",
    cells: &["as of a message: the children"],
    marks: &[&[Fx::Absorb], &[Fx::TagA], &[Fx::Full], &[Fx::Weight0]],
    beside: &[tracks::PUBLIC],
    registers: &[(Acc::Read, "children, folded by rho")],
};

/// The children of a branch.
const BRANCH: Mark = Mark::But(&[Fx::Absorb, Fx::TagA], &[]);

pub(crate) fn marks(d: &mut Draft, row: usize) {
    d.kind(row, Kind::Branch);
    d.mark(Fx::Absorb, row);
    d.mark(Fx::TagA, row);
}

#[inline(always)]
pub(super) fn turns<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Read => r.times(BRANCH, |r| r.power(Ch::Rho, ARITY)),
        _ => None,
    }
}

#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Read => r.when(BRANCH, |r| r.horner(Ch::Rho, 1..WIDTH, Row::message)),
        _ => None,
    }
}
