//! Folds multipliers and offsets into weights and biases.

use super::{ends, rows, Place, Tensor};
use crate::float::Scalar;
use crate::lower::{Lowered, Unit};

/// The model on numbers `(x - offset) / multiplier` in the place of `x`, for every tensor.
/// Only the input has offsets, and the output.
pub(super) fn fold(
    model: &Lowered,
    tensors: &[Tensor],
    input_offset: &[f64],
    output_offset: &[f64],
) -> Lowered {
    let units = model.units.iter().enumerate().map(|(i, unit)| {
        let own = &tensors[i + 1].multipliers;
        let none = vec![0.0; own.len()];
        let offset = if i + 1 == model.units.len() { output_offset } else { &none[..] };
        fold_unit(model, unit, tensors, (own, offset), input_offset)
    });
    Lowered { input: model.input, units: units.collect() }
}

fn fold_unit(
    model: &Lowered,
    unit: &Unit,
    tensors: &[Tensor],
    (own, own_offset): (&[f64], &[f64]),
    input_offset: &[f64],
) -> Unit {
    let mut unit = unit.clone();
    if unit.exact.is_some() {
        return unit;
    }
    let channels = unit.shape.channels;
    let is_curved = ends::is_curved(&unit);
    if is_curved && own_offset[0] != 0.0 {
        unit.chain.push(Scalar::Affine(1.0, -own_offset[0] as f32));
    }
    let divisor = |o: usize| own[o * own.len() / channels];
    let mut bias: Vec<f64> = unit.linear.bias.iter().map(|b| f64::from(*b)).collect();
    for (o, b) in bias.iter_mut().enumerate() {
        *b -= if is_curved { 0.0 } else { own_offset[o * own_offset.len() / channels] };
    }
    let mut terms = unit.linear.terms.clone();
    for term in &mut terms {
        let read = &tensors[term.value].multipliers;
        let place = Place::new(model, &unit, term, read.len());
        let mut weights = Vec::with_capacity(term.weights.len());
        for (o, row) in rows(&unit, term) {
            for (j, w) in row.iter().enumerate() {
                let at = place.at(o, j);
                if term.value == 0 {
                    bias[o] += f64::from(*w) * input_offset[at];
                }
                weights.push((f64::from(*w) * read[at] / divisor(o)) as f32);
            }
        }
        term.weights = weights;
    }
    unit.linear.terms = terms;
    if let Some([left, _]) = &mut unit.factors {
        let len = left.weights.len() / channels;
        for (o, row) in left.weights.chunks_exact_mut(len).enumerate() {
            row.iter_mut().for_each(|w| *w = (f64::from(*w) / divisor(o)) as f32);
        }
    }
    unit.linear.bias = bias.iter().enumerate().map(|(o, b)| (b / divisor(o)) as f32).collect();
    unit
}

#[cfg(test)]
mod tests {
    use dn_core::quant::{Geometry, Shape};

    use super::*;
    use crate::float::{Linear, Origin, Term};

    /// A convolution of two channels, grouped, then a dense layer: both read and make steps.
    #[test]
    fn numbers_are_the_same_but_for_multipliers_and_offsets() {
        let image = Shape { channels: 2, height: 1, width: 3 };
        let kernel = Geometry { groups: 2, ..Geometry::plain([1, 2]) };
        let unit = |shape, term: Term, bias, chain| {
            let linear = Linear { terms: vec![term], bias };
            let origin = Origin::default();
            Unit { origin, shape, linear, factors: None, pool: 1, chain, exact: None }
        };
        let conv = Term { value: 0, geometry: kernel, weights: vec![1.0, -2.0, 0.5, 3.0] };
        let dense = Geometry::plain([1, 2]);
        let dense = Term { value: 1, geometry: dense, weights: vec![1.0, 2.0, -3.0, 4.0] };
        let middle = Shape { width: 2, ..image };
        let units = vec![
            unit(middle, conv, vec![0.5, -1.0], vec![Scalar::Relu]),
            unit(Shape::vector(1), dense, vec![10.0], vec![]),
        ];
        let model = Lowered { input: image, units };
        let tensor = |multipliers: &[f64]| Tensor {
            multipliers: multipliers.to_vec(),
            steps: multipliers.to_vec(),
            span: 255.0,
        };
        let tensors = [tensor(&[2.0, 0.25]), tensor(&[4.0, 0.5]), tensor(&[8.0])];
        let folded = fold(&model, &tensors, &[1.0, -1.0], &[5.0]);
        let x = [1.0, 3.0, -2.0, 0.5, 4.0, 1.5];
        let u: Vec<f32> = x
            .iter()
            .enumerate()
            .map(|(i, x)| if i < 3 { (x - 1.0) / 2.0 } else { (x + 1.0) / 0.25 })
            .collect();
        let (plain, divided) = (model.run(&x), folded.run(&u));
        for (c, (a, b)) in plain[0].output.iter().zip(&divided[0].output).enumerate() {
            assert!((a - b * [4.0, 0.5][c / 2]).abs() < 1e-4, "{a} {b}");
        }
        assert!((plain[1].output[0] - (5.0 + 8.0 * divided[1].output[0])).abs() < 1e-4);
    }
}
