//! Rows of the soundness checklist (`docs/book/soundness.md`) that concern the circuit.
//!
//! Forged witnesses have their multiplicities repaired where the table allows, so that the named
//! constraint is the one that objects.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use dn_core::quant::{execute, requantize, Activation, Geometry, Graph, Node, Shape, MAX_SHIFT};
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Circuit, ConstraintSystem};

use super::checker::{Checker, Grid};
use super::images::{classes, push, shape};
use super::nets::{out_of, set_lo, set_pair, small, Net};
use super::products::multiply;
use super::weakening::challenges;
use super::{batch, chain, dense, failures, is_exhaustive, Stream, LANES};
use crate::field::CoreFr;
use crate::plan::{Frame, Plan};
use crate::system::columns::{Ch, CHALLENGES};
use crate::system::rows::spill::SPILL_OFFSET;
use crate::system::table::{chosen, stored, Table, NOT_CHOSEN};
use crate::witness::{Slot, Witness};
use crate::BatchCircuit;
use dn_core::{Scoring, Width};

/// Names of the constraints that reject a grid.
pub(super) fn objections(c: &Checker, grid: &Grid) -> HashSet<String> {
    let failures = c.failures(grid).into_iter();
    failures.map(|(i, _)| format!("{}/{}", c.constraints[i].gate, c.constraints[i].name)).collect()
}

pub(super) fn only(name: &str) -> HashSet<String> {
    HashSet::from([name.to_owned()])
}

/// A window of equal values has one largest, not several and not none.
#[test]
fn soundness_row_01_rejects_a_tie_that_counts_twice() {
    let mut s = Stream(71);
    let mut graph = Graph { input: shape(1, 4, 4), nodes: Vec::new() };
    push(&mut s, &mut graph, 1, Geometry::plain([1, 1]), 2);
    graph.nodes[0].sources[0].weights = vec![0];
    let last = classes(&mut s, &graph, 3);
    graph.nodes.push(last);
    let tasks = batch(&mut s, &graph, 8);
    let net = Net::new(graph, 8, tasks);
    let c = Checker::new(&net.plan, challenges());
    let rows: Vec<usize> =
        [0, 1, 4, 5].iter().map(|at| net.plan.sections.nodes[0].accumulators[*at]).collect();
    let is_chosen = |row: &&usize| small(net.witness.cells[**row][2 * LANES]) == chosen(2);
    assert_eq!(rows.iter().filter(is_chosen).count(), 1);
    for bits in [[true, true, false, false], [false; 4], [true; 4]] {
        let mut w = net.witness.clone();
        for (row, bit) in rows.iter().zip(bits) {
            set_pair(&net.plan, &mut w, *row, 0, 0, if bit { chosen(2) } else { NOT_CHOSEN });
        }
        assert_eq!(objections(&c, &c.grid(&w)), only("claims/claims"), "{bits:?}");
    }
}

/// Constant accumulators on both sides of every rounding border, zero among them.
fn borders() -> Net {
    let input = Shape::vector(4);
    let bias: Vec<i32> = vec![-25, -24, -9, -8, -7, 0, 7, 8, 9, 24, 2047, -2056];
    let weights = vec![0; input.len() * bias.len()];
    let node = Node::dense((0, input), weights, bias, 4, Activation::identity());
    let graph = Graph { input, nodes: vec![node] };
    Net::new(graph, 8, vec![Slot::null(4)])
}

