//! What stands at the end of a graph and is left to its reader, and what only looks so.

use crate::build::{float, int, ints, text, Build};
use dn_import::onnx::{Attribute, Dimension};
use dn_import::{ImportError, OnnxModel, Reading};
use prost::Message;

fn read(b: &Build) -> Result<OnnxModel, ImportError> {
    OnnxModel::read(&b.bytes(), &Reading::default())
}

fn run(b: &Build, x: &[f32]) -> Vec<f32> {
    read(b).unwrap().run(x)
}

/// Two of a sum's shares are in the order of its numbers, if the sum is positive.
#[test]
fn shares_of_numbers_that_may_be_negative_are_computed() {
    let shares = |front: &str, norm: &str, axis: i64| {
        let mut b = Build::new(&[3]);
        b.integers("axis", &[axis]).node(front, &["x"], "s", &[]);
        let axes = if norm == "ReduceSum" { vec![] } else { vec![ints("axes", &[axis])] };
        let operands = ["s", "axis"];
        let operands = if norm == "ReduceSum" { &operands[..] } else { &operands[..1] };
        b.node(norm, operands, "n", &axes).node("Div", &["s", "n"], "y", &[]);
        run(&b, &[1.0, -5.0, 2.0])
    };
    assert_eq!(shares("Neg", "ReduceSum", 1), [-0.5, 2.5, -1.0]);
    assert_eq!(shares("Relu", "ReduceSum", 1), [1.0, 0.0, 2.0]);
    assert_eq!(shares("Neg", "ReduceL1", 1), [-1.0, 5.0, -2.0]);
    // Each number over itself.
    assert_eq!(shares("Exp", "ReduceSum", 0), [1.0; 3]);
}

fn learned(op: &str, attributes: &[Attribute]) -> Build {
    let mut b = Build::new(&[3]);
    b.node(op, &["x"], "y", attributes).domain_of_last("ai.onnx.ml");
    b
}

#[test]
fn a_largest_number_that_may_be_negative_is_divided_by() {
    let y = run(&learned("Normalizer", &[text("norm", "MAX")]), &[-4.0, -2.0, -8.0]);
    assert_eq!(y, [2.0, 1.0, 4.0]);
    assert_eq!(
        run(&learned("Normalizer", &[text("norm", "L1")]), &[1.0, -2.0, 1.0]),
        [1.0, -2.0, 1.0]
    );
}

#[test]
fn a_softmax_with_zeros_is_none() {
    let floats = |name: &str, floats: &[f32]| Attribute {
        name: name.into(),
        floats: floats.to_vec(),
        ..Attribute::default()
    };
    for (post, is_read) in [("SOFTMAX", true), ("SOFTMAX_ZERO", false)] {
        let attributes =
            [floats("coefficients", &[1.0; 6]), int("targets", 2), text("post_transform", post)];
        assert_eq!(read(&learned("LinearRegressor", &attributes)).is_ok(), is_read, "{post}");
    }
}

/// Some leave it as it is, some make it 1.
#[test]
fn a_single_number_is_not_transformed() {
    let weights =
        Attribute { name: "coefficients".into(), floats: vec![1.0; 3], ..Attribute::default() };
    for post in ["LOGISTIC", "SOFTMAX"] {
        let told =
            read(&learned("LinearRegressor", &[weights.clone(), text("post_transform", post)]));
        assert!(told.unwrap_err().to_string().contains("single number"), "{post}");
    }
}

#[test]
fn columns_that_are_not_there_are_refused() {
    let told = |dimension: i64| {
        read(&learned("FeatureVectorizer", &[ints("inputdimensions", &[dimension])])).is_ok()
    };
    assert!(told(3) && !told(2));
}

/// Parameters belong to the functions that have some.
#[test]
fn recurrent_layers_give_each_function_its_own_parameters() {
    let strings = |names: &[&str]| Attribute {
        name: "activations".into(),
        strings: names.iter().map(|n| n.as_bytes().to_vec()).collect(),
        ..Attribute::default()
    };
    let alphas = |floats: &[f32]| Attribute {
        name: "activation_alpha".into(),
        floats: floats.to_vec(),
        ..Attribute::default()
    };
    // One step of a GRU whose new state is that of its last function: z = 0.5, so y = 0.5 n.
    let mut b = Build::new(&[1, 1]);
    b.constant("w", &[1, 3, 1], vec![0.0, 0.0, 1.0]).constant("r", &[1, 3, 1], vec![0.0; 3]);
    let attributes = [
        int("hidden_size", 1),
        int("layout", 1),
        strings(&["Sigmoid", "LeakyRelu"]),
        alphas(&[0.5]),
    ];
    b.node("GRU", &["x", "w", "r"], "y", &attributes);
    assert_eq!(run(&b, &[-4.0]), [-1.0]);
}

/// Between 0 and 0 nothing is left.
#[test]
fn a_clip_at_zero_is_one() {
    let mut b = Build::new(&[1, 2]);
    b.weights("w", &[1, 1, 2]).weights("r", &[1, 1, 1]);
    let attributes = [int("hidden_size", 1), int("layout", 1), float("clip", 0.0)];
    b.node("RNN", &["x", "w", "r"], "y", &attributes);
    assert!(read(&b).unwrap_err().to_string().contains("clip"));
}

