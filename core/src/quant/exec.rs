//! The reference executor. Plain integers, no floats.

use super::graph::{Graph, Node, Part, Shape, Source};
use super::requantize::requantize;

/// Every tensor of one inference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Accumulators of each node, bias included, `[channels, height, width]`.
    pub accumulators: Vec<Vec<i32>>,
    /// Left and right factors of each node, likewise; empty where it has no product.
    pub factors: Vec<[Vec<i32>; 2]>,
    /// The input, then the output of each node.
    pub tensors: Vec<Vec<i8>>,
}

/// Runs a validated `graph` on `input` (length [`Graph::input_len`]).
///
/// # Panics
/// If the input's length differs, or the graph was not validated.
#[must_use]
pub fn execute(graph: &Graph, input: &[i8]) -> Vec<i8> {
    trace(graph, input).tensors.pop().expect("a trace holds at least the input")
}

/// Runs `graph` on each input.
///
/// # Panics
/// As [`execute`].
#[must_use]
pub fn execute_batch(graph: &Graph, inputs: &[Vec<i8>]) -> Vec<Vec<i8>> {
    inputs.iter().map(|x| execute(graph, x)).collect()
}

/// Computes the tensors that are missing behind the first ones, the input among them.
///
/// # Panics
/// If there is no input or its length differs, or the graph was not validated.
pub fn resume(graph: &Graph, tensors: &mut Vec<Vec<i8>>) {
    assert_eq!(tensors[0].len(), graph.input_len(), "input length");
    while let Some(node) = graph.nodes.get(tensors.len() - 1) {
        let (acc, _) = accumulators(graph, node, tensors);
        tensors.push(finish(node, &acc));
    }
}

/// Runs `graph` on `input` and keeps every intermediate value.
///
/// # Panics
/// As [`execute`].
#[must_use]
pub fn trace(graph: &Graph, input: &[i8]) -> Trace {
    assert_eq!(input.len(), graph.input_len(), "input length");
    let tensors = vec![input.to_vec()];
    let mut trace = Trace { accumulators: Vec::new(), factors: Vec::new(), tensors };
    for node in &graph.nodes {
        let (acc, factors) = accumulators(graph, node, &trace.tensors);
        trace.tensors.push(finish(node, &acc));
        trace.accumulators.push(acc);
        trace.factors.push(factors);
    }
    trace
}

/// Accumulators of a node, bias included, and the factors of their products.
fn accumulators(graph: &Graph, node: &Node, tensors: &[Vec<i8>]) -> (Vec<i32>, [Vec<i32>; 2]) {
    let positions = node.shape.positions();
    let sum = |part: Part, mut acc: Vec<i32>| {
        for source in node.sources.iter().filter(|s| s.part == part) {
            let x = &tensors[source.tensor];
            accumulate(node.shape, source, graph.shape(source.tensor), x, &mut acc);
        }
        acc
    };
    let bias = node.bias.iter().flat_map(|b| std::iter::repeat_n(*b, positions)).collect();
    let mut acc = sum(Part::Sum, bias);
    if !node.is_product() {
        return (acc, [Vec::new(), Vec::new()]);
    }
    let factors = [Part::Left, Part::Right].map(|part| sum(part, vec![0; node.shape.len()]));
    for (acc, (a, b)) in acc.iter_mut().zip(factors[0].iter().zip(&factors[1])) {
        *acc += a * b;
    }
    (acc, factors)
}

/// Outputs along `axis` whose tap reads inside of an input of `extent`, with the first one's index.
fn inside(
    source: &Source,
    axis: usize,
    tap: usize,
    extent: usize,
    outputs: usize,
) -> Vec<(usize, usize)> {
    (0..outputs)
        .filter_map(|o| {
            let at = usize::try_from(source.geometry.reads(axis, o, tap)).ok()?;
            (at < extent).then_some((o, at))
        })
        .collect()
}

/// Whether each output is one product of all of the input with a row of weights, value by value.
fn is_dense(source: &Source, input: Shape, shape: Shape) -> bool {
    let g = &source.geometry;
    let covers = |axis: usize, extent: usize| {
        g.kernel[axis] == extent && g.pad[axis] == 0 && (g.dilation[axis] == 1 || extent == 1)
    };
    let one = shape.positions() == 1 && g.groups == 1;
    one && covers(0, input.height) && covers(1, input.width)
}

/// Adds one source to the accumulators, tap by tap.
fn accumulate(shape: Shape, source: &Source, input: Shape, x: &[i8], acc: &mut [i32]) {
    let g = &source.geometry;
    if is_dense(source, input, shape) {
        for (acc, row) in acc.iter_mut().zip(source.weights.chunks_exact(x.len())) {
            *acc += row.iter().zip(x).map(|(w, x)| i32::from(*w) * i32::from(*x)).sum::<i32>();
        }
        return;
    }
    let [rows, columns] = g.kernel;
    let (inputs, outputs) = (input.channels / g.groups, shape.channels / g.groups);
    for u in 0..rows {
        let row_pairs = inside(source, 0, u, input.height, shape.height);
        for v in 0..columns {
            let column_pairs = inside(source, 1, v, input.width, shape.width);
            for o in 0..shape.channels {
                let first = o / outputs * inputs;
                for c in 0..inputs {
                    let w = source.weights[((o * inputs + c) * rows + u) * columns + v];
                    if w == 0 {
                        continue;
                    }
                    let x = &x[(first + c) * input.positions()..];
                    let acc = &mut acc[o * shape.positions()..];
                    for (i, a) in &row_pairs {
                        let (acc, x) = (&mut acc[i * shape.width..], &x[a * input.width..]);
                        for (j, b) in &column_pairs {
                            acc[*j] += i32::from(w) * i32::from(x[*b]);
                        }
                    }
                }
            }
        }
    }
}

