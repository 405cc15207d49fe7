//! Forged quality rows, one per constraint. Look-ups and multiplicities are repaired, so only the
//! named constraint and the folds can object.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::{failures, setup, LANES};
use crate::plan::Plan;
use crate::system::rows::classes::SLACK_OFFSET;
use crate::system::table::packed_score;
use crate::witness::Witness;

fn value(w: &Witness, row: usize, column: usize) -> u64 {
    (0..1u64 << 17).find(|v| Fr::from(*v) == w.cells[row][column]).unwrap()
}

/// Writes `hi` or `lo` of a quality row so that its look-up holds.
fn write(plan: &Plan, w: &mut Witness, row: usize, column: usize, new: u64) {
    let old = value(w, row, column);
    let triple = |v: u64| match column {
        _ if column < LANES => (plan.table.tag_score, v, packed_score(v)),
        _ => (plan.table.tag_lo, v, 0),
    };
    w.multiplicities[plan.table.find(triple(old)).unwrap()] -= 1;
    w.multiplicities[plan.table.find(triple(new)).unwrap()] += 1;
    w.cells[row][column] = Fr::from(new);
    if column < LANES {
        w.cells[row][2 * LANES + column] = Fr::from(packed_score(new));
    }
}

const OTHER: usize = LANES + 1;
const PROBE: usize = LANES + 2;
const LABEL: usize = LANES + 3;

fn rejects(constraint: &str, forge: impl Fn(&Plan, &mut Witness, usize)) {
    let (_, plan, mut witness) = setup(8, 8);
    // Slot 3 is a probe of class 3 among five; its rows are two of classes and the score.
    let first = plan.sections.quality + 3 * 3;
    assert_eq!(value(&witness, first + 2, LABEL), 4);
    forge(&plan, &mut witness, first);
    let failures = failures(&plan, witness);
    let named = failures.iter().any(|f| f.contains(&format!("'{constraint}'")));
    assert!(named, "{constraint}: {failures:?}");
}

#[test]
fn rejects_a_slack_that_is_off_by_one() {
    rejects("label", |plan, w, row| {
        let slack = value(w, row, LANES + 2);
        write(plan, w, row, LANES + 2, slack ^ 1);
    });
}

/// A lower best value needs a negative slack somewhere, which no look-up holds.
#[test]
fn soundness_row_19_rejects_a_best_other_below_an_unlabelled_output() {
    rejects("label", |plan, w, row| {
        (0..3).for_each(|r| write(plan, w, row + r, OTHER, 0));
        for i in 0..3 {
            write(plan, w, row, LANES + 2 * i, SLACK_OFFSET - 1 - i as u64);
        }
    });
}

#[test]
fn soundness_row_17_rejects_a_best_class_that_counts_twice() {
    rejects("best", |plan, w, row| write(plan, w, row, 1, 2));
}

#[test]
fn soundness_row_17_rejects_the_label_as_its_own_rival() {
    rejects("distinct", |plan, w, row| write(plan, w, row, 7, 1));
}

#[test]
fn soundness_row_17_rejects_a_best_class_in_the_padding() {
    rejects("padding", |plan, w, row| write(plan, w, row + 1, 3, 1));
}

#[test]
fn rejects_another_best_value_on_the_second_class_row() {
    rejects("same", |plan, w, row| {
        let other = value(w, row + 1, OTHER);
        write(plan, w, row + 1, OTHER, other ^ 1);
    });
}

#[test]
fn rejects_a_label_that_no_class_row_carries() {
    rejects("totals", |plan, w, row| write(plan, w, row + 2, LABEL, 3));
}

#[test]
fn soundness_row_19_rejects_a_probe_that_counts_twice() {
    rejects("probe", |plan, w, row| write(plan, w, row + 2, PROBE, 2));
}

#[test]
fn soundness_row_19_rejects_a_larger_margin() {
    rejects("key", |plan, w, row| {
        let key = value(w, row + 2, 0);
        write(plan, w, row + 2, 0, key + 1);
    });
}

/// The looked-up score of a row must belong to its key.
#[test]
fn soundness_row_19_rejects_a_score_of_another_key() {
    let (_, plan, mut witness) = setup(8, 8);
    let row = plan.sections.quality + 3 * 3 + 2;
    witness.cells[row][2 * LANES] += Fr::ONE;
    assert!(!failures(&plan, witness).is_empty());
}
