//! Products of computed tensors, and what is made of them.

use dn_core::quant::{Graph, Part};

use crate::build::{int, ints, text, Build};

/// Nodes that have a product.
fn products(graph: &Graph) -> usize {
    graph.nodes.iter().filter(|n| n.is_product()).count()
}

#[test]
fn tensors_of_one_shape_are_multiplied() {
    let mut b = Build::new(&[2, 6, 6]);
    b.weights("w", &[4, 2, 3, 3]).weights("v", &[4, 2, 3, 3]);
    b.node("Conv", &["x", "w"], "a", &[]).node("Conv", &["x", "v"], "g", &[]);
    b.node("Sigmoid", &["g"], "s", &[]).node("Mul", &["a", "s"], "y", &[]);
    let graph = b.check().package.graph;
    assert_eq!((graph.nodes.len(), products(&graph)), (3, 1));
}

/// A vector, a matrix and one number: gated linear units, as PyTorch writes them.
#[test]
fn halves_of_a_tensor_gate_each_other() {
    let mut b = Build::new(&[6]);
    b.weights("w", &[6, 8]).node("MatMul", &["x", "w"], "h", &[]);
    b.node("Split", &["h"], "a", &[int("axis", 1)]);
    b.outputs_of_last(&["a", "b"]);
    b.node("Sigmoid", &["b"], "s", &[]).node("Mul", &["a", "s"], "y", &[]);
    assert_eq!(products(&b.check().package.graph), 1);
    let mut b = Build::new(&[6]);
    b.weights("w", &[6, 8]).weights("v", &[6, 1]).node("MatMul", &["x", "w"], "h", &[]);
    b.node("MatMul", &["x", "v"], "one", &[]).node("Mul", &["one", "h"], "y", &[]);
    assert_eq!(products(&b.check().package.graph), 1);
}

/// Squeeze and excite, and a gate for each position: the gate is read once for all that it gates.
#[test]
fn gates_of_channels_and_of_positions() {
    let mut b = Build::new(&[2, 6, 6]);
    b.weights("w", &[4, 2, 3, 3]).node("Conv", &["x", "w"], "c", &[]);
    b.node("Relu", &["c"], "r", &[]).node("GlobalAveragePool", &["r"], "m", &[]);
    b.weights("v", &[4, 4, 1, 1]).node("Conv", &["m", "v"], "h", &[]);
    b.node("HardSigmoid", &["h"], "g", &[]).node("Mul", &["r", "g"], "s", &[]);
    b.node("Add", &["s", "r"], "y", &[]);
    let graph = b.check().package.graph;
    let node = graph.nodes.iter().find(|n| n.is_product()).unwrap();
    let gate = node.sources.iter().find(|s| s.part == Part::Right).unwrap();
    assert_eq!(graph.shape(gate.tensor).positions(), 1);
    assert!(node.sources.iter().any(|s| s.part == Part::Sum), "the sum joins the product");

    let mut b = Build::new(&[2, 4, 4]);
    b.weights("w", &[3, 2, 3, 3]).weights("v", &[1, 2, 3, 3]);
    b.node("Conv", &["x", "w"], "c", &[ints("pads", &[1; 4])]);
    b.node("Conv", &["x", "v"], "d", &[ints("pads", &[1; 4])]).node("Tanh", &["d"], "t", &[]);
    b.node("Mul", &["t", "c"], "y", &[]);
    assert_eq!(products(&b.check().package.graph), 1);
}

#[test]
fn functions_of_one_tensor_stay_tables() {
    for (op, other) in [("Mul", "Sigmoid"), ("Mul", "HardSigmoid"), ("Mul", "Tanh")] {
        let mut b = Build::new(&[6]);
        b.weights("w", &[6, 5]).node("MatMul", &["x", "w"], "h", &[]);
        b.node(other, &["h"], "s", &[]).node(op, &["h", "s"], "y", &[]);
        let graph = b.check().package.graph;
        assert_eq!((graph.nodes.len(), products(&graph)), (1, 0), "{other}");
    }
}

