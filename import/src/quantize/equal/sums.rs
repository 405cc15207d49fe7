//! Sums over the weights of units: how far codes reach, how much channels matter.

use super::Equaliser;
use crate::float::Term;
use crate::lower::{Lowered, Unit};

impl Equaliser<'_> {
    /// By channel of unit `i`: the sum of its weights over all that its inputs' codes can reach.
    pub(super) fn reach(&self, i: usize) -> Vec<f64> {
        let unit = &self.model.units[i];
        let mut sums = self.reach_of(unit, &unit.linear.terms);
        if let Some(factors) = &unit.factors {
            let [left, right] = factors.each_ref().map(|t| self.reach_of(unit, [t]));
            // Each place sees one tap of a kernel that spreads.
            let [a, b] = factors.each_ref().map(|t| t.geometry.taps() as f64);
            let places = if unit.shape.positions() > 1 { a * b } else { 1.0 };
            let products = left.iter().zip(&right).map(|(a, b)| a * b / places);
            sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
        }
        sums
    }

    fn reach_of<'t>(&self, unit: &Unit, terms: impl IntoIterator<Item = &'t Term>) -> Vec<f64> {
        let mut sums = vec![0.0; unit.shape.channels];
        for term in terms {
            let read = &self.tensors[term.value];
            let place = Place::new(self.model, unit, term, read.steps.len());
            for (o, row) in rows(unit, term) {
                let reach = |(j, w): (usize, &f32)| f64::from(w.abs()) * read.steps[place.at(o, j)];
                sums[o] += read.span * row.iter().enumerate().map(reach).sum::<f64>();
            }
        }
        sums
    }

    /// By channel or value of a tensor: the sum of squared weights in the units that read it, each
    /// in deviations of what it adds to, a mean over their channels.
    pub(super) fn importance(&self, tensor: usize, count: usize) -> Vec<f64> {
        let mut sums = vec![0.0; count];
        for (i, unit) in self.model.units.iter().enumerate() {
            for term in unit.linear.terms.iter().filter(|t| t.value == tensor) {
                let place = Place::new(self.model, unit, term, count);
                for (o, row) in rows(unit, term) {
                    let variance = self.statistics.units[i].0[o].variance();
                    if variance <= 0.0 {
                        continue;
                    }
                    let share = 1.0 / (variance * unit.shape.channels as f64);
                    for (j, w) in row.iter().enumerate() {
                        sums[place.at(o, j)] += f64::from(*w).powi(2) * share;
                    }
                }
            }
        }
        sums
    }
}

/// The weights of each channel of a unit in one of its terms.
pub(super) fn rows<'a>(unit: &Unit, term: &'a Term) -> impl Iterator<Item = (usize, &'a [f32])> {
    term.weights.chunks_exact(term.weights.len() / unit.shape.channels).enumerate()
}

/// Where the number that belongs to a weight stands in a list for all, for channels or for values.
pub(super) struct Place {
    count: usize,
    by_value: bool,
    taps: usize,
    /// Channels of one group, of input and output.
    group: [usize; 2],
}

impl Place {
    pub(super) fn new(model: &Lowered, unit: &Unit, term: &Term, count: usize) -> Self {
        let (from, groups) = (model.shape(term.value), term.geometry.groups);
        let group = [from.channels / groups, unit.shape.channels / groups];
        let by_value = count > 1 && count != from.channels;
        Self { count, by_value, taps: term.geometry.taps(), group }
    }

    /// For weight `j` of channel `o`.
    pub(super) fn at(&self, o: usize, j: usize) -> usize {
        if self.count == 1 {
            0
        } else if self.by_value {
            // The kernel covers its input: a channel has as many values as taps.
            o / self.group[1] * self.group[0] * self.taps + j
        } else {
            o / self.group[1] * self.group[0] + j / self.taps
        }
    }
}
