//! Lifts what padded max pools read above zero, where padding, which is zero, never wins.
//!
//! ```text
//! max(x) = max(relu(x + b)) - b          for all x >= -b
//! ```
//!
//! `b` covers the values on the calibration data, and half as much again; what is smaller yet
//! counts as `-b`.

use rayon::prelude::*;

use super::geometry::reads_outside;
use super::{pointwise, FloatModel, Kind, Linear, Op, Scalar, Shape};

/// Examples that tell how small the values become.
const EXAMPLES: usize = 64;

impl FloatModel {
    /// The same model with padded max pools of non-negative values only.
    pub(crate) fn lifted(self, inputs: &[Vec<f32>]) -> Self {
        let is_open = |i: usize| self.reads_padding(i) && !self.is_non_negative(i);
        let open: Vec<usize> = (0..self.ops.len()).filter(|i| is_open(*i)).collect();
        if open.is_empty() {
            return self;
        }
        let smallest = |x: &Vec<f32>| -> Vec<f32> {
            let values = self.trace(x);
            let of = |i: &usize| values[self.ops[*i].kind.operands()[0]].iter().copied();
            open.iter().map(|i| of(i).fold(0.0, f32::min)).collect()
        };
        let floors = inputs[..inputs.len().min(EXAMPLES)].par_iter().map(smallest).reduce(
            || vec![0.0; open.len()],
            |a, b| a.into_iter().zip(b).map(|(a, b)| a.min(b)).collect(),
        );
        let mut lifted = Self { input: self.input, ops: Vec::new() };
        let mut place = vec![0];
        for (i, mut op) in self.ops.iter().cloned().enumerate() {
            op.kind.rename(|value| place[value]);
            let value = match open.iter().position(|o| *o == i) {
                Some(at) => lifted.push_lifted(op, -1.5 * floors[at]),
                None => lifted.push(op),
            };
            place.push(value);
        }
        lifted
    }

    fn push(&mut self, op: Op) -> usize {
        self.ops.push(op);
        self.ops.len()
    }

    /// A max pool between two shifts.
    fn push_lifted(&mut self, mut pool: Op, by: f32) -> usize {
        let of = pool.kind.operands()[0];
        let shift = |shape: Shape, value: usize, by: f32| {
            let terms = vec![pointwise(value, vec![1.0; shape.channels])];
            Kind::Linear(Linear { terms, bias: vec![by; shape.channels] })
        };
        let (from, to, origin) = (self.shape(of), pool.shape, pool.origin.clone());
        let op = |shape: Shape, kind: Kind| Op { origin: origin.clone(), shape, kind };
        let up = self.push(op(from, shift(from, of, by)));
        let positive = self.push(op(from, Kind::Scalar { of: up, chain: vec![Scalar::Relu] }));
        pool.kind.rename(|_| positive);
        let pooled = self.push(pool);
        self.push(op(to, shift(to, pooled, -by)))
    }

    fn reads_padding(&self, i: usize) -> bool {
        match &self.ops[i].kind {
            Kind::MaxPool { of, window } => {
                reads_outside(&window.geometry(1), self.shape(*of), self.ops[i].shape)
            }
            _ => false,
        }
    }

    /// Whether what an operation reads is a function that is never negative.
    fn is_non_negative(&self, i: usize) -> bool {
        let of = self.ops[i].kind.operands()[0];
        match of.checked_sub(1).map(|o| &self.ops[o].kind) {
            Some(Kind::Scalar { chain, .. }) => chain.last().is_some_and(Scalar::is_non_negative),
            _ => false,
        }
    }
}
