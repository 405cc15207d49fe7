//! Max pools whose windows overlap, are padded or are not square.
//!
//! Rows and columns are pooled one after the other, and each maximum of two is
//!
//! ```text
//! max(a, b) = a + relu(b - a)
//! ```
//!
//! on codes, which is exact: where both are non-negative `b - a` is a code. Otherwise it can reach
//! 255, and `relu(b - a - 127)`, 0 unless the first part saturates, adds the rest.

use dn_core::quant::Shape;

use super::{Builder, Unit};
use crate::error::ImportError;
use crate::float::{geometry, pointwise, Linear, Origin, Scalar, Term, Window};

/// Most rows or columns of a window; each costs a few nodes.
const MAX_SIDE: usize = 64;
/// Largest code.
const TOP: i32 = 127;
/// A float bias under which the rest of a saturated difference is always zero.
const NEVER: f32 = -1e30;

impl Builder {
    /// Units for the largest value of each window; gives their tensor.
    pub(super) fn overlapping(
        &mut self,
        origin: &Origin,
        (tensor, from): (usize, Shape),
        (window, to): (&Window, Shape),
        non_negative: bool,
    ) -> Result<usize, ImportError> {
        if window.kernel.iter().any(|k| *k > MAX_SIDE) {
            return Err(
                origin.error(format!("windows that overlap may have {MAX_SIDE} rows or columns"))
            );
        }
        let padded = geometry::reads_outside(&window.geometry(1), from, to);
        if padded && !non_negative {
            return Err(origin.error(
                "a padded max pool needs values that are not negative, as a Relu gives them",
            ));
        }
        let mut tensor = tensor;
        let mut shape = from;
        for axis in [1, 0] {
            let line = Line { window, axis, channels: from.channels };
            if axis == 1 {
                shape.width = to.width;
            } else {
                shape.height = to.height;
            }
            if window.kernel[axis] > 1 || window.stride[axis] > 1 || window.pad[axis] > 0 {
                tensor = self.line(origin, tensor, &line, shape, non_negative);
            }
        }
        Ok(tensor)
    }

    /// Pools along one axis.
    fn line(
        &mut self,
        origin: &Origin,
        tensor: usize,
        line: &Line<'_>,
        shape: Shape,
        non_negative: bool,
    ) -> usize {
        let ones = |factor: f32| vec![factor; shape.channels];
        let mut unit = |terms: Vec<Term>, chain: &[Scalar], bias: i32| {
            let float = if bias == 0 { 0.0 } else { NEVER };
            self.push(Unit {
                factors: None,
                origin: origin.clone(),
                shape,
                linear: Linear { terms, bias: ones(float) },
                pool: 1,
                chain: chain.to_vec(),
                exact: Some(bias),
            })
        };
        let mut largest = unit(vec![line.tap(tensor, 0)], &[], 0);
        for tap in 1..line.window.kernel[line.axis] {
            let difference = || vec![line.tap(tensor, tap), pointwise(largest, ones(-1.0))];
            let mut terms = vec![pointwise(largest, ones(1.0))];
            terms.push(pointwise(unit(difference(), &[Scalar::Relu], 0), ones(1.0)));
            if !non_negative {
                terms.push(pointwise(unit(difference(), &[Scalar::Relu], -TOP), ones(1.0)));
            }
            largest = unit(terms, &[], 0);
        }
        largest
    }
}

/// One axis of the windows.
struct Line<'a> {
    window: &'a Window,
    axis: usize,
    channels: usize,
}

impl Line<'_> {
    /// The values under one tap of each window.
    fn tap(&self, value: usize, tap: usize) -> Term {
        let mut window = Window::plain([1, 1]);
        for part in [0, 1].into_iter().filter(|a| *a == self.axis) {
            window.kernel[part] = self.window.kernel[part];
            window.stride[part] = self.window.stride[part];
            window.pad[part] = self.window.pad[part];
            window.dilation[part] = self.window.dilation[part];
        }
        let taps = window.kernel[self.axis];
        let weights = (0..self.channels * taps).map(|n| f32::from(u8::from(n % taps == tap)));
        Term { value, geometry: window.geometry(self.channels), weights: weights.collect() }
    }
}
