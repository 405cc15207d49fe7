//! The digits model with its held-out images.

use std::path::{Path, PathBuf};

use anyhow::{ensure, Context as _, Result};
use dn_import::{arg_max, import_onnx, npz, Accuracy, Package};

/// scikit-learn's handwritten digits, 8x8 pixels, and an MLP 64-32-10 trained on most of them.
#[derive(Clone, Debug)]
pub struct Digits {
    /// The quantised model.
    pub package: Package,
    /// Accuracy on the held-out images, as floats and as integers.
    pub accuracy: Accuracy,
    /// Held-out images, quantised.
    pub inputs: Vec<Vec<i8>>,
    /// Their classes.
    pub labels: Vec<usize>,
}

impl Digits {
    /// Imports the ONNX file of `models/digits`.
    ///
    /// # Errors
    /// When a file is missing, or the quantised model is worse than it may be.
    pub fn import() -> Result<Self> {
        let folder = root().join("models/digits");
        let onnx = std::fs::read(folder.join("mlp.onnx")).context("read models/digits/mlp.onnx")?;
        let calibration = npz::read(&folder.join("calibration.npz"))?;
        let heldout = npz::read(&folder.join("heldout.npz"))?;
        let imported = import_onnx(&onnx, &calibration, "digits")?;
        let accuracy = imported.accuracy(&heldout).context("the held-out split has labels")?;
        ensure!(accuracy.float >= 0.95, "float accuracy is {}", accuracy.float);
        ensure!(accuracy.float - accuracy.int8 <= 0.003, "int8 accuracy is {}", accuracy.int8);
        let package = imported.package;
        let inputs = heldout.x.iter().map(|x| package.quantize_input(x)).collect();
        let labels = heldout.y.context("the held-out split has labels")?;
        let labels = labels.iter().map(|y| usize::try_from(*y)).collect::<Result<_, _>>()?;
        Ok(Self { package, accuracy, inputs, labels })
    }

    /// Whether an answer names the class of image `index`.
    #[must_use]
    pub fn is_right(&self, index: usize, output: &[i8]) -> bool {
        arg_max(output) == self.labels[index]
    }
}

/// The file with the questions that validators ask of a trained model.
#[must_use]
pub fn pool(model: &str) -> PathBuf {
    root().join("models").join(model).join("pool.jsonl")
}

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
