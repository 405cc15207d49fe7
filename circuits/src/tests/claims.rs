//! Forged folds and input bytes: each step of each accumulator is bound by its own constraint, and
//! each byte by the claims.

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;

use super::{batch, chain, dense, failures, failures_of, setup, Forge, Stream, LANES};
use crate::field::CoreFr;
use crate::plan::Plan;
use crate::system::columns::Acc;
use crate::system::steering::Fx;
use crate::witness::Witness;
use crate::BatchCircuit;

/// A row where all the marks are set.
fn row_with(plan: &Plan, marks: &[Fx]) -> usize {
    (0..plan.rows).find(|row| marks.iter().all(|fx| plan.is(*fx, *row))).unwrap()
}

#[test]
fn rejects_an_accumulator_that_is_off_by_one() {
    let (_, plan, witness) = setup(16, 16);
    // Input rows are those whose look-up has the tag of input bytes.
    let input = plan.sections.inputs[0].row;
    let odd = plan.sections.inputs[3].row + 1;
    assert!(plan.is(Fx::Position, odd) && plan.is(Fx::Chunk, odd));
    let cases = [
        ("x", Acc::X, input),
        ("x", Acc::X, odd),
        ("y", Acc::Y, odd),
        ("image", Acc::Image, odd),
        ("image", Acc::Image, odd + 1),
        ("outputs", Acc::Outputs, odd),
        ("outputs", Acc::Outputs, odd + 1),
        ("tensor", Acc::Tensor, row_with(&plan, &[Fx::Channel, Fx::ChannelFold])),
        ("tensor", Acc::Tensor, row_with(&plan, &[Fx::Close])),
        ("w", Acc::W, row_with(&plan, &[Fx::Word, Fx::Tap])),
        ("w", Acc::W, row_with(&plan, &[Fx::WeightFold])),
        ("kernel", Acc::Kernel, row_with(&plan, &[Fx::Tap, Fx::Product])),
        ("sums", Acc::Classes, odd),
        ("sums", Acc::Classes, row_with(&plan, &[Fx::WordsDone])),
        ("salts", Acc::Salts, plan.sections.input_hashes),
        ("salts", Acc::Salts, plan.sections.input_hashes + 1),
        ("salts", Acc::Salts, plan.sections.output_hashes),
        ("kernel", Acc::Kernel, plan.sections.output_hashes),
        ("kernel", Acc::Kernel, plan.sections.output_hashes + 1),
        ("claims", Acc::Claims, row_with(&plan, &[Fx::Product])),
        ("claims", Acc::Claims, row_with(&plan, &[Fx::ProductHeld])),
        ("claims", Acc::Claims, row_with(&plan, &[Fx::Close])),
    ];
    for (constraint, acc, row) in cases {
        let mut circuit = BatchCircuit::for_check(plan.clone(), Arc::new(witness.clone()));
        circuit.forged = Some(Forge::off_by_one(acc, row));
        let failures = failures_of(circuit, &plan, &witness);
        let named = failures.iter().any(|f| f.contains(&format!("'{constraint}'")));
        assert!(named, "{acc:?} at {row}: {failures:?}");
    }
}

/// Changes input `neuron` of slot 2 with its multiplicity, so that only the claims can object.
fn forge_input(plan: &Plan, witness: &Witness, neuron: usize, change: u64) -> Witness {
    let mut forged = witness.clone();
    let row = plan.sections.inputs[neuron].row;
    let (column, tag) = match neuron % 2 {
        0 => (2 * LANES + 2, plan.table.tag_input),
        _ => (LANES + 2, plan.table.tag_byte),
    };
    let triple = |v: u64| if neuron.is_multiple_of(2) { (tag, 0, v) } else { (tag, v, 0) };
    let old = (0..256).find(|v| Fr::from(*v) == witness.cells[row][column]).unwrap();
    let new = old ^ change;
    forged.cells[row][column] = Fr::from(new);
    forged.multiplicities[plan.table.find(triple(old)).unwrap()] -= 1;
    forged.multiplicities[plan.table.find(triple(new)).unwrap()] += 1;
    forged
}

