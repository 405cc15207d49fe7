//! What can be read: the integer model follows the float model.

use crate::build::{float, int, ints, text, Build};
use dn_core::quant::Shape;

fn image(channels: usize, height: usize, width: usize) -> Shape {
    Shape { channels, height, width }
}

#[test]
fn convolutions_of_all_geometries() {
    let cases: [(&[i64], Vec<_>, Shape); 8] = [
        (&[5, 4, 3, 3], vec![ints("pads", &[1, 1, 1, 1])], image(5, 8, 7)),
        (
            &[5, 4, 3, 2],
            vec![ints("pads", &[0, 1, 2, 0]), ints("strides", &[2, 1])],
            image(5, 4, 7),
        ),
        (&[6, 2, 3, 3], vec![int("group", 2), ints("dilations", &[2, 1])], image(6, 4, 5)),
        (&[4, 1, 3, 3], vec![int("group", 4), text("auto_pad", "SAME_UPPER")], image(4, 8, 7)),
        (&[8, 1, 2, 2], vec![int("group", 4), text("auto_pad", "SAME_LOWER")], image(8, 8, 7)),
        (&[3, 4, 8, 7], vec![text("auto_pad", "VALID")], image(3, 1, 1)),
        (&[3, 4, 1, 1], vec![ints("pads", &[2, 0, 0, 3])], image(3, 10, 10)),
        (
            &[2, 4, 2, 2],
            vec![ints("pads", &[0, 0, 5, 5]), ints("strides", &[6, 6])],
            image(2, 2, 2),
        ),
    ];
    for (dims, attributes, shape) in cases {
        let mut b = Build::new(&[4, 8, 7]);
        b.weights("w", dims).weights("b", &[dims[0]]).node(
            "Conv",
            &["x", "w", "b"],
            "c",
            &attributes,
        );
        let imported = b.node("Relu", &["c"], "y", &[]).check();
        assert_eq!(imported.package.graph.nodes.len(), 1);
        assert_eq!(imported.package.graph.shape(1), shape, "{dims:?}");
    }
}

#[test]
fn signals_are_images_of_one_row() {
    let mut b = Build::new(&[3, 20]);
    b.weights("w", &[6, 3, 5]).weights("b", &[6]).weights("v", &[4, 6 * 5]);
    b.node("Conv", &["x", "w", "b"], "c", &[ints("pads", &[2, 2])]).node("Relu", &["c"], "r", &[]);
    b.node("MaxPool", &["r"], "m", &[ints("kernel_shape", &[2]), ints("strides", &[2])]);
    b.node("AveragePool", &["m"], "a", &[ints("kernel_shape", &[2]), ints("strides", &[2])]);
    b.node("Flatten", &["a"], "f", &[]).node("Gemm", &["f", "v"], "y", &[int("transB", 1)]).check();
}

#[test]
fn functions_between_layers_become_tables() {
    let functions = [
        ("LeakyRelu", vec![float("alpha", 0.2)]),
        ("Sigmoid", vec![]),
        ("Tanh", vec![]),
        ("Clip", vec![float("min", 0.0), float("max", 1.0)]),
        ("Elu", vec![float("alpha", 1.0)]),
        ("Selu", vec![]),
        ("HardSigmoid", vec![]),
        ("HardSwish", vec![]),
        ("Softplus", vec![]),
        ("Softsign", vec![]),
        ("Abs", vec![]),
        ("Exp", vec![]),
        ("Mish", vec![]),
        ("Gelu", vec![]),
        ("Gelu", vec![text("approximate", "tanh")]),
    ];
    for (op, attributes) in functions {
        let mut b = Build::new(&[6]);
        b.weights("w", &[6, 5]).weights("v", &[5, 4]).node("MatMul", &["x", "w"], "h", &[]);
        b.node(op, &["h"], "a", &attributes).node("MatMul", &["a", "v"], "y", &[]);
        assert_eq!(b.check().package.graph.nodes.len(), 2, "{op}");
    }
}

#[test]
fn composed_functions_are_one_table() {
    let mut b = Build::new(&[2, 6, 6]);
    b.weights("w", &[4, 2, 3, 3]).constant("root", &[], vec![std::f32::consts::SQRT_2]);
    b.constant("one", &[], vec![1.0]).constant("half", &[1], vec![0.5]);
    b.node("Conv", &["x", "w"], "c", &[]).node("Div", &["c", "root"], "d", &[]);
    b.node("Erf", &["d"], "e", &[]).node("Add", &["e", "one"], "f", &[]);
    b.node("Mul", &["c", "f"], "g", &[]).node("Mul", &["g", "half"], "y", &[]);
    let gelu = b.check();
    assert_eq!(gelu.package.graph.nodes.len(), 1);
    let mut b = Build::new(&[2, 6, 6]);
    b.weights("w", &[4, 2, 3, 3]).node("Conv", &["x", "w"], "c", &[]);
    b.node("Sigmoid", &["c"], "s", &[]).node("Mul", &["c", "s"], "y", &[]);
    assert_eq!(b.check().package.graph.nodes.len(), 1);
}

