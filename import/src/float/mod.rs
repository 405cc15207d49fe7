//! The float model: what an ONNX file computes, in four kinds of operations.
//!
//! ```text
//! Linear    y = bias + sum of convolutions of earlier values (dense layers, sums, averages too)
//! Scalar    y = f(x), value by value
//! MaxPool   y = largest x of each window
//! Product   y = left right, value by value, each seen through a convolution
//! ```
//!
//! Value 0 is the input, value `i + 1` the result of operation `i`. The model is executed as it is
//! for the float accuracy; [`crate::lower`] turns it into the nodes of the integer graph.

mod clip;
mod floor;
pub(crate) mod geometry;
mod read;
mod run;
mod scalar;

use dn_core::quant::{Geometry, Shape, MAX_EXTENT};

use crate::error::ImportError;

pub(crate) use geometry::Window;
pub use read::{operators, Group, Input, Operator, Reading};
pub(crate) use read::{read_tokens, Facts, TokenFacts};
pub(crate) use run::{linear, product};
pub(crate) use scalar::{apply_all, size, Scalar};

/// One convolution of a sum.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term {
    /// What it reads.
    pub(crate) value: usize,
    pub(crate) geometry: Geometry,
    /// `[outputs, inputs / groups, kernel rows, kernel columns]`
    pub(crate) weights: Vec<f32>,
}

/// `bias + sum of terms`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Linear {
    pub(crate) terms: Vec<Term>,
    /// One per channel.
    pub(crate) bias: Vec<f32>,
}

/// What an operation computes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Linear(Linear),
    /// The functions apply from first to last to value `of`.
    Scalar {
        of: usize,
        chain: Vec<Scalar>,
    },
    MaxPool {
        of: usize,
        window: Window,
    },
    /// Each factor has one number for each number of the product.
    Product([Term; 2]),
}

impl Kind {
    /// The values that are read, with repetitions.
    pub(crate) fn operands(&self) -> Vec<usize> {
        match self {
            Self::Linear(linear) => linear.terms.iter().map(|t| t.value).collect(),
            Self::Scalar { of, .. } | Self::MaxPool { of, .. } => vec![*of],
            Self::Product(factors) => factors.iter().map(|t| t.value).collect(),
        }
    }

    /// Reads other values.
    pub(crate) fn rename(&mut self, with: impl Fn(usize) -> usize) {
        match self {
            Self::Linear(linear) => linear.terms.iter_mut().for_each(|t| t.value = with(t.value)),
            Self::Scalar { of, .. } | Self::MaxPool { of, .. } => *of = with(*of),
            Self::Product(factors) => factors.iter_mut().for_each(|t| t.value = with(t.value)),
        }
    }
}

/// The ONNX node an operation comes from, for errors.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Origin {
    pub(crate) node: String,
    pub(crate) op: String,
}

impl Origin {
    pub(crate) fn error(&self, reason: impl Into<String>) -> ImportError {
        let Self { node, op } = self.clone();
        ImportError::Node { node, op, reason: reason.into() }
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Op {
    pub(crate) origin: Origin,
    pub(crate) shape: Shape,
    pub(crate) kind: Kind,
}

/// A model in float. The last operation is the output.
#[derive(Clone, Debug)]
pub(crate) struct FloatModel {
    pub(crate) input: Shape,
    pub(crate) ops: Vec<Op>,
}

impl FloatModel {
    /// Extents of a value.
    pub(crate) fn shape(&self, value: usize) -> Shape {
        value.checked_sub(1).map_or(self.input, |i| self.ops[i].shape)
    }

    /// Checks that all values are images that the integer model can hold.
    ///
    /// # Errors
    /// [`ImportError::Node`] with the first operation whose result is too long.
    pub(crate) fn check_extents(&self) -> Result<(), ImportError> {
        let input = Origin { node: "input".to_owned(), op: "input".to_owned() };
        let results = self.ops.iter().map(|op| (&op.origin, op.shape));
        for (origin, shape) in std::iter::once((&input, self.input)).chain(results) {
            let Shape { height, width, .. } = shape;
            if height.max(width) > MAX_EXTENT {
                return Err(origin.error(format!(
                    "it has {height} rows and {width} columns; an image has at most {MAX_EXTENT} of each"
                )));
            }
        }
        Ok(())
    }

    /// How often each value is read; the output once more.
    pub(crate) fn readers(&self) -> Vec<usize> {
        let mut count = vec![0; self.ops.len() + 1];
        self.ops.iter().flat_map(|op| op.kind.operands()).for_each(|v| count[v] += 1);
        count[self.ops.len()] += 1;
        count
    }

    /// Drops what `output` does not need and makes it the last operation.
    pub(crate) fn keep_only(&mut self, output: usize) {
        let mut needed = vec![false; self.ops.len() + 1];
        needed[output] = true;
        for (i, op) in self.ops.iter().enumerate().rev() {
            if needed[i + 1] {
                op.kind.operands().into_iter().for_each(|v| needed[v] = true);
            }
        }
        let mut index = vec![0; needed.len()];
        let mut kept = 0;
        let ops = std::mem::take(&mut self.ops);
        for (i, mut op) in ops.into_iter().enumerate().filter(|(i, _)| needed[i + 1]) {
            op.kind.rename(|value| index[value]);
            self.ops.push(op);
            kept += 1;
            index[i + 1] = kept;
        }
    }
}

/// All positions of an image of extents `to` see the only one of their channel.
pub(crate) fn broadcast(value: usize, to: Shape) -> Term {
    let Shape { channels, height, width } = to;
    let geometry = Geometry {
        pad: [height - 1, width - 1],
        groups: channels,
        ..Geometry::plain([height, width])
    };
    Term { value, geometry, weights: vec![1.0; to.len()] }
}

/// A 1x1 convolution that scales each channel on its own.
pub(crate) fn pointwise(value: usize, scales: Vec<f32>) -> Term {
    let geometry = Geometry { groups: scales.len(), ..Geometry::plain([1, 1]) };
    Term { value, geometry, weights: scales }
}