#[test]
fn rejects_another_input_byte_of_even_odd_and_last_neurons() {
    let (_, plan, witness) = setup(8, 8);
    for neuron in [0, 1, 2, 35, 36] {
        let forged = forge_input(&plan, &witness, neuron, 1);
        assert!(!failures(&plan, forged).is_empty(), "neuron {neuron}");
    }
}

/// A neuron without weights enters its word alone.
#[test]
fn binds_inputs_that_no_layer_reads() {
    let mut s = Stream(11);
    let mut layer = dense(&mut s, 6, 3, 6, false);
    layer.sources[0].weights.fill(0);
    let graph = chain(6, vec![layer]);
    let plan = Arc::new(Plan::new(&graph, 8).unwrap());
    let tasks = batch(&mut s, &graph, 8);
    let witness = Witness::new(&graph, &plan, &tasks, CoreFr::from(1u8)).unwrap();
    assert!(failures(&plan, witness.clone()).is_empty());
    for neuron in 0..6 {
        let forged = forge_input(&plan, &witness, neuron, 4);
        assert!(!failures(&plan, forged).is_empty(), "neuron {neuron}");
    }
}

/// A byte is a table row: 256 is none, whatever the folds say.
#[test]
fn soundness_row_05_rejects_an_input_above_a_byte() {
    let (_, plan, witness) = setup(8, 8);
    for column in [LANES, 2 * LANES] {
        let mut forged = witness.clone();
        forged.cells[plan.sections.inputs[0].row][column] += Fr::from(256);
        let failures = failures(&plan, forged);
        assert!(failures.iter().any(|f| f.contains("lookup sum")), "{failures:?}");
    }
}

/// Single neurons, unpaired last ones, more chunks than weight rows and fewer.
#[test]
fn accepts_every_number_of_inputs_and_chunks() {
    let mut s = Stream(13);
    for (inputs, hidden, slots) in [(1, 1, 8), (2, 17, 24), (31, 8, 16), (95, 9, 8), (64, 3, 72)] {
        let layers =
            vec![dense(&mut s, inputs, hidden, 5, true), dense(&mut s, hidden, 2, 6, false)];
        let graph = chain(inputs, layers);
        let plan = Arc::new(Plan::new(&graph, slots).unwrap());
        assert_eq!(plan.rows, crate::estimate::estimate(&graph, slots).unwrap().rows);
        let tasks = batch(&mut s, &graph, slots);
        let witness = Witness::new(&graph, &plan, &tasks, CoreFr::from(1u8)).unwrap();
        let failures = failures(&plan, witness);
        assert!(failures.is_empty(), "{inputs} {hidden} {slots}: {failures:?}");
    }
}

/// The output of one task under another salt, hashed correctly: nobody could open it.
#[test]
fn rejects_an_output_under_another_salt() {
    let (graph, plan, witness) = setup(8, 8);
    let mut s = Stream(7);
    let _ = super::model(&mut s);
    let mut tasks = batch(&mut s, &graph, 8);
    tasks[3].salt += CoreFr::from(1u8);
    let other = Witness::new(&graph, &plan, &tasks, CoreFr::from(99u8)).unwrap();
    let mut forged = witness.clone();
    let rows = plan.sections.output_hashes..plan.rows;
    assert_ne!(forged.cells[rows.clone()], other.cells[rows.clone()]);
    forged.cells[rows.clone()].copy_from_slice(&other.cells[rows]);
    forged.statement.outputs = other.statement.outputs.clone();
    assert_ne!(forged.statement, witness.statement);
    let failures = failures(&plan, forged);
    assert!(!failures.is_empty() && failures.iter().all(|f| f.contains("claims")), "{failures:?}");
}
