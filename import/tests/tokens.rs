//! Transformers as both exporters of PyTorch write them: each is imported, and computes what an independent runtime
//! computed in float.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use dn_import::npz::{self, TokenExtents};
use dn_import::onnx::{Dimension, Model};
use dn_import::{Package, PackageError, Reading, Stored, TokenExamples, Transformer};
use prost::Message;

/// Largest difference of the float model to the right values.
const FLOAT_BOUND: f64 = 1e-3;
/// Largest root mean square error of the integers over the spread of the right values.
const BOUND: f64 = 0.1;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokens")
}

fn read(name: &str) -> Result<Transformer, String> {
    let bytes = std::fs::read(folder().join(format!("{name}.onnx"))).unwrap();
    let read = Transformer::read(&bytes, &Reading::default());
    read.map_err(|e| e.to_string())?.ok_or_else(|| "it is taken for no transformer".to_owned())
}

/// The inputs of a case, and the right values, `[tokens, channels]`.
fn right(name: &str, model: &Transformer) -> (TokenExamples, Vec<Vec<f32>>) {
    let case = name.split('-').next().unwrap();
    let path = folder().join(format!("{case}.npz"));
    let extents = TokenExtents { tokens: model.tokens(), vocabulary: model.vocabulary() };
    let examples = npz::read_tokens(&path, model.input(), extents).unwrap();
    let right = npz::read_named(&path, &["right".to_owned(), "right".to_owned()]).unwrap();
    let count = right.x[0].len() / 2;
    (examples, right.x.iter().map(|row| row[..count].to_vec()).collect())
}

/// What a file's last operator does, which is left to the reader.
fn softmax(row: &mut [f64]) {
    let sum: f64 = row.iter().map(|x| x.exp()).sum();
    row.iter_mut().for_each(|x| *x = x.exp() / sum);
}

/// Why a case fails, if it does.
fn check(name: &str) -> Result<(), String> {
    let model = read(name)?;
    let (examples, right) = right(name, &model);
    for (ids, right) in examples.ids.iter().zip(&right) {
        let mut got = model.run(ids);
        if name.starts_with("softmax") {
            got.chunks_exact_mut(model.vocabulary()).for_each(softmax);
        }
        let far = |(a, b): (&f64, &f32)| (a - f64::from(*b)).abs() > FLOAT_BOUND;
        if got.len() != right.len() || got.iter().zip(right).any(far) {
            return Err(format!("{got:?} is not {right:?}"));
        }
    }
    let imported = model.quantise(&examples, name).map_err(|e| format!("{e:?}"))?;
    let found = imported.fidelity(&examples).unwrap();
    println!(
        "{name}: error {:.4}, agreement {:.3}, {:?}",
        found.error, found.agreement, found.loss
    );
    let is_far = !imported.names_classes() && found.error > BOUND;
    if is_far || found.agreement < 0.8 {
        return Err(format!("{found:#?}"));
    }
    let bytes = imported.package.to_bytes().map_err(|e| format!("{e:?}"))?;
    match Stored::from_bytes(&bytes) {
        Ok(Stored::Sequence(read)) if *read == imported.package => Ok(()),
        other => Err(format!("it reads back as {other:?}")),
    }
}

#[test]
fn every_form_of_a_transformer_is_read_and_quantised() {
    let names = std::fs::read_dir(folder()).unwrap();
    let names = names.map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter_map(|n| n.strip_suffix(".onnx").map(str::to_owned)).collect();
    names.retain(|name| !name.starts_with("wrong"));
    names.sort();
    let failed: Vec<String> =
        names.iter().filter_map(|n| check(n).err().map(|why| format!("{n}: {why}"))).collect();
    assert!(names.len() >= 12 && failed.is_empty(), "{}", failed.join("\n"));
}

/// Changes a file.
type Change = fn(&mut Model);

/// A file's graph, changed, and what is said about it.
const REFUSED: [(&str, Change); 8] = [
    ("a sequence has 6 tokens", |m| extent(m, 1, 6)),
    ("a fixed batch of 2", |m| extent(m, 0, 2)),
    ("takes tokens, mask: export it without masks", |m| {
        let graph = m.graph.as_mut().unwrap();
        let mut mask = graph.input[0].clone();
        mask.name = "mask".to_owned();
        graph.input.push(mask);
        graph.node.last_mut().unwrap().input.push("mask".to_owned());
    }),
    ("its table has 204 rows; a token is an 8-bit value", |m| {
        let graph = m.graph.as_mut().unwrap();
        let table = graph.initializer.iter_mut().find(|t| t.name == "ids.weight").unwrap();
        table.dims[0] *= 17;
        table.raw_data = table.raw_data.repeat(17);
    }),
    ("its mask is neither the causal one nor none", |m| {
        let graph = m.graph.as_mut().unwrap();
        let mask = graph.initializer.iter_mut().find(|t| t.name.ends_with("seen")).unwrap();
        mask.raw_data[7] = 1;
    }),
    ("gates of hidden layers", |m| {
        rewire(m, "/blocks.0/Div_output_0", 0, "/blocks.0/up/MatMul_output_0")
    }),
    ("it adds what is no residual sum", |m| {
        rewire(m, "/blocks.0/Add_output_0", 0, "/blocks.0/first/LayerNormalization_output_0");
    }),
    ("a layer reads a residual sum itself", |m| rewire(m, "scores", 0, "/blocks.0/Add_2_output_0")),
];