#[test]
fn recurrent_layers_begin_with_constant_states() {
    let mut b = Build::new(&[1, 2]);
    b.constant("w", &[1, 1, 2], vec![1.0, 1.0]).constant("r", &[1, 1, 1], vec![2.0]);
    b.constant("h", &[1, 1, 1], vec![3.0]);
    let relu = Attribute {
        name: "activations".into(),
        strings: vec![b"Relu".to_vec()],
        ..Attribute::default()
    };
    let attributes = [int("hidden_size", 1), int("layout", 1), relu];
    b.node("RNN", &["x", "w", "r", "", "", "h"], "y", &attributes);
    assert_eq!(run(&b, &[1.0, 4.0]), [11.0]);
}

/// A row of constants for each example of a batch is none for each output.
#[test]
fn the_addend_of_a_gemm_spreads_as_a_matrix() {
    let gemm = |dims: &[i64]| {
        let mut b = Build::new(&[2]);
        b.constant("w", &[2, 2], vec![1.0, 0.0, 0.0, 1.0]);
        let len = dims.iter().product::<i64>() as usize;
        b.constant("c", dims, (1..=len).map(|i| i as f32).collect());
        b.node("Gemm", &["x", "w", "c"], "y", &[float("beta", 10.0)]);
        read(&b).map(|m| m.run(&[1.0, 2.0])).map_err(|e| e.to_string())
    };
    assert_eq!(gemm(&[2]).unwrap(), [11.0, 22.0]);
    assert_eq!(gemm(&[1, 2]).unwrap(), [11.0, 22.0]);
    assert_eq!(gemm(&[1, 1]).unwrap(), [11.0, 12.0]);
    assert!(gemm(&[2, 1]).unwrap_err().contains("values are needed"));
}

#[test]
fn reductions_over_no_axes_keep_what_they_do_to_single_numbers() {
    for (op, y) in
        [("ReduceL1", [3.0, 2.0]), ("ReduceSumSquare", [9.0, 4.0]), ("ReduceSum", [-3.0, 2.0])]
    {
        let mut b = Build::new(&[2]);
        b.node(op, &["x"], "y", &[int("noop_with_empty_axes", 1)]);
        assert_eq!(run(&b, &[-3.0, 2.0]), y, "{op}");
    }
}

/// `0.7 * 10` is 7 in single precision, and 6.99 with more of it.
#[test]
fn images_have_the_extents_that_single_precision_gives() {
    let mut b = Build::new(&[1, 1, 10]);
    b.constant("s", &[4], vec![1.0, 1.0, 1.0, 0.7]);
    let attributes =
        [text("mode", "nearest"), text("coordinate_transformation_mode", "asymmetric")];
    b.node("Resize", &["x", "", "s"], "y", &attributes);
    assert_eq!(run(&b, &[1.0; 10]).len(), 7);
}

#[test]
fn rows_of_tables_may_be_counted_from_their_end() {
    let mut b = Build::new(&[2]);
    b.constant("t", &[3, 1], vec![10.0, 20.0, 30.0]).node("Gather", &["t", "x"], "y", &[]);
    assert_eq!(run(&b, &[1.0, -1.0]), [20.0, 30.0]);
}

/// A graph that is made for four examples of three numbers.
pub(crate) fn for_four(nodes: impl FnOnce(&mut Build)) -> Result<Vec<f32>, String> {
    let mut b = Build::new(&[3]);
    b.integers("all", &[-1]).integers("pairs", &[2, 6]).integers("columns", &[4, 3, 1]);
    b.integers("first", &[0]).integers("one", &[1]).weights("m", &[4, 4]).constant(
        "w",
        &[3, 1],
        vec![1.0; 3],
    );
    nodes(&mut b);
    let mut model = b.model();
    let shape = &mut model.graph.as_mut().unwrap().input[0].r#type.as_mut().unwrap();
    let dim = &mut shape.tensor_type.as_mut().unwrap().shape.as_mut().unwrap().dim;
    dim[0] = Dimension { dim_value: Some(4), dim_param: None };
    let read = OnnxModel::read(&model.encode_to_vec(), &Reading::default());
    read.map(|m| m.run(&[1.0, 2.0, 3.0])).map_err(|e| e.to_string())
}

#[test]
fn nothing_leads_from_one_example_of_a_fixed_batch_to_another() {
    let mixing: [(&str, &[&str], Vec<Attribute>); 9] = [
        ("ReduceMean", &["x"], vec![ints("axes", &[0])]),
        ("ReduceSum", &["x"], vec![]),
        ("Softmax", &["x"], vec![int("axis", 0)]),
        ("Gather", &["x", "first"], vec![int("axis", 0)]),
        ("Slice", &["x", "first", "one"], vec![]),
        ("Reshape", &["x", "pairs"], vec![]),
        ("MatMul", &["m", "x"], vec![]),
        ("Concat", &["x", "x"], vec![int("axis", 0)]),
        ("Flatten", &["x"], vec![int("axis", 0)]),
    ];
    for (op, operands, attributes) in mixing {
        let result = for_four(|b| {
            b.node(op, operands, "z", &attributes).node("Neg", &["z"], "y", &[]);
        });
        assert!(result.is_err(), "{op}: {result:?}");
    }
    let separate = for_four(|b| {
        b.node("Reshape", &["x", "columns"], "c", &[]).node(
            "Transpose",
            &["c"],
            "t",
            &[ints("perm", &[1, 0, 2])],
        );
        b.node("ReduceMax", &["t"], "r", &[ints("axes", &[0]), int("keepdims", 0)]);
        b.node("MatMul", &["x", "w"], "m1", &[]).node("Add", &["r", "m1"], "y", &[]);
    });
    assert_eq!(separate.unwrap(), [9.0]);
}
