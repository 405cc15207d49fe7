//! libtorch against the integer semantics, bit for bit.

#![cfg(feature = "torch")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dn_core::quant::{execute_batch, Activation, Dense, Graph, MAX_ABS_ACCUMULATOR, MAX_SHIFT};
use dn_worker::backend::{open, Backend, BackendError, BackendKind, Torch};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// Random graphs of [`random_graphs_equal_the_reference`], with 12 inputs each.
const GRAPHS: u64 = 10_000;
/// As many for `make test-all`: half a million inputs.
const MANY_GRAPHS: u64 = 40_000;

struct Random(ChaCha8Rng);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n
    }

    fn within(&mut self, lo: i64, hi: i64) -> i64 {
        lo + self.below((hi - lo) as u64 + 1) as i64
    }

    fn any_bytes(&mut self, len: usize) -> Vec<i8> {
        (0..len).map(|_| self.0.next_u32() as i8).collect()
    }

    /// A vector of one kind: any bytes, the two extremes, small values, or one value throughout.
    fn bytes(&mut self, len: usize) -> Vec<i8> {
        let kind = self.below(4);
        let constant = self.0.next_u32() as i8;
        let value = |r: &mut Self| match kind {
            0 => r.0.next_u32() as i8,
            1 => [i8::MIN, i8::MAX][r.below(2) as usize],
            2 => r.within(-3, 3) as i8,
            _ => constant,
        };
        (0..len).map(|_| value(self)).collect()
    }

    /// A layer whose biases go up to what `Graph::validate` admits.
    fn layer(&mut self, inputs: usize) -> Dense {
        let outputs = self.within(1, 40) as usize;
        let shift = self.below(u64::from(MAX_SHIFT) + 1) as u32;
        let table: Vec<i8> = self.bytes(256);
        let activation = match self.below(3) {
            0 => Activation::identity(),
            1 => Activation::relu(),
            _ => Activation(table),
        };
        let weights = self.bytes(inputs * outputs);
        let mut layer =
            Dense { inputs, outputs, weights, bias: vec![0; outputs], shift, activation };
        for o in 0..outputs {
            let (lo, hi) = layer.accumulator_range(o);
            let limit = MAX_ABS_ACCUMULATOR - (1 << shift);
            let (least, most) = (-limit - lo, limit - hi);
            let bias = match self.below(4) {
                0 => least,
                1 => most,
                2 => self.within(least, most),
                _ => self.within(-(1 << shift), 1 << shift),
            };
            layer.bias[o] = bias as i32;
        }
        layer
    }

    fn graph(&mut self) -> Graph {
        let mut layers = Vec::new();
        let mut width = self.within(1, 40) as usize;
        for _ in 0..self.within(1, 4) {
            let layer = self.layer(width);
            width = layer.outputs;
            layers.push(layer);
        }
        Graph { layers }
    }

    fn inputs(&mut self, len: usize) -> Vec<Vec<i8>> {
        let mut inputs = vec![vec![i8::MIN; len], vec![i8::MAX; len]];
        inputs.extend((0..10).map(|_| self.bytes(len)));
        inputs
    }
}

fn assert_equal(graph: &Graph, inputs: &[Vec<i8>], case: &str) {
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
        let mut random = Random(ChaCha8Rng::seed_from_u64(seed));
        let graph = random.graph();
        graph.validate().unwrap();
        let inputs = random.inputs(graph.input_len());
        assert_equal(&graph, &inputs, &format!("seed {seed}"));
    }
}

#[test]
fn every_accumulator_near_a_rounding_border_equals_the_reference() {
    one_thread();
    let inputs: Vec<Vec<i8>> = (i8::MIN..=i8::MAX).map(|x| vec![x]).collect();
    for shift in 0..=MAX_SHIFT {
        let step = 1 << shift;
        let bias: Vec<i32> = (-130..=130).flat_map(|q| [q * step, q * step + step / 2]).collect();
        let outputs = bias.len();
        let layer = Dense {
            inputs: 1,
            outputs,
            weights: vec![1; outputs],
            bias,
            shift,
            activation: Activation::identity(),
        };
        assert_equal(&Graph { layers: vec![layer] }, &inputs, &format!("shift {shift}"));
    }
}

/// The middle layer is valid, but a sum of its products without the bias can leave the integers
/// that f32 holds: it runs in f64, between two layers in f32, and the types fit together.
#[test]
fn a_layer_beyond_f32_between_others_equals_the_reference() {
    one_thread();
    let mut random = Random(ChaCha8Rng::seed_from_u64(1));
    let (inputs, outputs) = (1035, 12);
    let first = Dense {
        inputs: 20,
        outputs: inputs,
        weights: random.any_bytes(20 * inputs),
        bias: vec![0; inputs],
        shift: 9,
        activation: Activation::identity(),
    };
    let second = Dense {
        inputs,
        outputs,
        weights: vec![-127; inputs * outputs],
        bias: (0..outputs).map(|o| -60_000 + 700 * o as i32).collect(),
        shift: 12,
        activation: Activation::identity(),
    };
    let graph = Graph { layers: vec![first, second, random.layer(outputs)] };
    graph.validate().unwrap();
    let batch: Vec<Vec<i8>> = (0..300).map(|_| random.any_bytes(20)).collect();
    assert_equal(&graph, &batch, "beyond f32");
}

#[test]
fn wide_layers_and_batches_beyond_one_pass_equal_the_reference() {
    one_thread();
    let mut random = Random(ChaCha8Rng::seed_from_u64(2));
    let mut wide = random.layer(700);
    wide.bias.fill(0);
    let graph = Graph { layers: vec![wide] };
    graph.validate().unwrap();
    let batch: Vec<Vec<i8>> = (0..4096 + 3).map(|_| random.bytes(700)).collect();
    assert_equal(&graph, &batch, "wide");
}

#[test]
fn opens_after_its_self_test_and_rejects_rows_of_another_length() {
    one_thread();
    let mut random = Random(ChaCha8Rng::seed_from_u64(3));
    let graph = random.graph();
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
    let mut graph = Random(ChaCha8Rng::seed_from_u64(4)).graph();
    graph.layers[0].bias.pop();
    assert!(matches!(Torch::load(&graph), Err(BackendError::Model(_))));
}
