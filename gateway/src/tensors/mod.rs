//! From any type of numbers to a model's inputs, and back.

mod element;
mod rows;

pub(crate) use element::Element;
pub(crate) use rows::{input_names, rows, vectors, Tensor};
