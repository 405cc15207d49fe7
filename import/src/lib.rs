//! From an ONNX file to a quantised model package.
//!
//! Floats end here: everything behind a [`Package`] is integers. Unsupported and malformed files
//! are errors that name the node and the reason.
//!
//! ```text
//! onnx/     the file: protobuf, and the numbers of its tensors, wherever they lie
//! float/    the graph as linear maps, functions of one number and largest values
//! lower/    these as the nodes of the integer graph
//! quantize/ their weights and tables
//! ```
//!
//! [`operators`] lists what can be read. One example is computed at a time, so the batch may have
//! any size; all other extents are fixed by the file or by [`Reading::sizes`].

mod error;
mod float;
mod half;
mod lower;
pub mod npz;
pub mod onnx;
mod package;
mod quantize;

use dn_core::quant::execute;
use dn_core::Width;
use rayon::prelude::*;

pub use error::{Failed, ImportError, PackageError};
pub use float::{operators, Group, Input, Operator, Reading};
pub use package::Package;

use float::{Facts, FloatModel};

/// Inputs that set the scales, with labels if accuracy is to be reported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    /// One row per example, raw model inputs.
    pub x: Vec<Vec<f32>>,
    /// Class of each example.
    pub y: Option<Vec<i64>>,
}

impl Calibration {
    /// A single example that lies there without a batch, of `len` values, as one row.
    #[must_use]
    pub fn or_one(self, len: usize) -> Self {
        let is_one = self.x.len() == len && len > 1 && self.x.iter().all(|row| row.len() == 1);
        if is_one && self.y.is_none() {
            return Self { x: vec![self.x.concat()], y: None };
        }
        self
    }

    /// Share of `outputs` whose arg-max is the label, in `[0, 1]`; `None` without labels.
    #[must_use]
    pub fn accuracy(&self, outputs: &[Vec<i8>]) -> Option<f64> {
        let labels = self.y.as_ref()?;
        let pairs = outputs.iter().zip(labels);
        let right = pairs.filter(|(q, y)| usize::try_from(**y) == Ok(arg_max(q))).count();
        Some(right as f64 / labels.len().max(1) as f64)
    }
}

/// Accuracy of the float and of the quantised model on the same examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// Share of examples whose arg-max is the label, in `[0, 1]`.
    pub float: f64,
    /// The same for the quantised model.
    pub int8: f64,
}

/// A float model and the package made from it.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The quantised model.
    pub package: Package,
    float: FloatModel,
}

impl Imported {
    /// The float model's output for one raw input, before quantisation.
    ///
    /// # Panics
    /// If the input's length is not that of the model's.
    #[must_use]
    pub fn run_float(&self, x: &[f32]) -> Vec<f32> {
        self.float.run(x)
    }

    /// Accuracy on labelled examples; `None` without labels.
    ///
    /// # Panics
    /// If an example's length is not that of the model's input.
    #[must_use]
    pub fn accuracy(&self, examples: &Calibration) -> Option<Accuracy> {
        let labels = examples.y.as_ref()?;
        let share = |predict: &(dyn Fn(&[f32]) -> usize + Sync)| {
            let pairs = examples.x.par_iter().zip(labels);
            let right = pairs.filter(|(x, y)| usize::try_from(**y) == Ok(predict(x))).count();
            right as f64 / examples.x.len().max(1) as f64
        };
        Some(Accuracy {
            float: share(&|x| arg_max(&self.float.run(x))),
            int8: share(&|x| {
                arg_max(&execute(&self.package.graph, &self.package.quantize_input(x)))
            }),
        })
    }
}

/// Index of the largest value, the first of several.
#[must_use]
pub fn arg_max<T: PartialOrd>(values: &[T]) -> usize {
    (0..values.len()).reduce(|best, i| if values[i] > values[best] { i } else { best }).unwrap_or(0)
}

/// A model in float, as a file holds it.
#[derive(Clone, Debug)]
pub struct OnnxModel {
    model: FloatModel,
    facts: Facts,
}

impl OnnxModel {
    /// Reads an ONNX file.
    ///
    /// # Errors
    /// When the file is malformed or unsupported.
    pub fn read(bytes: &[u8], reading: &Reading) -> Result<Self, ImportError> {
        let (model, facts) = FloatModel::read(bytes, reading)?;
        Ok(Self { model, facts })
    }

    /// Its inputs; an example holds their numbers one behind the other.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.facts.inputs
    }

    /// Names and dimensions of its outputs, which lie one behind the other, too.
    #[must_use]
    pub fn outputs(&self) -> &[(String, Vec<usize>)] {
        &self.facts.outputs
    }

    /// What was dropped or changed when it was read, for people.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.facts.notes
    }

    /// The output for one raw input.
    ///
    /// # Panics
    /// If the input's length is not that of the model's.
    #[must_use]
    pub fn run(&self, x: &[f32]) -> Vec<f32> {
        self.model.run(x)
    }

    /// Quantises it by calibration data.
    ///
    /// # Errors
    /// When the data does not fit the model, or no integers represent it.
    pub fn quantise(self, calibration: &Calibration, name: &str) -> Result<Imported, ImportError> {
        let float = self.model;
        let names: Vec<String> = self.facts.inputs.into_iter().map(|i| i.name).collect();
        let bad = |reason: String| ImportError::Calibration { reason };
        if calibration.x.is_empty() {
            return Err(bad("there are no examples".into()));
        }
        let expected = float.input.len();
        let calibration = &calibration.clone().or_one(expected);
        if let Some(row) = calibration.x.iter().find(|r| r.len() != expected) {
            return Err(bad(format!(
                "an example has {} values, the model takes {expected}",
                row.len()
            )));
        }
        if calibration.x.iter().flatten().any(|v| !v.is_finite()) {
            return Err(bad("a value is not finite".into()));
        }
        if calibration.y.as_ref().is_some_and(|y| y.len() != calibration.x.len()) {
            return Err(bad("there are not as many labels as examples".into()));
        }
        float.check_extents()?;
        let q = quantize::quantize(
            &lower::lower(&float.clone().lifted(&calibration.x))?,
            &calibration.x,
        )?;
        let package = Package {
            name: name.to_owned(),
            graph: q.graph,
            input_scale: q.input_scale,
            output_scale: q.output_scale,
            width: Width::default(),
            inputs: if names.len() > 1 { names } else { Vec::new() },
        };
        Ok(Imported { package, float })
    }
}

/// Reads an ONNX file that stands alone and quantises it by calibration data.
///
/// # Errors
/// When the file is malformed or unsupported, or the data does not fit the model.
pub fn import_onnx(
    bytes: &[u8],
    calibration: &Calibration,
    name: &str,
) -> Result<Imported, ImportError> {
    OnnxModel::read(bytes, &Reading::default())?.quantise(calibration, name)
}