#[test]
fn normalisation_joins_the_convolution_or_stays() {
    let norm = |b: &mut Build, from: &str, to: &str| {
        b.weights("scale", &[4]).weights("shift", &[4]).weights("mean", &[4]);
        b.constant("variance", &[4], vec![0.5, 1.0, 2.0, 0.1]);
        b.node("BatchNormalization", &[from, "scale", "shift", "mean", "variance"], to, &[]);
    };
    let mut b = Build::new(&[2, 6, 6]);
    b.weights("w", &[4, 2, 3, 3]).node("Conv", &["x", "w"], "c", &[]);
    norm(&mut b, "c", "n");
    assert_eq!(b.node("Relu", &["n"], "y", &[]).check().package.graph.nodes.len(), 1);

    let mut b = Build::new(&[4, 6, 6]);
    norm(&mut b, "x", "n");
    b.weights("w", &[4, 4, 3, 3]).node("Conv", &["n", "w"], "y", &[ints("pads", &[1; 4])]);
    assert_eq!(b.check().package.graph.nodes.len(), 2);
    let mut b = Build::new(&[4]);
    norm(&mut b, "x", "n");
    b.weights("w", &[4, 3]).node("MatMul", &["n", "w"], "y", &[]);
    assert_eq!(b.check().package.graph.nodes.len(), 1);
}

#[test]
fn sums_and_concatenations_are_sources() {
    let mut b = Build::new(&[4, 6, 6]);
    b.weights("w", &[4, 4, 3, 3]).weights("k", &[4, 1, 1]).node("Relu", &["x"], "r", &[]);
    b.node("Conv", &["r", "w"], "c", &[ints("pads", &[1; 4])]);
    b.node("Add", &["c", "r"], "s", &[]).node("Mul", &["s", "k"], "m", &[]);
    b.node("Relu", &["m"], "y", &[]);
    let graph = b.check().package.graph;
    assert_eq!((graph.nodes.len(), graph.nodes[1].sources.len()), (2, 2));

    let mut b = Build::new(&[3, 6, 6]);
    b.weights("w", &[4, 3, 3, 3]).weights("v", &[5, 7, 3, 3]).weights("d", &[7, 1, 3, 3]);
    b.node("Conv", &["x", "w"], "c", &[ints("pads", &[1; 4])]).node("Relu", &["c"], "r", &[]);
    b.node("Concat", &["x", "r"], "z", &[int("axis", 1)]);
    b.node("Conv", &["z", "v"], "u", &[]).node("Relu", &["u"], "y", &[]);
    let graph = b.check().package.graph;
    assert_eq!((graph.nodes.len(), graph.nodes[1].sources.len()), (2, 2));

    let mut b = Build::new(&[3, 6, 6]);
    b.weights("w", &[4, 3, 3, 3]).weights("d", &[7, 1, 3, 3]);
    b.node("Conv", &["x", "w"], "c", &[ints("pads", &[1; 4])]).node("Relu", &["c"], "r", &[]);
    b.node("Concat", &["x", "r"], "z", &[int("axis", -3)]);
    b.node("Conv", &["z", "d"], "y", &[int("group", 7)]).check();
}

#[test]
fn flattened_images_can_be_concatenated_and_normalised() {
    let mut b = Build::new(&[2, 4, 4]);
    b.weights("w", &[3, 2, 3, 3]).weights("v", &[32 + 12, 5]).weights("k", &[44]);
    b.node("Conv", &["x", "w"], "c", &[]).node("Relu", &["c"], "r", &[]);
    b.node("Flatten", &["r"], "f", &[]).node("Flatten", &["x"], "g", &[]);
    b.node("Concat", &["g", "f"], "z", &[int("axis", 1)]).node("Mul", &["z", "k"], "m", &[]);
    b.node("MatMul", &["m", "v"], "y", &[]);
    let graph = b.check().package.graph;
    assert_eq!(graph.nodes.last().unwrap().sources.len(), 2);
}

#[test]
fn pools_of_all_kinds() {
    let cases: [(&str, Vec<_>, usize); 8] = [
        ("MaxPool", vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])], 1),
        (
            "MaxPool",
            vec![ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2]), ints("pads", &[1; 4])],
            11,
        ),
        (
            "MaxPool",
            vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2]), int("ceil_mode", 1)],
            7,
        ),
        ("MaxPool", vec![ints("kernel_shape", &[2, 1])], 4),
        ("GlobalMaxPool", vec![], 1),
        ("AveragePool", vec![ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2])], 2),
        (
            "AveragePool",
            vec![ints("kernel_shape", &[2, 2]), ints("pads", &[1; 4]), int("count_include_pad", 1)],
            2,
        ),
        ("GlobalAveragePool", vec![], 2),
    ];
    for (op, attributes, nodes) in cases {
        let mut b = Build::new(&[2, 9, 9]);
        b.weights("w", &[3, 2, 3, 3]).weights("b", &[3]).node("Conv", &["x", "w", "b"], "c", &[]);
        b.node("Relu", &["c"], "r", &[]).node(op, &["r"], "y", &attributes);
        let imported = b.check();
        assert!(
            imported.package.graph.nodes.len() <= nodes,
            "{op} {attributes:?}: {}",
            imported.package.graph.nodes.len()
        );
    }
}

