//! Why layers are no valid sequence model.

use thiserror::Error;

use super::bounds::Quantity;

/// Why layers are no valid sequence model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SequenceError {
    /// There are no tokens, no ids, or too many.
    #[error("{tokens} tokens of {vocabulary} ids")]
    Extents {
        /// Tokens of a sequence.
        tokens: usize,
        /// Token ids.
        vocabulary: usize,
    },
    /// The last layer is missing, or its values are not of int8.
    #[error("the last layer does not give int8 values")]
    Output,
    /// A layer reads a tensor that is not computed before it, or one of the wrong sort.
    #[error("layer {layer} reads tensor {tensor}: {what}")]
    Reads {
        /// Index of the layer.
        layer: usize,
        /// The tensor.
        tensor: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// An array has the wrong length.
    #[error("layer {layer}: {what} has length {got}, expected {expected}")]
    Length {
        /// Index of the layer.
        layer: usize,
        /// Which array.
        what: &'static str,
        /// Length found.
        got: usize,
        /// Length required, at least.
        expected: usize,
    },
    /// A number is out of its range.
    #[error("layer {layer}: {what}")]
    Range {
        /// Index of the layer.
        layer: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A sum can leave the exact range.
    #[error("layer {layer}: {quantity} can reach {largest}, above {limit}")]
    Overflow {
        /// Index of the layer.
        layer: usize,
        /// Which sum.
        quantity: Quantity,
        /// The bound that was computed.
        largest: i64,
        /// What it may reach.
        limit: i64,
    },
}
