//! What a model's outputs are, as far as a score can be made of them.

use serde::{Deserialize, Serialize};

/// What the score of a batch is made of. A package names it, and the verifying key follows from it: without classes
/// a proof has no rows for them, no labels, and a score of zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scoring {
    /// Outputs are scores of classes: an answer is right when the label's is the largest.
    #[default]
    Classes,
    /// Outputs are quantities, images, embeddings.
    None,
}

impl Scoring {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classes => "classes",
            Self::None => "none",
        }
    }

    /// Whether it is that of packages that name none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::Classes
    }

    /// Classes that a label can name: a single output is the largest of nothing.
    #[must_use]
    pub const fn classes(self, outputs: usize) -> usize {
        match self {
            Self::Classes if outputs > 1 => outputs,
            Self::Classes | Self::None => 0,
        }
    }
}
