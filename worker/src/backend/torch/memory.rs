//! How long tensors live, and how many examples fit into one pass.

use dn_core::quant::Graph;
use tch::Device;

use super::patches;
use crate::backend::BackendError;

/// Bytes of one pass on the CPU, about what its caches hold: a ResNet-20 takes twice the time at
/// five times as many.
const CPU_PASS: usize = 24 << 20;

/// Bytes of one pass on a GPU.
const GPU_PASS: usize = 1 << 30;

/// Most bytes that one example may take.
const MAX_EXAMPLE: usize = 4 << 30;

/// Most examples of one pass.
const MAX_ROWS: usize = 4096;

/// Bytes of a value in the widest type.
const VALUE: usize = size_of::<f64>();

/// Tensors of the size of a node's accumulators that its arithmetic holds at once.
const ACCUMULATORS: usize = 3;

/// For each node the tensors that no later node reads. The output is in none of the lists.
pub(super) fn last_reads(graph: &Graph) -> Vec<Vec<usize>> {
    let mut last: Vec<usize> = (0..graph.nodes.len()).map(|t| t.saturating_sub(1)).collect();
    for (i, node) in graph.nodes.iter().enumerate() {
        for source in &node.sources {
            last[source.tensor] = i;
        }
    }
    let mut lists = vec![Vec::new(); graph.nodes.len()];
    for (tensor, node) in last.into_iter().enumerate() {
        lists[node].push(tensor);
    }
    lists
}

/// Bytes that one example takes at most, weights aside; saturates.
fn example(graph: &Graph, last_reads: &[Vec<usize>]) -> usize {
    let mut live = graph.input.len();
    let mut most = 0;
    for (i, (node, last)) in graph.nodes.iter().zip(last_reads).enumerate() {
        let patches = node
            .sources
            .iter()
            .map(|s| patches::values(&s.geometry, graph.shape(s.tensor), node.shape));
        let accumulators = node.shape.len() * ACCUMULATORS;
        live += graph.shape(i + 1).len();
        most = most.max(patches.max().unwrap_or(0).saturating_add(live + accumulators));
        live -= last.iter().map(|t| graph.shape(*t).len()).sum::<usize>();
    }
    most.saturating_mul(VALUE)
}

/// Examples that one pass takes.
pub(super) fn rows_per_pass(
    graph: &Graph,
    last_reads: &[Vec<usize>],
    device: Device,
) -> Result<usize, BackendError> {
    let bytes = example(graph, last_reads);
    if bytes > MAX_EXAMPLE {
        return Err(BackendError::Memory { bytes, most: MAX_EXAMPLE });
    }
    let pass = if device == Device::Cpu { CPU_PASS } else { GPU_PASS };
    Ok((pass / bytes).clamp(1, MAX_ROWS))
}

#[cfg(test)]
mod tests {
    use dn_core::quant::{Activation, Geometry, Node, Part, Shape, Source};

    use super::*;

    /// Nodes on one value that read the given tensors.
    fn graph(reads: &[&[usize]]) -> Graph {
        let source = |tensor: &usize| Source {
            part: Part::Sum,
            tensor: *tensor,
            geometry: Geometry::plain([1, 1]),
            weights: vec![1],
        };
        let node = |tensors: &&[usize]| Node {
            shape: Shape::vector(1),
            sources: tensors.iter().map(source).collect(),
            bias: vec![0],
            shift: vec![0],
            pool: 1,
            activation: Activation::identity(),
        };
        Graph { input: Shape::vector(1), nodes: reads.iter().map(node).collect() }
    }

    #[test]
    fn a_tensor_lives_until_its_last_reader() {
        let chain = graph(&[&[0], &[1], &[2]]);
        assert_eq!(last_reads(&chain), [vec![0], vec![1], vec![2]]);
        let skip = graph(&[&[0], &[1, 0], &[1, 2], &[3]]);
        assert_eq!(last_reads(&skip), [vec![], vec![0], vec![1, 2], vec![3]]);
        let unread = graph(&[&[0], &[0]]);
        assert_eq!(last_reads(&unread), [vec![1], vec![0]]);
    }

    #[test]
    fn tensors_that_live_on_leave_room_for_fewer_examples() {
        let bytes = |g: &Graph| example(g, &last_reads(g));
        let (chain, skip) = (graph(&[&[0], &[1], &[2]]), graph(&[&[0], &[1], &[2, 0]]));
        assert_eq!(bytes(&skip) - bytes(&chain), VALUE);
    }
}
