//! Marks that share a column never meet: proven from the kinds when the crate is built.

use super::about::About;
use crate::system::kind::Kind;
use crate::system::steering::{Fx, EXCLUSIVE, SAME};

/// Whether a kind may have both marks on one row: they are in two groups.
const fn meet(about: &About, a: Fx, b: Fx) -> bool {
    let (own, together) = (group(about.marks, a), group(about.marks, b));
    let mut other_group = !matches!((own, together), (Some(x), Some(y)) if x == y);
    let (mut has_a, mut has_b) = (own.is_some(), together.is_some());
    let mut track = 0;
    while track < about.beside.len() {
        let (x, y) = (group(about.beside[track], a), group(about.beside[track], b));
        has_a |= x.is_some();
        has_b |= y.is_some();
        if let (Some(x), Some(y)) = (x, y) {
            other_group &= x != y;
        }
        track += 1;
    }
    has_a && has_b && other_group
}

/// The group that a mark is in.
const fn group(groups: &[&[Fx]], fx: Fx) -> Option<usize> {
    let mut at = 0;
    while at < groups.len() {
        let mut i = 0;
        while i < groups[at].len() {
            if groups[at][i] as u32 == fx as u32 {
                return Some(at);
            }
            i += 1;
        }
        at += 1;
    }
    None
}

const fn are_apart(pairs: &[(Fx, Fx)]) -> bool {
    let mut kind = 0;
    while kind < Kind::ALL.len() {
        let mut pair = 0;
        while pair < pairs.len() {
            if meet(Kind::ALL[kind].about(), pairs[pair].0, pairs[pair].1) {
                return false;
            }
            pair += 1;
        }
        kind += 1;
    }
    true
}

const _: () = assert!(are_apart(&EXCLUSIVE), "a kind of row has two marks that share a column");
const _: () = assert!(are_apart(&SAME), "a kind of row has two whole columns that are one");