fn extent(model: &mut Model, axis: usize, n: i64) {
    let graph = model.graph.as_mut().unwrap();
    let tensor = graph.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
    tensor.shape.as_mut().unwrap().dim[axis] =
        Dimension { dim_value: Some(n), ..Dimension::default() };
}

fn rewire(model: &mut Model, output: &str, at: usize, operand: &str) {
    let graph = model.graph.as_mut().unwrap();
    let node = graph.node.iter_mut().find(|n| n.output[0] == output).unwrap();
    operand.clone_into(&mut node.input[at]);
}

#[test]
fn what_sequences_cannot_express_is_refused_with_its_reason() {
    let bytes = std::fs::read(folder().join("gpt-script-17.onnx")).unwrap();
    for (reason, change) in REFUSED {
        let mut model = Model::decode(&bytes[..]).unwrap();
        change(&mut model);
        let error = Transformer::read(&model.encode_to_vec(), &Reading::default()).unwrap_err();
        assert!(error.to_string().contains(reason), "{reason}: {error}");
        assert_eq!(error.code(), "onnx_unsupported");
    }
}

/// Files that are nearly transformers, by `tokens/make_wrong.py`: none is taken for one that it is not.
#[test]
fn what_is_nearly_a_transformer_is_refused_with_its_reason() {
    for (name, reason) in [
        ("cut-squares", "means of channels and of their squares"),
        ("cut-root", "it combines two computed tensors"),
        ("spread-heads", "do not fit"),
        ("bias-of-tokens", "its bias has dimensions [8, 1]"),
        ("shown-again", "scores of hidden keys are -1.99"),
        ("truncated", "rounds numbers to integers"),
    ] {
        let error = read(&format!("wrong-{name}")).map(|_| name).unwrap_err();
        assert!(error.contains(reason), "{name}: {error}");
    }
}

/// Other models are left to the reader of graphs.
#[test]
fn a_file_without_ids_is_no_transformer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    for name in ["digits/mlp.onnx", "keywords/keywords.onnx", "nets/resnet_tiny.onnx"] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        assert!(Transformer::read(&bytes, &Reading::default()).unwrap().is_none(), "{name}");
    }
}

/// What reads packages of graphs says what a package of the other kind is.
#[test]
fn packages_of_sequences_are_a_kind_of_their_own() {
    let model = read("gpt-script-17").unwrap();
    let (examples, _) = right("gpt-script-17", &model);
    let bytes = model.quantise(&examples, "gpt").unwrap().package.to_bytes().unwrap();
    let error = Package::from_bytes(&bytes).unwrap_err();
    assert!(matches!(error, PackageError::IsSequence));
    assert_eq!(error.code(), "sequence_package");
    // A norm that reads itself.
    let read = br#"\"norm\":{\"tensor\":2"#;
    let at = bytes.windows(read.len()).position(|w| w == read).unwrap() + read.len() - 1;
    let mut changed = bytes.clone();
    changed[at] = b'3';
    assert!(matches!(Stored::from_bytes(&changed), Err(PackageError::Sequence(_))));
    for at in (0..bytes.len()).step_by(211) {
        assert!(Stored::from_bytes(&bytes[..at]).is_err());
    }
}

/// A net that was trained keeps its loss; libtorch's answers are compared in `worker/tests`.
#[test]
fn a_trained_transformer_keeps_its_loss() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/text");
    let bytes = std::fs::read(folder.join("text.onnx")).unwrap();
    let model = Transformer::read(&bytes, &Reading::default()).unwrap().unwrap();
    let extents = TokenExtents { tokens: model.tokens(), vocabulary: model.vocabulary() };
    let read = |name: &str| npz::read_tokens(&folder.join(name), model.input(), extents).unwrap();
    let (calibration, held_out) = (read("calibration.npz"), read("heldout.npz"));
    let imported = model.quantise(&calibration, "text").unwrap();
    let found = imported.fidelity(&held_out).unwrap();
    let loss = found.loss.unwrap();
    println!("error {:.4}, agreement {:.4}, {loss:?}", found.error, found.agreement);
    assert!((loss.integers - loss.float).abs() < 0.005, "{loss:?}");
    assert!(found.agreement > 0.96, "{}", found.agreement);
}
