//! Adds operations to the model.

use dn_core::quant::Shape;

use super::{Reader, MAX_FUNCTIONS, MAX_VIEW, MAX_WORK};
use crate::float::{geometry, scalar, Kind, Linear, Op, Scalar};

impl Reader {
    /// Counts numbers that are made against the bound on all of them.
    pub(super) fn spend(&mut self, numbers: usize) -> Result<(), String> {
        self.work = self.work.saturating_add(numbers);
        if numbers > MAX_VIEW || self.work > MAX_WORK {
            return Err("the model is too large to be read".to_owned());
        }
        Ok(())
    }

    /// Counts numbers of lists that may each be longer than a view.
    pub(super) fn count(&mut self, numbers: usize) -> Result<(), String> {
        self.work = self.work.saturating_add(numbers);
        self.spend(0)
    }

    /// Adds an operation; gives its value.
    pub(super) fn push(&mut self, shape: Shape, kind: Kind) -> Result<usize, String> {
        let terms = match &kind {
            Kind::Linear(linear) => &linear.terms[..],
            Kind::Product(factors) => &factors[..],
            Kind::Scalar { .. } | Kind::MaxPool { .. } => &[],
        };
        if !terms.is_empty() {
            for term in terms {
                let input = self.model.shape(term.value);
                let len = geometry::weights_len(&term.geometry, input, shape)?;
                debug_assert_eq!(len, term.weights.len());
                self.work = self.work.saturating_add(len);
            }
            self.spend(0)?;
        }
        self.model.ops.push(Op { origin: self.origin.clone(), shape, kind });
        Ok(self.model.ops.len())
    }

    pub(super) fn push_linear(&mut self, shape: Shape, linear: Linear) -> Result<usize, String> {
        self.push(shape, Kind::Linear(linear))
    }

    /// A value as a chain of functions on another value.
    pub(super) fn chain(&self, value: usize) -> (usize, Vec<Scalar>) {
        match value.checked_sub(1).map(|i| &self.model.ops[i].kind) {
            Some(Kind::Scalar { of, chain }) => (*of, chain.clone()),
            _ => (value, Vec::new()),
        }
    }

    /// Appends functions to a value.
    pub(super) fn push_scalar(
        &mut self,
        value: usize,
        functions: &[Scalar],
    ) -> Result<usize, String> {
        let (of, mut chain) = self.chain(value);
        chain.extend_from_slice(functions);
        if scalar::size(&chain) > MAX_FUNCTIONS {
            return Err(format!("more than {MAX_FUNCTIONS} functions follow each other"));
        }
        self.push(self.model.shape(value), Kind::Scalar { of, chain })
    }
}