/// Requantises, pools and activates.
fn finish(node: &Node, acc: &[i32]) -> Vec<i8> {
    let (from, to) = (node.shape, node.output());
    let mut y = Vec::with_capacity(to.len());
    for c in 0..to.channels {
        let acc = &acc[c * from.positions()..];
        for p in 0..to.positions() {
            let (i, j) = (p / to.width * node.pool, p % to.width * node.pool);
            let window = (0..node.pool * node.pool)
                .map(|n| acc[(i + n / node.pool) * from.width + j + n % node.pool]);
            let q = window.map(|a| requantize(a, node.shift[c])).max();
            y.push(node.activation.apply(q.expect("a window holds a value")));
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::super::{Activation, Geometry};
    use super::*;

    #[test]
    fn a_layer_rounds_halves_up_and_applies_its_table() {
        let node = Node::dense(
            (0, Shape::vector(2)),
            vec![1, 2, -1, 0],
            vec![0, 0],
            1,
            Activation::relu(),
        );
        let graph = Graph { input: Shape::vector(2), nodes: vec![node] };
        graph.validate().unwrap();
        assert_eq!(execute(&graph, &[1, 1]), vec![2, 0]);
        assert_eq!(execute(&graph, &[-3, 127]), vec![126, 2]);
    }

    /// Stride, padding and pool by hand: a 2x2 kernel of ones on a 3x3 image of 1 to 9.
    #[test]
    fn kernels_meet_padding_and_strides() {
        let input = Shape { channels: 1, height: 3, width: 3 };
        let node = |stride, size, pool| Node {
            shape: Shape { channels: 1, height: size, width: size },
            sources: vec![Source {
                part: Part::Sum,
                tensor: 0,
                geometry: Geometry { stride: [stride; 2], pad: [1; 2], ..Geometry::plain([2, 2]) },
                weights: vec![1; 4],
            }],
            bias: vec![0],
            shift: vec![0],
            pool,
            activation: Activation::identity(),
        };
        let x: Vec<i8> = (1..=9).collect();
        let run = |node| {
            let graph = Graph { input, nodes: vec![node] };
            graph.validate().unwrap();
            execute(&graph, &x)
        };
        assert_eq!(run(node(1, 4, 1)), [1, 3, 5, 3, 5, 12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9]);
        assert_eq!(run(node(2, 2, 1)), [1, 5, 11, 28]);
        assert_eq!(run(node(1, 4, 2)), [12, 16, 24, 28]);
    }

    #[test]
    fn sources_add_and_groups_do_not_mix() {
        let identity = Geometry { groups: 2, ..Geometry::plain([1, 1]) };
        let source = |weights| Source { part: Part::Sum, tensor: 0, geometry: identity, weights };
        let node = Node {
            shape: Shape::vector(2),
            sources: vec![source(vec![1, 10]), source(vec![2, 3])],
            bias: vec![5, 0],
            shift: vec![0, 1],
            pool: 1,
            activation: Activation::identity(),
        };
        let graph = Graph { input: Shape::vector(2), nodes: vec![node] };
        graph.validate().unwrap();
        assert_eq!(execute(&graph, &[4, 3]), [17, 20]);
    }

    /// A gate per channel, and a square, by hand.
    #[test]
    fn factors_are_multiplied_value_by_value() {
        let image = Shape { channels: 2, height: 1, width: 2 };
        let own = Geometry { groups: 2, ..Geometry::plain([1, 1]) };
        let only = Geometry { pad: [0, 1], groups: 2, ..Geometry::plain([1, 2]) };
        let first = Geometry { groups: 2, ..Geometry::plain([1, 1]) };
        let source = |part, tensor, geometry, weights| Source { part, tensor, geometry, weights };
        let gate = Node {
            shape: Shape::vector(2),
            sources: vec![source(Part::Sum, 0, first, vec![1, 1])],
            bias: vec![0; 2],
            shift: vec![0; 2],
            pool: 1,
            activation: Activation::identity(),
        };
        let product = Node {
            shape: image,
            sources: vec![
                source(Part::Sum, 0, own, vec![1, 0]),
                source(Part::Left, 0, own, vec![1, 2]),
                source(Part::Right, 1, only, vec![1; 4]),
            ],
            bias: vec![0, 1],
            shift: vec![0, 1],
            ..gate.clone()
        };
        let graph = Graph { input: image, nodes: vec![gate, product] };
        graph.validate().unwrap();
        let trace = trace(&graph, &[3, -4, 5, 6]);
        assert_eq!(trace.tensors[1], [3, 5]);
        assert_eq!(trace.factors[1], [vec![3, -4, 10, 12], vec![3, 3, 5, 5]]);
        assert_eq!(trace.accumulators[1], [9 + 3, -12 - 4, 51, 61]);
        assert_eq!(trace.tensors[2], [12, -16, 26, 31]);
    }
}
