//! Channels that never vary and would still fill the tables.

use super::{Place, Range, Statistics, MANY};
use crate::float::geometry::reads_outside;
use crate::lower::{Lowered, Unit};

/// The model with such a channel's constant in the biases of its readers.
///
/// Batch normalisation behind a channel that never varies divides by nearly nothing. A weight with
/// which the channel, if it reached as far as the others, could move a sum out of its whole range is
/// taken for that, if there are enough examples to say so. What the channel does beyond them is not
/// seen then.
pub(super) fn without_dead(model: &Lowered, statistics: &Statistics) -> Lowered {
    let mut model = model.clone();
    if statistics.kept.len() < MANY {
        return model;
    }
    for i in 0..model.units.len() {
        let mut unit = model.units[i].clone();
        if unit.exact.is_none() {
            (0..unit.linear.terms.len()).for_each(|t| settle(&model, statistics, i, &mut unit, t));
        }
        model.units[i] = unit;
    }
    model
}

/// Settles the channels of one term.
fn settle(model: &Lowered, statistics: &Statistics, i: usize, unit: &mut Unit, term: usize) {
    let read = unit.linear.terms[term].value;
    let Some((_, after)) = read.checked_sub(1).map(|r| &statistics.units[r]) else { return };
    let largest = after.iter().map(|s| s.range.magnitude()).fold(0.0, f32::max);
    let geometry = unit.linear.terms[term].geometry;
    let padded = reads_outside(&geometry, model.shape(read), unit.shape);
    let place = Place::new(model, unit, &unit.linear.terms[term], after.len());
    let (taps, channels) = (geometry.taps(), unit.shape.channels);
    let Unit { linear, .. } = unit;
    let weights = &mut linear.terms[term].weights;
    let len = weights.len() / channels;
    let range = statistics.units[i].0.iter().map(|s| s.range).reduce(Range::join);
    let whole = range.map_or(0.0, |r| r.high - r.low);
    for (n, plane) in weights.chunks_exact_mut(taps).enumerate() {
        let (o, j) = (n * taps / len, n * taps % len);
        let channel = &after[place.at(o, j)];
        let value = channel.range.low;
        let sum: f32 = plane.iter().map(|w| w.abs()).sum();
        if channel.is_constant() && sum * largest > whole && !(padded && value != 0.0) {
            linear.bias[o] += plane.iter().sum::<f32>() * value;
            plane.fill(0.0);
        }
    }
}
