//! What the quotients of a graph's nodes can be.

use super::graph::{Graph, INT8};

impl Graph {
    /// Smallest and largest quotient `floor((acc + 2^(shift-1)) / 2^shift)` of a node, before it
    /// saturates, over all inputs of a validated graph.
    ///
    /// The input has any values of int8, other tensors those of their node's table. So the bounds
    /// hold for whatever a user sends.
    #[must_use]
    pub fn quotient_range(&self, node: usize) -> (i64, i64) {
        self.quotients(node, |tensor| self.value_range(tensor))
    }

    /// The same if every tensor had all values of int8.
    #[must_use]
    pub fn widest_quotient_range(&self, node: usize) -> (i64, i64) {
        self.quotients(node, |_| INT8)
    }

    /// Smallest and largest value of a tensor or its padding, which is 0.
    fn value_range(&self, tensor: usize) -> (i64, i64) {
        let Some(node) = tensor.checked_sub(1) else { return INT8 };
        let values = self.nodes[node].activation.0.iter().map(|v| i64::from(*v));
        values.fold((0, 0), |(low, high), v| (low.min(v), high.max(v)))
    }

    fn quotients(&self, node: usize, values: impl Fn(usize) -> (i64, i64)) -> (i64, i64) {
        let n = &self.nodes[node];
        let bounds: Vec<_> = n.sources.iter().map(|s| (s.tensor, values(s.tensor))).collect();
        let bound = |tensor| bounds.iter().find(|b| b.0 == tensor).map_or(INT8, |b| b.1);
        let of = |o: usize| {
            let range = n.range(o, bound);
            let (shift, half) = (n.shift[o], (1i64 << n.shift[o]) >> 1);
            ((range.0 + half) >> shift, (range.1 + half) >> shift)
        };
        let ranges = (0..n.shape.channels).map(of);
        ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{trace, Activation, Geometry, Graph, Node, Part, Shape, Source};

    /// Both ends are reached, by hand: behind Relu only weights of one sign count for each.
    #[test]
    fn values_behind_a_function_bound_the_next_quotients() {
        let node = |tensor, weights, activation| {
            Node::dense((tensor, Shape::vector(2)), weights, vec![0; 2], 1, activation)
        };
        let first = node(0, vec![2, 0, 0, 2], Activation::relu());
        let second = node(1, vec![3, -5, 1, 1], Activation::identity());
        let graph = Graph { input: Shape::vector(2), nodes: vec![first, second] };
        graph.validate().unwrap();
        assert_eq!(graph.quotient_range(0), (-128, 127));
        assert_eq!(graph.quotient_range(1), (-317, 191));
        assert_eq!(graph.widest_quotient_range(1), (-509, 511));
        let reached = |x: [i8; 2], o: usize| (trace(&graph, &x).accumulators[1][o] + 1) >> 1;
        assert_eq!(reached([-128, 127], 0), -317);
        assert_eq!(reached([127, -128], 0), 191);
    }

    /// Padding, shortcuts and functions that are never 0: whatever the input, nothing is outside.
    #[test]
    fn no_input_leads_out_of_the_range() {
        let shape = Shape { channels: 1, height: 4, width: 4 };
        let kernel = Geometry { pad: [1; 2], ..Geometry::plain([3, 3]) };
        let weights = vec![5, -7, 3, -2, 9, 4, -6, 1, -8];
        let source =
            |tensor| Source { part: Part::Sum, tensor, geometry: kernel, weights: weights.clone() };
        let node = |sources, activation| Node {
            shape,
            sources,
            bias: vec![-9],
            shift: vec![3],
            pool: 1,
            activation,
        };
        let high = Activation((i8::MIN..=i8::MAX).map(|q| q.max(20)).collect());
        let first = node(vec![source(0)], high);
        let second = node(vec![source(0), source(1)], Activation::relu());
        let graph = Graph { input: shape, nodes: vec![first, second] };
        graph.validate().unwrap();
        let mut state = 1u32;
        for round in 0..1_000 {
            let mut value = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let byte = state.to_be_bytes()[0] as i8;
                if round % 2 == 0 {
                    byte
                } else {
                    byte >> 7 ^ 127
                }
            };
            let input: Vec<i8> = (0..shape.len()).map(|_| value()).collect();
            for (node, accumulators) in trace(&graph, &input).accumulators.iter().enumerate() {
                let (low, high) = graph.quotient_range(node);
                let quotient = |acc: &i32| (i64::from(*acc) + 4) >> 3;
                assert!(accumulators.iter().map(quotient).all(|q| (low..=high).contains(&q)));
            }
        }
    }
}
