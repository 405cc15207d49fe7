//! What stands around the nodes of a file: domains, functions, outputs, sizes, other files.

use std::path::{Path, PathBuf};

use crate::build::{float, int, ints, text, Build};
use dn_import::onnx::{Attribute, Dimension, Entry, Function, Model, Node, OperatorSet, ValueInfo};
use dn_import::{operators, ImportError, OnnxModel, Reading};
use prost::Message;

fn read(model: &Model, reading: &Reading) -> Result<OnnxModel, String> {
    OnnxModel::read(&model.encode_to_vec(), reading).map_err(|e| e.to_string())
}

fn refused(model: &Model, reading: &Reading) -> String {
    read(model, reading).map(|m| m.outputs().to_vec()).unwrap_err()
}

/// A graph `y = op(x)` on three numbers.
fn single(op: &str, domain: &str) -> Model {
    let mut b = Build::new(&[3]);
    b.node(op, &["x"], "y", &[]);
    let mut model = b.model();
    model.graph.as_mut().unwrap().node[0].domain = domain.into();
    model
}

/// Attributes that change what is computed are read or refused.
#[test]
fn learned_models_with_what_is_not_read_are_refused() {
    let told = |op: &str, attributes: &[Attribute]| {
        let mut model = single(op, "ai.onnx.ml");
        model.graph.as_mut().unwrap().node[0].attribute = attributes.to_vec();
        read(&model, &Reading::default()).map(|_| String::new()).unwrap_or_else(|e| e)
    };
    let floats = |name: &str, floats: &[f32]| Attribute {
        name: name.into(),
        floats: floats.to_vec(),
        ..Attribute::default()
    };
    let coefficients = || floats("coefficients", &[1.0, 2.0, 3.0]);
    assert_eq!(told("SVMRegressor", &[coefficients()]), "");
    assert!(told("SVMRegressor", &[coefficients(), int("one_class", 1)]).contains("one_class"));
    let post = text("post_transform", "LOGISTIC");
    assert!(told("SVMRegressor", &[coefficients(), post]).contains("LOGISTIC"));
    let nan = float("replaced_value_float", f32::NAN);
    assert_eq!(told("Imputer", &[nan, floats("imputed_value_floats", &[1.0])]), "");
    let zero = floats("imputed_value_floats", &[1.0]);
    assert!(told("Imputer", &[zero]).contains("missing"));
    let whole = int("replaced_value_int64", -1);
    assert!(told("Imputer", &[whole]).contains("missing"));
}

/// Whole numbers of probabilities are 0 or 1: no order of scores is left.
#[test]
fn a_softmax_that_is_cut_to_whole_numbers_is_not_dropped() {
    let cut = |to: i64| {
        let mut b = Build::new(&[3]);
        b.node("Softmax", &["x"], "s", &[]).node("Cast", &["s"], "y", &[int("to", to)]);
        read(&b.model(), &Reading::default()).unwrap().run(&[1.0, 5.0, 2.0])
    };
    assert_eq!(cut(1), [1.0, 5.0, 2.0]);
    assert_eq!(cut(7), [0.0, 0.0, 0.0]);
}

#[test]
fn operators_of_other_domains_are_refused_by_name() {
    read(&single("Relu", ""), &Reading::default()).unwrap();
    read(&single("Relu", "ai.onnx"), &Reading::default()).unwrap();
    let told = refused(&single("Relu", "my.custom"), &Reading::default());
    assert!(told.contains("my.custom"), "{told}");
}

#[test]
fn operator_sets_without_a_known_meaning_are_refused() {
    for (version, known) in [(5, false), (6, true), (23, true), (99, false)] {
        let mut model = single("Relu", "");
        model.opset_import = vec![OperatorSet { domain: String::new(), version }];
        assert_eq!(read(&model, &Reading::default()).is_ok(), known, "{version}");
    }
    let mut model = single("Relu", "");
    model.opset_import.clear();
    assert!(refused(&model, &Reading::default()).contains("operator set"));
}

fn function(name: &str, body: &[(&str, &str, &str)]) -> Function {
    let node = |(op, from, to): &(&str, &str, &str)| Node {
        input: vec![(*from).to_owned()],
        output: vec![(*to).to_owned()],
        op_type: (*op).to_owned(),
        ..Node::default()
    };
    Function {
        name: name.into(),
        input: vec!["a".into()],
        output: vec!["b".into()],
        node: body.iter().map(node).collect(),
        domain: "local".into(),
        attribute_proto: Vec::new(),
    }
}

