//! Whatever arrives in the place of a model, of data or of a package: an answer or an error, never a
//! panic.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use dn_import::{
    npz, Calibration, OnnxModel, Package, Reading, Stored, TokenExamples, Transformer,
};
use dn_testing::{cases, damaged};
use proptest::test_runner::{TestCaseError, TestRunner};

/// Numbers of an input of the largest damaged model that is also quantised.
const MAX_INPUT: usize = 4_096;

/// Files of the cases with this suffix, the small ones.
fn files(suffix: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut found: Vec<PathBuf> = Vec::new();
    for case in std::fs::read_dir(folder).unwrap() {
        for file in std::fs::read_dir(case.unwrap().path()).unwrap() {
            found.push(file.unwrap().path());
        }
    }
    found.retain(|f| f.extension().is_some_and(|e| e == suffix));
    found.sort();
    let bytes = found.iter().map(|f| std::fs::read(f).unwrap());
    bytes.filter(|b| b.len() < 20_000).collect()
}

/// Runs `read` on damaged files; it fails by panicking.
fn on_damaged(files: Vec<Vec<u8>>, some: u32, read: impl Fn(&[u8])) {
    assert!(!files.is_empty());
    let mut runner = TestRunner::new(cases(some, 100 * some));
    let run = runner.run(&damaged(files), |bytes| {
        read(&bytes);
        Ok::<(), TestCaseError>(())
    });
    run.unwrap();
}

#[test]
fn damaged_models_are_read_or_refused() {
    on_damaged(files("onnx"), 1_000, |bytes| {
        let Ok(model) = OnnxModel::read(bytes, &Reading::default()) else { return };
        let len: usize =
            model.inputs().iter().map(|i| i.dims.iter().skip(1).product::<usize>()).sum();
        if len == 0 || len > MAX_INPUT {
            return;
        }
        let x =
            (0..4u8).map(|row| (0..len).map(|i| f32::from(row) - (i % 7) as f32 * 0.5).collect());
        let calibration = Calibration { x: x.collect(), ..Calibration::default() };
        if let Ok(imported) = model.quantise(&calibration, "damaged") {
            let package = imported.package;
            let read = Package::from_bytes(&package.to_bytes().unwrap()).unwrap();
            assert!(read.graph == package.graph);
        }
    });
}

#[test]
fn damaged_data_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    for suffix in ["npz", "npy"] {
        let path = folder.path().join("data").with_extension(suffix);
        on_damaged(files("npz"), 500, |bytes| {
            std::fs::write(&path, bytes).unwrap();
            if let Ok(data) = npz::read(&path) {
                assert!(data.x.iter().all(|row| row.len() == data.x[0].len()));
            }
        });
    }
}

#[test]
fn damaged_packages_are_read_or_refused() {
    let mut packages = Vec::new();
    for bytes in files("onnx").iter().take(12) {
        let Ok(model) = OnnxModel::read(bytes, &Reading::default()) else { continue };
        let len: usize =
            model.inputs().iter().map(|i| i.dims.iter().skip(1).product::<usize>()).sum();
        let x = vec![vec![1.0; len], vec![-1.0; len]];
        let calibration = Calibration { x, ..Calibration::default() };
        if let Ok(imported) = model.quantise(&calibration, "small") {
            packages.push(imported.package.to_bytes().unwrap());
        }
    }
    on_damaged(packages, 1_000, |bytes| {
        if let Ok(package) = Package::from_bytes(bytes) {
            let zeros = vec![0.0; package.graph.input_len()];
            let input = package.quantize_input(&zeros);
            let output = dn_core::quant::execute(&package.graph, &input);
            assert_eq!(package.dequantize_output(&output).len(), package.graph.output_len());
        }
    });
}

/// Transformers of the smallest files.
fn transformers() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokens");
    let files = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|f| f.extension().is_some_and(|e| e == "onnx")).collect();
    files.sort();
    let bytes = files.iter().map(|f| std::fs::read(f).unwrap());
    bytes.filter(|b| b.len() < 30_000).collect()
}

fn quantised(model: Transformer) -> Option<Vec<u8>> {
    let ids = (0..model.tokens()).map(|i| i % model.vocabulary()).collect();
    let examples = TokenExamples { ids: vec![ids], next: None };
    let imported = model.quantise(&examples, "small").ok()?;
    Some(imported.package.to_bytes().unwrap())
}

#[test]
fn damaged_transformers_are_read_or_refused() {
    on_damaged(transformers(), 500, |bytes| {
        let Ok(Some(model)) = Transformer::read(bytes, &Reading::default()) else { return };
        if model.tokens() <= 64 {
            quantised(model);
        }
    });
}

#[test]
fn damaged_packages_of_sequences_are_read_or_refused() {
    let read = |bytes: &Vec<u8>| Transformer::read(bytes, &Reading::default()).unwrap().unwrap();
    let packages: Vec<Vec<u8>> =
        transformers().iter().take(6).filter_map(|b| quantised(read(b))).collect();
    on_damaged(packages, 500, |bytes| {
        if let Ok(Stored::Sequence(package)) = Stored::from_bytes(bytes) {
            let answer = package.model.execute(&vec![i8::MIN; package.model.tokens]);
            assert_eq!(package.values(&answer).len(), package.model.output_len());
        }
    });
}
