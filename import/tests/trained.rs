//! Models trained on real data, or on synthesised speech: what the integers leave of their accuracy.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use dn_import::{import_onnx, npz};

/// A model: file, data, accuracy of the float model at least, and the integers' error at most.
type Trained = (&'static str, &'static str, Option<f64>, f64);

const TRAINED: [Trained; 10] = [
    ("tabular/wine_mlp", "tabular/wine", Some(0.96), 0.02),
    ("tabular/wine_forest", "tabular/wine", Some(0.96), 0.04),
    ("tabular/wine_boosted", "tabular/wine", Some(0.87), 0.05),
    ("tabular/cancer_mlp", "tabular/cancer", Some(0.98), 0.04),
    ("tabular/cancer_forest", "tabular/cancer", Some(0.97), 0.02),
    ("tabular/cancer_boosted", "tabular/cancer", Some(0.97), 0.05),
    ("pictures/autoencoder", "pictures/autoencoder", None, 0.04),
    ("pictures/generator", "pictures/generator", None, 0.05),
    ("pictures/mobilenet_v3", "pictures/mobilenet_v3", Some(0.98), 0.08),
    ("keywords/keywords", "keywords/", Some(0.98), 0.04),
];

#[test]
fn integers_keep_the_accuracy_of_trained_models() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    for (model, data, float, error) in TRAINED {
        let onnx = std::fs::read(root.join(format!("{model}.onnx"))).unwrap();
        let file = |part: &str| {
            let between = if data.ends_with('/') { "" } else { "_" };
            npz::read(&root.join(format!("{data}{between}{part}.npz"))).unwrap()
        };
        let imported = import_onnx(&onnx, &file("calibration"), model).unwrap();
        let held_out = file("heldout");
        let found = imported.fidelity(&held_out);
        println!(
            "{model}: error {:.4}, {:?}, agreement {:?}",
            found.error, found.accuracy, found.agreement
        );
        assert!(found.error <= error, "{model}: error {}", found.error);
        assert_eq!(found.accuracy.is_some(), float.is_some(), "{model}");
        if let Some((accuracy, float)) = found.accuracy.zip(float) {
            // One example of a small table is more than 0.3 points.
            let slack = f64::max(0.003, 1.01 / found.examples as f64);
            assert!(accuracy.float >= float, "{model}: {accuracy:?}");
            assert!(accuracy.float - accuracy.int8 <= slack, "{model}: {accuracy:?}");
        }
    }
}
