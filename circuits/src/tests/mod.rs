//! The whole circuit under MockProver: honest batches pass, any tampered one fails.

use std::sync::Arc;

use dn_core::quant::{Activation, Geometry, Graph, Node, Part, Shape, Source};
use dn_core::statement::Form;
use ff::Field;
use halo2_proofs::dev::{MockProver, VerifyFailure};
use halo2_proofs::halo2curves::bn256::Fr;

use crate::estimate::{best_batch, best_layout, best_scheme, estimate, Objective, Prices};
use crate::field::{from_core, CoreFr};
use crate::fold::Folded;
use crate::plan::{Frame, Plan, MAX_K};
use crate::system::columns::{Acc, CHALLENGES};
use crate::system::lookup::HELPER_GATE;
use crate::witness::{Slot, Witness};
use crate::BatchCircuit;
use dn_core::{Scheme, Scoring, Width};

mod any;
mod checker;
mod claims;
mod digest;
mod forgeries;
mod images;
mod known;
mod labels;
mod messages;
mod mutation;
mod nets;
mod products;
mod quality;
mod rows;
mod scoring;
mod sequences;
mod soundness;
mod splices;
mod votes;
mod weakening;
mod windows;

pub(crate) use weakening::configure_weakened;

/// Lanes of the default layout, in which tests run that name no other.
const LANES: usize = Width::Default.lanes();

type Change = dyn Fn([Fr; CHALLENGES], Folded) -> Folded + Send + Sync;

/// Changes cells of the second phase, as a prover can who knows the challenges.
#[derive(Clone)]
pub(crate) struct Forge(Arc<Change>);

impl std::fmt::Debug for Forge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Forge")
    }
}

impl Forge {
    /// An accumulator's cell that is off by one.
    fn off_by_one(acc: Acc, row: usize) -> Self {
        Self(Arc::new(move |_, mut folded| {
            folded.accumulators[row][acc as usize] += Fr::ONE;
            folded
        }))
    }

    pub(crate) fn apply(&self, challenges: [Fr; CHALLENGES], folded: Folded) -> Folded {
        (self.0)(challenges, folded)
    }
}

/// Every case instead of a sample, for `make test-all`.
fn is_exhaustive() -> bool {
    std::env::var_os("DN_EXHAUSTIVE").is_some()
}

/// A deterministic stream of small integers.
struct Stream(u64);

impl Stream {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn int8(&mut self, limit: i64) -> i8 {
        (i64::try_from(self.next(2 * limit.unsigned_abs() + 1)).unwrap() - limit) as i8
    }
}

fn dense(s: &mut Stream, inputs: usize, outputs: usize, shift: u32, relu: bool) -> Node {
    Node::dense(
        (0, Shape::vector(inputs)),
        (0..inputs * outputs).map(|_| s.int8(15).into()).collect(),
        (0..outputs).map(|_| i32::from(s.int8(100))).collect(),
        shift,
        if relu { Activation::relu() } else { Activation::identity() },
    )
}

/// Layers one behind the other.
fn chain(input: usize, mut nodes: Vec<Node>) -> Graph {
    for (tensor, node) in nodes.iter_mut().enumerate() {
        node.sources[0].tensor = tensor;
    }
    Graph { input: Shape::vector(input), nodes }
}

fn model(s: &mut Stream) -> Graph {
    let layers = vec![dense(s, 37, 9, 7, true), dense(s, 9, 5, 6, false)];
    let graph = chain(37, layers);
    graph.validate().unwrap();
    graph
}

fn batch(s: &mut Stream, graph: &Graph, tasks: usize) -> Vec<Slot> {
    (0..tasks)
        .map(|i| Slot {
            input: (0..graph.input_len()).map(|_| s.int8(127)).collect(),
            salt: CoreFr::from(1000 + i as u64),
            label: (i % 3 == 0).then_some((i % graph.output_len()) as u16),
        })
        .collect()
}

pub(crate) fn setup(tasks: usize, slots: usize) -> (Graph, Arc<Plan>, Witness) {
    setup_in(slots.into(), tasks)
}

pub(crate) fn setup_in(frame: Frame, tasks: usize) -> (Graph, Arc<Plan>, Witness) {
    let mut s = Stream(7);
    let graph = model(&mut s);
    let plan = Arc::new(Plan::new(&graph, frame).unwrap());
    let tasks = batch(&mut s, &graph, tasks);
    let witness = Witness::new(&graph, &plan, &tasks, CoreFr::from(99u8)).unwrap();
    (graph, plan, witness)
}

/// Failures other than the helper gate's on poisoned rows, which only real proofs can judge.
fn failures(plan: &Arc<Plan>, witness: Witness) -> Vec<String> {
    failures_of(BatchCircuit::for_check(plan.clone(), Arc::new(witness.clone())), plan, &witness)
}

