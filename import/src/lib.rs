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
//! tokens/   all of this for transformers, whose integers are sequences
//! ```
//!
//! [`operators`] lists what can be read. One example is computed at a time, so the batch may have
//! any size; all other extents are fixed by the file or by [`Reading::sizes`].

mod codes;
mod error;
mod examples;
mod fidelity;
mod float;
mod half;
mod lower;
pub mod npz;
pub mod onnx;
mod package;
mod quantize;
mod readout;
mod scoring;
mod tokens;

use dn_core::quant::{execute, Shape};
use dn_core::{Scheme, Width};
use rayon::prelude::*;

pub use codes::Codes;
pub use error::{Failed, ImportError, PackageError};
pub use examples::{arg_max, Calibration, ExampleError};
pub use fidelity::{Accuracy, Fidelity, Layer};
pub use float::{operators, Group, Input, Operator, Reading};
pub use package::Package;
pub use readout::{Output, Readout};
pub use tokens::{
    ImportedSequence, SequencePackage, Stored, TokenExamples, TokenFidelity, TokenLoss, Transformer,
};

use float::{Facts, FloatModel};
use quantize::{Outcome, Outputs};

/// A float model and the package made from it.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The quantised model.
    pub package: Package,
    float: FloatModel,
    outcome: Outcome,
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

    /// Accuracy on labelled examples; `None` without labels that are classes.
    ///
    /// # Panics
    /// If an example's length is not that of the model's input.
    #[must_use]
    pub fn accuracy(&self, examples: &Calibration) -> Option<Accuracy> {
        examples.y.as_ref()?;
        let run = |x: &Vec<f32>| {
            let codes = execute(&self.package.graph, &self.package.quantize_input(x));
            (self.float.run(x), self.package.dequantize_output(&codes))
        };
        let (float, int8): (Vec<_>, Vec<_>) = examples.x.par_iter().map(run).unzip();
        let pair = examples.accuracy(&float).zip(examples.accuracy(&int8));
        pair.map(|(float, int8)| Accuracy { float, int8 })
    }

    /// How far the integers are from the floats on examples, of large models on the first ones.
    ///
    /// # Panics
    /// If there is no example, or one's length is not that of the model's input.
    #[must_use]
    pub fn fidelity(&self, examples: &Calibration) -> Fidelity {
        fidelity::compare(&self.float, &self.outcome, examples)
    }

    /// Calibration examples that are so far out of line with the others that no scale follows them,
    /// counted from 0.
    #[must_use]
    pub fn out_of_line(&self) -> &[usize] {
        &self.outcome.dropped
    }
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
        let has_classes = self.facts.has_classes;
        let names: Vec<String> = self.facts.inputs.into_iter().map(|i| i.name).collect();
        let readouts = self.facts.readouts;
        let named = self
            .facts
            .outputs
            .into_iter()
            .zip(readouts)
            .map(|((name, dims), readout)| Output { name, len: dims.iter().product(), readout });
        let named: Vec<Output> = named.collect();
        let bad = |reason: String| ImportError::Calibration { reason };
        if calibration.x.is_empty() {
            return Err(bad("there are no examples".into()));
        }
        let calibration = &calibration.clone().or_one(float.input.len());
        calibration.check(float.input)?;
        if calibration.y.as_ref().is_some_and(|y| y.len() != calibration.x.len()) {
            return Err(bad("there are not as many labels as examples".into()));
        }
        float.check_extents()?;
        let count = float.shape(float.ops.len()).len();
        let labels = match &calibration.y {
            Some(_) if count > 1 && calibration.has_classes(count) => Outputs::Scores,
            None if !calibration.has_quantities => Outputs::Unknown,
            _ => Outputs::Quantities,
        };
        let quantised = |model: FloatModel| {
            let lowered = lower::lower(&model.lifted(&calibration.x))?;
            quantize::quantize(&lowered, &calibration.x, labels)
        };
        let idle = float.clone().unclipped(&calibration.x);
        let outcome = match quantised(idle.model.clone())? {
            outcome if idle.holds(&outcome.ends[0]) => outcome,
            _ => quantised(float.clone())?,
        };
        let [input, output] = outcome.ends.clone();
        let (name, graph) = (name.to_owned(), outcome.graph.clone());
        let shapes = [graph.input, graph.shape(graph.nodes.len())];
        let ends = [&input, &output];
        let fits = |(shape, codes): (&Shape, &Codes)| codes.fits(shape.channels, shape.len());
        if !shapes.iter().zip(ends).all(fits) {
            return Err(bad("inputs or outputs are too large or too small for float32".into()));
        }
        let inputs = if names.len() > 1 { names } else { Vec::new() };
        let is_plain = named.len() < 2 && named.iter().all(|o| o.readout == Readout::Plain);
        let outputs = if is_plain { Vec::new() } else { named };
        // At ordinary prices gas is dearer than the CPU time that it takes to save it.
        let (width, scheme) = (Width::default(), Scheme::Merged);
        let scoring = scoring::of(&outcome, labels, has_classes, &outputs);
        let package =
            Package { name, graph, input, output, width, scoring, scheme, inputs, outputs };
        Ok(Imported { package, float, outcome })
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
