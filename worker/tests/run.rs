//! `dn-worker run` as a process, on the digits model.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dn_core::quant::{execute_batch, Activation, Graph, Node, Shape};
use dn_import::{import_onnx, npz, Codes, Package};
use serde_json::Value;

fn digits(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/digits").join(name)
}

/// An empty folder of this test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn package(folder: &Path) -> (Package, PathBuf) {
    let onnx = fs::read(digits("mlp.onnx")).unwrap();
    let calibration = npz::read(&digits("calibration.npz")).unwrap();
    let package = import_onnx(&onnx, &calibration, "digits").unwrap().package;
    let path = folder.join("digits.dnpkg");
    fs::write(&path, package.to_bytes().unwrap()).unwrap();
    (package, path)
}

fn run(package: &Path, inputs: &Path, output: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dn-worker"))
        .arg("run")
        .arg(package)
        .arg("--inputs")
        .arg(inputs)
        .arg("-o")
        .arg(output)
        .arg("--json")
        .args(more)
        .env("OMP_NUM_THREADS", "1")
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the reference executor makes of the held-out digits, as a file's bytes.
fn reference_bytes(package: &Package, folder: &Path) -> Vec<u8> {
    let examples = npz::read_for(&digits("heldout.npz"), package).unwrap();
    let x: Vec<Vec<i8>> = examples.x.iter().map(|x| package.quantize_input(x)).collect();
    let path = folder.join("reference.npz");
    npz::write_outputs(&path, package, &execute_batch(&package.graph, &x)).unwrap();
    fs::read(path).unwrap()
}

#[test]
fn writes_the_bytes_of_the_reference_executor() {
    let folder = folder("same_bytes");
    let (package, path) = package(&folder);
    let expected = reference_bytes(&package, &folder);
    let backends: &[&str] =
        if cfg!(feature = "torch") { &["reference", "torch"] } else { &["reference"] };
    for backend in backends {
        let output = folder.join(format!("{backend}.npz"));
        let done = run(&path, &digits("heldout.npz"), &output, &["--backend", backend]);
        assert!(done.status.success(), "{done:?}");
        let report = json(&done);
        assert_eq!((&report["backend"], &report["batch"]), (&(*backend).into(), &450.into()));
        assert!(report["accuracy"].as_f64().unwrap() > 0.9);
        assert!(fs::read(&output).unwrap() == expected, "{backend}: other bytes");
    }
}

#[test]
fn the_default_backend_is_the_one_that_was_built() {
    let folder = folder("default_backend");
    let (_, path) = package(&folder);
    let done = run(&path, &digits("heldout.npz"), &folder.join("y.npz"), &[]);
    let expected = if cfg!(feature = "torch") { "torch" } else { "reference" };
    assert_eq!(json(&done)["backend"], expected);
}

#[cfg(not(feature = "torch"))]
#[test]
fn a_program_without_torch_says_how_to_get_it() {
    let folder = folder("no_torch");
    let (_, path) = package(&folder);
    let y = folder.join("y.npz");
    let done = run(&path, &digits("heldout.npz"), &y, &["--backend", "torch"]);
    assert_eq!(done.status.code(), Some(1));
    let error = &json(&done)["error"];
    assert_eq!(error["code"], "backend_unavailable");
    assert!(error["hint"].as_str().unwrap().contains("setup-libtorch.sh"));
    assert!(!y.exists());
}

#[test]
fn failures_have_a_code_and_a_hint() {
    let folder = folder("failures");
    let (_, path) = package(&folder);
    let (heldout, y) = (digits("heldout.npz"), folder.join("y.npz"));
    let short = folder.join("short.npz");
    let (input, output) = (Codes::uniform(1.0), Codes::uniform(1.0));
    let three = Package { graph: three_wide(), input, output, ..package(&folder).0 };
    fs::write(folder.join("three.dnpkg"), three.to_bytes().unwrap()).unwrap();
    fs::write(&short, b"not an archive").unwrap();
    let cases = [
        (folder.join("absent"), heldout.clone(), "file"),
        (digits("mlp.onnx"), heldout.clone(), "package"),
        (path, short, "npz"),
        (folder.join("three.dnpkg"), heldout, "input_shape"),
    ];
    for (package, inputs, code) in cases {
        let done = run(&package, &inputs, &y, &[]);
        assert_eq!(done.status.code(), Some(1));
        let error = &json(&done)["error"];
        assert_eq!(error["code"], code, "{error}");
        assert!(!error["hint"].as_str().unwrap().is_empty());
        assert!(String::from_utf8(done.stderr).unwrap().contains(&format!("error[{code}]")));
        assert!(!y.exists());
    }
}

/// A model with three inputs, which digits do not fit.
fn three_wide() -> Graph {
    let input = Shape::vector(3);
    let node = Node::dense((0, input), vec![1; 3], vec![0], 0, Activation::identity());
    Graph { input, nodes: vec![node] }
}
