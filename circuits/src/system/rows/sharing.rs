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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::columns::Acc;

    const fn about(
        marks: &'static [&'static [Fx]],
        beside: &'static [&'static [&'static [Fx]]],
    ) -> About {
        let registers: &[(Acc, &str)] = &[];
        About { name: "a kind", cells: &[], marks, beside, registers }
    }

    /// What the crate's build rests on: it fails for kinds that have two marks of a column, and for no others.
    #[test]
    fn marks_meet_only_from_different_groups() {
        let (a, b) = (Fx::Product, Fx::Score);
        assert!(!meet(&about(&[&[Fx::Product, Fx::Score]], &[]), a, b), "one of a group is set");
        assert!(meet(&about(&[&[Fx::Product], &[Fx::Score]], &[]), a, b));
        assert!(meet(&about(&[&[Fx::Product]], &[&[&[Fx::Score]]]), a, b), "one runs beside it");
        assert!(meet(&about(&[], &[&[&[Fx::Product], &[Fx::Score]]]), a, b), "both run beside it");
        assert!(meet(&about(&[], &[&[&[Fx::Product]], &[&[Fx::Score]]]), a, b), "on two tracks");
        assert!(!meet(&about(&[], &[&[&[Fx::Product, Fx::Score]]]), a, b));
        assert!(!meet(&about(&[&[Fx::Product]], &[]), a, b), "it has one of them");
        assert!(!meet(&about(&[], &[]), a, b));
    }

    #[test]
    fn every_kind_is_held_to_the_pairs() {
        assert!(are_apart(&EXCLUSIVE) && are_apart(&SAME));
        // The pairs are not empty, and a pair that does meet is seen.
        assert!(!EXCLUSIVE.is_empty() && !SAME.is_empty());
        assert!(!are_apart(&[(Fx::Lookup, Fx::Position)]));
    }
}
