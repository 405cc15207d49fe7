//! libtorch against the integer semantics, bit for bit.

#![cfg(feature = "torch")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod models;

use dn_circuits::plan::count_rows;
use dn_circuits::{Frame, Plan, Slot, Width, Witness};
use dn_core::commitment::{output, Fr};
use dn_core::quant::{
    execute_batch, Activation, Geometry, Graph, Node, Part, Shape, Source, MAX_EXTENT, MAX_SHIFT,
};
use dn_core::Scoring;
use dn_testing::Random;
use dn_worker::backend::{open, Backend, BackendError, BackendKind, Torch};

/// Random graphs of [`random_graphs_equal_the_reference`], with 12 inputs each.
const GRAPHS: u64 = 10_000;
/// As many for `make test-all`: half a million inputs.
const MANY_GRAPHS: u64 = 40_000;

/// Graphs of [`witnesses_commit_to_what_libtorch_computes`], with as many inputs each as a batch has slots.
const PROVABLE: u64 = 150;
/// As many for `make test-all`: a hundred thousand inputs.
const MANY_PROVABLE: u64 = 12_500;
const SLOTS: usize = 8;
/// Larger ones take long.
const MAX_ROWS: usize = 1 << 15;

fn assert_equal(graph: &Graph, inputs: &[Vec<i8>], case: &str) {
    graph.validate().unwrap();
    let outputs = Torch::load(graph).unwrap().run(inputs).unwrap();
    assert_eq!(outputs, execute_batch(graph, inputs), "{case}");
}

/// More threads than cores that are free make small products slower, not faster.
fn one_thread() {
    tch::set_num_threads(1);
}

#[test]
fn random_graphs_equal_the_reference() {
    one_thread();
    let is_exhaustive = std::env::var_os("DN_EXHAUSTIVE").is_some();
    for seed in 0..if is_exhaustive { MANY_GRAPHS } else { GRAPHS } {
        let mut random = Random::seeded(seed);
        let graph = random.graph();
        let inputs = random.inputs(graph.input_len());
        assert_equal(&graph, &inputs, &format!("seed {seed}"));
    }
}

/// Three ways from an input to an answer: the reference, libtorch, and the rows that a proof is made of, whose
/// public inputs name the answer. That those rows satisfy the circuit is shown in `dn-circuits`.
#[test]
fn witnesses_commit_to_what_libtorch_computes() {
    one_thread();
    let is_exhaustive = std::env::var_os("DN_EXHAUSTIVE").is_some();
    let (mut proven, mut seed) = (0, 1_000_000);
    while proven < if is_exhaustive { MANY_PROVABLE } else { PROVABLE } {
        seed += 1;
        let mut random = Random::seeded(seed);
        let graph = random.graph();
        let width = Width::ALL[seed as usize % Width::ALL.len()];
        let slots = SLOTS.next_multiple_of(width.lanes());
        let frame = Frame::of(slots, width).scored(Scoring::None);
        // A random graph may have more quotients than a table holds, or readers that no proof serves together.
        let Ok(rows) = count_rows(&graph, &[frame]) else { continue };
        if rows[0] > MAX_ROWS {
            continue;
        }
        proven += 1;
        let plan = Plan::new(&graph, frame).unwrap();
        let inputs: Vec<Vec<i8>> = (0..slots).map(|_| random.bytes(graph.input_len())).collect();
        let salt = |i: usize| Fr::from(seed + i as u64 + 1);
        let slot =
            |(i, x): (usize, &Vec<i8>)| Slot { input: x.clone(), salt: salt(i), label: None };
        let tasks: Vec<Slot> = inputs.iter().enumerate().map(slot).collect();
        let witness = Witness::new(&graph, &plan, &tasks, Fr::from(seed)).unwrap();
        let answers = Torch::load(&graph).unwrap().run(&inputs).unwrap();
        assert_eq!(answers, execute_batch(&graph, &inputs), "seed {seed}");
        let named: Vec<Fr> = (0..slots).map(|i| output(&answers[i], salt(i))).collect();
        assert_eq!(witness.statement.outputs, named, "seed {seed}");
    }
}

#[test]
fn known_architectures_equal_the_reference() {
    one_thread();
    let mut random = Random::seeded(5);
    for (name, graph, rows) in
        [("lenet", models::lenet(&mut random), 40), ("resnet", models::resnet(&mut random), 9)]
    {
        let inputs: Vec<Vec<i8>> = (0..rows).map(|_| random.bytes(graph.input_len())).collect();
        assert_equal(&graph, &inputs, name);
    }
}