/// A function may have the name of an operator and another meaning.
#[test]
fn functions_are_inlined_with_their_attributes() {
    let mut model = single("Relu", "local");
    model.functions = vec![function("Relu", &[("Neg", "a", "t"), ("LeakyRelu", "t", "b")])];
    model.functions[0].node[1].attribute = vec![Attribute {
        name: "alpha".into(),
        ref_attr_name: "slope".into(),
        ..Attribute::default()
    }];
    let call = &mut model.graph.as_mut().unwrap().node[0];
    call.attribute = vec![Attribute { name: "slope".into(), f: 0.5, ..Attribute::default() }];
    let y = read(&model, &Reading::default()).unwrap().run(&[1.0, -2.0, 4.0]);
    assert_eq!(y, [-0.5, 2.0, -2.0]);
}

#[test]
fn functions_that_call_themselves_are_refused() {
    let mut model = single("F", "local");
    model.functions = vec![function("F", &[("F", "a", "t"), ("F", "t", "b")])];
    model.functions[0].node.iter_mut().for_each(|n| n.domain = "local".into());
    assert!(refused(&model, &Reading::default()).contains("deep"));
}

#[test]
fn one_message_names_all_that_is_unsupported() {
    let mut b = Build::new(&[4]);
    b.node("LRN", &["x"], "a", &[]).node("NonMaxSuppression", &["a"], "b", &[]);
    b.node("Relu", &["b"], "c", &[]).node("LRN", &["c"], "d", &[]);
    b.weights("w", &[3, 3]).node("MatMul", &["x", "w"], "e", &[]).node(
        "Add",
        &["d", "e"],
        "y",
        &[],
    );
    let told = b.import().unwrap_err().to_string();
    for part in
        ["LRN \"the a\" and 1 more", "NonMaxSuppression", "MatMul \"the e\"", "takes 3 values"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("the c"), "{told}");
}