/// There are no signs: `(hi, lo)` is a Euclidean division. Its neighbours `(hi -+ 1, lo +- 2^bits)`
/// are the same accumulator; for a remainder of zero they are the second way to write it.
#[test]
fn soundness_row_02_rejects_the_neighbours_of_a_quotient() {
    let net = Net::everything();
    let c = Checker::new(&net.plan, challenges());
    let range = 1u64 << net.plan.table.lo_bits;
    let plan = &net.plan;
    let mut tried = 0;
    for row in
        plan.sections.nodes[0].accumulators.iter().chain(&plan.sections.nodes[1].accumulators)
    {
        for lane in 0..LANES {
            let cells = &net.witness.cells[*row];
            let (hi, out) = (small(cells[lane]), small(cells[2 * LANES + lane]));
            // Neighbours with the same output: nothing else in the model changes.
            for (next, lo) in [(hi - 1, Fr::from(range)), (hi + 1, -Fr::from(range))] {
                if out_of(plan, *row, next) != Some(out) || tried > 40 {
                    continue;
                }
                let mut w = net.witness.clone();
                set_pair(plan, &mut w, *row, lane, next, out);
                w.cells[*row][LANES + lane] += lo;
                assert_eq!(objections(&c, &c.grid(&w)), only("lookup sum/"), "{row} {lane}");
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "{tried}");
}

/// `a > b` for `a = b`: a tie is not correct, and has no margin.
#[test]
fn soundness_row_02_a_tie_is_not_correct() {
    let net = Net::constant(&[10, 200, 200], Some(1));
    assert_eq!(net.witness.statement.score.probe_correct, 0);
    let c = Checker::new(&net.plan, challenges());
    let score = net.plan.sections.quality + 1;
    assert_eq!(small(net.witness.cells[score][0]), 256);
    let mut w = net.witness.clone();
    set_pair(&net.plan, &mut w, score, 0, 257, out_of(&net.plan, score, 257).unwrap());
    w.statement.score.probe_correct = 1;
    w.statement.score.margin_sum = 1;
    assert_eq!(objections(&c, &c.grid(&w)), only("quality score/key"));
}

/// `out = in / d` in the field satisfies the division; only the ranges know that it is none.
#[test]
fn soundness_row_03_rejects_a_quotient_in_the_field() {
    let net = borders();
    let c = Checker::new(&net.plan, challenges());
    let range = Fr::from(1 << net.plan.table.lo_bits);
    let mut tried = 0;
    for row in &net.plan.sections.nodes[0].accumulators {
        let cells = net.witness.cells[*row].to_vec();
        if cells[LANES] == Fr::ZERO {
            continue;
        }
        let mut w = net.witness.clone();
        w.cells[*row][0] = cells[0] + cells[LANES] * range.invert().unwrap();
        w.cells[*row][LANES] = Fr::ZERO;
        assert_eq!(objections(&c, &c.grid(&w)), only("lookup sum/"));
        tried += 1;
    }
    assert!(tried > 0);
}

/// Index -1, and one past the end of a section, where the next one begins.
#[test]
fn soundness_row_04_rejects_indices_outside_of_their_section() {
    let net = Net::everything();
    let c = Checker::new(&net.plan, challenges());
    let sections = [
        (net.plan.sections.inputs[0].row, 2 * LANES),
        (net.plan.sections.nodes[0].accumulators[0], 0),
        (net.plan.sections.nodes[0].accumulators[0], LANES),
        (net.plan.sections.nodes[2].accumulators[0], 0),
        (net.plan.sections.nodes[2].pooled[0], 0),
        (net.plan.sections.quality, 0),
    ];
    for (row, column) in sections {
        let fx = if column == LANES {
            crate::system::steering::Fx::TagB
        } else {
            crate::system::steering::Fx::TagA
        };
        let tag = small(net.plan.fx(fx, row));
        let len = net.plan.table.rows.iter().filter(|t| t.0 == tag).count() as u64;
        for x in [-Fr::ONE, Fr::from(len), Fr::from(len + 1), -Fr::from(1 << 40)] {
            let mut w = net.witness.clone();
            w.cells[row][column] = x;
            assert!(objections(&c, &c.grid(&w)).contains("lookup sum/"), "{row} {column}");
        }
    }
}

/// The static bounds behind «equal mod r is equal»: sides of every claim stay below `2^60`.
#[test]
fn soundness_row_05_no_accumulator_wraps() {
    let mut s = Stream(73);
    let mut graphs: Vec<Graph> = (0..20).map(|_| random_graph(&mut s)).collect();
    graphs.push(largest());
    for graph in graphs {
        let table = Table::new(&graph, Scoring::Classes);
        assert!(table.lo_bits <= MAX_SHIFT);
        for (node, division) in graph.nodes.iter().zip(&table.divisions) {
            let hi = table.rows.iter().filter(|t| t.0 == division.tag_hi).map(|t| t.1).max();
            let quotient = i128::from(hi.unwrap()).max(i128::from(division.quotient_min).abs());
            let range = 1i128 << table.lo_bits;
            for channel in 0..node.shape.channels {
                let offset = i128::from(division.offset(channel, node.bias[channel])).abs();
                let items = range * quotient + range + offset;
                let spilled = i128::from(division.scale(channel)) * i128::from(SPILL_OFFSET) * 2;
                assert!(items < 1 << 60 && spilled < 1 << 60, "{items} {spilled}");
                let (low, high) = node.accumulator_range(channel);
                let scaled = i128::from(high - low) * i128::from(division.scale(channel));
                assert!(scaled < 1 << 60 && node.factor_bound(channel) <= 1 << 24, "{scaled}");
            }
        }
    }
}

/// One accumulator at the bound of `Graph::validate`, with the finest and the coarsest shift.
fn largest() -> Graph {
    let input = Shape::vector(4);
    let weights = vec![32_000, -32_000, 32_000, -32_000, 1, 0, 0, 0];
    let mut node = Node::dense((0, input), weights, vec![9; 2], 0, Activation::identity());
    node.shift = vec![8, MAX_SHIFT];
    let graph = Graph { input, nodes: vec![node] };
    graph.validate().unwrap();
    graph
}

/// Rounding of halves and negative numbers: reference, table and circuit are one.
#[test]
fn soundness_row_06_rounding_is_the_reference_bit_by_bit() {
    let net = borders();
    let c = Checker::new(&net.plan, challenges());
    assert!(c.failures(&c.grid(&net.witness)).is_empty());
    let (node, division) = (&net.graph.nodes[0], &net.plan.table.divisions[0]);
    let outputs = &net.witness.outputs[0];
    assert_eq!(*outputs, execute(&net.graph, &[0; 4]));
    for (channel, acc) in node.bias.iter().enumerate() {
        let row = net.plan.sections.nodes[0].accumulators[channel];
        let cells = &net.witness.cells[row];
        let quotient = small(cells[0]) as i64 + division.quotient_min;
        assert_eq!(quotient, (i64::from(*acc) + 8).div_euclid(16), "{acc}");
        assert_eq!(small(cells[2 * LANES]), stored(requantize(*acc, 4)), "{acc}");
        assert_eq!(outputs[channel], requantize(*acc, 4), "{acc}");
    }
    for acc in [i32::MIN, i32::MIN + 1, -1, 0, i32::MAX] {
        for shift in 0..=MAX_SHIFT {
            let half = if shift == 0 { 0 } else { 1i64 << (shift - 1) };
            let exact = (i64::from(acc) + half).div_euclid(1 << shift).clamp(-128, 127);
            assert_eq!(i64::from(requantize(acc, shift)), exact, "{acc} {shift}");
        }
    }
}

/// Domain and length stand in a message's tag, which the first block must have.
#[test]
fn soundness_row_07_rejects_another_domain_or_length() {
    let net = Net::long();
    let c = Checker::new(&net.plan, challenges());
    let absorb = c.find("poseidon absorb", "");
    let forged: Vec<_> = super::forgeries::hashes(&net, &c)
        .into_iter()
        .filter(|f| absorb.contains(&f.constraint))
        .collect();
    assert_eq!(forged.len(), 4);
    for forgery in forged {
        assert_eq!(objections(&c, &forgery.grid(&c)), only("poseidon absorb/"), "{}", forgery.what);
    }
}

/// The tags of inputs are held to the same as those of outputs.
#[test]
fn soundness_row_07_rejects_an_input_of_another_domain_or_length() {
    for width in Width::ALL {
        let net = Net::long_of(width);
        let c = Checker::new(&net.plan, challenges());
        for w in super::forgeries::tags(&net) {
            assert_eq!(objections(&c, &c.grid(&w)), only("poseidon absorb/"));
        }
    }
}

/// halo2's query collision: no pair of column and rotation is queried twice, and no rotation
/// leaves the neighbouring row.
#[test]
fn soundness_row_12_queries_are_distinct_neighbours() {
    for width in Width::ALL.into_iter().chain([Width::Sequence]) {
        queries_are_distinct_neighbours(width);
    }
}

fn queries_are_distinct_neighbours(width: Width) {
    let mut cs = ConstraintSystem::<Fr>::default();
    BatchCircuit::configure_with_params(&mut cs, width);
    let advice: Vec<_> = cs.advice_queries().iter().map(|(c, r)| (c.index(), r.0)).collect();
    let fixed: Vec<_> = cs.fixed_queries().iter().map(|(c, r)| (c.index(), r.0)).collect();
    for queries in [advice, fixed] {
        let distinct: HashSet<_> = queries.iter().copied().collect();
        assert_eq!(distinct.len(), queries.len());
        assert!(queries.iter().all(|(_, rotation)| [-1, 0].contains(rotation)));
    }
    assert_eq!(cs.instance_queries().len(), 1);
    assert!(cs.degree() <= 4, "{}", cs.degree());
}

/// Every challenge is drawn after the cells of all look-ups, and only folds come later.
#[test]
fn soundness_row_13_challenges_follow_the_cells() {
    for width in Width::ALL.into_iter().chain([Width::Sequence]) {
        challenges_follow_the_cells(width);
    }
}

fn challenges_follow_the_cells(width: Width) {
    let mut cs = ConstraintSystem::<Fr>::default();
    let columns = BatchCircuit::configure_with_params(&mut cs, width);
    assert_eq!(cs.challenge_phase(), vec![0; CHALLENGES]);
    let phases = cs.advice_column_phase();
    let first = columns.cells.iter().chain([&columns.multiplicity]);
    assert!(first.clone().all(|c| phases[c.index()] == 0));
    let second = columns.helpers.iter().chain(&columns.accumulators);
    assert!(second.clone().all(|c| phases[c.index()] == 1));
    assert_eq!(first.count() + second.count(), phases.len());
    assert_eq!(crate::system::columns::advice_columns(width), phases.len());
}

/// Two wrong remainders that cancel for tau = 2 pass when the prover knows tau, and only then.
#[test]
fn soundness_row_13_a_layer_that_is_right_for_a_known_challenge_is_wrong() {
    let net = Net::long();
    let row = net.plan.sections.nodes[1].accumulators[3];
    let mut w = net.witness.clone();
    let lo = |lane: usize| small(net.witness.cells[row][LANES + lane]);
    // Lane l has weight tau^(7 - l).
    let (up, down) = if lo(6) < 500 && lo(7) >= 2 { (1, -2) } else { (-1, 2) };
    set_lo(&net.plan, &mut w, row, 6, lo(6).checked_add_signed(up).unwrap());
    set_lo(&net.plan, &mut w, row, 7, lo(7).checked_add_signed(down).unwrap());
    let mut known = challenges();
    known[Ch::Tau as usize] = Fr::from(2);
    let c = Checker::new(&net.plan, known);
    assert!(c.failures(&c.grid(&w)).is_empty(), "the forgery does not even fit tau = 2");
    let c = Checker::new(&net.plan, challenges());
    assert_eq!(objections(&c, &c.grid(&w)), only("claims/claims"));
    assert!(!failures(&net.plan, w).is_empty());
}

/// A look-up ties the output to its input, idle cells to the default row.
#[test]
fn soundness_row_14_look_ups_tie_input_and_output() {
    let net = Net::everything();
    let c = Checker::new(&net.plan, challenges());
    let sections = &net.plan.sections;
    assert_eq!(net.plan.table.rows[0], (0, 0, 0));
    assert!(net.plan.rows >= net.plan.table.rows.len());
    // Another byte that the section has, beside a quotient that it does not belong to.
    for row in [sections.nodes[0].accumulators[0], sections.nodes[2].pooled[0]] {
        let tag = small(net.plan.fx(crate::system::steering::Fx::TagA, row));
        let out = small(net.witness.cells[row][2 * LANES]);
        let other = net.plan.table.rows.iter().find(|t| t.0 == tag && t.2 != out).unwrap().2;
        let mut w = net.witness.clone();
        w.cells[row][2 * LANES] = Fr::from(other);
        assert!(objections(&c, &c.grid(&w)).contains("lookup sum/"));
    }
    // Where a row of the input has a value in `lo` alone, `out` holds a zero.
    let tag_absent = Fr::from(net.plan.table.tag_absent);
    let row = c.row_with(&[crate::system::steering::Fx::Lookup, crate::system::steering::Fx::Pack]);
    let alone = (row..net.plan.rows)
        .find(|row| net.plan.fx(crate::system::steering::Fx::TagA, *row) == tag_absent)
        .expect("a value of a right column alone");
    for byte in [0, 127, 129] {
        let mut w = net.witness.clone();
        w.cells[alone][2 * LANES] = Fr::from(byte);
        assert!(objections(&c, &c.grid(&w)).contains("lookup sum/"), "{byte}");
    }
    // Cells that a row looks up without a use for them hold zero: quotients of inputs, remainders of
    // pooled values.
    for (row, column) in [(sections.inputs[0].row, 0), (sections.nodes[2].pooled[0], LANES)] {
        assert_eq!(net.witness.cells[row][column], Fr::ZERO);
        let mut w = net.witness.clone();
        w.cells[row][column] = Fr::ONE;
        assert!(objections(&c, &c.grid(&w)).contains("lookup sum/"));
    }
    // The table bounds what is not reduced: cells are field elements, so x + p is x, and -x is huge.
    let row = sections.nodes[0].accumulators[0];
    let mut w = net.witness.clone();
    w.cells[row][0] = -w.cells[row][0] - Fr::ONE;
    assert!(objections(&c, &c.grid(&w)).contains("lookup sum/"));
    assert!(Option::<Fr>::from(Fr::from_repr([0xff; 32])).is_none());
}

/// Gates and transcript have no check that a release build leaves out.
#[test]
fn soundness_row_16_no_constraint_is_a_debug_assertion() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = |folder: &str| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(source.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
    };
    let mut read = [files("system"), files("system/rows")].concat();
    assert!(read.len() > 20, "the constraint system has moved");
    read.extend(["transcript.rs", "protocol.rs"].map(|file| source.join(file)));
    for path in read {
        let text = std::fs::read_to_string(&path).unwrap();
        let is_clean = !text.contains("debug_assert") && !text.contains("debug_assertions");
        assert!(is_clean, "{}", path.display());
    }
}

/// A random valid graph: dense layers, or convolutions with pads, strides, pools and a sum.
pub(super) fn random_graph(s: &mut Stream) -> Graph {
    if s.next(2) == 0 {
        let (inputs, hidden) = (1 + s.next(40) as usize, 1 + s.next(12) as usize);
        let (a, b) = (4 + s.next(5) as u32, 4 + s.next(4) as u32);
        let outputs = 1 + s.next(9) as usize;
        return chain(
            inputs,
            vec![dense(s, inputs, hidden, a, true), dense(s, hidden, outputs, b, false)],
        );
    }
    let input = shape(1 + s.next(2) as usize, 4 + s.next(3) as usize, 4 + s.next(3) as usize);
    let mut graph = Graph { input, nodes: Vec::new() };
    for _ in 0..=s.next(2) {
        let kernel = 1 + s.next(3) as usize;
        let stride = if graph.nodes.is_empty() { 1 + s.next(2) as usize } else { 1 };
        let g = Geometry {
            stride: [stride; 2],
            pad: [s.next(kernel as u64) as usize; 2],
            ..Geometry::plain([kernel; 2])
        };
        let tensor = graph.shape(graph.nodes.len());
        if tensor.height.min(tensor.width) + 2 * g.pad[0] < kernel + 3 {
            break;
        }
        let channels = 1 + s.next(3) as usize;
        push(s, &mut graph, channels, g, 1);
        let out = graph.nodes[graph.nodes.len() - 1].shape;
        if out.height.min(out.width) >= 2 && s.next(3) == 0 {
            let node = graph.nodes.last_mut().unwrap();
            node.pool = 2;
            node.shape.height -= node.shape.height % 2;
            node.shape.width -= node.shape.width % 2;
        }
    }
    if graph.nodes.is_empty() {
        push(s, &mut graph, 2, Geometry::plain([1, 1]), 1);
    }
    if s.next(3) == 0 {
        multiply(s, &mut graph);
    }
    let last = classes(s, &graph, 4);
    graph.nodes.push(last);
    graph
}

/// Extremes as often as everything else.
fn random_input(s: &mut Stream, len: usize) -> Vec<i8> {
    let kind = s.next(3);
    (0..len)
        .map(|_| match kind {
            0 => s.int8(127),
            1 => [-128, 127][s.next(2) as usize],
            _ => [-128, -1, 0, 1, 127][s.next(5) as usize],
        })
        .collect()
}

/// No honest batch fails a look-up or a constraint, whatever the model and the inputs.
#[test]
fn soundness_row_21_random_batches_always_have_a_witness() {
    let (graphs, batches) = if is_exhaustive() { (500, 20) } else { (60, 3) };
    let mut s = Stream(79);
    for i in 0..graphs {
        let graph = random_graph(&mut s);
        graph.validate().unwrap();
        let width = Width::ALL[i % Width::ALL.len()];
        let plan = match Plan::new(&graph, Frame::of(8, width)) {
            Ok(plan) => std::sync::Arc::new(plan),
            Err(e) => panic!("graph {i}: {e}"),
        };
        let mut last = None;
        for _ in 0..batches {
            let tasks: Vec<Slot> = (0..8)
                .map(|t| Slot {
                    input: random_input(&mut s, graph.input_len()),
                    salt: CoreFr::from(t as u64 + 1),
                    label: (graph.output_len() > 1 && t % 2 == 0)
                        .then(|| s.next(graph.output_len() as u64) as u16),
                })
                .collect();
            let witness = Witness::new(&graph, &plan, &tasks, CoreFr::from(1u8));
            last = Some(witness.unwrap_or_else(|e| panic!("graph {i}: {e}: {graph:?}")));
        }
        let c = Checker::new(&plan, challenges());
        let failures = c.failures(&c.grid(&last.unwrap()));
        assert!(failures.is_empty(), "graph {i}: {failures:?}: {graph:?}");
    }
}
