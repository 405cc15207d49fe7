//! Writes what the fuzzer starts from into folders named for the targets: `fuzz-seeds FOLDER`, in the project's folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use dn_core::proof_file::ProofFile;
use dn_fuzz::proven;
use dn_import::{Calibration, OnnxModel, Reading, TokenExamples, Transformer};

/// The largest file that is worth being changed byte by byte.
const MAX_LEN: u64 = 20_000;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from).context("fuzz-seeds FOLDER")?;
    let cases = files("import/tests/cases")?;
    let of = |suffix: &str| -> Vec<PathBuf> {
        cases.iter().filter(|f| f.extension().is_some_and(|e| e == suffix)).cloned().collect()
    };
    let transformers = files("import/tests/tokens")?;
    let is_model = |f: &PathBuf| f.extension().is_some_and(|e| e == "onnx");
    let transformers: Vec<PathBuf> = transformers.into_iter().filter(is_model).collect();
    let models = read(&[of("onnx"), transformers].concat())?;
    write(&folder, "package", &packages(&models))?;
    write(&folder, "model", &models)?;
    write(&folder, "arrays", &read(&[of("npz"), of("npy")].concat())?)?;
    write(&folder, "ceremony", &read(&files("prover/testdata")?)?)?;
    write(&folder, "key", &[proven().protocol.to_bytes()])?;
    write(&folder, "proof", &[proof_file()])
}

/// Small files below a folder, in order.
fn files(folder: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let (path, meta) = entry.and_then(|e| Ok((e.path(), e.metadata()?)))?;
            if meta.is_dir() {
                folders.push(path);
            } else if meta.len() <= MAX_LEN {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    paths.iter().map(|p| std::fs::read(p).with_context(|| p.display().to_string())).collect()
}

fn write(folder: &Path, target: &str, seeds: &[Vec<u8>]) -> Result<()> {
    let folder = folder.join(target);
    std::fs::create_dir_all(&folder)?;
    for (i, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{i}")), seed)?;
    }
    println!("{target}: {} seeds", seeds.len());
    Ok(())
}

/// Packages of those models that need no data of their own.
fn packages(models: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let package = |bytes: &Vec<u8>| {
        if let Ok(Some(model)) = Transformer::read(bytes, &Reading::default()) {
            let ids = (0..model.tokens()).map(|i| i % model.vocabulary()).collect();
            let examples = TokenExamples { ids: vec![ids], next: None };
            return model.quantise(&examples, "seed").ok()?.package.to_bytes().ok();
        }
        let model = OnnxModel::read(bytes, &Reading::default()).ok()?;
        let len = model.inputs().iter().map(|i| i.dims.iter().skip(1).product::<usize>()).sum();
        let x = vec![vec![1.0; len], vec![-1.0; len]];
        let calibration = Calibration { x, ..Calibration::default() };
        model.quantise(&calibration, "seed").ok()?.package.to_bytes().ok()
    };
    models.iter().filter_map(package).collect()
}

fn proof_file() -> Vec<u8> {
    let proven = proven();
    ProofFile {
        model_id: [7; 32],
        slots: 16,
        batch: 10,
        instances: proven.instances.clone(),
        leaves: Vec::new(),
        proof: proven.proof.clone(),
    }
    .to_bytes()
}
