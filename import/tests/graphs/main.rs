//! Hand-built ONNX graphs, operator by operator.

mod build;
mod operators;
mod refusals;
