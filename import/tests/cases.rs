//! Small models with the traits of models that people have: each is imported, or refused, as its
//! `case.json` says, and what is imported computes the right values, which an independent runtime
//! computed in float.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use dn_core::quant::execute;
use dn_core::Scoring;
use dn_import::{npz, Calibration, ImportError, Imported, OnnxModel, Reading};
use serde::Deserialize;

/// Largest root mean square error of the integers, as a share of the right values' spread.
const BOUND: f64 = 0.1;
/// The same for the float model.
const FLOAT_BOUND: f64 = 1e-3;

#[derive(Deserialize)]
struct Case {
    /// What is special about the model.
    did: String,
    /// `accept`, `refuse` or `either`.
    want: String,
    /// What turns outputs into the right values.
    post: Option<String>,
    calibration: PathBuf,
    inputs: PathBuf,
    expected: Option<PathBuf>,
    /// What is scored, where that matters.
    score: Option<Scoring>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn import(case: &Case, name: &str) -> Result<(Imported, Vec<String>), String> {
    let path = folder().join(name);
    let reading = Reading { folder: Some(path.clone()), ..Reading::default() };
    let bytes = std::fs::read(path.join("model.onnx")).unwrap();
    let told = |e: ImportError| format!("{}: {e}", e.code());
    let model = OnnxModel::read(&bytes, &reading).map_err(told)?;
    let names: Vec<String> = model.inputs().iter().map(|i| i.name.clone()).collect();
    let calibration = npz::read_named(&folder().join(&case.calibration), &names);
    let calibration = calibration.map_err(|e| format!("{}: {e}", e.code()))?;
    let imported = model.quantise(&calibration, name).map_err(told)?;
    Ok((imported, names))
}

/// Outputs behind what stands for the last operators of the file, per group of `n`.
fn post(post: Option<&str>, mut y: Vec<f64>) -> Vec<f64> {
    let n = y.len();
    let (first, step) = match post {
        Some("softmax" | "logsoftmax") => (1, n),
        // Over three channels of an image.
        Some("softmax1") => (n / 3, n / 3),
        _ => return y,
    };
    for start in 0..first {
        let group: Vec<usize> =
            if step == n { (0..n).collect() } else { (start..n).step_by(step).collect() };
        let top = group.iter().map(|i| y[*i]).fold(f64::MIN, f64::max);
        let sum: f64 = group.iter().map(|i| (y[*i] - top).exp()).sum();
        group.iter().for_each(|i| y[*i] = (y[*i] - top).exp() / sum);
    }
    if post == Some("logsoftmax") {
        y.iter_mut().for_each(|v| *v = v.ln());
    }
    y
}

/// Root mean square error over the spread of the right values.
fn error(got: &[Vec<f64>], right: &Calibration) -> f64 {
    let right: Vec<f64> = right.x.iter().flatten().map(|v| f64::from(*v)).collect();
    let got: Vec<f64> = got.concat();
    assert_eq!(got.len(), right.len());
    let mean = right.iter().sum::<f64>() / right.len() as f64;
    let square = |f: &dyn Fn(usize) -> f64| {
        (0..right.len()).map(|i| f(i).powi(2)).sum::<f64>() / right.len() as f64
    };
    square(&|i| got[i] - right[i]).sqrt() / (square(&|i| right[i] - mean).sqrt() + 1e-12)
}

/// Why the case fails, if it does.
fn check(name: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(folder().join(name).join("case.json")).unwrap();
    let case: Case = serde_json::from_str(&text).unwrap();
    let (imported, names) = match (import(&case, name), case.want.as_str()) {
        (Err(reason), "accept") => return Err(format!("{}; refused, {reason}", case.did)),
        (Err(_), _) => return Ok(()),
        (Ok(_), "refuse") => return Err(format!("{}; accepted", case.did)),
        (Ok(imported), _) => imported,
    };
    let got = imported.package.scoring;
    if case.score.is_some_and(|score| score != got) {
        return Err(format!("{}; the score is {got:?}", case.did));
    }
    let Some(expected) = &case.expected else { return Ok(()) };
    let right = npz::read(&folder().join(expected)).unwrap();
    let inputs = npz::read_named(&folder().join(&case.inputs), &names).unwrap();
    let package = &imported.package;
    let rows = |run: &dyn Fn(&[f32]) -> Vec<f32>| -> Vec<Vec<f64>> {
        let one = |x: &Vec<f32>| run(x).into_iter().map(f64::from).collect();
        inputs.x.iter().map(|x| post(case.post.as_deref(), one(x))).collect()
    };
    let float = error(&rows(&|x| imported.run_float(x)), &right);
    let integers = error(
        &rows(&|x| package.dequantize_output(&execute(&package.graph, &package.quantize_input(x)))),
        &right,
    );
    // A file that rounds to codes itself is not met more closely.
    let bound =
        if text.contains("quant") || text.contains("float16") { BOUND } else { FLOAT_BOUND };
    if float > bound || integers > BOUND {
        return Err(format!("{}; error {float:.4} in float, {integers:.4} in integers", case.did));
    }
    Ok(())
}

#[test]
fn every_model_is_imported_or_refused_as_it_should_be() {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "data")
        .collect();
    names.sort();
    let failed: Vec<String> =
        names.iter().filter_map(|n| check(n).err().map(|why| format!("{n}: {why}"))).collect();
    assert!(names.len() > 60 && failed.is_empty(), "{}", failed.join("\n"));
}

/// Every model with a few bytes changed, cut or grown: an answer or an error, soon and in little
/// memory.
#[test]
fn changed_files_are_read_or_refused() {
    let mut state = 7u64;
    let mut next = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    let mut read = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path().join("model.onnx");
        let Ok(bytes) = std::fs::read(&path) else { continue };
        for _ in 0..40 {
            let mut changed = bytes.clone();
            for _ in 0..=next(3) {
                let at = next(changed.len());
                match next(4) {
                    0 => changed.truncate(at),
                    1 => drop(changed.splice(at..at, [0xff; 9])),
                    _ if at < changed.len() => changed[at] ^= 1 << next(8),
                    _ => {}
                }
            }
            read += usize::from(OnnxModel::read(&changed, &Reading::default()).is_ok());
        }
    }
    assert!(read > 100, "{read}");
}
