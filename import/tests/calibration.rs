//! What scales are chosen from calibration data that people really have.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use dn_import::{import_onnx, npz, Calibration, ImportError, Imported};

fn digits(name: &str) -> Calibration {
    npz::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/digits").join(name)).unwrap()
}

fn import(calibration: &Calibration) -> Result<Imported, ImportError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/digits/mlp.onnx");
    import_onnx(&std::fs::read(path).unwrap(), calibration, "digits")
}

/// Points of accuracy lost on the held-out images.
fn lost(imported: &Imported) -> f64 {
    let accuracy = imported.accuracy(&digits("heldout.npz")).unwrap();
    accuracy.float - accuracy.int8
}

#[test]
fn one_broken_example_decides_nothing() {
    let mut examples = digits("calibration.npz");
    examples.x[11].iter_mut().for_each(|v| *v *= 1_000.0);
    let imported = import(&examples).unwrap();
    assert_eq!(imported.out_of_line(), [11]);
    assert!(lost(&imported) <= 0.01, "{}", lost(&imported));
    let mut one_pixel = digits("calibration.npz");
    one_pixel.x[5][20] = 10_000.0;
    assert!(lost(&import(&one_pixel).unwrap()) <= 0.01);
}

#[test]
fn examples_that_say_nothing_are_refused() {
    let nothing = Calibration { x: vec![vec![0.0; 64]; 40], ..Calibration::default() };
    assert!(matches!(import(&nothing), Err(ImportError::Calibration { .. })));
}

#[test]
fn a_few_examples_are_enough_to_import() {
    for count in [1, 2, 5, 12] {
        let mut few = digits("calibration.npz");
        few.x.truncate(count);
        few.y = None;
        let lost = lost(&import(&few).unwrap());
        assert!(lost <= if count < 5 { 0.2 } else { 0.05 }, "{count} examples: {lost}");
    }
}

#[test]
fn the_report_names_errors_of_outputs_and_layers() {
    let examples = digits("calibration.npz");
    let imported = import(&examples).unwrap();
    let fidelity = imported.fidelity(&examples);
    assert!(fidelity.error < 0.03 && fidelity.agreement.unwrap() > 0.98);
    assert_eq!((fidelity.outputs.len(), fidelity.layers.len()), (10, 2));
    assert!(fidelity.outputs.iter().all(|e| (0.0..0.1).contains(e)));
    assert_eq!(fidelity.accuracy, imported.accuracy(&examples));
    assert!(fidelity.worst(1)[0].added >= fidelity.worst(2)[1].added);
    let mut far = examples.clone();
    far.x.iter_mut().flatten().for_each(|v| *v *= 40.0);
    assert!(imported.fidelity(&far).saturated_inputs > 0.1);
}
