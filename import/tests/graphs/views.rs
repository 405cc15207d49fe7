//! Operators that move numbers, and linear maps that need them moved: on the input, and between
//! layers, where the values have a layout of their own.

use crate::build::{float, int, ints, text, Build};
use dn_import::onnx::Attribute;
use dn_import::{OnnxModel, Reading};

fn run(b: &Build, x: &[f32]) -> Vec<f32> {
    OnnxModel::read(&b.bytes(), &Reading::default()).unwrap().run(x)
}

/// Numbers 1, 2, ... of an input.
fn counted(len: usize) -> Vec<f32> {
    (1..=len).map(|i| i as f32).collect()
}

/// What an operator makes of `[2, 4, 4]`: the index of each result, none for a zero.
type Index = fn(usize) -> Option<usize>;

struct View {
    op: &'static str,
    inputs: &'static [&'static str],
    attributes: Vec<Attribute>,
    len: usize,
    index: Index,
}

fn view(
    op: &'static str,
    inputs: &'static [&'static str],
    attributes: Vec<Attribute>,
    len: usize,
    index: Index,
) -> View {
    View { op, inputs, attributes, len, index }
}

fn views() -> Vec<View> {
    vec![
        view("Transpose", &[], vec![ints("perm", &[0, 1, 3, 2])], 32, |n| {
            Some(n / 16 * 16 + n % 4 * 4 + n / 4 % 4)
        }),
        view("Transpose", &[], vec![ints("perm", &[0, 2, 3, 1])], 32, |n| Some(n % 2 * 16 + n / 2)),
        view("Slice", &["one", "three", "two"], vec![], 16, |n| Some(n / 8 * 16 + n % 8 + 4)),
        view("Slice", &["last", "before", "two", "last"], vec![], 32, |n| {
            Some(n / 16 * 16 + (3 - n / 4 % 4) * 4 + n % 4)
        }),
        view("Gather", &["pick"], vec![int("axis", 3)], 24, |n| Some(n / 3 * 4 + [3, 0, 0][n % 3])),
        view("Tile", &["repeat"], vec![], 64, |n| Some(n / 32 * 16 + n % 16)),
        view("Pad", &["around"], vec![], 72, |n| {
            let (c, i, j) = (n / 36, n / 6 % 6, n % 6);
            ((1..5).contains(&i) && (1..5).contains(&j)).then(|| c * 16 + (i - 1) * 4 + j - 1)
        }),
        view("Pad", &["around"], vec![text("mode", "reflect")], 72, |n| {
            let at = |i: usize| [1, 0, 1, 2, 3, 2][i];
            Some(n / 36 * 16 + at(n / 6 % 6) * 4 + at(n % 6))
        }),
        view("Pad", &["around"], vec![text("mode", "edge")], 72, |n| {
            let at = |i: usize| [0, 0, 1, 2, 3, 3][i];
            Some(n / 36 * 16 + at(n / 6 % 6) * 4 + at(n % 6))
        }),
        view("SpaceToDepth", &[], vec![int("blocksize", 2)], 32, |n| {
            let (k, i, j) = (n / 4, n / 2 % 2, n % 2);
            Some(k % 2 * 16 + (2 * i + k / 4) * 4 + 2 * j + k / 2 % 2)
        }),
        view(
            "Resize",
            &["", "scales"],
            vec![text("coordinate_transformation_mode", "asymmetric")],
            128,
            |n| Some(n / 64 * 16 + n / 8 % 8 / 2 * 4 + n % 8 / 2),
        ),
    ]
}

fn constants(b: &mut Build) {
    b.integers("one", &[1]).integers("two", &[2]).integers("three", &[3]).integers("last", &[-1]);
    b.integers("before", &[-9]).integers("pick", &[-1, 0, 0]).integers("repeat", &[1, 1, 2, 1]);
    b.integers("around", &[0, 0, 1, 1, 0, 0, 1, 1]).constant(
        "scales",
        &[4],
        vec![1.0, 1.0, 2.0, 2.0],
    );
}

