//! The one integer semantics of a model: int8 activations, int16 weights, int32 accumulators,
//! power-of-two requantisation.
//!
//! Worker, circuit and reference executor agree with this module to the bit.

mod activation;
mod exec;
mod graph;
mod range;
mod requantize;
pub mod sequence;

pub use activation::Activation;
pub use exec::{execute, execute_batch, resume, trace, Trace};
pub use graph::{
    Geometry, Graph, GraphError, Node, Part, Shape, Source, MAX_ABS_ACCUMULATOR, MAX_EXTENT,
    MAX_LEN, MAX_SHIFT,
};
pub use requantize::{requantize, ZERO_POINT};
