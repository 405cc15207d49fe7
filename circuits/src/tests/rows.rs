//! Kinds of rows: each has the marks that its file names, and no two that share a column.

use super::nets::Net;
use super::sequences::Batch;
use super::soundness::random_graph;
use super::Stream;
use crate::plan::{rows_by_part, Frame, Plan};
use crate::system::kind::Kind;
use crate::system::steering::{Fx, NESTED, SAME};
use crate::system::table;
use dn_core::statement::Form;
use dn_core::{Scoring, Width};

/// Marks that stand beside rows of any kind.
const ANYWHERE: [Fx; 4] = [Fx::Active, Fx::Table0, Fx::Table1, Fx::Table2];

fn check(plan: &Plan, row: usize) {
    let (kind, marks) = (plan.kind(row), plan.fixed.marks(row));
    let about = kind.about();
    let what = format!("row {row}, {}", about.name);
    let groups = || about.marks.iter().chain(about.beside.iter().copied().flatten());
    let mut allowed = ANYWHERE.iter().fold(0, |set, fx| set | fx.bit());
    for group in groups() {
        let group = group.iter().fold(0, |set, fx| set | fx.bit());
        assert!((group & marks).count_ones() <= 1, "{what}: two marks of one group");
        allowed |= group;
    }
    // A whole column that has two names is set under both.
    for (a, b) in SAME {
        if allowed & (a.bit() | b.bit()) != 0 {
            allowed |= a.bit() | b.bit();
        }
    }
    let foreign: Vec<Fx> =
        Fx::ALL.into_iter().filter(|fx| marks & !allowed & fx.bit() != 0).collect();
    assert!(foreign.is_empty(), "{what}: {foreign:?}");
    for (outer, inner) in NESTED {
        assert!(marks & inner.bit() == 0 || marks & outer.bit() != 0, "{what}: {inner:?} alone");
    }
    let looks_up = about.marks.iter().any(|group| group.contains(&Fx::Lookup));
    assert_eq!(marks & Fx::Lookup.bit() != 0, looks_up, "{what}");
}

/// The crate builds only if no kind has two marks that share a column; here is shown that rows have no others
/// than their kinds say.
#[test]
fn rows_have_the_marks_of_their_kinds_whatever_the_graph() {
    let (mut s, mut seen) = (Stream(97), std::collections::BTreeSet::new());
    for i in 0..120 {
        let graph = random_graph(&mut s);
        let width = Width::ALL[i % Width::ALL.len()];
        let form = if i % 2 == 0 { Form::Listed } else { Form::Digest };
        let scoring = if i % 5 == 0 { Scoring::None } else { Scoring::Classes };
        let frame = Frame::of(1 + i % 24, width).with(form).scored(scoring);
        let plan = Plan::new(&graph, frame).unwrap();
        (0..plan.rows).for_each(|row| check(&plan, row));
        seen.extend((0..plan.rows).map(|row| plan.kind(row)));
    }
    for width in Width::ALL {
        for net in [Net::everything_of(width), Net::long_of(width)] {
            (0..net.plan.rows).for_each(|row| check(&net.plan, row));
        }
    }
    super::products::nets()
        .for_each(|net| (0..net.plan.rows).for_each(|row| check(&net.plan, row)));
    for batch in [Batch::short(), Batch::long(), Batch::attending()] {
        (0..batch.plan.rows).for_each(|row| check(&batch.plan, row));
        seen.extend((0..batch.plan.rows).map(|row| batch.plan.kind(row)));
    }
    assert!(Kind::ALL.iter().all(|kind| seen.contains(kind)), "{seen:?}");
}

#[test]
fn every_row_belongs_to_one_part() {
    let mut s = Stream(11);
    for i in 0..40 {
        let graph = random_graph(&mut s);
        let form = if i % 2 == 0 { Form::Listed } else { Form::Digest };
        let frame = Frame::of(8 * (1 + i % 9), Width::ALL[i % Width::ALL.len()]).with(form);
        let parts = rows_by_part(&graph, frame).unwrap();
        let nodes: usize = parts.nodes.iter().sum();
        let rows = 1 + parts.hashes + parts.inputs + nodes + parts.quality;
        assert_eq!(Plan::new(&graph, frame).unwrap().rows, rows.max(parts.table));
        assert!(parts.nodes.iter().all(|rows| *rows > 0));
        let quotients: usize = parts.quotients.iter().sum();
        assert_eq!(quotients, table::rows(&graph));
        assert!(quotients < parts.table);
    }
}
