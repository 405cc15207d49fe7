//! Any one advice cell changed on any kind of row: nothing that matters is free.
//!
//! A cell of the first phase changes with everything that the prover can adapt: the table's
//! multiplicities, the other cell of its look-up where the table leaves one choice, and all of the
//! second phase, computed again at the same challenges. A cell of the second phase changes alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::checker::{Advice, Checker};
use super::digest::digested;
use super::forgeries::{ends, folds, hashes};
use super::nets::{move_along, Net};
use super::scoring::quantities;
use super::weakening::challenges;
use super::{failures_of, is_exhaustive, Forge};
use crate::plan::{Frame, Plan};
use crate::system::kind::Kind;
use crate::system::steering::Fx;
use crate::witness::Witness;
use crate::BatchCircuit;
use dn_core::statement::Form;
use dn_core::Width;

/// Why a cell may hold anything that the table allows, if it may.
fn free(plan: &Plan, row: usize, column: usize) -> Option<&'static str> {
    let at = Advice::of(plan.width);
    match column {
        _ if column >= at.accumulators || column == at.multiplicity => None,
        _ if column >= at.helpers => {
            (!plan.is(Fx::Lookup, row)).then_some("helpers enter the sum on look-ups only")
        }
        _ => plan.kind(row).free(plan.width, column),
    }
}

/// Kinds of which more than one row is sampled: a kind's first rows and its other ones differ.
fn variety(plan: &Plan, row: usize) -> (Kind, bool) {
    let is_next = plan.is(Fx::AbsorbNext, row) || plan.is(Fx::ClassesNext, row);
    (plan.kind(row), is_next)
}