#[test]
fn numbers_are_moved_where_the_operator_says() {
    for v in views() {
        let mut b = Build::new(&[2, 4, 4]);
        constants(&mut b);
        let inputs: Vec<&str> = std::iter::once("x").chain(v.inputs.iter().copied()).collect();
        b.node(v.op, &inputs, "z", &v.attributes).node("Neg", &["z"], "y", &[]);
        let right: Vec<f32> =
            (0..v.len).map(|n| -(v.index)(n).map_or(0.0, |i| i as f32 + 1.0)).collect();
        let y: Vec<f32> = run(&b, &counted(32)).iter().map(|v| v + 0.0).collect();
        let right: Vec<f32> = right.iter().map(|v| v + 0.0).collect();
        assert_eq!(y, right, "{} {:?}", v.op, v.attributes);
    }
}

/// Between a convolution and another the values lie in an order that is not free.
#[test]
fn numbers_are_moved_between_layers() {
    for v in views() {
        let mut b = Build::new(&[3, 4, 4]);
        constants(&mut b);
        b.weights("w", &[2, 3, 1, 1]).node("Conv", &["x", "w"], "c", &[]).node(
            "Relu",
            &["c"],
            "r",
            &[],
        );
        let inputs: Vec<&str> = std::iter::once("r").chain(v.inputs.iter().copied()).collect();
        b.node(v.op, &inputs, "z", &v.attributes);
        let channels = if v.op == "SpaceToDepth" { 8 } else { 2 };
        let is_turned = v.attributes.iter().any(|a| a.ints == [0, 2, 3, 1]);
        let channels = if is_turned { 4 } else { channels };
        b.weights("v", &[3, channels, 2, 2]).node("Conv", &["z", "v"], "d", &[]).node(
            "Tanh",
            &["d"],
            "y",
            &[],
        );
        b.check_within(0.03);
    }
}

#[test]
fn depth_becomes_space_and_back() {
    for mode in ["DCR", "CRD"] {
        let mut b = Build::new(&[8, 3, 3]);
        b.weights("w", &[8, 8, 1, 1]).node("Conv", &["x", "w"], "c", &[]).node(
            "Relu",
            &["c"],
            "r",
            &[],
        );
        b.node("DepthToSpace", &["r"], "z", &[int("blocksize", 2), text("mode", mode)]);
        b.weights("v", &[2, 2, 3, 3]).node("Conv", &["z", "v"], "y", &[ints("pads", &[1; 4])]);
        b.check();
    }
}

/// By hand: a kernel of ones spreads each number over two places, two apart.
#[test]
fn transposed_convolutions_spread_their_kernel() {
    let mut b = Build::new(&[1, 3]);
    b.constant("w", &[1, 1, 3], vec![1.0, 10.0, 100.0]);
    b.node("ConvTranspose", &["x", "w"], "y", &[ints("strides", &[2])]);
    assert_eq!(run(&b, &[1.0, 2.0, 3.0]), [1.0, 10.0, 102.0, 20.0, 203.0, 30.0, 300.0]);
    let shapes: [(&[i64], Vec<Attribute>); 4] = [
        (
            &[4, 3, 3, 3],
            vec![ints("strides", &[2, 2]), ints("pads", &[1; 4]), ints("output_padding", &[1, 1])],
        ),
        (&[4, 2, 2, 2], vec![int("group", 2), ints("strides", &[2, 1])]),
        (&[4, 3, 2, 2], vec![ints("dilations", &[2, 2])]),
        (&[4, 3, 3, 3], vec![ints("strides", &[3, 3]), text("auto_pad", "SAME_UPPER")]),
    ];
    for (dims, attributes) in shapes {
        for side in [4, 9] {
            let mut b = Build::new(&[4, side, side]);
            b.weights("w", dims).weights("u", &[4, 4, 1, 1]).node("Conv", &["x", "u"], "c", &[]);
            b.node("Relu", &["c"], "r", &[])
                .node("ConvTranspose", &["r", "w"], "y", &attributes)
                .check();
        }
    }
}

