//! Hand-built ONNX graphs, operator by operator.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod build;
mod codes;
mod door;
mod integers;
mod operators;
mod products;
mod refusals;
mod scales;
mod scoring;
mod silent;
mod tails;
mod views;
