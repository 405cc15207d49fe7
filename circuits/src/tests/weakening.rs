//! Every constraint is needed: without it some forged witness would pass.
//!
//! `DN_WEAKEN=<layout>:<index>` replaces a constraint by zero in every circuit that tests configure;
//! `scripts/weaken-gates.sh` does so for each in turn and expects these tests to fail.

use std::collections::BTreeSet;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{ConstraintSystem, Expression};

use super::checker::Checker;
use super::forgeries::{ends, folds, hashes, Forgery};
use super::nets::Net;
use super::sequences::Batch;
use super::votes::votes;
use crate::system::columns::{Columns, CHALLENGES};
use crate::system::gates;
use crate::system::rows::classes::{classes, real_mark};
use dn_core::Width;

/// Challenges as good as random ones.
pub(super) fn challenges() -> [Fr; CHALLENGES] {
    std::array::from_fn(|i| Fr::from(0x5eed_cafe + i as u64).square().square())
}

/// Index of the constraint of a layout to leave out, if any.
fn weakened(width: Width) -> Option<usize> {
    let named = std::env::var_os("DN_WEAKEN")?;
    let (layout, index) = named.to_str()?.split_once(':').expect("DN_WEAKEN is layout:index");
    (layout == width.name()).then(|| index.parse().expect("the index of a constraint"))
}

/// Configures the gates without the weakened constraint; `false` when there is none.
pub(crate) fn configure_weakened(cs: &mut ConstraintSystem<Fr>, columns: &Columns) -> bool {
    let Some(weakened) = weakened(columns.width) else { return false };
    let mut whole = ConstraintSystem::default();
    let same = Columns::allocate(&mut whole, columns.width);
    gates::configure(&mut whole, &same);
    let mut index = 0;
    for gate in whole.gates() {
        cs.create_gate(gate.name(), |meta| {
            // In the order of the whole system, so that the polynomials' indices fit.
            for (column, at) in whole.advice_queries() {
                meta.query_advice(*column, *at);
            }
            for (column, at) in whole.fixed_queries() {
                meta.query_fixed(*column, *at);
            }
            meta.query_instance(columns.instance, halo2_proofs::poly::Rotation::cur());
            let constraints = gate.polynomials().iter().enumerate().map(|(i, polynomial)| {
                let is_weakened = index + i == weakened;
                let zero = Expression::Constant(Fr::zero());
                let polynomial = if is_weakened { zero } else { polynomial.clone() };
                (gate.constraint_name(i).to_owned(), polynomial)
            });
            constraints.collect::<Vec<_>>()
        });
        index += gate.polynomials().len();
    }
    true
}

/// Constraints that others imply; each still has a test that names it.
///
/// - `best`: bits that stand for the best other class are looked up, so they are not negative, and
///   `totals` and `probe` make their sum 0 or 1.
/// - the first `padding`: every class row has a first class.
fn implied(c: &Checker) -> Vec<usize> {
    let mut all = c.find("quality classes", "best");
    if real_mark(c.plan.width, 0).is_some() {
        all.push(c.find("quality classes", "padding")[0]);
    }
    all
}

pub(super) fn check(c: &Checker, forgery: &Forgery, covered: &mut BTreeSet<usize>) {
    let failing: BTreeSet<usize> =
        c.failures(&forgery.grid(c)).into_iter().map(|(constraint, _)| constraint).collect();
    let named: Vec<_> = failing.iter().map(|i| (*i, &c.constraints[*i].name)).collect();
    let what = (&forgery.what, forgery.constraint);
    assert!(failing.contains(&forgery.constraint), "{what:?} is not rejected: {named:?}");
    assert!(failing.iter().all(|i| forgery.family.contains(i)), "{what:?} also breaks {named:?}");
    covered.insert(forgery.constraint);
}

#[test]
fn every_constraint_rejects_a_witness_that_all_others_accept() {
    every_constraint_is_needed(Width::Default);
}

#[test]
fn every_constraint_of_the_narrow_layout_rejects_a_witness_that_all_others_accept() {
    every_constraint_is_needed(Width::Narrow);
}

#[test]
fn every_constraint_of_the_wide_layout_rejects_a_witness_that_all_others_accept() {
    every_constraint_is_needed(Width::Wide);
}

fn every_constraint_is_needed(width: Width) {
    let mut covered = BTreeSet::new();
    let long = Net::long_of(width);
    let c = Checker::new(&long.plan, challenges());
    assert!(c.failures(&c.grid(&long.witness)).is_empty());
    for forgery in folds(&long, &c).iter().chain(&ends(&long, &c)).chain(&hashes(&long, &c)) {
        check(&c, forgery, &mut covered);
    }
    let everything = Net::everything_of(width);
    let images = Checker::new(&everything.plan, challenges());
    for forgery in &folds(&everything, &images) {
        check(&images, forgery, &mut covered);
    }
    for net in super::products::nets().filter(|net| net.plan.width == width) {
        let products = Checker::new(&net.plan, challenges());
        for forgery in &folds(&net, &products) {
            check(&products, forgery, &mut covered);
        }
    }
    for (net, forgery) in votes(width, &|net: &Net| Checker::new(&net.plan, challenges())) {
        check(&Checker::new(&net.plan, challenges()), &forgery, &mut covered);
    }
    covered.extend(implied(&c));
    let missing: Vec<_> = (0..c.constraints.len())
        .filter(|i| !covered.contains(i))
        .map(|i| (i, &c.constraints[i].gate, &c.constraints[i].name))
        .collect();
    assert!(missing.is_empty(), "no forgery for {missing:?}");
}

/// The implied constraints hold by themselves too.
#[test]
fn implied_constraints_reject_what_they_name() {
    Width::ALL.into_iter().for_each(implied_constraints_reject_what_they_name_in);
}

fn implied_constraints_reject_what_they_name_in(width: Width) {
    let net = Net::constant_of(width, &[9, 8, 7, 6, 5, 4, 3, 2, 1], Some(0));
    let c = Checker::new(&net.plan, challenges());
    let honest = c.grid(&net.witness);
    let first = net.plan.sections.quality;
    for (i, constraint) in c.find("quality classes", "best").into_iter().enumerate() {
        let mut grid = honest.clone();
        grid.rows[first][2 * i + 1] = Fr::from(2);
        assert!(c.failing_on(&grid, first).contains(&constraint), "best {i}");
    }
    // No row of classes is without a first one, so it takes a key of no model.
    if real_mark(width, 0).is_none() {
        return;
    }
    let padding = c.find("quality classes", "padding")[0];
    let mut grid = honest;
    let row = c.with_weight(first, classes(width), Fr::zero());
    grid.rows[first][1] = Fr::one();
    assert!(row.failing_on(&grid, first).contains(&padding), "padding 0");
}

/// For `scripts/weaken-gates.sh`: layout and index, gate and name of every constraint.
#[test]
fn lists_the_constraints() {
    let graphs = Width::ALL.map(|width| Net::constant_of(width, &[1, 2], None).plan);
    for plan in graphs.into_iter().chain([Batch::short().plan]) {
        let (c, width) = (Checker::new(&plan, challenges()), plan.width);
        for (i, constraint) in c.constraints.iter().enumerate() {
            let (gate, name) = (&constraint.gate, &constraint.name);
            println!("constraint {}:{i} {gate} / {name}", width.name());
        }
        assert!(c.constraints.len() > 70);
    }
}
