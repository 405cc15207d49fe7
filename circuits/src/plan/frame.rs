//! What is laid out, its limits, and why it may not fit.

use dn_core::labels::MAX_CLASSES;
use dn_core::statement::Form;
use dn_core::{Scheme, Scoring, Width};
use thiserror::Error;

/// Rows that halo2 blinds, and as many again for the randomness of the lookup helpers.
pub const BLINDING_ROWS: usize = 6;
/// Largest circuit that is planned: `2^22` rows.
pub const MAX_K: u32 = 22;
/// Most slots: a packed score has 16 bits for each count.
pub const MAX_SLOTS: usize = (1 << 16) - 1;

/// Why a model cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// The batch size is not a positive multiple of the lane count.
    #[error("a batch of {slots} slots is not a positive multiple of {lanes}")]
    Slots {
        /// What was asked for.
        slots: usize,
        /// Items side by side in the layout.
        lanes: usize,
    },
    /// More slots than sums of scores are unique for.
    #[error("a batch of {slots} slots; there are at most {MAX_SLOTS}")]
    TooManySlots {
        /// What was asked for.
        slots: usize,
    },
    /// The output has more values than there are classes.
    #[error(
        "{outputs} outputs; there are at most {MAX_CLASSES} classes: import it with --score none"
    )]
    Outputs {
        /// What the model has.
        outputs: usize,
    },
    /// Readers of a tensor want its values in different orders.
    #[error("tensor {tensor} is read in different ways; each needs a copy of its own")]
    Readers {
        /// Which tensor.
        tensor: usize,
    },
    /// The layout is for models of another kind, or scores what is not scored.
    #[error("the {} layout is not for {model}, or not with these scores", width.name())]
    Layout {
        /// The layout.
        width: Width,
        /// The kind of model.
        model: &'static str,
    },
    /// The tokens of a sequence do not fill rows.
    #[error("{tokens} tokens are not a multiple of {lanes}")]
    Tokens {
        /// Tokens of a sequence.
        tokens: usize,
        /// Tokens side by side in the layout.
        lanes: usize,
    },
    /// A layer of a sequence model has no rows.
    #[error("layer {layer} cannot be proven: {what}")]
    Layer {
        /// Index of the layer.
        layer: usize,
        /// Why.
        what: &'static str,
    },
    /// More rows than the largest circuit.
    #[error("the batch needs {rows} rows, more than 2^{MAX_K}")]
    Rows {
        /// What the batch needs.
        rows: usize,
    },
}

/// A batch size, a layout, a form of the statement, what is scored and an opening scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Slots in the batch.
    pub slots: usize,
    /// The layout.
    pub width: Width,
    /// How public inputs name the commitments.
    pub form: Form,
    /// What outputs are.
    pub scoring: Scoring,
    /// How columns are opened.
    pub scheme: Scheme,
}

impl Frame {
    /// A batch that lists its commitments and opens its columns plainly, of a model with classes.
    #[must_use]
    pub fn new(slots: usize, width: Width) -> Self {
        let (scoring, scheme) = (Scoring::Classes, Scheme::Plain);
        Self { slots, width, form: Form::Listed, scoring, scheme }
    }

    /// Slots for `batch` inferences: the next multiple of the lane count.
    #[must_use]
    pub fn of(batch: usize, width: Width) -> Self {
        Self::new(batch.max(1).next_multiple_of(width.lanes()), width)
    }

    /// The same with another form of the statement.
    #[must_use]
    pub fn with(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// The same with other outputs.
    #[must_use]
    pub fn scored(self, scoring: Scoring) -> Self {
        Self { scoring, ..self }
    }

    /// The same with another opening scheme.
    #[must_use]
    pub fn opened(self, scheme: Scheme) -> Self {
        Self { scheme, ..self }
    }
}

/// Slots in the default layout.
impl From<usize> for Frame {
    fn from(slots: usize) -> Self {
        Self::new(slots, Width::Default)
    }
}

/// log2 of the domain that holds `rows` used rows and their blinding.
pub(crate) fn log2_rows(rows: usize) -> u32 {
    (rows + 2 * BLINDING_ROWS).next_power_of_two().trailing_zeros()
}