#[test]
fn every_accumulator_near_a_rounding_border_equals_the_reference() {
    one_thread();
    let inputs: Vec<Vec<i8>> = (i8::MIN..=i8::MAX).map(|x| vec![x]).collect();
    let input = Shape::vector(1);
    for shift in 0..=MAX_SHIFT {
        let step = 1 << shift;
        let bias: Vec<i32> = (-130..=130).flat_map(|q| [q * step, q * step + step / 2]).collect();
        let weights = vec![1; bias.len()];
        let node = Node::dense((0, input), weights, bias, shift, Activation::identity());
        assert_equal(&Graph { input, nodes: vec![node] }, &inputs, &format!("shift {shift}"));
    }
}

/// The middle node is valid, but a sum of its products without the bias can leave the integers
/// that f32 holds: it runs in f64, between two nodes in f32, and the types fit together. The last
/// node reads a tensor of each type.
#[test]
fn a_node_beyond_f32_between_others_equals_the_reference() {
    one_thread();
    let mut random = Random::seeded(1);
    let (len, outputs) = (1035, 12);
    let input = Shape::vector(20);
    let weights = random.any_bytes(20 * len).into_iter().map(i16::from).collect();
    let first = Node::dense((0, input), weights, vec![0; len], 9, Activation::identity());
    let bias = (0..outputs).map(|o| -60_000 + 700 * o).collect();
    let weights = vec![-127; len * outputs as usize];
    let second = Node::dense((1, Shape::vector(len)), weights, bias, 12, Activation::identity());
    let mut graph = Graph { input, nodes: vec![first, second] };
    let mut third = random.dense(&graph);
    let wide = Source {
        part: Part::Sum,
        tensor: 1,
        geometry: Geometry::plain([1, 1]),
        weights: vec![1; len * third.shape.channels],
    };
    third.sources.push(wide);
    third.bias.fill(0);
    graph.nodes.push(third);
    let batch: Vec<Vec<i8>> = (0..300).map(|_| random.any_bytes(20)).collect();
    assert_equal(&graph, &batch, "beyond f32");
}

#[test]
fn wide_nodes_and_batches_beyond_one_pass_equal_the_reference() {
    one_thread();
    let mut random = Random::seeded(2);
    let mut graph = Graph { input: Shape::vector(700), nodes: Vec::new() };
    graph.nodes.push(random.dense(&graph));
    let batch: Vec<Vec<i8>> = (0..2 * 4096 + 3).map(|_| random.bytes(700)).collect();
    assert_equal(&graph, &batch, "wide");
}

fn one_kernel(input: Shape, shape: Shape, geometry: Geometry) -> Graph {
    let node = Node {
        shape,
        sources: vec![Source {
            part: Part::Sum,
            tensor: 0,
            geometry,
            weights: vec![3; geometry.taps()],
        }],
        bias: vec![0],
        shift: vec![0],
        pool: 1,
        activation: Activation::identity(),
    };
    Graph { input, nodes: vec![node] }
}

/// Padding this kernel's input as it says would take 2^26 values.
#[test]
fn a_kernel_that_reaches_far_beyond_its_input_takes_little_memory() {
    one_thread();
    let side = |side| Shape { channels: 1, height: side, width: side };
    let far = [MAX_EXTENT; 2];
    let reach = Geometry { pad: far, dilation: far, stride: far, ..Geometry::plain([2, 2]) };
    let inputs: Vec<Vec<i8>> = (0..9).map(|i| (i..i + 9).collect()).collect();
    assert_equal(&one_kernel(side(3), side(2), reach), &inputs, "far");
}

#[test]
fn a_model_that_fills_memory_with_one_input_is_refused() {
    // As many pairs of a position and a tap as a graph may have.
    let side = 1 << 12;
    let line = |channels| Shape { channels, height: side, width: 1 };
    let geometry = Geometry::plain([side, 1]);
    let mut graph = one_kernel(line(128), line(1), geometry);
    graph.nodes[0].sources[0].weights = vec![0; 128 * side];
    graph.validate().unwrap();
    assert!(matches!(Torch::load(&graph), Err(BackendError::Memory { .. })));
}

#[test]
fn opens_after_its_self_test_and_rejects_rows_of_another_length() {
    one_thread();
    let graph = Random::seeded(3).graph();
    let backend = open(BackendKind::default(), &graph).unwrap();
    assert_eq!(backend.name(), "torch");
    assert!(backend.run(&[]).unwrap().is_empty());
    let len = graph.input_len();
    match backend.run(&[vec![0; len], vec![0; len + 1]]) {
        Err(BackendError::InputLength { row: 1, got, expected }) => {
            assert_eq!((got, expected), (len + 1, len));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn rejects_an_invalid_graph() {
    let mut graph = Random::seeded(4).graph();
    graph.nodes[0].bias.pop();
    assert!(matches!(Torch::load(&graph), Err(BackendError::Model(_))));
}
