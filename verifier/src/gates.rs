//! Evaluates the gates at the opened values.

use ark_bn254::Fr;
use ark_ff::Zero;
use dn_core::protocol::{Node, Protocol};

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
    let mut values: Vec<Fr> = Vec::with_capacity(protocol.nodes.len());
    for node in &protocol.nodes {
        values.push(match *node {
            Node::Constant(i) => e.constants[i as usize],
            Node::Fixed(i) => e.fixed[i as usize],
            Node::Advice(i) => e.advice[i as usize],
            Node::Instance => e.instance,
            Node::Challenge(i) => e.challenges[i as usize],
            Node::Neg(a) => -values[a as usize],
            Node::Sum(a, b) => values[a as usize] + values[b as usize],
            Node::Product(a, b) => values[a as usize] * values[b as usize],
        });
    }
    protocol.constraints.iter().fold(Fr::zero(), |acc, c| acc * y + values[*c as usize])
}
