//! Whether a model's outputs are scores of classes, as far as its file and the labels tell.

use dn_core::labels::MAX_CLASSES;
use dn_core::Scoring;

use crate::quantize::{Outcome, Outputs};
use crate::readout::{Output, Readout};

/// Most outputs that are taken for scores where neither labels nor a softmax say so. Lists of classes are short;
/// embeddings are longer.
const GUESSED: usize = 100;

/// What proofs of the model score, unless the developer says otherwise. Labels decide: numbers of classes or
/// quantities. Without them a file that ends in a softmax or names the class means classes, and so do 2 to 100 numbers
/// on one scale.
pub(crate) fn of(
    outcome: &Outcome,
    labels: Outputs,
    has_classes: bool,
    outputs: &[Output],
) -> Scoring {
    let shape = outcome.graph.shape(outcome.graph.nodes.len());
    let is_list = shape.positions() == 1 && (2..=MAX_CLASSES).contains(&shape.len());
    let is_one = outputs.len() < 2;
    let is_read = outputs.iter().any(|one| one.readout != Readout::Plain);
    let is_scores = match labels {
        Outputs::Scores => true,
        Outputs::Quantities => false,
        Outputs::Unknown => {
            is_one && (has_classes || is_read || outcome.is_scores && shape.len() <= GUESSED)
        }
    };
    if is_list && is_scores {
        Scoring::Classes
    } else {
        Scoring::None
    }
}