fn failures_of(circuit: BatchCircuit, plan: &Plan, witness: &Witness) -> Vec<String> {
    let instances: Vec<Fr> = witness.statement.instances().into_iter().map(from_core).collect();
    let prover = MockProver::run(plan.k, &circuit, vec![instances]).unwrap();
    let Err(failures) = prover.verify() else { return Vec::new() };
    failures
        .iter()
        .filter(|f| {
            !matches!(f, VerifyFailure::ConstraintPoisoned { constraint }
                if format!("{constraint}").contains(HELPER_GATE))
        })
        .map(ToString::to_string)
        .collect()
}

#[test]
fn accepts_an_honest_batch_with_padding_and_probes() {
    for width in Width::ALL {
        let (_, plan, witness) = setup_in(Frame::new(16, width), 13);
        assert!(witness.statement.score.probe_count == 5);
        let failures = failures(&plan, witness);
        assert!(failures.is_empty(), "{}", failures[..failures.len().min(5)].join("\n"));
    }
}

#[test]
fn statement_is_what_the_domain_crate_computes() {
    let mut s = Stream(7);
    let graph = model(&mut s);
    let plan = Plan::new(&graph, 8).unwrap();
    let tasks = batch(&mut s, &graph, 5);
    let witness = Witness::new(&graph, &plan, &tasks, CoreFr::from(99u8)).unwrap();
    for (i, task) in tasks.iter().enumerate() {
        let output = dn_core::quant::execute(&graph, &task.input);
        assert_eq!(witness.statement.inputs[i], task.input_commitment());
        assert_eq!(witness.statement.outputs[i], dn_core::commitment::output(&output, task.salt));
    }
}

/// Every cell that a gate reads, changed by one: sampled over all rows.
#[test]
fn rejects_any_changed_cell() {
    let (_, plan, witness) = setup(8, 8);
    let mut s = Stream(3);
    let mut accepted = Vec::new();
    for _ in 0..60 {
        let row = 1 + usize::try_from(s.next(plan.rows as u64 - 1)).unwrap();
        let column = usize::try_from(s.next(24)).unwrap();
        if plan.kind(row).free(plan.width, column).is_some() {
            continue;
        }
        let mut forged = witness.clone();
        forged.cells[row][column] += Fr::ONE;
        if failures(&plan, forged).is_empty() {
            accepted.push((row, column));
        }
    }
    assert!(accepted.is_empty(), "{accepted:?}");
}

/// A remainder moved along its table section with its multiplicity: only the fold can tell.
#[test]
fn soundness_row_03_rejects_a_wrong_remainder_with_repaired_multiplicities() {
    let (_, plan, witness) = setup(8, 8);
    let row = plan.sections.nodes[0].accumulators[2];
    let mut forged = witness.clone();
    let lo = |w: &Witness| (0..512u64).find(|v| Fr::from(*v) == w.cells[row][8]).unwrap();
    let (old, new) = (lo(&witness), lo(&witness) ^ 4);
    let tag = plan.table.tag_lo;
    forged.cells[row][8] = Fr::from(new);
    forged.multiplicities[plan.table.find((tag, old, 0)).unwrap()] -= 1;
    forged.multiplicities[plan.table.find((tag, new, 0)).unwrap()] += 1;
    assert!(!failures(&plan, forged).is_empty());
}

#[test]
fn soundness_row_24_rejects_any_changed_public_input_that_the_circuit_binds() {
    let (_, plan, witness) = setup(8, 8);
    type Change = fn(&mut Witness);
    let changes: [Change; 5] = [
        |w| w.statement.inputs[3] += CoreFr::from(1u8),
        |w| w.statement.outputs[0] += CoreFr::from(1u8),
        |w| w.statement.score.probe_count += 1,
        |w| w.statement.score.probe_correct += 1,
        |w| w.statement.score.margin_sum += 1,
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut forged = witness.clone();
        change(&mut forged);
        assert!(!failures(&plan, forged).is_empty(), "change {i} was accepted");
    }
}

#[test]
fn the_estimate_of_rows_is_exact() {
    let mut s = Stream(5);
    for (inputs, hidden, outputs, slots) in [(37, 9, 5, 8), (64, 32, 10, 64), (130, 3, 70, 16)] {
        let layers =
            vec![dense(&mut s, inputs, hidden, 7, true), dense(&mut s, hidden, outputs, 6, false)];
        let graph = chain(inputs, layers);
        for width in Width::ALL {
            let frame = Frame::of(slots, width);
            let plan = Plan::new(&graph, frame).unwrap();
            let estimate = estimate(&graph, frame).unwrap();
            assert_eq!((estimate.rows, estimate.k), (plan.rows, plan.k));
        }
    }
}