/// Channels last, as Keras writes it: the input keeps the user's order, and nothing is copied.
#[test]
fn channels_may_come_last() {
    let mut b = Build::new(&[6, 6, 3]);
    b.node("Transpose", &["x"], "t", &[ints("perm", &[0, 3, 1, 2])]).weights("w", &[4, 3, 3, 3]);
    b.node("Conv", &["t", "w"], "c", &[ints("pads", &[1; 4])]).node("Relu", &["c"], "r", &[]);
    b.node("Transpose", &["r"], "b", &[ints("perm", &[0, 2, 3, 1])]).integers("flat", &[-1, 144]);
    b.node("Reshape", &["b", "flat"], "f", &[]).weights("v", &[144, 3]).node(
        "MatMul",
        &["f", "v"],
        "y",
        &[],
    );
    assert_eq!(b.check().package.graph.nodes.len(), 2);
    // Scaled per channel in front.
    let mut b = Build::new(&[6, 6, 3]);
    b.constant("mean", &[3], vec![0.1, 0.2, 0.3]).node("Sub", &["x", "mean"], "s", &[]);
    b.node("Transpose", &["s"], "t", &[ints("perm", &[0, 3, 1, 2])]).weights("w", &[4, 3, 3, 3]);
    b.node("Conv", &["t", "w"], "y", &[]);
    assert_eq!(b.check().package.graph.nodes.len(), 1);
}

#[test]
fn dense_layers_act_on_each_step_of_a_sequence() {
    let mut b = Build::new(&[5, 4]);
    b.weights("w", &[4, 6]).weights("b", &[6]).weights("v", &[6, 4]).integers("axis", &[1]);
    b.node("MatMul", &["x", "w"], "m", &[]).node("Add", &["m", "b"], "a", &[]).node(
        "Relu",
        &["a"],
        "r",
        &[],
    );
    b.node("MatMul", &["r", "v"], "n", &[]).node("Add", &["n", "x"], "s", &[]);
    b.node("ReduceMean", &["s"], "y", &[ints("axes", &[1]), int("keepdims", 0)]);
    b.check();
    let mut b = Build::new(&[2, 3]);
    b.constant("w", &[3, 2], vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0]).node(
        "MatMul",
        &["x", "w"],
        "y",
        &[],
    );
    assert_eq!(run(&b, &counted(6)), [4.0, 5.0, 10.0, 11.0]);
    let mut b = Build::new(&[2, 3]);
    b.constant("w", &[1, 2], vec![1.0, 10.0]).node("MatMul", &["w", "x"], "y", &[]);
    assert_eq!(run(&b, &counted(6)), [41.0, 52.0, 63.0]);
}

#[test]
fn sums_and_largest_values_go_over_any_axes() {
    let cases: [(&str, &[i64], &[f32]); 6] = [
        ("ReduceSum", &[1], &[8.0, 10.0, 12.0, 14.0, 16.0, 18.0]),
        ("ReduceSum", &[2], &[]),
        ("ReduceMean", &[1, 3], &[5.0, 5.0]),
        ("ReduceMax", &[3], &[3.0, 6.0, 9.0, 12.0]),
        ("ReduceMin", &[1, 2], &[1.0, 2.0, 3.0]),
        ("ReduceMean", &[1, 2, 3], &[6.5]),
    ];
    for (op, axes, right) in cases {
        let mut b = Build::new(&[2, 2, 3]);
        b.node(op, &["x"], "y", &[ints("axes", axes)]);
        let y = run(&b, &counted(12));
        match (op, axes) {
            ("ReduceSum", [2]) => assert_eq!(y, [5.0, 7.0, 9.0, 17.0, 19.0, 21.0]),
            ("ReduceMean", [1, 3]) => assert_eq!(y, [5.0, 8.0]),
            _ => assert_eq!(y, right, "{op} {axes:?}"),
        }
    }
}

#[test]
fn pools_meet_borders_as_the_file_says() {
    let mut b = Build::new(&[1, 3]);
    b.node("AveragePool", &["x"], "y", &[ints("kernel_shape", &[3]), ints("pads", &[1, 1])]);
    assert_eq!(run(&b, &[1.0, 2.0, 6.0]), [1.5, 3.0, 4.0]);
    let mut b = Build::new(&[2, 7, 7]);
    b.weights("w", &[2, 2, 3, 3]).node("Conv", &["x", "w"], "c", &[ints("pads", &[1; 4])]);
    b.node(
        "MaxPool",
        &["c"],
        "y",
        &[ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2]), ints("pads", &[1; 4])],
    );
    b.check();
    let mut b = Build::new(&[1, 4]);
    b.node(
        "MaxPool",
        &["x"],
        "y",
        &[ints("kernel_shape", &[3]), ints("strides", &[2]), int("ceil_mode", 1)],
    );
    assert_eq!(run(&b, &[-4.0, -3.0, -2.0, -1.0]), [-2.0, -1.0]);
}