/// Rows to change: every one, or of each kind the first, a middle and the last one, which holds
/// the padding slots where a kind has several chunks.
fn sample(plan: &Plan) -> Vec<usize> {
    if is_exhaustive() {
        return (0..plan.rows).collect();
    }
    let mut kinds: BTreeMap<(Kind, bool), Vec<usize>> = BTreeMap::new();
    (0..plan.rows).for_each(|row| kinds.entry(variety(plan, row)).or_default().push(row));
    let mut rows: Vec<usize> = kinds
        .values()
        .flat_map(|rows| [rows[0], rows[rows.len() / 2], rows[rows.len() - 1]])
        .chain([0, plan.rows - 1])
        .collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

fn accepted(net: &Net) -> Vec<(usize, usize, Kind)> {
    accepted_of(&net.plan, &net.witness)
}

/// Cells that may be changed though their kind does not say so.
pub(super) fn accepted_of(plan: &Arc<Plan>, witness: &Witness) -> Vec<(usize, usize, Kind)> {
    let c = Checker::new(plan, challenges());
    let honest = c.grid(witness);
    assert!(c.failures(&honest).is_empty());
    let mut accepted = Vec::new();
    let mut grid = honest.clone();
    for row in sample(plan) {
        for column in (0..c.at.end).filter(|column| free(plan, row, *column).is_none()) {
            let rejected = if column < c.at.multiplicity {
                let mut w = witness.clone();
                if !plan.is(Fx::Lookup, row) || !move_along(plan, &mut w, row, column) {
                    w.cells[row][column] += Fr::ONE;
                }
                c.rejects(&c.grid(&w), &[row, row + 1])
            } else {
                grid.rows[row][column] += Fr::ONE;
                let rejected = c.rejects(&grid, &[row, row + 1]);
                grid.rows[row][column] = honest.rows[row][column];
                rejected
            };
            if !rejected {
                accepted.push((row, column, plan.kind(row)));
            }
        }
    }
    accepted
}

fn images_pools_and_sums(width: Width) {
    let net = Net::everything_of(width);
    use Kind::{Activation, Gap, Input, Pooled, Spill, Window};
    for expected in [Input, Activation, Window, Pooled, Spill, Gap] {
        assert!((0..net.plan.rows).any(|row| net.plan.kind(row) == expected), "no {expected:?}");
    }
    let accepted = accepted(&net);
    assert!(accepted.is_empty(), "{accepted:?}");
}

#[test]
fn mutation_rejects_any_changed_cell_of_images_pools_and_sums() {
    images_pools_and_sums(Width::Default);
}

#[test]
fn mutation_rejects_any_changed_cell_of_images_in_the_narrow_layout() {
    images_pools_and_sums(Width::Narrow);
}

#[test]
fn mutation_rejects_any_changed_cell_of_images_in_the_wide_layout() {
    images_pools_and_sums(Width::Wide);
}

#[test]
fn mutation_rejects_any_changed_cell_of_products() {
    for net in super::products::nets() {
        assert!((0..net.plan.rows).any(|row| net.plan.kind(row) == Kind::Product));
        let accepted = accepted(&net);
        assert!(accepted.is_empty(), "{accepted:?}");
    }
}

fn dense_layers_and_long_messages(width: Width) {
    let net = Net::long_of(width);
    assert!((0..net.plan.rows).any(|row| net.plan.is(Fx::AbsorbNext, row)));
    let accepted = accepted(&net);
    assert!(accepted.is_empty(), "{accepted:?}");
}

#[test]
fn mutation_rejects_any_changed_cell_of_a_digest() {
    for width in Width::ALL {
        let net = digested(width);
        assert!((0..net.plan.rows).any(|row| net.plan.kind(row) == Kind::Branch));
        let accepted = accepted(&net);
        assert!(accepted.is_empty(), "{accepted:?}");
    }
}

#[test]
fn mutation_rejects_any_changed_cell_without_classes() {
    for width in Width::ALL {
        for form in [Form::Listed, Form::Digest] {
            let net = quantities(Frame::of(8, width).with(form));
            assert!((0..net.plan.rows).any(|row| net.plan.kind(row) == Kind::Zero));
            let accepted = accepted(&net);
            assert!(accepted.is_empty(), "{accepted:?}");
        }
    }
}

#[test]
fn mutation_rejects_any_changed_cell_of_dense_layers_and_long_messages() {
    dense_layers_and_long_messages(Width::Default);
}

#[test]
fn mutation_rejects_any_changed_cell_of_messages_in_the_narrow_layout() {
    dense_layers_and_long_messages(Width::Narrow);
}

#[test]
fn mutation_rejects_any_changed_cell_of_messages_in_the_wide_layout() {
    dense_layers_and_long_messages(Width::Wide);
}

/// Every don't-care is one: the documented list has no cell that a constraint notices.
#[test]
fn free_cells_are_free() {
    Width::ALL.into_iter().for_each(free_cells_are_free_in);
}

#[test]
fn free_cells_of_products_are_free() {
    super::products::nets().for_each(|net| free_cells_are_free_of(&net));
}

fn free_cells_are_free_in(width: Width) {
    free_cells_are_free_of(&Net::long_of(width));
}

fn free_cells_are_free_of(net: &Net) {
    check_free_cells(&net.plan, &net.witness);
}

/// The cells that kinds call free are.
pub(super) fn check_free_cells(plan: &Arc<Plan>, witness: &Witness) {
    let c = Checker::new(plan, challenges());
    let accepts = |w: &Witness, row: usize, columns: &[usize]| {
        let failures = c.failures(&c.grid(w));
        assert!(failures.is_empty(), "{row} {columns:?} {:?} {failures:?}", plan.kind(row));
    };
    for row in sample(plan) {
        let columns: Vec<usize> =
            (0..c.at.multiplicity).filter(|column| free(plan, row, *column).is_some()).collect();
        if plan.is(Fx::Lookup, row) {
            for column in columns {
                let mut w = witness.clone();
                if move_along(plan, &mut w, row, column) {
                    accepts(&w, row, &[column]);
                }
            }
        } else {
            // All at once, each by another amount.
            let mut w = witness.clone();
            for column in &columns {
                w.cells[row][*column] += Fr::from(*column as u64 + 0x5eed).square().square();
            }
            accepts(&w, row, &columns);
        }
    }
}

/// The evaluator of these tests and MockProver name the same constraints.
#[test]
fn the_checker_agrees_with_mock_prover() {
    Width::ALL.into_iter().for_each(the_checker_agrees_with_mock_prover_in);
}

fn the_checker_agrees_with_mock_prover_in(width: Width) {
    let net = Net::long_of(width);
    let c = Checker::new(&net.plan, challenges());
    let (folds, ends, hashes) = (folds(&net, &c), ends(&net, &c), hashes(&net, &c));
    let mut honest = ends.into_iter().take(1).collect::<Vec<_>>();
    honest[0].witness = net.witness.clone();
    let sampled = folds.into_iter().step_by(5).chain(hashes.into_iter().step_by(19));
    for forgery in honest.into_iter().chain(sampled) {
        let forgery = Arc::new(forgery);
        let mut circuit =
            BatchCircuit::for_check(net.plan.clone(), Arc::new(forgery.witness.clone()));
        let (plan, shared) = (net.plan.clone(), forgery.clone());
        circuit.forged = Some(Forge(Arc::new(move |challenges, mut folded| {
            let c = Checker::new(&plan, challenges);
            c.export(&shared.grid(&c), &mut folded);
            folded
        })));
        let mock = failures_of(circuit, &net.plan, &forgery.witness);
        let ours = c.failures(&forgery.grid(&c));
        assert_eq!(mock.len(), ours.len(), "{}: {mock:?}", forgery.what);
        for (constraint, _) in ours {
            let Some(named) = c.constraints.get(constraint) else { continue };
            assert!(mock.iter().any(|f| f.contains(&named.gate)), "{}: {mock:?}", forgery.what);
        }
    }
}
