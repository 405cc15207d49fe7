//! Proofs of one seed, bit by bit: whoever only moves code finds them as they were.
//!
//! A proof depends on the constraints' values and their order, but also on how halo2 prints them, which
//! the key's digest hashes, and on which query comes first. Here the digest is a constant and queries stand in
//! the order of the columns, so the same constraints written in another way give the same bytes.

use std::fmt::Write as _;
use std::path::PathBuf;

use dn_circuits::columns::fixed_columns;
use dn_circuits::field::CoreFr;
use dn_circuits::{Frame, Scheme, Slot, Width};
use dn_core::groups::groups;
use dn_core::protocol::{Op, Protocol, Query};
use dn_core::quant::{Activation, Geometry, Graph, Node, Part, Shape, Source};
use dn_core::statement::Form;
use halo2_proofs::halo2curves::bn256::G1Affine;
use sha3::{Digest, Keccak256};

use rand_core::SeedableRng as _;

use super::arithmetic::Plain;
use super::bases::Bases;
use super::grid::Grid;
use super::merged::Merged;
use super::*;
use crate::srs::development_secret;
use crate::{Library, Prover};

/// Hashes of key and proof of every net and layout. `DN_UPDATE_PROOFS=1 cargo test -p dn-prover pinned` writes
/// them again, which is right where the statement, a row or a constraint is another one.
const PINNED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/proofs.txt");
/// The same with merged openings.
const PINNED_MERGED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/merged-proofs.txt");

/// A stream of small integers.
struct Stream(u64);

impl Stream {
    fn next(&mut self, below: u64) -> i64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % below) as i64
    }

    fn weights(&mut self, n: usize) -> Vec<i16> {
        (0..n).map(|_| self.next(31) as i16 - 15).collect()
    }
}

/// Two dense layers behind an input whose commitment takes two permutations.
fn dense() -> Graph {
    let (mut s, input, hidden) = (Stream(67), Shape::vector(100), Shape::vector(9));
    let relu = Activation::relu();
    let first = Node::dense((0, input), s.weights(900), vec![3; 9], 9, relu);
    let second = Node::dense((1, hidden), s.weights(90), vec![-7; 10], 8, Activation::identity());
    Graph { input, nodes: vec![first, second] }
}

fn conv(s: &mut Stream, graph: &Graph, (stride, pool): (usize, usize)) -> Node {
    let tensor = graph.nodes.len();
    let from = graph.shape(tensor);
    let side = from.height / stride;
    let geometry = Geometry { stride: [stride; 2], pad: [1; 2], ..Geometry::plain([3; 2]) };
    Node {
        shape: Shape { channels: 2, height: side, width: side },
        sources: vec![Source {
            part: Part::Sum,
            tensor,
            geometry,
            weights: s.weights(18 * from.channels),
        }],
        bias: vec![20, -30],
        shift: vec![8, 9],
        pool,
        activation: Activation::relu(),
    }
}

/// Padded and strided convolutions, a residual sum, a pool, classes.
fn images() -> Graph {
    let mut s = Stream(61);
    let input = Shape { channels: 1, height: 8, width: 8 };
    let mut graph = Graph { input, nodes: Vec::new() };
    for layer in [(2, 1), (1, 1), (1, 2)] {
        let node = conv(&mut s, &graph, layer);
        graph.nodes.push(node);
    }
    let identity = Geometry { groups: 2, ..Geometry::plain([1; 2]) };
    graph.nodes[2].sources.push(Source {
        part: Part::Sum,
        tensor: 1,
        geometry: identity,
        weights: vec![90; 2],
    });
    let from = graph.shape(3);
    let last =
        Node::dense((3, from), s.weights(9 * from.len()), vec![7; 9], 8, Activation::identity());
    graph.nodes.push(last);
    graph
}

/// A dense layer, then the product of two sums beside a third one, and classes.
fn products() -> Graph {
    let mut s = Stream(71);
    let (input, hidden) = (Shape::vector(12), Shape::vector(6));
    let identity = Activation::identity;
    let first = Node::dense((0, input), s.weights(72), vec![5; 6], 5, identity());
    let mut second = Node::dense((1, hidden), s.weights(36), vec![-9; 6], 9, identity());
    for part in [Part::Left, Part::Right] {
        let weights = s.weights(36).iter().map(|w| w / 8).collect();
        let source = Source { part, weights, ..second.sources[0].clone() };
        second.sources.push(source);
    }
    let last = Node::dense((2, hidden), s.weights(30), vec![1; 5], 7, identity());
    Graph { input, nodes: vec![first, second, last] }
}

