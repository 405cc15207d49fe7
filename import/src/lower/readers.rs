//! Gives readers that the circuit cannot serve together tensors of their own.
//!
//! All readers of one tensor have one position, or all are convolutions with one stride. The values
//! of every other group of readers are copied, code by code.

use std::collections::HashMap;

use dn_core::quant::Shape;

use super::{Lowered, Unit};
use crate::float::Term;

/// How a tensor is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Reading {
    /// With this stride.
    Convolution([usize; 2]),
    Dense,
}

fn reading(term: &Term, output: Shape) -> Reading {
    if output.positions() == 1 {
        Reading::Dense
    } else {
        Reading::Convolution(term.geometry.stride)
    }
}

/// Rebuilds the units with copies wherever the readers of a tensor disagree.
pub(super) fn separate(input: Shape, units: Vec<Unit>) -> Lowered {
    let mut readings: Vec<Vec<Reading>> = vec![Vec::new(); units.len() + 1];
    for unit in &units {
        for term in unit.terms() {
            let reading = reading(term, unit.shape);
            if !readings[term.value].contains(&reading) {
                readings[term.value].push(reading);
            }
        }
    }
    let mut separator =
        Separator { lowered: Lowered { input, units: Vec::new() }, place: HashMap::new() };
    separator.give(0, 0, &readings[0], &units);
    for (i, mut unit) in units.iter().cloned().enumerate() {
        let shape = unit.shape;
        for term in unit.terms_mut() {
            let reading = reading(term, shape);
            term.value = separator.place[&(term.value, reading)];
        }
        separator.lowered.units.push(unit);
        let tensor = separator.lowered.units.len();
        separator.give(i + 1, tensor, &readings[i + 1], &units);
    }
    separator.lowered
}

struct Separator {
    lowered: Lowered,
    /// Tensor that serves a reading of an old tensor.
    place: HashMap<(usize, Reading), usize>,
}

impl Separator {
    /// Places the readings of the old tensor `old`, which has become `tensor`.
    fn give(&mut self, old: usize, tensor: usize, readings: &[Reading], units: &[Unit]) {
        // A copy is itself a reader with stride 1, or a dense one of a vector.
        let shape = self.lowered.shape(tensor);
        let of_copies =
            if shape.positions() == 1 { Reading::Dense } else { Reading::Convolution([1; 2]) };
        for reading in readings {
            let stays = readings.len() == 1 || *reading == of_copies;
            let place = if stays {
                tensor
            } else {
                let reader = units.iter().find(|u| u.terms().any(|t| t.value == old));
                let origin = reader.map(|u| u.origin.clone()).unwrap_or_default();
                self.lowered.units.push(Unit::copy(origin, tensor, shape));
                self.lowered.units.len()
            };
            self.place.insert((old, *reading), place);
        }
    }
}
