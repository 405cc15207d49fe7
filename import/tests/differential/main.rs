//! Random small graphs: what the importer reads computes what ONNX defines, or it is refused.
//!
//! The other side is written from the definition of the operators alone, in doubles, and shares no
//! code with the importer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod generate;
mod layers;
mod reference;
mod tensor;