/// CPU seconds per inference at a layout's best batch size up to `limit`.
fn cpu_s(graph: &Graph, limit: usize, width: Width) -> f64 {
    let batch = best_batch(graph, limit, Frame::of(1, width)).unwrap();
    cpu_s_at(graph, Frame::of(batch, width), batch)
}

fn cpu_s_at(graph: &Graph, frame: Frame, batch: usize) -> f64 {
    let estimate = estimate(graph, frame).unwrap();
    assert!(estimate.cpu_s > 0.0 && estimate.memory_mb > 0.0 && estimate.k <= MAX_K);
    estimate.cpu_s / batch as f64
}

/// A digest's nodes take rows, so a batch that fills its domain without them does not with them.
#[test]
fn the_batch_size_that_is_chosen_counts_the_rows_of_a_digest() {
    let mut s = Stream(5);
    let graph = model(&mut s);
    for width in Width::ALL {
        let best = |form| best_batch(&graph, 256, Frame::of(1, width).with(form)).unwrap();
        let at = |batch| cpu_s_at(&graph, Frame::of(batch, width).with(Form::Digest), batch);
        assert_ne!(best(Form::Listed), best(Form::Digest));
        assert!(at(best(Form::Digest)) < at(best(Form::Listed)));
    }
}

#[test]
fn the_layout_that_is_chosen_is_the_best_of_all() {
    let mut s = Stream(5);
    for graph in [model(&mut s), images::residual(&mut s)] {
        assert_eq!(
            best_layout(&graph, 64, Scoring::Classes, Objective::Gas),
            Ok((Width::Narrow, Scheme::Merged))
        );
        for limit in [1, 24, 256] {
            let (best, scheme) =
                best_layout(&graph, limit, Scoring::Classes, Objective::Cpu).unwrap();
            assert_eq!(scheme, Scheme::Plain);
            let least = cpu_s(&graph, limit, best);
            assert!(Width::ALL.iter().all(|width| least <= cpu_s(&graph, limit, *width)));
        }
        // One inference takes the rows of as many as there are lanes.
        assert_eq!(
            best_layout(&graph, 1, Scoring::Classes, Objective::Cpu),
            Ok((Width::Narrow, Scheme::Plain))
        );
    }
}

/// Gas is dear at ordinary prices; where it costs nothing, the opening that takes less CPU time is chosen.
#[test]
fn the_scheme_that_is_chosen_costs_least_in_all() {
    let graph = model(&mut Stream(5));
    for width in Width::ALL {
        let frame = Frame::of(64, width);
        let best = |prices: &Prices| best_scheme(&graph, frame, prices).unwrap();
        assert_eq!(best(&Prices::default()), Scheme::Merged);
        assert_eq!(best(&Prices { gas_gwei: 0.0, ..Prices::default() }), Scheme::Plain);
        let [plain, merged] =
            Scheme::ALL.map(|scheme| estimate(&graph, frame.opened(scheme)).unwrap());
        assert!(2 * merged.gas < plain.gas && plain.cpu_s < merged.cpu_s);
        assert!(plain.memory_mb < merged.memory_mb && plain.bases.is_none());
        let bases = merged.bases.unwrap();
        assert!(bases.powers.is_multiple_of(1 << merged.k) && bases.cpu_s < bases.ceremony_cpu_s);
    }
}

/// A few numbers in a file are enough for inputs of any length; counting their rows to the end takes minutes.
#[test]
fn rows_of_what_is_far_too_large_are_not_counted_to_the_end() {
    let input = Shape { channels: 1, height: 1 << 16, width: 1 << 6 };
    let first = Geometry { stride: [1 << 15, 1 << 5], ..Geometry::plain([1, 1]) };
    let source = Source { part: Part::Sum, tensor: 0, geometry: first, weights: vec![1] };
    let shape = Shape { channels: 1, height: 2, width: 2 };
    let activation = Activation::identity();
    let node =
        Node { shape, sources: vec![source], bias: vec![0], shift: vec![0], pool: 1, activation };
    let graph = Graph { input, nodes: vec![node] };
    graph.validate().unwrap();
    let frame = |slots| Frame::new(slots, Width::Default).scored(Scoring::None);
    let rows = crate::plan::count_rows(&graph, &[frame(8), frame(1 << 15)]).unwrap();
    assert!(rows.iter().all(|n| *n > 1 << crate::plan::MAX_K), "{rows:?}");
}

/// More would make sums of scores ambiguous; and a number from outside is refused before rows are counted.
#[test]
fn refuses_more_slots_than_scores_can_count() {
    let mut s = Stream(5);
    let graph = chain(2, vec![dense(&mut s, 2, 2, 7, true)]);
    for slots in [1 << 16, 1 << 40] {
        let error = crate::plan::count_rows(&graph, &[Frame::new(slots, Width::Default)]);
        assert_eq!(error, Err(crate::PlanError::TooManySlots { slots }));
    }
}