/// Queries in the order of the columns.
fn in_order(mut p: Protocol) -> Protocol {
    let sorted = |queries: &[Query]| -> (Vec<Query>, Vec<u32>) {
        let mut order: Vec<usize> = (0..queries.len()).collect();
        order.sort_by_key(|i| (queries[*i].column, queries[*i].rotation));
        let mut place = vec![0; queries.len()];
        (0u32..).zip(&order).for_each(|(to, from)| place[*from] = to);
        (order.iter().map(|i| queries[*i]).collect(), place)
    };
    let ((advice, advice_at), (fixed, fixed_at)) =
        (sorted(&p.advice_queries), sorted(&p.fixed_queries));
    for op in &mut p.ops {
        match op {
            Op::Advice(i) => *i = advice_at[*i as usize],
            Op::Fixed(i) => *i = fixed_at[*i as usize],
            _ => {}
        }
    }
    (p.advice_queries, p.fixed_queries) = (advice, fixed);
    p
}

/// What makes proofs of a key with columns in order.
fn engine(keys: &crate::Keys) -> Box<dyn Prove> {
    let mut circuit = Circuit::new(&keys.plan, in_order(keys.protocol().clone()));
    circuit.digest = Fr::from(7);
    if let Some(Library { params, .. }) = keys.library() {
        return Box::new(Engine::new(circuit, Bases::<Plain>::new(params).unwrap()));
    }
    let groups = groups(&circuit.protocol).unwrap();
    let places = circuit.protocol.places.unwrap() as usize;
    let (tau, g1) = (development_secret(), G1Affine::generator());
    let grid = Grid::<Plain>::of_secret(tau, &g1, keys.plan.k, places).unwrap();
    Box::new(Engine::new(circuit, Merged::new(grid, groups)))
}

fn hash(graph: &Graph, frame: Frame) -> String {
    let name = format!("{}-{}-{:?}", graph.nodes.len(), frame.width.name(), frame.form);
    let folder = folder(frame.scheme);
    let prover = Prover::new(graph.clone(), frame, &folder, &name, None).unwrap();
    let (plan, protocol) = (&prover.keys().plan, prover.keys().protocol());
    let mut s = Stream(5);
    let task = |i: usize| Slot {
        input: (0..graph.input_len()).map(|_| (s.next(256) - 128) as i8).collect(),
        salt: CoreFr::from(1000 + i as u64),
        label: i.is_multiple_of(3).then_some((i % graph.output_len()) as u16),
    };
    let tasks: Vec<Slot> = (0..frame.slots - 2).map(task).collect();
    let witness = Witness::new(graph, plan, &tasks, CoreFr::from(3u8)).unwrap();
    let rng = rand_chacha::ChaCha20Rng::from_seed([9; 32]);
    let proof = engine(prover.keys()).prove(plan, witness, rng, &mut |_| Ok(())).unwrap();
    // The commitments of a merged key depend on the order of the queries, which are those of a layout.
    let key = match prover.keys().library() {
        Some(library) => library.vk.to_bytes(halo2_proofs::SerdeFormat::RawBytes),
        None => protocol.digest.to_vec(),
    };
    let of = |bytes: &[u8]| hex::encode(&Keccak256::digest(bytes)[..16]);
    let (rows, fixed) = (plan.rows, fixed_columns(plan.width));
    let constraints = protocol.constraints.len();
    let advice = protocol.advice_columns();
    format!(
        "{name} rows {rows} advice {advice} fixed {fixed} constraints {constraints} key {} proof {}",
        of(&key),
        of(&proof)
    )
}

fn folder(scheme: Scheme) -> PathBuf {
    std::env::temp_dir().join(format!("dn-pinned-{}-{}", scheme.name(), std::process::id()))
}

fn check(scheme: Scheme, path: &str) {
    let mut found = String::new();
    for width in Width::ALL {
        for (graph, batch, form) in [
            (dense(), 16, Form::Listed),
            (dense(), 16, Form::Digest),
            (images(), 32, Form::Listed),
            (products(), 32, Form::Listed),
        ] {
            graph.validate().unwrap();
            let frame = Frame::of(batch, width).with(form).opened(scheme);
            writeln!(found, "{}", hash(&graph, frame)).unwrap();
        }
    }
    std::fs::remove_dir_all(folder(scheme)).unwrap();
    if std::env::var_os("DN_UPDATE_PROOFS").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    let pinned = std::fs::read_to_string(path).unwrap();
    assert!(pinned == found, "other proofs than in {path}:\n{found}");
}

#[test]
fn pinned_proofs_of_one_seed_are_what_they_were() {
    check(Scheme::Plain, PINNED);
}

#[test]
fn pinned_merged_proofs_of_one_seed_are_what_they_were() {
    check(Scheme::Merged, PINNED_MERGED);
}
