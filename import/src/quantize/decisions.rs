//! Decisions see no scale: what is at least 0 is so at any scale. Each channel in front of a step is
//! scaled to the same range, so that one step of codes is as fine for all of them.
//!
//! Numbers that lie on the threshold would be decided by the rounding of their codes. The border moves
//! from there towards the middle of what examples show on both sides, by at most half a code.

use rayon::prelude::*;

use crate::lower::{Lowered, Unit};

/// What the examples show of a channel.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    /// The largest magnitude.
    reach: f32,
    /// The least distance from the threshold of numbers that are decided as 1, and as 0.
    near: [f32; 2],
}

impl Seen {
    fn of(values: &[f32], holds_at_zero: bool) -> Self {
        let mut seen = Self { reach: 0.0, near: [f32::INFINITY; 2] };
        for v in values {
            let is_below = *v < 0.0 || *v == 0.0 && !holds_at_zero;
            let near = &mut seen.near[usize::from(is_below)];
            *near = near.min(v.abs());
            seen.reach = seen.reach.max(v.abs());
        }
        seen
    }

    fn join(self, other: Self) -> Self {
        let near = [0, 1].map(|side| self.near[side].min(other.near[side]));
        Self { reach: self.reach.max(other.reach), near }
    }

    /// What is added in front of the threshold.
    fn shift(self) -> f32 {
        let [above, below] = self.near;
        let middle = (below - above) / 2.0;
        let limit = self.reach / 255.0;
        if middle.is_finite() {
            middle.clamp(-limit, limit)
        } else {
            0.0
        }
    }
}

/// The model with every channel that a step at 0 decides by scaled to reach 1 on the examples.
pub(super) fn scaled(model: &Lowered, inputs: &[Vec<f32>]) -> Lowered {
    let mut model = model.clone();
    // What reads codes as they are keeps their scale.
    let is_scaled = |unit: &Unit| unit.factors.is_none() && unit.exact.is_none();
    let is_decision = |unit: &Unit| is_scaled(unit) && matches!(unit.step(), Some((0.0, _)));
    if !model.units.iter().any(is_decision) {
        return model;
    }
    let seen_in = |x: &Vec<f32>| -> Vec<Vec<Seen>> {
        let values = model.run(x);
        let units = model.units.iter().zip(&values);
        units.map(|(unit, values)| seen(unit, &values.pooled)).collect()
    };
    let joined = |a: Vec<Vec<Seen>>, b: Vec<Vec<Seen>>| -> Vec<Vec<Seen>> {
        let pair =
            |(a, b): (Vec<Seen>, Vec<Seen>)| a.into_iter().zip(b).map(|(a, b)| a.join(b)).collect();
        a.into_iter().zip(b).map(pair).collect()
    };
    let all = inputs.par_iter().map(seen_in).reduce_with(joined).unwrap_or_default();
    for (unit, all) in model.units.iter_mut().zip(all) {
        if !is_decision(unit) {
            continue;
        }
        let linear = &mut unit.linear;
        for (o, seen) in all.into_iter().enumerate() {
            if !seen.reach.is_normal() {
                continue;
            }
            linear.bias[o] = (linear.bias[o] + seen.shift()) / seen.reach;
            for term in &mut linear.terms {
                let len = term.weights.len() / linear.bias.len();
                term.weights[o * len..][..len].iter_mut().for_each(|w| *w /= seen.reach);
            }
        }
    }
    model
}

/// By channel.
fn seen(unit: &Unit, values: &[f32]) -> Vec<Seen> {
    let holds_at_zero = unit.step().is_some_and(|(_, holds)| holds);
    let channels = values.chunks_exact(values.len() / unit.shape.channels);
    channels.map(|values| Seen::of(values, holds_at_zero)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_moves_to_the_middle_by_at_most_half_a_code() {
        let shift = |values: &[f32]| Seen::of(values, true).shift();
        // Whole numbers, of which some lie on the threshold.
        assert_eq!(shift(&[0.0, 1.0, -1.0, 200.0]), 0.5);
        assert_eq!(shift(&[0.0, 1.0, -1.0, 2.0]), 2.0 / 255.0);
        assert_eq!(shift(&[0.5, -0.25, 200.0]), -0.125);
        assert_eq!(shift(&[3.0, 1.0]), 0.0);
        assert_eq!(Seen::of(&[0.0, 0.5, -100.0], false).shift(), -0.25);
    }
}
