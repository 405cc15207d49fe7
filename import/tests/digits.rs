//! The digits model: accuracy, round trip, and malformed files.

use dn_import::{import_onnx, npz, ImportError, Package};
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/digits").join(name)
}

#[test]
fn int8_accuracy_is_within_a_third_of_a_point_of_float() {
    let onnx = std::fs::read(path("mlp.onnx")).unwrap();
    let calibration = npz::read(&path("calibration.npz")).unwrap();
    let imported = import_onnx(&onnx, &calibration, "digits").unwrap();
    let accuracy = imported.accuracy(&npz::read(&path("heldout.npz")).unwrap()).unwrap();
    println!("{accuracy:?}");
    assert!(accuracy.float >= 0.95 && accuracy.float - accuracy.int8 <= 0.003);

    let bytes = imported.package.to_bytes().unwrap();
    assert_eq!(Package::from_bytes(&bytes).unwrap(), imported.package);
    assert_eq!(imported.package.to_bytes().unwrap(), bytes);
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x15;
        if let Ok(package) = Package::from_bytes(&changed) {
            assert_ne!(Package::model_id(&package.to_bytes().unwrap()), Package::model_id(&bytes));
        }
        assert!(Package::from_bytes(&bytes[..at]).is_err());
    }
}

#[test]
fn malformed_models_are_errors_and_name_the_node() {
    let onnx = std::fs::read(path("mlp.onnx")).unwrap();
    let mut calibration = npz::read(&path("calibration.npz")).unwrap();
    calibration.x.truncate(4);
    calibration.y = None;
    for at in (0..onnx.len()).step_by(3) {
        let _ = import_onnx(&onnx[..at], &calibration, "cut");
        let mut changed = onnx.clone();
        changed[at] ^= 0x41;
        let _ = import_onnx(&changed, &calibration, "changed");
    }
    let text = b"Relu";
    let at = onnx.windows(4).position(|w| w == text).unwrap();
    let mut changed = onnx.clone();
    changed[at..at + 4].copy_from_slice(b"Rexx");
    match import_onnx(&changed, &calibration, "op") {
        Err(ImportError::Node { node, op, .. }) => {
            assert_eq!((node.as_str(), op.as_str()), ("relu", "Rexx"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_same_outputs_give_the_same_file_at_any_time() {
    let onnx = std::fs::read(path("mlp.onnx")).unwrap();
    let calibration = npz::read(&path("calibration.npz")).unwrap();
    let package = import_onnx(&onnx, &calibration, "digits").unwrap().package;
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outputs.npz");
    npz::write_outputs(&file, &package, &[vec![1; 10], vec![-1; 10]]).unwrap();
    let bytes = std::fs::read(file).unwrap();
    // A zip entry starts with its MS-DOS time and date at byte 10: 1980-01-01 00:00.
    assert_eq!(bytes[10..14], [0, 0, 0x21, 0]);
}
