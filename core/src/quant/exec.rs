//! The reference executor. Plain integers, no floats.

use super::{requantize, Graph};

/// Every tensor of one inference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Accumulators of each layer, bias included.
    pub accumulators: Vec<Vec<i32>>,
    /// The input, then the output of each layer.
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

/// Runs `graph` on `input` and keeps every intermediate value.
///
/// # Panics
/// As [`execute`].
#[must_use]
pub fn trace(graph: &Graph, input: &[i8]) -> Trace {
    assert_eq!(input.len(), graph.input_len(), "input length");
    let mut trace = Trace { accumulators: Vec::new(), tensors: vec![input.to_vec()] };
    for layer in &graph.layers {
        let x = &trace.tensors[trace.tensors.len() - 1];
        let acc: Vec<i32> = layer
            .weights
            .chunks_exact(layer.inputs)
            .zip(&layer.bias)
            .map(|(row, bias)| {
                row.iter().zip(x).fold(*bias, |a, (w, x)| a + i32::from(*w) * i32::from(*x))
            })
            .collect();
        let y = acc.iter().map(|a| layer.activation.apply(requantize(*a, layer.shift))).collect();
        trace.accumulators.push(acc);
        trace.tensors.push(y);
    }
    trace
}

#[cfg(test)]
mod tests {
    use super::super::{Activation, Dense};
    use super::*;

    #[test]
    fn a_layer_rounds_halves_up_and_applies_its_table() {
        let layer = Dense {
            inputs: 2,
            outputs: 2,
            weights: vec![1, 2, -1, 0],
            bias: vec![0, 0],
            shift: 1,
            activation: Activation::relu(),
        };
        let graph = Graph { layers: vec![layer] };
        graph.validate().unwrap();
        assert_eq!(execute(&graph, &[1, 1]), vec![2, 0]);
        assert_eq!(execute(&graph, &[-3, 127]), vec![126, 2]);
    }
}
