//! Moves biases to where the means are right.
//!
//! Rounding is not even: a value that is nearly the same in all examples is rounded to the same side
//! each time, and what is rounded off equal weights adds up. What that does to the mean of a sum,
//!
//! ```text
//! sum over taps of w mean(x) - w_q mean(x_q)
//! ```
//!
//! goes into its bias, node by node, so that deep networks do not drift.

use dn_core::quant::{resume, Graph, Node, Shape, Source, MAX_ABS_ACCUMULATOR};
use rayon::prelude::*;

use super::{to_int8, Calibrated, Quantized};
use crate::float::{geometry, Term};
use crate::lower::{is_dense, Unit};

/// The graph with biases moved by what the examples show.
pub(super) fn centre(
    calibrated: &Calibrated<'_>,
    inputs: &[Vec<f32>],
    quantized: &Quantized,
) -> Quantized {
    let model = calibrated.model;
    let scale = quantized.scales[0];
    let codes = |x: &Vec<f32>| vec![x.iter().map(|v| to_int8(v / scale)).collect::<Vec<i8>>()];
    let mut tensors: Vec<Vec<Vec<i8>>> = inputs.iter().map(codes).collect();
    let floats = float_means(calibrated, inputs);
    let mut done = Graph { input: quantized.graph.input, nodes: Vec::new() };
    let mut means = vec![code_means(&tensors)];
    for (i, node) in quantized.graph.nodes.iter().enumerate() {
        let (unit, mut node) = (&model.units[i], node.clone());
        // The mean of what a step decides by does not matter; that of a product is none of its factors'.
        if unit.exact.is_none() && unit.factors.is_none() && unit.step().is_none() {
            let step = f64::from(quantized.inner[i]);
            let terms = unit.linear.terms.iter().zip(node.sources.clone());
            for (term, source) in terms {
                let shape = model.shape(term.value);
                let both = [&floats[term.value][..], &means[term.value][..]];
                let sums = sums(unit, (term, shape), &source, both);
                for (o, [wanted, got]) in sums.into_iter().enumerate() {
                    let wanted = wanted * f64::from(1u32 << node.shift[o]) / step;
                    shift_bias(&mut node, o, wanted - got);
                }
            }
        }
        done.nodes.push(node);
        tensors.par_iter_mut().for_each(|t| resume(&done, t));
        means.push(code_means(&tensors));
    }
    Quantized { graph: done, scales: quantized.scales.clone(), inner: quantized.inner.clone() }
}

/// Adds to the bias of channel `o`, if its accumulators stay within their bound.
fn shift_bias(node: &mut Node, o: usize, by: f64) {
    let old = node.bias[o];
    node.bias[o] = (f64::from(old) + by).round() as i32;
    let (low, high) = node.accumulator_range(o);
    if low.abs().max(high.abs()) + (1 << node.shift[o]) > MAX_ABS_ACCUMULATOR {
        node.bias[o] = old;
    }
}

/// Means of the last tensor, by value.
fn code_means(tensors: &[Vec<Vec<i8>>]) -> Vec<f64> {
    let last = |t: &Vec<Vec<i8>>| t[t.len() - 1].iter().map(|q| f64::from(*q)).collect();
    means(tensors.iter().map(last))
}

/// Means of the float values of each tensor, by value.
fn float_means(calibrated: &Calibrated<'_>, inputs: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let run = |x: &Vec<f32>| -> Vec<Vec<f64>> {
        let values = calibrated.model.run(x);
        std::iter::once(wide(x)).chain(values.iter().map(|v| wide(&v.output))).collect()
    };
    let add = |a: Vec<Vec<f64>>, b: Vec<Vec<f64>>| {
        a.into_iter().zip(b).map(|(a, b)| added(a, &b)).collect()
    };
    let sums: Option<Vec<Vec<f64>>> = inputs.par_iter().map(run).reduce_with(add);
    let mean = |v: f64| v / inputs.len() as f64;
    sums.unwrap_or_default().into_iter().map(|t| t.into_iter().map(mean).collect()).collect()
}

fn added(mut a: Vec<f64>, b: &[f64]) -> Vec<f64> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

fn means(rows: impl ExactSizeIterator<Item = Vec<f64>>) -> Vec<f64> {
    let count = rows.len() as f64;
    let sum = rows.reduce(|a, b| added(a, &b)).unwrap_or_default();
    sum.into_iter().map(|v| v / count).collect()
}

/// By channel of a unit: the mean of a term's float sum, and of its sum of codes.
fn sums(
    unit: &Unit,
    (term, shape): (&Term, Shape),
    source: &Source,
    means: [&[f64]; 2],
) -> Vec<[f64; 2]> {
    let (channels, taps) = (unit.shape.channels, term.geometry.taps());
    let inside = inside(term, shape, unit.shape);
    let dense = is_dense(term, shape, unit.shape);
    let of_channel = |m: &[f64]| -> Vec<f64> {
        let channels = m.chunks_exact(shape.positions());
        channels.map(|c| c.iter().sum::<f64>() / c.len() as f64).collect()
    };
    let means = if dense { means.map(<[f64]>::to_vec) } else { means.map(of_channel) };
    let groups = term.geometry.groups;
    let (inputs, outputs) = (shape.channels / groups, channels / groups);
    let len = term.weights.len() / channels;
    let sum = |o: usize| {
        let mut sums = [0.0; 2];
        for j in 0..len {
            let first = o / outputs * inputs;
            let at = if dense { first * taps + j } else { first + j / taps };
            let share = inside[j % taps];
            sums[0] += share * f64::from(term.weights[o * len + j]) * means[0][at];
            sums[1] += share * f64::from(source.weights[o * len + j]) * means[1][at];
        }
        sums
    };
    (0..channels).into_par_iter().map(sum).collect()
}

/// By tap: the share of outputs for which it reads no padding.
fn inside(term: &Term, from: Shape, to: Shape) -> Vec<f64> {
    let g = &term.geometry;
    let share = |axis: usize, tap: usize, from: usize, to: usize| {
        let reads = (0..to).map(|o| geometry::reads(g, axis, o, tap));
        reads.filter(|at| (0..from as i64).contains(at)).count() as f64 / to as f64
    };
    let rows = (0..g.kernel[0]).map(|u| share(0, u, from.height, to.height));
    let columns: Vec<f64> = (0..g.kernel[1]).map(|v| share(1, v, from.width, to.width)).collect();
    rows.flat_map(|row| columns.iter().map(move |c| row * c).collect::<Vec<_>>()).collect()
}
