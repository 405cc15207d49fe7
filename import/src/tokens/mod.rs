//! Transformers: from a file of float layers to the integers of a [`Sequence`], and their package.
//!
//! ```text
//! model     what the file computes, in float; read by `float/read/tokens`
//! lower     the same as the layers that integers have
//! quantise  their scales, weights and tables, by calibration data
//! fidelity  integers beside floats
//! package   the file that users share
//! ```

mod examples;
mod fidelity;
mod lower;
mod model;
mod norms;
mod output;
mod package;
mod quantise;
mod run;
mod scales;
mod tables;
mod trace;

use rayon::prelude::*;

use crate::error::ImportError;
use crate::float::{read_tokens, Reading, TokenFacts};
use lower::{lower, Lowered};
use quantise::{quantise, Quantised};

pub use examples::TokenExamples;
pub use fidelity::{TokenFidelity, TokenLoss};
pub(crate) use model::{Attention, Dense, Kind, Norm, Op, TokenModel};
pub use package::{SequencePackage, Stored};

/// Numbers of traces that scales are chosen by: 128 MiB.
const MAX_TRACED: usize = 1 << 24;

/// A transformer in float, as a file holds it.
#[derive(Clone, Debug)]
pub struct Transformer {
    model: TokenModel,
    lowered: Lowered,
    facts: TokenFacts,
}

/// A transformer and the package made from it.
#[derive(Clone, Debug)]
pub struct ImportedSequence {
    /// The quantised model.
    pub package: SequencePackage,
    model: TokenModel,
    lowered: Lowered,
    scales: Vec<f64>,
}

impl Transformer {
    /// Reads an ONNX file; `None` if it is no transformer.
    ///
    /// # Errors
    /// When it is one that sequences cannot express.
    pub fn read(bytes: &[u8], reading: &Reading) -> Result<Option<Self>, ImportError> {
        let Some((model, facts)) = read_tokens(bytes, reading)? else { return Ok(None) };
        let lowered = lower(&model)?;
        Ok(Some(Self { model, lowered, facts }))
    }

    /// Tokens of a sequence.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.model.tokens
    }

    /// Token ids are below it.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.model.vocabulary
    }

    /// Name of its input.
    #[must_use]
    pub fn input(&self) -> &str {
        &self.facts.input
    }

    /// Name of its output.
    #[must_use]
    pub fn output(&self) -> &str {
        &self.facts.output
    }

    /// What was dropped or changed when it was read, for people.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.facts.notes
    }

    /// The output for one sequence of ids, `[tokens, channels]`.
    ///
    /// # Panics
    /// If there are not as many ids as tokens, or one is not below the vocabulary.
    #[must_use]
    pub fn run(&self, ids: &[usize]) -> Vec<f64> {
        self.model.run(ids)
    }

    /// Quantises it by calibration data.
    ///
    /// # Errors
    /// When there is no data, or no integers represent the model.
    pub fn quantise(
        self,
        calibration: &TokenExamples,
        name: &str,
    ) -> Result<ImportedSequence, ImportError> {
        if calibration.ids.is_empty() {
            let reason = "there are no examples".to_owned();
            return Err(ImportError::Calibration { reason });
        }
        calibration.check(self.model.tokens, self.model.vocabulary)?;
        let count = (MAX_TRACED / self.lowered.numbers().max(1)).max(1);
        let examples: Vec<&Vec<usize>> = calibration.ids.iter().take(count).collect();
        let traces: Vec<_> = examples.par_iter().map(|ids| self.lowered.trace(ids)).collect();
        let is_finite = |t: &trace::Trace| t.tensors.iter().flatten().all(|x| x.is_finite());
        if !traces.iter().all(is_finite) {
            let reason = "the float model gives numbers that are not finite for them".to_owned();
            return Err(ImportError::Calibration { reason });
        }
        let Quantised { model, scales, output } = quantise(&self.lowered, &traces)?;
        let package = SequencePackage { name: name.to_owned(), model, output };
        Ok(ImportedSequence { package, model: self.model, lowered: self.lowered, scales })
    }
}

impl ImportedSequence {
    /// The float model's output for one sequence of ids, `[tokens, channels]`.
    ///
    /// # Panics
    /// As [`Transformer::run`].
    #[must_use]
    pub fn run_float(&self, ids: &[usize]) -> Vec<f64> {
        self.model.run(ids)
    }

    /// How far the integers are from the floats on examples, of large models on the first ones.
    ///
    /// # Errors
    /// When an example is no input of the model.
    pub fn fidelity(&self, examples: &TokenExamples) -> Result<TokenFidelity, ImportError> {
        examples.check(self.model.tokens, self.model.vocabulary)?;
        Ok(fidelity::compare(self, examples))
    }

    /// Whether tokens see none behind them, so that each predicts the next one.
    fn is_causal(&self) -> bool {
        let mut attentions = self.model.ops.iter().filter_map(|op| match &op.kind {
            Kind::Attention(attention) => Some(attention.is_causal),
            _ => None,
        });
        attentions.all(|is_causal| is_causal)
    }
}
