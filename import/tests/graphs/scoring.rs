//! What proofs of an imported model score: labels, a softmax, or the outputs tell.

use crate::build::{int, Build};
use dn_core::Scoring;
use dn_import::{import_onnx, Calibration};

/// A dense layer with so many outputs, and a softmax behind it if `probabilities`.
fn dense(outputs: i64, probabilities: bool) -> Build {
    let mut b = Build::new(&[3]);
    b.weights("w", &[3, outputs]);
    if probabilities {
        b.node("MatMul", &["x", "w"], "s", &[]).node("Softmax", &["s"], "y", &[int("axis", 1)]);
    } else {
        b.node("MatMul", &["x", "w"], "y", &[]);
    }
    b
}

fn scoring(mut b: Build, labels: impl FnOnce(Calibration) -> Calibration) -> Scoring {
    let examples = labels(b.examples());
    import_onnx(&b.bytes(), &examples, "built").unwrap().package.scoring
}

fn classes(of: i64) -> impl FnOnce(Calibration) -> Calibration {
    move |c| Calibration { y: Some((0..c.x.len() as i64).map(|i| i % of).collect()), ..c }
}

fn quantities(c: Calibration) -> Calibration {
    Calibration { has_quantities: true, ..c }
}

#[test]
fn labels_decide() {
    assert_eq!(scoring(dense(4, false), classes(4)), Scoring::Classes);
    assert_eq!(scoring(dense(300, false), classes(300)), Scoring::Classes);
    assert_eq!(scoring(dense(4, false), quantities), Scoring::None);
    assert_eq!(scoring(dense(4, true), quantities), Scoring::None);
}

#[test]
fn without_labels_a_softmax_or_a_short_list_means_classes() {
    for (outputs, probabilities, expected) in [
        (1, false, Scoring::None),
        (2, false, Scoring::Classes),
        (100, false, Scoring::Classes),
        (101, false, Scoring::None),
        (101, true, Scoring::Classes),
        (1000, true, Scoring::Classes),
    ] {
        assert_eq!(scoring(dense(outputs, probabilities), |c| c), expected, "{outputs}");
    }
}

#[test]
fn images_are_no_classes() {
    let mut b = Build::new(&[1, 5, 5]);
    b.weights("w", &[1, 1, 3, 3]).node("Conv", &["x", "w"], "y", &[]);
    assert_eq!(scoring(b, |c| c), Scoring::None);
}

#[test]
fn more_outputs_than_there_can_be_classes_are_none() {
    assert_eq!(scoring(dense(4097, true), |c| c), Scoring::None);
}