/// As the last state of a recurrent layer, which has the directions in front.
#[test]
fn outputs_whose_first_axis_is_not_the_batch_have_all_their_numbers() {
    let mut b = Build::new(&[4]);
    b.weights("w", &[4, 6]).integers("dims", &[2, 1, 3]).node("MatMul", &["x", "w"], "y", &[]);
    b.node("Reshape", &["y", "dims"], "states", &[]);
    let examples = b.examples();
    let mut model = b.model();
    let output = ValueInfo { name: "states".into(), r#type: None };
    model.graph.as_mut().unwrap().output.push(output);
    let imported = dn_import::import_onnx(&model.encode_to_vec(), &examples, "states").unwrap();
    let lengths: Vec<usize> = imported.package.outputs.iter().map(|o| o.len).collect();
    assert_eq!(lengths, [6, 6]);
    let bytes = imported.package.to_bytes().unwrap();
    assert_eq!(dn_import::Package::from_bytes(&bytes).unwrap(), imported.package);
}

#[test]
fn several_inputs_and_outputs_lie_one_behind_the_other() {
    let mut b = Build::new(&[2]);
    b.constant("w", &[2, 1], vec![1.0, 10.0]).constant("v", &[3, 1], vec![1.0, 2.0, 3.0]);
    b.node("MatMul", &["x", "w"], "y", &[]).node("MatMul", &["z", "v"], "u", &[]);
    b.node("Sub", &["y", "u"], "t", &[]);
    let mut model = b.model();
    let graph = model.graph.as_mut().unwrap();
    let mut second = graph.input[0].clone();
    second.name = "z".into();
    let shape =
        second.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap();
    shape.dim[1].dim_value = Some(3);
    graph.input.push(second);
    graph.output.push(ValueInfo { name: "u".into(), r#type: None });
    let all = read(&model, &Reading::default()).unwrap();
    let names: Vec<&str> = all.inputs().iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["x", "z"]);
    let x = [1.0, 2.0, 1.0, 1.0, 1.0];
    assert_eq!(all.run(&x), [21.0, 6.0]);
    for (name, value) in [("u", 6.0), ("t", 15.0)] {
        let reading = Reading { outputs: vec![name.into()], ..Reading::default() };
        assert_eq!(read(&model, &reading).unwrap().run(&x), [value], "{name}");
    }
    let reading = Reading { outputs: vec!["q".into()], ..Reading::default() };
    assert!(refused(&model, &reading).contains("y, u"));
}

#[test]
fn symbolic_dimensions_take_the_sizes_that_are_given() {
    let mut b = Build::new(&[2, 4]);
    b.node("Relu", &["x"], "y", &[]);
    let mut model = b.model();
    let input = &mut model.graph.as_mut().unwrap().input[0];
    let shape =
        input.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap();
    shape.dim[2] = Dimension { dim_value: None, dim_param: Some("t".into()) };
    assert!(refused(&model, &Reading::default()).contains("--shape t=8"));
    for name in ["t", "x.2"] {
        let sizes = [(name.to_owned(), 5)].into();
        let model = read(&model, &Reading { sizes, ..Reading::default() }).unwrap();
        assert_eq!(model.inputs()[0].dims, [2, 5]);
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A model whose weight, 1 to 6, lies at an offset of another file.
fn external(location: &str, offset: usize) -> Model {
    let mut b = Build::new(&[3]);
    b.weights("w", &[3, 2]).node("MatMul", &["x", "w"], "y", &[]);
    let mut model = b.model();
    let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
    tensor.float_data.clear();
    tensor.data_location = 1;
    let entry = |key: &str, value: String| Entry { key: key.into(), value };
    tensor.external_data = vec![
        entry("location", location.into()),
        entry("offset", offset.to_string()),
        entry("length", "24".into()),
    ];
    model
}

#[test]
fn weights_are_read_from_the_file_beside_the_model() {
    let folder = folder("external");
    let numbers = (0..8).flat_map(|i| (i as f32 - 1.0).to_le_bytes());
    std::fs::write(folder.join("w.data"), numbers.collect::<Vec<u8>>()).unwrap();
    let reading = Reading { folder: Some(folder.clone()), ..Reading::default() };
    let y = read(&external("w.data", 8), &reading).unwrap().run(&[1.0, 0.0, 1.0]);
    assert_eq!(y, [6.0, 8.0]);
    assert!(refused(&external("w.data", 12), &reading).contains("ends early"));
    assert!(refused(&external("v.data", 0), &reading).contains("not beside the model"));
    assert!(refused(&external("w.data", 8), &Reading::default()).contains("w.data"));
}

#[test]
fn files_outside_of_the_models_folder_are_not_read() {
    let outside = folder("outside");
    let inside = folder("outside/inside");
    std::fs::write(outside.join("w.data"), [0; 24]).unwrap();
    let link = inside.join("link.data");
    let _ = std::fs::remove_file(&link);
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.join("w.data"), &link).unwrap();
    let absolute = outside.join("w.data").to_string_lossy().into_owned();
    let reading = Reading { folder: Some(inside), ..Reading::default() };
    for location in ["../w.data", &absolute, "link.data", ""] {
        let told = refused(&external(location, 0), &reading);
        assert!(told.contains("outside") || told.contains("not beside"), "{location}: {told}");
    }
}

/// A batch-sized constant would mix examples.
#[test]
fn constants_of_the_batch_are_refused() {
    let mut b = Build::new(&[3]);
    b.weights("c", &[7, 3]).node("Add", &["x", "c"], "y", &[]);
    let mut model = b.model();
    let input = &mut model.graph.as_mut().unwrap().input[0];
    let shape =
        input.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap();
    shape.dim[0] = Dimension { dim_value: Some(7), dim_param: None };
    assert!(refused(&model, &Reading::default()).contains("example of the batch"));
}

#[test]
fn classes_and_softmax_at_the_end_are_dropped_and_said() {
    let mut b = Build::new(&[3]);
    b.weights("w", &[3, 4]).node("MatMul", &["x", "w"], "s", &[]);
    b.node("Softmax", &["s"], "y", &[int("axis", 1)]).node("ArgMax", &["y"], "label", &[]);
    let mut model = b.model();
    model.graph.as_mut().unwrap().output.push(ValueInfo { name: "label".into(), r#type: None });
    let read = read(&model, &Reading::default()).unwrap();
    assert_eq!(read.outputs().len(), 1);
    assert!(read.notes().iter().any(|n| n.starts_with("Softmax")), "{:?}", read.notes());
    assert!(read.notes().iter().any(|n| n.contains("\"label\"")), "{:?}", read.notes());
    let reading = Reading { outputs: vec!["label".into()], ..Reading::default() };
    assert!(refused(&model, &reading).contains("--output-name y"));
}

/// Views that share a value many times over, and constants that grow, end in an error, soon.
#[test]
fn growth_is_bounded() {
    let mut b = Build::new(&[64, 64]);
    b.integers("r", &[1, 64, 64]);
    b.node("Tile", &["x", "r"], "a", &[]).node("Tile", &["a", "r"], "y", &[]);
    assert!(b.import().unwrap_err().to_string().contains("too large"));
    let mut b = Build::new(&[4]);
    b.integers("n", &[1 << 40]).node("ConstantOfShape", &["n"], "c", &[]);
    b.node("Add", &["x", "c"], "y", &[]);
    assert!(b.import().unwrap_err().to_string().contains("too large"));
    let mut b = Build::new(&[4, 4, 4]);
    b.node("Pad", &["x", "p"], "y", &[]).integers("p", &[0, 0, 1 << 40, 0, 0, 0, 0, 0]);
    assert!(matches!(b.import(), Err(ImportError::Node { .. })));
}

#[test]
fn the_list_of_operators_is_what_is_read() {
    assert!(operators().iter().any(|o| o.name == "Conv" && !o.form.is_empty()));
    for operator in operators().iter().filter(|o| o.domain.is_empty()) {
        let mut b = Build::new(&[2, 4, 4]);
        b.node(operator.name, &["x"], "z", &[ints("unknown", &[])]).node("Relu", &["z"], "y", &[]);
        if let Err(e) = b.import() {
            assert!(!e.to_string().contains("this operator is not supported"), "{e}");
        }
    }
}