#[test]
fn functions_that_exporters_write_as_graphs_are_one_table() {
    let mut b = Build::new(&[6]);
    b.weights("w", &[6, 5]).node("MatMul", &["x", "w"], "h", &[]).constant("one", &[], vec![1.0]);
    b.constant("half", &[], vec![0.5]).constant("minus", &[], vec![-0.5]).constant(
        "zero",
        &[],
        vec![0.0],
    );
    b.node("Greater", &["h", "half"], "g", &[]).node("Less", &["h", "minus"], "l", &[]);
    b.node("Or", &["g", "l"], "o", &[]).node("Where", &["o", "h", "zero"], "y", &[]);
    assert_eq!(b.check().package.graph.nodes.len(), 1);
    let mut b = Build::new(&[6]);
    b.weights("w", &[6, 5]).node("MatMul", &["x", "w"], "h", &[]).constant("one", &[], vec![1.0]);
    b.node("Abs", &["h"], "a", &[]).node("Add", &["a", "one"], "s", &[]).node(
        "Div",
        &["h", "s"],
        "y",
        &[],
    );
    assert_eq!(b.check().package.graph.nodes.len(), 1);
    let mut b = Build::new(&[2]);
    b.node("Sigmoid", &["x"], "s", &[]).node("Log", &["s"], "y", &[]);
    let y = run(&b, &[-200.0, 0.0]);
    assert!((y[0] + 200.0).abs() < 1e-3 && (y[1] + 2f32.ln()).abs() < 1e-6, "{y:?}");
}

#[test]
fn constants_and_slopes_differ_per_channel_or_value() {
    let mut b = Build::new(&[2, 2]);
    b.constant("c", &[1, 2, 2], vec![10.0, 20.0, 30.0, 40.0]).node("Add", &["x", "c"], "y", &[]);
    assert_eq!(run(&b, &counted(4)), [11.0, 22.0, 33.0, 44.0]);
    let mut b = Build::new(&[2, 2]);
    b.constant("c", &[2, 1], vec![0.1, 0.5]).node("PRelu", &["x", "c"], "y", &[]);
    assert_eq!(run(&b, &[1.0, -1.0, -2.0, 2.0]), [1.0, -0.1, -1.0, 2.0]);
    let mut b = Build::new(&[3, 4]);
    b.weights("w", &[2, 3, 2]).weights("c", &[2, 3]).node("Conv", &["x", "w"], "h", &[]);
    b.node("Add", &["h", "c"], "a", &[]).node("Relu", &["a"], "r", &[]).weights("v", &[6, 2]);
    b.node("Flatten", &["r"], "f", &[]).node("MatMul", &["f", "v"], "y", &[]).check();
}

#[test]
fn rows_of_a_table_are_looked_up() {
    let mut b = Build::new(&[3]);
    b.constant("e", &[4, 2], vec![0.0, 1.0, 10.0, 11.0, 20.0, 21.0, 30.0, 31.0]);
    b.node("Gather", &["e", "x"], "y", &[]);
    assert_eq!(run(&b, &[3.0, 0.0, 1.0]), [30.0, 31.0, 0.0, 1.0, 10.0, 11.0]);
    let mut b = Build::new(&[3]);
    b.weights("e", &[300, 2]).node("Gather", &["e", "x"], "y", &[]);
    assert!(b.reason("y").contains("128 rows"));
}

#[test]
fn volumes_are_images_with_more_channels() {
    let mut b = Build::new(&[1, 3, 2, 2]);
    b.constant("w", &[1, 1, 2, 1, 1], vec![1.0, 100.0]).node("Conv", &["x", "w"], "y", &[]);
    assert_eq!(run(&b, &counted(12))[..5], [501.0, 602.0, 703.0, 804.0, 905.0]);
    let mut b = Build::new(&[2, 3, 4, 4]);
    b.node("MaxPool", &["x"], "y", &[ints("kernel_shape", &[2, 2, 2])]).check();
    let mut b = Build::new(&[2, 4, 4, 4]);
    b.node(
        "AveragePool",
        &["x"],
        "y",
        &[ints("kernel_shape", &[2, 2, 2]), ints("strides", &[2, 2, 2])],
    )
    .check();
}

