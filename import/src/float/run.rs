//! Executes the float model, one example at a time.

use dn_core::quant::{Geometry, Shape};

use super::geometry::reads;
use super::scalar::apply_all;
use super::{FloatModel, Kind, Linear, Term};

impl FloatModel {
    /// The output for an input, both `[channels, height, width]` row-major.
    ///
    /// # Panics
    /// If the input's length is not that of the model's.
    pub(crate) fn run(&self, input: &[f32]) -> Vec<f32> {
        self.trace(input).pop().unwrap_or_default()
    }

    /// All values for an input, the input first.
    ///
    /// # Panics
    /// If the input's length is not that of the model's.
    pub(super) fn trace(&self, input: &[f32]) -> Vec<Vec<f32>> {
        assert_eq!(input.len(), self.input.len(), "input length");
        let mut values = vec![input.to_vec()];
        for op in &self.ops {
            let y = match &op.kind {
                Kind::Linear(l) => linear(l, op.shape, |v| (self.shape(v), &values[v][..])),
                Kind::Product(factors) => {
                    product(factors, op.shape, |v| (self.shape(v), &values[v][..]))
                }
                Kind::Scalar { of, chain } => {
                    values[*of].iter().map(|x| apply_all(chain, *x)).collect()
                }
                Kind::MaxPool { of, window } => {
                    max_pool(&window.geometry(1), (self.shape(*of), &values[*of]), op.shape)
                }
            };
            values.push(y);
        }
        values
    }
}

/// Sums bias and terms; `value` gives the extents and numbers of what a term reads.
pub(crate) fn linear<'a>(
    linear: &Linear,
    shape: Shape,
    value: impl Fn(usize) -> (Shape, &'a [f32]),
) -> Vec<f32> {
    let positions = shape.positions();
    let mut y: Vec<f32> =
        linear.bias.iter().flat_map(|b| std::iter::repeat_n(*b, positions)).collect();
    for term in &linear.terms {
        accumulate(term, value(term.value), shape, &mut y);
    }
    y
}

/// Products of both factors, value by value.
pub(crate) fn product<'a>(
    factors: &[Term; 2],
    shape: Shape,
    value: impl Fn(usize) -> (Shape, &'a [f32]),
) -> Vec<f32> {
    let [left, right] = factors.each_ref().map(|term| {
        let mut y = vec![0.0; shape.len()];
        accumulate(term, value(term.value), shape, &mut y);
        y
    });
    left.iter().zip(&right).map(|(a, b)| a * b).collect()
}

/// Outputs along `axis` whose tap reads inside of `extent`, with the index that is read.
fn inside(
    g: &Geometry,
    axis: usize,
    tap: usize,
    (from, to): (usize, usize),
) -> Vec<(usize, usize)> {
    let index = |o| usize::try_from(reads(g, axis, o, tap)).ok().filter(|at| *at < from);
    (0..to).filter_map(|o| index(o).map(|at| (o, at))).collect()
}

fn accumulate(term: &Term, (input, x): (Shape, &[f32]), shape: Shape, y: &mut [f32]) {
    let g = &term.geometry;
    if shape.positions() == 1 && g.groups == 1 && covers(g, input) {
        for (y, row) in y.iter_mut().zip(term.weights.chunks_exact(x.len())) {
            *y += inner(row, x);
        }
        return;
    }
    let [rows, columns] = g.kernel;
    let (inputs, outputs) = (input.channels / g.groups, shape.channels / g.groups);
    for u in 0..rows {
        let row_pairs = inside(g, 0, u, (input.height, shape.height));
        for v in 0..columns {
            let column_pairs = inside(g, 1, v, (input.width, shape.width));
            for (o, y) in y.chunks_exact_mut(shape.positions()).enumerate() {
                let first = o / outputs * inputs;
                for c in 0..inputs {
                    let w = term.weights[((o * inputs + c) * rows + u) * columns + v];
                    if w == 0.0 {
                        continue;
                    }
                    let x = &x[(first + c) * input.positions()..];
                    for (i, a) in &row_pairs {
                        let (y, x) = (&mut y[i * shape.width..], &x[a * input.width..]);
                        for (j, b) in &column_pairs {
                            y[*j] += w * x[*b];
                        }
                    }
                }
            }
        }
    }
}

/// Whether the kernel lies on its input, tap on value.
fn covers(g: &Geometry, input: Shape) -> bool {
    let extents = [input.height, input.width];
    (0..2).all(|a| {
        g.kernel[a] == extents[a] && g.pad[a] == 0 && (g.dilation[a] == 1 || extents[a] == 1)
    })
}

/// The inner product, in as many sums as a processor adds at once.
fn inner(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(s, (a, b))| *s += a * b);
    }
    sums.iter().sum::<f32>() + rest
}

/// The largest value of each window; padding never wins.
fn max_pool(g: &Geometry, (input, x): (Shape, &[f32]), shape: Shape) -> Vec<f32> {
    let mut y = vec![f32::NEG_INFINITY; shape.len()];
    for u in 0..g.kernel[0] {
        let row_pairs = inside(g, 0, u, (input.height, shape.height));
        for v in 0..g.kernel[1] {
            let column_pairs = inside(g, 1, v, (input.width, shape.width));
            for c in 0..shape.channels {
                for (i, a) in &row_pairs {
                    for (j, b) in &column_pairs {
                        let y = &mut y[(c * shape.height + i) * shape.width + j];
                        *y = y.max(x[(c * input.height + a) * input.width + b]);
                    }
                }
            }
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::super::Window;
    use super::*;

    #[test]
    fn padding_does_not_win_a_max() {
        let window = Window { pad: [1; 2], ..Window::plain([2, 2]) };
        let input = Shape { channels: 1, height: 1, width: 2 };
        let shape = Shape { channels: 1, height: 1, width: 2 };
        assert_eq!(max_pool(&window.geometry(1), (input, &[-3.0, -1.0]), shape), [-3.0, -1.0]);
    }
}
