//! Files that are easily read as something else without a word, or not at all.

use crate::build::{int, ints, Build};
use crate::tails::for_four;
use dn_import::{ImportError, OnnxModel, Reading};

fn read(b: &Build) -> Result<OnnxModel, ImportError> {
    OnnxModel::read(&b.bytes(), &Reading::default())
}

fn run(b: &Build, x: &[f32]) -> Vec<f32> {
    read(b).unwrap().run(x)
}

/// What stands between is made while reading, under names of its own.
#[test]
fn nothing_made_while_reading_hides_that_examples_mix() {
    let codes = for_four(|b| {
        b.constant("s", &[], vec![0.25]).node("QuantizeLinear", &["x", "s"], "q", &[]);
        b.node("Cast", &["q"], "f", &[int("to", 1)]);
        b.node("ReduceMax", &["f"], "y", &[ints("axes", &[0]), int("keepdims", 0)]);
    });
    assert!(codes.unwrap_err().contains("one example of the batch"));
    let triangle = for_four(|b| {
        b.node("Trilu", &["x"], "y", &[]);
    });
    assert!(triangle.unwrap_err().contains("one example of the batch"));
}

/// An axis that may be that of the examples is looked at, however it is counted.
#[test]
fn an_axis_that_may_be_the_examples_is_none_of_scores() {
    for axis in [0, -2] {
        let mut b = Build::new(&[3]);
        b.node("Softmax", &["x"], "y", &[int("axis", axis)]);
        let told = read(&b).map(|m| m.run(&[1.0, 2.0, 3.0]));
        assert!(told.is_err() || told.unwrap() == [1.0; 3], "axis {axis}");
        let mut b = Build::new(&[3]);
        b.integers("axis", &[axis]).node("Exp", &["x"], "s", &[]);
        b.node("ReduceSum", &["s", "axis"], "n", &[]).node("Div", &["s", "n"], "y", &[]);
        assert_eq!(run(&b, &[1.0, 2.0, 3.0]), [1.0; 3], "axis {axis}");
    }
}

/// 200 is -56 as an int8.
#[test]
fn numbers_that_a_narrow_type_turns_over_may_be_negative() {
    let mut b = Build::new(&[3]);
    b.node("Relu", &["x"], "r", &[]).node("Cast", &["r"], "c", &[int("to", 3)]);
    b.node("Cast", &["c"], "s", &[int("to", 1)]);
    b.integers("axis", &[1]).node("ReduceSum", &["s", "axis"], "n", &[]);
    b.node("Div", &["s", "n"], "y", &[]);
    if let Ok(model) = read(&b) {
        let y = model.run(&[200.0, 200.0, 10.0]);
        assert!(y[0] > y[2], "the file says 0.55, 0.55, -0.1: {y:?}");
    }
}

/// Each of these would be looked at 2^22 or 12^22 times.
#[test]
fn graphs_in_which_everything_is_used_twice_are_read_at_once() {
    for (op, operands) in [("Mul", 2), ("Sum", 12)] {
        let mut b = Build::new(&[2]);
        b.node("Relu", &["x"], "t0", &[]);
        for i in 0..22 {
            let from = format!("t{i}");
            b.node(op, &vec![from.as_str(); operands], &format!("t{}", i + 1), &[]);
        }
        b.integers("axis", &[1]).node("ReduceSum", &["t22", "axis"], "n", &[]);
        b.node("Div", &["t22", "n"], "y", &[]);
        let _ = read(&b);
    }
}

#[test]
fn tensors_without_numbers_have_bounded_extents() {
    for extent in [1 << 20, 1 << 40] {
        let mut b = Build::new(&[2]);
        b.constant("a", &[extent, 0], vec![]).constant("b", &[0, extent], vec![]);
        b.node("MatMul", &["a", "b"], "c", &[]).node("Add", &["x", "c"], "y", &[]);
        assert!(read(&b).is_err());
    }
}

#[test]
fn a_name_that_reading_makes_is_no_tensor_of_the_file() {
    let mut b = Build::new(&[2]);
    b.constant("s", &[], vec![0.25]).node("QuantizeLinear", &["x", "s"], "q", &[]);
    b.node("Neg", &["x"], "q@codes", &[]).node("Cast", &["q"], "f", &[int("to", 1)]);
    b.node("Add", &["f", "q@codes"], "y", &[]);
    assert!(read(&b).unwrap_err().to_string().contains("rename one"));
}