#[test]
fn images_are_interpolated() {
    let mut b = Build::new(&[1, 1, 2]);
    b.constant("s", &[4], vec![1.0, 1.0, 1.0, 2.0]);
    b.node("Resize", &["x", "", "s"], "y", &[text("mode", "linear")]);
    assert_eq!(run(&b, &[0.0, 4.0]), [0.0, 1.0, 3.0, 4.0]);
    let mut b = Build::new(&[2, 3, 3]);
    b.constant("s", &[4], vec![1.0, 1.0, 2.0, 2.0]).weights("w", &[2, 2, 1, 1]);
    b.node("Conv", &["x", "w"], "c", &[]).node("Relu", &["c"], "r", &[]);
    b.node("Resize", &["r", "", "s"], "y", &[text("mode", "cubic"), float("cubic_coeff_a", -0.5)])
        .check();
}

/// As PyTorch writes `Unflatten` of the last axis: dimensions in front, new ones, dimensions behind, of
/// which there are none.
#[test]
fn a_slice_of_dimensions_may_be_empty() {
    let mut b = Build::new(&[12]);
    b.node("Relu", &["x"], "r", &[]).node("Shape", &["r"], "s", &[]);
    b.integers("zero", &[0]).integers("one", &[1]).integers("two", &[2]);
    b.integers("end", &[i64::MAX]).integers("new", &[3, 4]);
    b.node("Slice", &["s", "zero", "one"], "front", &[]);
    b.node("Slice", &["s", "two", "end"], "behind", &[]);
    b.node("Concat", &["front", "new", "behind"], "dims", &[int("axis", 0)]);
    b.node("Reshape", &["r", "dims"], "cut", &[]);
    b.node("Transpose", &["cut"], "y", &[ints("perm", &[0, 2, 1])]);
    let x = counted(12);
    let expected: Vec<f32> = (0..12).map(|n| x[n % 3 * 4 + n / 3]).collect();
    assert_eq!(run(&b, &x), expected);
    let mut b = Build::new(&[4]);
    b.integers("one", &[1]);
    b.node("Slice", &["x", "one", "one", "one"], "y", &[]);
    assert!(OnnxModel::read(&b.bytes(), &Reading::default()).is_err());
}

#[test]
fn triangles_add_up_and_leave_out() {
    let x = counted(12);
    let of = |op: &str, attributes: &[Attribute], operand: i64| {
        let mut b = Build::new(&[3, 4]);
        b.integers("k", &[operand]).node(op, &["x", "k"], "y", attributes);
        run(&b, &x)
    };
    let sum = |along: fn(usize, usize) -> bool| -> Vec<f32> {
        (0..12).map(|n| (0..12).filter(|m| along(*m, n)).map(|m| x[m]).sum()).collect()
    };
    assert_eq!(of("CumSum", &[], 2), sum(|m, n| m / 4 == n / 4 && m <= n));
    assert_eq!(of("CumSum", &[int("exclusive", 1)], -1), sum(|m, n| m / 4 == n / 4 && m < n));
    assert_eq!(of("CumSum", &[int("reverse", 1)], 1), sum(|m, n| m % 4 == n % 4 && m >= n));
    let cut = |stays: fn(usize, usize) -> bool| -> Vec<f32> {
        (0..12).map(|n| if stays(n / 4, n % 4) { x[n] } else { 0.0 }).collect()
    };
    assert_eq!(of("Trilu", &[], 1), cut(|row, column| column > row));
    assert_eq!(of("Trilu", &[int("upper", 0)], 0), cut(|row, column| column <= row));
}

#[test]
fn elements_are_gathered_by_constant_indices() {
    let mut b = Build::new(&[8]);
    b.integers("flat", &[3, -1, 3]).integers("dims", &[1, 3]);
    b.node("Reshape", &["flat", "dims"], "index", &[]);
    b.node("GatherElements", &["x", "index"], "y", &[int("axis", 1)]);
    assert_eq!(run(&b, &counted(8)), [4.0, 8.0, 4.0]);
}
