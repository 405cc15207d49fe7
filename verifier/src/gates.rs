//! Evaluates the gates at the opened values.

use ark_bn254::Fr;
use ark_ff::Zero;
use dn_core::protocol::{Op, Protocol};

/// Values at the evaluation point.
#[derive(Debug)]
pub(crate) struct Evaluations<'a> {
    pub(crate) constants: &'a [Fr],
    pub(crate) advice: &'a [Fr],
    pub(crate) fixed: &'a [Fr],
    pub(crate) instance: Fr,
    pub(crate) challenges: &'a [Fr],
}

/// All constraints, separated by powers of `y`, the first one with the highest power.
///
/// Indices are in range: [`Protocol::check`] has passed.
pub(crate) fn evaluate(protocol: &Protocol, e: &Evaluations<'_>, y: Fr) -> Fr {
    let mut values: Vec<Fr> = Vec::with_capacity(protocol.ops.len());
    for op in &protocol.ops {
        values.push(match *op {
            Op::Constant(i) => e.constants[i as usize],
            Op::Fixed(i) => e.fixed[i as usize],
            Op::Advice(i) => e.advice[i as usize],
            Op::Instance => e.instance,
            Op::Challenge(i) => e.challenges[i as usize],
            Op::Neg(a) => -values[a as usize],
            Op::Sum(a, b) => values[a as usize] + values[b as usize],
            Op::Product(a, b) => values[a as usize] * values[b as usize],
        });
    }
    protocol.constraints.iter().fold(Fr::zero(), |acc, c| acc * y + values[*c as usize])
}