#[test]
fn quotients_extremes_and_choices_of_two_tensors() {
    let two = |op: &str| {
        let mut b = Build::new(&[6]);
        b.weights("w", &[6, 5]).weights("v", &[6, 5]).node("MatMul", &["x", "w"], "a", &[]);
        b.node("MatMul", &["x", "v"], "h", &[]).node("Sigmoid", &["h"], "b", &[]);
        b.node(op, &["a", "b"], "y", &[]);
        b
    };
    assert_eq!(products(&two("Div").check_within(0.03).package.graph), 1);
    assert_eq!(products(&two("Max").check().package.graph), 0);
    assert_eq!(products(&two("Min").check().package.graph), 0);
    // A choice between two tensors by a third one.
    let mut b = Build::new(&[6]);
    for (name, result) in [("w", "a"), ("v", "b"), ("u", "c")] {
        b.weights(name, &[6, 5]).node("MatMul", &["x", name], result, &[]);
    }
    b.constant("border", &[], vec![0.25]).node("Greater", &["c", "border"], "is", &[]);
    b.node("Where", &["is", "a", "b"], "y", &[]);
    assert_eq!(products(&b.check_within(0.03).package.graph), 1);
}

/// Normalisations and a softmax inside of the graph, and the product of two matrices: steps of int8.
#[test]
fn what_divides_by_a_statistic_is_made_of_products() {
    let mut b = Build::new(&[6]);
    b.weights("w", &[6, 8]).weights("s", &[8]).weights("t", &[8]).weights("v", &[8, 3]);
    b.node("MatMul", &["x", "w"], "h", &[]).node("LayerNormalization", &["h", "s", "t"], "n", &[]);
    b.node("MatMul", &["n", "v"], "y", &[]).check_within(0.05);
    let mut b = Build::new(&[6]);
    b.weights("w", &[6, 8]).weights("v", &[8, 3]).node("MatMul", &["x", "w"], "h", &[]);
    b.node("Softmax", &["h"], "s", &[]).node("MatMul", &["s", "v"], "y", &[]).check_within(0.05);
    let mut b = Build::new(&[3, 4]);
    b.weights("w", &[4, 4]).node("MatMul", &["x", "w"], "q", &[]);
    b.node("Transpose", &["q"], "t", &[ints("perm", &[0, 2, 1])]);
    b.node("MatMul", &["x", "t"], "y", &[]).check_within(0.05);
}

/// `[batch, steps, inputs]` and what a recurrent layer makes of it, all outputs one behind the other.
fn recurrent(op: &str, gates: i64, directions: i64, more: &[dn_import::onnx::Attribute]) -> Build {
    let (steps, inputs, hidden) = (4, 3, 4);
    let mut b = Build::new(&[steps, inputs]);
    b.weights("w", &[directions, gates * hidden, inputs]);
    b.weights("r", &[directions, gates * hidden, hidden]);
    b.weights("b", &[directions, 2 * gates * hidden]);
    b.node("Transpose", &["x"], "t", &[ints("perm", &[1, 0, 2])]);
    let mut attributes = vec![int("hidden_size", hidden)];
    if directions == 2 {
        attributes.push(text("direction", "bidirectional"));
    }
    attributes.extend_from_slice(more);
    b.node(op, &["t", "w", "r", "b"], "all", &attributes).outputs_of_last(&["all", "h"]);
    b.node("Transpose", &["all"], "turned", &[ints("perm", &[2, 0, 1, 3])]);
    b.node("Flatten", &["turned"], "y", &[]);
    b
}

