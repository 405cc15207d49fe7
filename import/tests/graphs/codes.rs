//! Quantised files: layers on what codes stand for, and what computes with the codes themselves.

use crate::build::{float, int, ints, Build};
use dn_import::onnx::{Tensor, INT32, INT8, UINT8};
use dn_import::{OnnxModel, Reading};

fn run(b: &Build, x: &[f32]) -> Vec<f32> {
    OnnxModel::read(&b.bytes(), &Reading::default()).unwrap().run(x)
}

#[test]
fn quantised_files_are_read_as_the_numbers_that_their_codes_stand_for() {
    let mut b = Build::new(&[2]);
    b.constant("s", &[], vec![0.5]).constant("ws", &[], vec![0.25]).constant(
        "w",
        &[2, 1],
        vec![1.1, -0.9],
    );
    b.node("QuantizeLinear", &["x", "s"], "q", &[]).node("DequantizeLinear", &["q", "s"], "d", &[]);
    b.node("QuantizeLinear", &["w", "ws"], "v", &[]).node(
        "DequantizeLinear",
        &["v", "ws"],
        "u",
        &[],
    );
    b.node("MatMul", &["d", "u"], "m", &[]).node("QuantizeLinear", &["m", "s"], "o", &[]);
    b.node("DequantizeLinear", &["o", "s"], "y", &[]);
    // Codes of bytes: the weights are 1 and 0, and the last pair is a clip at 0.
    assert_eq!(run(&b, &[3.0, 5.0]), [3.0]);
    assert_eq!(run(&b, &[-3.0, 5.0]), [0.0]);
    let mut b = Build::new(&[2]);
    b.integers("w", &[3, 5]).constant("ws", &[], vec![0.5]).integers("shape", &[2, 1]);
    b.node("Reshape", &["w", "shape"], "v", &[]);
    b.node("DynamicQuantizeLinear", &["x"], "q", &[]).outputs_of_last(&["q", "s", "z"]);
    b.node("MatMulInteger", &["q", "v", "z"], "m", &[]).node("Mul", &["s", "ws"], "t", &[]);
    b.node("Cast", &["m"], "f", &[int("to", 1)]).node("Mul", &["f", "t"], "y", &[]);
    assert_eq!(run(&b, &[2.0, 1.0]), [5.5]);
}

/// Each example has a scale by itself, so nothing else than the layer's own numbers can be had.
#[test]
fn scales_of_single_examples_are_factors_of_their_layer_only() {
    let told = |node: &dyn Fn(&mut Build)| {
        let mut b = Build::new(&[2]);
        b.integers("w", &[3, 5]).integers("shape", &[2, 1]).constant("ws", &[], vec![0.5]);
        b.node("Reshape", &["w", "shape"], "v", &[]);
        b.node("DynamicQuantizeLinear", &["x"], "q", &[]).outputs_of_last(&["q", "s", "z"]);
        node(&mut b);
        match b.import() {
            Err(e) => e.to_string(),
            Ok(_) => String::new(),
        }
    };
    let layer = |b: &mut Build| {
        b.node("MatMulInteger", &["q", "v", "z"], "m", &[]).node(
            "Cast",
            &["m"],
            "f",
            &[int("to", 1)],
        );
    };
    let whole = |b: &mut Build| {
        layer(b);
        b.node("Mul", &["f", "s"], "y", &[]);
    };
    assert_eq!(told(&whole), "");
    let without = |b: &mut Build| {
        layer(b);
        b.node("Mul", &["f", "ws"], "y", &[]);
    };
    assert!(told(&without).contains("by itself"));
    let beside = |b: &mut Build| {
        b.node("Add", &["x", "s"], "y", &[]);
    };
    assert!(told(&beside).contains("by itself"));
    let codes = |b: &mut Build| {
        b.node("Cast", &["q"], "f", &[int("to", 1)]).node("Mul", &["f", "s"], "y", &[]);
    };
    assert!(told(&codes).contains("by itself"));
    let unshifted = |b: &mut Build| {
        b.node("MatMulInteger", &["q", "v"], "m", &[]).node("Cast", &["m"], "f", &[int("to", 1)]);
        b.node("Mul", &["f", "s"], "y", &[]);
    };
    assert!(told(&unshifted).contains("zero point"));
    let open = |b: &mut Build| {
        layer(b);
        b.node("Identity", &["f"], "y", &[]);
    };
    assert!(told(&open).contains("lacks a scale"));
}