/// Without padding the windows may hold negative values; the result is exact on the codes.
#[test]
fn overlapping_windows_of_signed_values() {
    let mut b = Build::new(&[2, 7, 7]);
    b.node("MaxPool", &["x"], "y", &[ints("kernel_shape", &[3, 2]), ints("strides", &[2, 1])]);
    let imported = b.check_within(0.005);
    let x: Vec<f32> = (0..98).map(|i| if i % 2 == 0 { -1.0 } else { 0.999 }).collect();
    let q = imported.package.quantize_input(&x);
    let y = dn_core::quant::execute(&imported.package.graph, &q);
    assert!(y.iter().all(|q| *q == 127), "{y:?}");
}

#[test]
fn means_and_paddings_join_their_reader() {
    let mut b = Build::new(&[2, 6, 6]);
    b.weights("w", &[3, 2, 3, 3]).weights("v", &[3, 4]).integers("p", &[0, 0, 1, 1, 0, 0, 1, 1]);
    b.integers("axes", &[-1, -2]).node("Pad", &["x", "p"], "q", &[]);
    b.node("Conv", &["q", "w"], "c", &[]).node("Relu", &["c"], "r", &[]);
    b.node("ReduceMean", &["r", "axes"], "m", &[int("keepdims", 0)]);
    b.node("MatMul", &["m", "v"], "z", &[]).node("Softmax", &["z"], "y", &[int("axis", 1)]);
    assert_eq!(b.check().package.graph.nodes.len(), 2);
}

#[test]
fn average_pools_join_padded_convolutions() {
    let mut b = Build::new(&[2, 8, 8]);
    b.weights("w", &[3, 2, 3, 3]).weights("v", &[3, 3, 3, 3]);
    b.node("Conv", &["x", "w"], "c", &[ints("pads", &[1; 4])]).node("Relu", &["c"], "r", &[]);
    b.node("AveragePool", &["r"], "p", &[ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]);
    b.node("Conv", &["p", "v"], "d", &[ints("pads", &[1; 4])]).node("Relu", &["d"], "y", &[]);
    let graph = b.check().package.graph;
    assert_eq!(graph.nodes.len(), 2);
    assert_eq!(
        (graph.nodes[1].sources[0].geometry.kernel, graph.nodes[1].sources[0].geometry.pad),
        ([6, 6], [2, 2])
    );
}

#[test]
fn readers_that_disagree_get_copies() {
    let mut b = Build::new(&[2, 6, 6]);
    b.weights("w", &[3, 2, 3, 3])
        .weights("u", &[3, 3, 3, 3])
        .weights("v", &[3, 3, 1, 1])
        .weights("k", &[108, 3]);
    b.node("Conv", &["x", "w"], "c", &[ints("pads", &[1; 4])]).node("Relu", &["c"], "r", &[]);
    b.node("Conv", &["r", "u"], "a", &[ints("pads", &[1; 4]), ints("strides", &[2, 2])]);
    b.node("Conv", &["r", "v"], "b", &[]).node("Relu", &["b"], "e", &[]);
    b.node("Flatten", &["r"], "f", &[]).node("MatMul", &["f", "k"], "g", &[]);
    b.node("GlobalAveragePool", &["a"], "h", &[]).node("Flatten", &["h"], "i", &[]);
    b.node("GlobalAveragePool", &["e"], "j", &[]).node("Flatten", &["j"], "l", &[]);
    b.node("Sum", &["g", "i", "l"], "y", &[]);
    let graph = b.check().package.graph;
    graph.validate().unwrap();
}

#[test]
fn shapes_may_be_computed() {
    let mut b = Build::new(&[2, 4, 4]);
    b.weights("w", &[32, 3]).integers("zero", &[0]).integers("rest", &[-1]);
    b.node("Relu", &["x"], "r", &[]).node("Shape", &["r"], "s", &[]);
    b.node("Gather", &["s", "zero"], "n", &[int("axis", 0)]);
    b.node("Concat", &["n", "rest"], "t", &[int("axis", 0)]);
    b.node("Reshape", &["r", "t"], "f", &[]).node("MatMul", &["f", "w"], "y", &[]).check();

    let mut b = Build::new(&[32]);
    b.weights("w", &[3, 2, 3, 3]).integers("t", &[-1, 2, 4, 4]);
    b.node("Reshape", &["x", "t"], "i", &[]).node("Conv", &["i", "w"], "y", &[]);
    assert_eq!(b.check().package.graph.input, image(2, 4, 4));
}