#[test]
fn recurrent_layers_are_unrolled() {
    for directions in [1, 2] {
        let graph = recurrent("LSTM", 4, directions, &[]).check().package.graph;
        assert_eq!(products(&graph), (4 + 4 + 3) * directions as usize);
        recurrent("RNN", 1, directions, &[]).check();
        for last in [0, 1] {
            let graph = recurrent("GRU", 3, directions, &[int("linear_before_reset", last)]);
            let mut graph = graph;
            assert!(products(&graph.check().package.graph) >= 7);
        }
    }
    let mut b = recurrent("LSTM", 4, 1, &[text("direction", "reverse")]);
    b.check();
}

#[test]
fn recurrences_that_are_not_read_are_refused() {
    let reason = |more: &[dn_import::onnx::Attribute]| {
        recurrent("LSTM", 4, 1, more).reason("all").to_owned()
    };
    assert!(reason(&[int("input_forget", 1)]).contains("input_forget"));
    assert!(reason(&[crate::build::float("clip", 0.5)]).contains("clip"));
    assert!(reason(&[text("direction", "sideways")]).contains("sideways"));
}

/// Older programs refuse a package with products by its version; all other packages keep their bytes.
#[test]
fn packages_with_products_have_a_version_of_their_own() {
    let bytes = |op: &str| {
        let mut b = Build::new(&[6]);
        b.weights("w", &[6, 5]).weights("v", &[6, 5]).node("MatMul", &["x", "w"], "a", &[]);
        b.node("MatMul", &["x", "v"], "b", &[]).node(op, &["a", "b"], "y", &[]);
        let package = b.check().package;
        let bytes = package.to_bytes().unwrap();
        assert_eq!(dn_import::Package::from_bytes(&bytes).unwrap(), package);
        // One graph has one package: that of the other version is refused.
        let other = |from: &[u8], to: &[u8]| {
            let at = bytes.windows(from.len()).position(|w| w == from);
            let mut other = bytes.clone();
            at.map(|at| {
                other[at..at + to.len()].copy_from_slice(to);
                dn_import::Package::from_bytes(&other).is_err()
            })
        };
        let (three, four) = (b"\\\"version\\\":3", b"\\\"version\\\":4");
        assert!(other(three, four).or_else(|| other(four, three)).unwrap());
        String::from_utf8_lossy(&bytes).into_owned()
    };
    assert!(bytes("Mul").contains("\\\"version\\\":4"));
    let sum = bytes("Add");
    assert!(sum.contains("\\\"version\\\":3") && !sum.contains("part"));
}

/// A comparison in front of everything reads the input's codes as they are.
#[test]
fn inputs_may_be_compared() {
    let mut b = Build::new(&[8]);
    b.constant("zero", &[], vec![0.0]).weights("w", &[8, 3]);
    b.node("Greater", &["x", "zero"], "p", &[]);
    b.node("Less", &["x", "w0"], "q", &[]).constant("w0", &[], vec![0.5]);
    b.node("And", &["p", "q"], "both", &[]).node("MatMul", &["both", "w"], "y", &[]);
    let imported = b.check_within(0.1);
    assert!(imported.fidelity(&b.examples()).error < 0.2);
}

#[test]
fn every_number_of_one_list_is_multiplied_by_every_one_of_another() {
    let mut b = Build::new(&[7]);
    b.integers("sizes", &[3, 4]).integers("row", &[2]).integers("column", &[1]);
    b.node("Split", &["x", "sizes"], "a", &[int("axis", 1)]).outputs_of_last(&["a", "b"]);
    b.node("Unsqueeze", &["a", "row"], "p", &[]).node("Unsqueeze", &["b", "column"], "q", &[]);
    let imported = b.node("Mul", &["p", "q"], "y", &[]).check();
    // What reads a tensor for a single position reads it value by value; no image is so read, too.
    let graph = &imported.package.graph;
    for tensor in 0..graph.nodes.len() {
        let readers = graph.nodes.iter().filter(|n| n.sources.iter().any(|s| s.tensor == tensor));
        let dense: Vec<bool> = readers.map(|n| n.shape.positions() == 1).collect();
        assert!(dense.windows(2).all(|pair| pair[0] == pair[1]), "tensor {tensor}: {dense:?}");
    }
}