/// A code is a number: where a node computes with it, that is what it computes with.
#[test]
fn arithmetic_on_codes_is_that_of_their_numbers() {
    let run_on = |op: &str, operands: &[&str], x: &[f32]| {
        let mut b = Build::new(&[2]);
        b.constant("s", &[], vec![0.5]).tensor(byte("z", 10)).tensor(byte("c", 20));
        b.node("QuantizeLinear", &["x", "s", "z"], "q", &[]).node(op, operands, "r", &[]);
        b.node("DequantizeLinear", &["r", "s", "z"], "y", &[]);
        run(&b, x)
    };
    // 1.2 is code 12, -1 is code 8; codes are no smaller than 0.
    assert_eq!(run_on("Relu", &["q"], &[1.2, -1.0]), [1.0, -1.0]);
    assert_eq!(run_on("Max", &["q", "c"], &[1.2, 6.0]), [5.0, 6.0]);
    assert_eq!(run_on("Clip", &["q", "", "c"], &[7.0, -9.0]), [5.0, -5.0]);
    assert_eq!(run_on("Add", &["q", "c"], &[1.0, 118.0]), [11.0, 0.0]);
    let mut b = Build::new(&[2]);
    b.constant("s", &[], vec![0.5]).tensor(byte("z", 10));
    b.node("QuantizeLinear", &["x", "s", "z"], "q", &[]).node("Cast", &["q"], "y", &[int("to", 1)]);
    assert_eq!(run(&b, &[1.2, -1.0]), [12.0, 8.0]);
    // The type of a zero point is known behind what passes it on.
    let mut b = Build::new(&[2]);
    b.constant("s", &[], vec![0.5]).tensor(Tensor { data_type: INT8, ..byte("z", 0) });
    b.node("Identity", &["z"], "i", &[]).node("Relu", &["x"], "h", &[]).node(
        "Neg",
        &["h"],
        "n",
        &[],
    );
    b.node("QuantizeLinear", &["n", "s", "i"], "q", &[]);
    b.node("DequantizeLinear", &["q", "s", "i"], "y", &[]);
    assert_eq!(run(&b, &[3.0, 80.0]), [-3.0, -64.0]);
}

/// A constant of one byte.
fn byte(name: &str, value: i32) -> Tensor {
    let int32_data = vec![value];
    Tensor { name: name.into(), data_type: UINT8, int32_data, ..Tensor::default() }
}

/// Codes end where their type does, those of inputs, too.
#[test]
fn inputs_beyond_the_codes_of_a_file_are_clipped() {
    let mut b = Build::new(&[2]);
    b.constant("s", &[], vec![0.5]).tensor(byte("z", 10));
    b.node("QuantizeLinear", &["x", "s", "z"], "q", &[]);
    b.node("DequantizeLinear", &["q", "s", "z"], "y", &[]);
    assert_eq!(run(&b, &[200.0, -7.0]), [122.5, -5.0]);
    // No example reaches so far, so the codes of the input are those of the output.
    assert_eq!(b.check().package.graph.nodes.len(), 1);
}

/// The bias has the scale of the products, `alpha` included.
#[test]
fn the_bias_of_a_quantised_layer_is_scaled_as_its_products_are() {
    let mut b = Build::new(&[2]);
    b.constant("s", &[], vec![0.5]).tensor(byte("z", 0)).tensor(byte("o", 0));
    let (data_type, int32_data) = (UINT8, vec![2, 4]);
    b.tensor(Tensor {
        name: "w".into(),
        dims: vec![2, 1],
        data_type,
        int32_data,
        ..Tensor::default()
    });
    let (data_type, int32_data) = (INT32, vec![8]);
    b.tensor(Tensor {
        name: "b".into(),
        dims: vec![1],
        data_type,
        int32_data,
        ..Tensor::default()
    });
    b.node("QuantizeLinear", &["x", "s", "z"], "q", &[]);
    let operands = ["q", "s", "z", "w", "s", "o", "b", "s", "z"];
    b.node("QGemm", &operands, "g", &[float("alpha", 0.5)]).domain_of_last("com.microsoft");
    b.node("DequantizeLinear", &["g", "s", "z"], "y", &[]);
    // 0.5 (3 * 1 + 1 * 2) + 8 * 0.5 * 0.25
    assert_eq!(run(&b, &[3.0, 1.0]), [3.5]);
}

/// A code is what it is: read with twice the scale, and with another zero point, it is another number.
#[test]
fn codes_may_be_read_with_other_scales_than_they_were_made_with() {
    let mut b = Build::new(&[1, 2, 2]);
    b.constant("s", &[], vec![0.5]).constant("t", &[], vec![1.0]).integers("z", &[3]);
    b.node("QuantizeLinear", &["x", "s"], "q", &[]);
    b.node("MaxPool", &["q"], "m", &[ints("kernel_shape", &[2, 2])]);
    b.node("DequantizeLinear", &["m", "t", "z"], "y", &[]);
    // 4 / 0.5 = 8, and 8 - 3.
    assert_eq!(run(&b, &[1.0, 4.0, 2.0, 3.0]), [5.0]);
    let mut b = Build::new(&[2]);
    b.constant("s", &[], vec![0.5]).constant("t", &[], vec![1.0]);
    b.node("QuantizeLinear", &["x", "s"], "q", &[]).node("QuantizeLinear", &["x", "t"], "p", &[]);
    b.node("Concat", &["q", "p"], "c", &[int("axis", 1)]);
    b.node("DequantizeLinear", &["c", "s"], "y", &[]);
    // 6 and 3 are the codes of 3.
    assert_eq!(run(&b, &[3.0, -1.0]), [3.0, 0.0, 1.5, 0.0]);
}
