//! Decisions see no scale: what is at least 0 is so at any scale. Each channel in front of a step is
//! scaled to the same range, so that one step of codes is as fine for all of them.

use rayon::prelude::*;

use crate::lower::{Lowered, Unit};

/// The model with every channel that a step at 0 decides by scaled to reach 1 on the examples.
pub(super) fn scaled(model: &Lowered, inputs: &[Vec<f32>]) -> Lowered {
    let mut model = model.clone();
    // What reads codes as they are keeps their scale.
    let is_scaled = |unit: &Unit| unit.factors.is_none() && unit.exact.is_none();
    let is_decision = |unit: &Unit| is_scaled(unit) && matches!(unit.step(), Some((0.0, _)));
    if !model.units.iter().any(is_decision) {
        return model;
    }
    let reaches = |x: &Vec<f32>| -> Vec<Vec<f32>> {
        let values = model.run(x);
        let units = model.units.iter().zip(&values);
        units.map(|(unit, values)| reach(unit, &values.pooled)).collect()
    };
    let larger = |a: Vec<Vec<f32>>, b: Vec<Vec<f32>>| -> Vec<Vec<f32>> {
        let pair = |(a, b): (Vec<f32>, Vec<f32>)| a.iter().zip(b).map(|(a, b)| a.max(b)).collect();
        a.into_iter().zip(b).map(pair).collect()
    };
    let reached = inputs.par_iter().map(reaches).reduce_with(larger).unwrap_or_default();
    for (unit, reached) in model.units.iter_mut().zip(reached) {
        if !is_decision(unit) {
            continue;
        }
        let linear = &mut unit.linear;
        for (o, reach) in reached.into_iter().enumerate() {
            if !reach.is_normal() {
                continue;
            }
            linear.bias[o] /= reach;
            for term in &mut linear.terms {
                let len = term.weights.len() / linear.bias.len();
                term.weights[o * len..][..len].iter_mut().for_each(|w| *w /= reach);
            }
        }
    }
    model
}

/// By channel: the largest magnitude.
fn reach(unit: &Unit, values: &[f32]) -> Vec<f32> {
    let channels = values.chunks_exact(values.len() / unit.shape.channels);
    channels.map(|c| c.iter().fold(0.0, |m: f32, v| m.max(v.abs()))).collect()
}
