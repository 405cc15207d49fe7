//! Malformed and unsupported graphs: the error names the node and says why.

use crate::build::{int, ints, text, Build};
use dn_import::onnx::Attribute;
use dn_import::ImportError;

/// A node on an image of 2 x 6 x 6, with weights `w` of 3 x 2 x 3 x 3.
fn reason(op: &str, inputs: &[&str], attributes: &[Attribute]) -> String {
    let mut b = Build::new(&[2, 6, 6]);
    b.weights("w", &[3, 2, 3, 3]).weights("k", &[5]).integers("axis", &[1]);
    b.node(op, inputs, "z", attributes).node("Relu", &["z"], "y", &[]).reason("z")
}

#[test]
fn nodes_that_cannot_be_read() {
    let huge = i64::MAX;
    let cases: [(&str, &[&str], Vec<Attribute>, &str); 25] = [
        ("Conv", &["x"], vec![], "operand 1 is missing"),
        ("Conv", &["x", "x"], vec![], "is not a constant"),
        ("Conv", &["q", "w"], vec![], "is not computed before"),
        ("Conv", &["w", "w"], vec![], "must not be a constant"),
        ("Conv", &["x", "k"], vec![], "do not fit"),
        ("Conv", &["x", "w", "k"], vec![], "3 values are needed"),
        ("Conv", &["x", "w"], vec![int("group", 0)], "groups"),
        ("Conv", &["x", "w"], vec![int("group", -3)], "groups"),
        ("Conv", &["x", "w"], vec![int("group", 3)], "groups"),
        ("Conv", &["x", "w"], vec![ints("kernel_shape", &[2, 2])], "kernel_shape"),
        ("Conv", &["x", "w"], vec![ints("strides", &[0, 1])], "zero"),
        ("Conv", &["x", "w"], vec![ints("strides", &[1])], "entries"),
        ("Conv", &["x", "w"], vec![ints("dilations", &[huge, huge])], "too large"),
        ("Conv", &["x", "w"], vec![ints("pads", &[huge; 4])], "too large"),
        ("Conv", &["x", "w"], vec![ints("pads", &[-1, 0, 0, 0])], "negative"),
        ("Conv", &["x", "w"], vec![ints("dilations", &[5, 5])], "exceeds"),
        ("Conv", &["x", "w"], vec![text("auto_pad", "ODD")], "auto_pad"),
        ("Gemm", &["x", "w"], vec![], "dimensions"),
        ("MaxPool", &["x"], vec![], "kernel_shape is missing"),
        (
            "MaxPool",
            &["x"],
            vec![ints("kernel_shape", &[3, 3]), ints("pads", &[3; 4])],
            "whole window",
        ),
        ("Mul", &["x", "w"], vec![], "do not fit"),
        ("Add", &["x", "k"], vec![], "do not fit"),
        ("Squeeze", &["x", "axis"], vec![], "more than one value"),
        ("LogSoftmax", &["x"], vec![], "last operator"),
        ("LSTM", &["x"], vec![], "three are needed"),
    ];
    for (op, inputs, attributes, expected) in cases {
        let reason = reason(op, inputs, &attributes);
        assert!(reason.contains(expected), "{op}: {reason}");
    }
}

#[test]
fn inputs_without_a_fixed_size() {
    let mut b = Build::new(&[2, -1, 6]);
    b.node("Relu", &["x"], "y", &[]);
    let error = import_error(&b.bytes());
    assert!(error.contains("fixed size"), "{error}");
    let mut b = Build::new(&[1 << 40, 1 << 40]);
    b.node("Relu", &["x"], "y", &[]);
    let error = import_error(&b.bytes());
    assert!(error.contains("too large"), "{error}");
    let error = import_error(&Build::new(&[2, 6, 6]).bytes());
    assert!(error.contains("no node produces"), "{error}");
}

fn import_error(bytes: &[u8]) -> String {
    match dn_import::import_onnx(bytes, &dn_import::Calibration::default(), "refused") {
        Err(ImportError::Graph { reason }) => reason,
        other => panic!("{:?}", other.map(|i| i.package.graph)),
    }
}
