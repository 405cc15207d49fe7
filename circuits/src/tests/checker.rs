//! Which constraints fail on which rows: the gates of [`BatchCircuit`], compiled to a program and
//! evaluated on every used row and the one behind them.
//!
//! MockProver gives the same verdicts (`mutation::the_checker_agrees_with_mock_prover`) and takes a
//! second for each; this takes milliseconds. The row before the first one holds noise, as in a real
//! proof. Accumulators can be computed from the constraints themselves, so that a forged cell is
//! carried on as a prover would who is free of one constraint.

use std::collections::HashMap;
use std::sync::Arc;

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Circuit, ConstraintSystem, Expression};
use rayon::prelude::*;

use crate::field::from_core;
use crate::fold::{fold, Folded};
use crate::plan::Plan;
use crate::system::accumulators::ORDER;
use crate::system::columns;
use crate::system::columns::{Acc, Columns, ACCUMULATORS, CHALLENGES};
use crate::system::gates;
use crate::system::steering::Fx;
use crate::witness::Witness;
use crate::BatchCircuit;
use dn_core::Width;

/// Where the kinds of advice columns begin.
#[derive(Clone, Copy)]
pub(super) struct Advice {
    pub(super) multiplicity: usize,
    pub(super) helpers: usize,
    pub(super) accumulators: usize,
    /// Number of columns.
    pub(super) end: usize,
}

impl Advice {
    pub(super) fn of(width: Width) -> Self {
        let multiplicity = columns::cells(width);
        let helpers = multiplicity + 1;
        let accumulators = helpers + width.lanes();
        let end = accumulators + ACCUMULATORS;
        assert_eq!(end, columns::advice_columns(width));
        Self { multiplicity, helpers, accumulators, end }
    }

    pub(super) fn acc(&self, acc: Acc) -> usize {
        self.accumulators + acc as usize
    }
}

/// Every advice cell of the used rows and of the row behind them, by row.
#[derive(Clone)]
pub(super) struct Grid {
    pub(super) rows: Vec<Vec<Fr>>,
    pub(super) instances: Vec<Fr>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Op {
    Constant(u32),
    Advice(u32, bool),
    Fixed(u32, bool),
    Instance,
    Neg(u32),
    Sum(u32, u32),
    Product(u32, u32),
}

/// A constraint by name, and the steps that it needs.
pub(super) struct Constraint {
    pub(super) gate: String,
    pub(super) name: String,
    root: u32,
    cone: Vec<u32>,
}

/// The gates at given challenges.
pub(super) struct Checker {
    pub(super) plan: Arc<Plan>,
    pub(super) at: Advice,
    /// What is checked: without the weakened constraint, if there is one.
    pub(super) constraints: Vec<Constraint>,
    /// What forgers compute with.
    whole: Vec<Constraint>,
    challenges: [Fr; CHALLENGES],
    ops: Vec<Op>,
    constants: Vec<Fr>,
    fixed: Vec<Vec<Fr>>,
    noise: Vec<Fr>,
    /// Constraint of each accumulator.
    own: [usize; ACCUMULATORS],
}

/// Accumulators in the order in which those of one row depend on each other.
fn in_order() -> impl Iterator<Item = Acc> {
    std::iter::once(Acc::Sum).chain(ORDER)
}

#[derive(Default)]
struct Compiler {
    ops: Vec<Op>,
    index: HashMap<Op, u32>,
    constants: Vec<Fr>,
    known: HashMap<Fr, u32>,
}

impl Compiler {
    fn push(&mut self, op: Op) -> u32 {
        let next = self.ops.len() as u32;
        let index = *self.index.entry(op).or_insert(next);
        if index == next {
            self.ops.push(op);
        }
        index
    }

    fn constant(&mut self, x: Fr) -> u32 {
        let next = self.constants.len() as u32;
        let index = *self.known.entry(x).or_insert(next);
        if index == next {
            self.constants.push(x);
        }
        self.push(Op::Constant(index))
    }

    fn value(&self, op: u32) -> Option<Fr> {
        match self.ops[op as usize] {
            Op::Constant(i) => Some(self.constants[i as usize]),
            _ => None,
        }
    }

    fn sum(&mut self, a: u32, b: u32) -> u32 {
        match (self.value(a), self.value(b)) {
            (Some(a), Some(b)) => self.constant(a + b),
            (Some(Fr::ZERO), _) => b,
            (_, Some(Fr::ZERO)) => a,
            _ => self.push(Op::Sum(a, b)),
        }
    }

    fn product(&mut self, a: u32, b: u32) -> u32 {
        match (self.value(a), self.value(b)) {
            (Some(a), Some(b)) => self.constant(a * b),
            (Some(Fr::ONE), _) => b,
            (_, Some(Fr::ONE)) => a,
            _ => self.push(Op::Product(a, b)),
        }
    }

    fn expression(&mut self, e: &Expression<Fr>, challenges: &[Fr; CHALLENGES]) -> u32 {
        match e {
            Expression::Constant(x) => self.constant(*x),
            Expression::Selector(_) => panic!("the layout has no selectors"),
            Expression::Fixed(q) => {
                self.push(Op::Fixed(q.column_index() as u32, q.rotation().0 < 0))
            }
            Expression::Advice(q) => {
                self.push(Op::Advice(q.column_index() as u32, q.rotation().0 < 0))
            }
            Expression::Instance(_) => self.push(Op::Instance),
            Expression::Challenge(c) => self.constant(challenges[c.index()]),
            Expression::Negated(a) => {
                let a = self.expression(a, challenges);
                match self.value(a) {
                    Some(x) => self.constant(-x),
                    None => self.push(Op::Neg(a)),
                }
            }
            Expression::Sum(a, b) => {
                let (a, b) = (self.expression(a, challenges), self.expression(b, challenges));
                self.sum(a, b)
            }
            Expression::Product(a, b) => {
                let (a, b) = (self.expression(a, challenges), self.expression(b, challenges));
                self.product(a, b)
            }
            Expression::Scaled(a, x) => {
                let (a, x) = (self.expression(a, challenges), self.constant(*x));
                self.product(a, x)
            }
        }
    }

    fn constraints(
        &mut self,
        cs: &ConstraintSystem<Fr>,
        challenges: &[Fr; CHALLENGES],
    ) -> Vec<Constraint> {
        let mut all = Vec::new();
        for gate in cs.gates() {
            for (i, polynomial) in gate.polynomials().iter().enumerate() {
                let root = self.expression(polynomial, challenges);
                let (gate, name) = (gate.name().to_owned(), gate.constraint_name(i).to_owned());
                all.push(Constraint { gate, name, root, cone: self.cone(root) });
            }
        }
        all
    }

    /// The steps below `root`, in order.
    fn cone(&self, root: u32) -> Vec<u32> {
        let mut needed = vec![false; root as usize + 1];
        needed[root as usize] = true;
        for i in (0..=root).rev() {
            if !needed[i as usize] {
                continue;
            }
            match self.ops[i as usize] {
                Op::Neg(a) => needed[a as usize] = true,
                Op::Sum(a, b) | Op::Product(a, b) => {
                    needed[a as usize] = true;
                    needed[b as usize] = true;
                }
                Op::Constant(_) | Op::Advice(..) | Op::Fixed(..) | Op::Instance => {}
            }
        }
        (0..=root).filter(|i| needed[*i as usize]).collect()
    }
}

impl Checker {
    pub(super) fn new(plan: &Arc<Plan>, challenges: [Fr; CHALLENGES]) -> Self {
        let mut cs = ConstraintSystem::default();
        BatchCircuit::configure_with_params(&mut cs, plan.width);
        let mut unweakened = ConstraintSystem::default();
        let allocated = Columns::allocate(&mut unweakened, plan.width);
        gates::configure(&mut unweakened, &allocated);
        let mut compiler = Compiler::default();
        let constraints = compiler.constraints(&cs, &challenges);
        let whole = compiler.constraints(&unweakened, &challenges);
        let padded = |i| plan.fixed_column(i).chain([Fr::ZERO]).collect();
        let fixed = (0..columns::fixed_columns(plan.width)).map(padded).collect();
        let mut own = [0; ACCUMULATORS];
        for acc in in_order() {
            let gate = |c: &Constraint| (c.gate == "lookup sum") == (acc == Acc::Sum);
            let found = constraints.iter().position(|c| c.name == acc.name() && gate(c));
            own[acc as usize] = found.unwrap();
        }
        let at = Advice::of(plan.width);
        Self {
            plan: plan.clone(),
            at,
            constraints,
            whole,
            challenges,
            ops: compiler.ops,
            constants: compiler.constants,
            fixed,
            noise: (0..at.end).map(|i| Fr::from(0x1234_5678 + i as u64).square()).collect(),
            own,
        }
    }

    /// Indices of constraints by gate and name.
    pub(super) fn find(&self, gate: &str, name: &str) -> Vec<usize> {
        let all = self.constraints.iter().enumerate();
        all.filter(|(_, c)| c.gate == gate && c.name == name).map(|(i, _)| i).collect()
    }

    /// The second phase of an honest prover behind any first phase.
    pub(super) fn grid(&self, witness: &Witness) -> Grid {
        let instances: Vec<Fr> = witness.statement.instances().into_iter().map(from_core).collect();
        let folded = fold(&self.plan, witness, &instances, self.challenges);
        let at = self.at;
        let mut rows = vec![vec![Fr::ZERO; at.end]; self.plan.rows + 1];
        for (row, cells) in rows.iter_mut().zip(witness.cells.iter()) {
            row[..at.multiplicity].copy_from_slice(cells);
        }
        for (row, m) in rows.iter_mut().zip(&witness.multiplicities) {
            row[at.multiplicity] = Fr::from(*m);
        }
        for (i, row) in rows.iter_mut().take(self.plan.rows).enumerate() {
            let pairs = folded.inverses[i].chunks_exact(2);
            for (to, pair) in row[at.helpers..at.accumulators].iter_mut().zip(pairs) {
                *to = pair[0] + pair[1];
            }
            row[at.accumulators..].copy_from_slice(&folded.accumulators[i]);
        }
        Grid { rows, instances }
    }

    /// Puts a grid's second phase where MockProver takes it from.
    pub(super) fn export(&self, grid: &Grid, folded: &mut Folded) {
        for (i, row) in grid.rows.iter().take(self.plan.rows).enumerate() {
            let helpers = &row[self.at.helpers..self.at.accumulators];
            for (pair, h) in folded.inverses[i].chunks_exact_mut(2).zip(helpers) {
                pair.copy_from_slice(&[*h, Fr::ZERO]);
            }
            folded.accumulators[i].copy_from_slice(&row[self.at.accumulators..]);
        }
    }

    fn step(&self, grid: &Grid, row: usize, op: Op, values: &[Fr]) -> Fr {
        let noise = (&self.noise, row.wrapping_sub(1));
        match op {
            Op::Constant(i) => self.constants[i as usize],
            Op::Advice(c, false) => grid.rows[row][c as usize],
            Op::Advice(c, true) => grid.rows.get(noise.1).unwrap_or(noise.0)[c as usize],
            Op::Fixed(c, false) => self.fixed[c as usize][row],
            Op::Fixed(c, true) => self.fixed[c as usize].get(noise.1).copied().unwrap_or(Fr::ZERO),
            Op::Instance => grid.instances.get(row).copied().unwrap_or(Fr::ZERO),
            Op::Neg(a) => -values[a as usize],
            Op::Sum(a, b) => values[a as usize] + values[b as usize],
            Op::Product(a, b) => values[a as usize] * values[b as usize],
        }
    }

    /// The value of a constraint on a row: zero where it holds.
    fn value(&self, grid: &Grid, constraint: usize, row: usize, values: &mut [Fr]) -> Fr {
        let c = &self.whole[constraint];
        for &i in &c.cone {
            values[i as usize] = self.step(grid, row, self.ops[i as usize], values);
        }
        values[c.root as usize]
    }

    /// The same gates over a key with another weight.
    pub(super) fn with_weight(mut self, row: usize, lane: usize, weight: Fr) -> Self {
        self.fixed[Fx::Weight0.index(self.plan.width) + lane][row] = weight;
        self
    }

    /// Constraints that fail on a row.
    pub(super) fn failing_on(&self, grid: &Grid, row: usize) -> Vec<usize> {
        let mut values = Vec::with_capacity(self.ops.len());
        for op in &self.ops {
            let value = self.step(grid, row, *op, &values);
            values.push(value);
        }
        let failing = |i: &usize| values[self.constraints[*i].root as usize] != Fr::ZERO;
        (0..self.constraints.len()).filter(failing).collect()
    }

    /// Every failure: constraint and row.
    pub(super) fn failures(&self, grid: &Grid) -> Vec<(usize, usize)> {
        (0..grid.rows.len())
            .into_par_iter()
            .flat_map_iter(|row| self.failing_on(grid, row).into_iter().map(move |c| (c, row)))
            .collect()
    }

    /// Whether anything fails, looking at `likely` rows and the last one first.
    pub(super) fn rejects(&self, grid: &Grid, likely: &[usize]) -> bool {
        let fails = |row: usize| !self.failing_on(grid, row).is_empty();
        likely.iter().any(|row| fails(*row))
            || fails(self.plan.rows)
            || (0..self.plan.rows).into_par_iter().any(fails)
    }

    /// Adds `delta` to a cell of the second phase and computes every accumulator from there on.
    pub(super) fn inject(&self, grid: &Grid, column: usize, row: usize, delta: Fr) -> Grid {
        let mut grid = grid.clone();
        let mut values = vec![Fr::ZERO; self.ops.len()];
        if column < self.at.accumulators {
            grid.rows[row][column] += delta;
        }
        for r in row..self.plan.rows {
            for acc in in_order() {
                let at = self.at.acc(acc);
                let constraint = self.own[acc as usize];
                grid.rows[r][at] = Fr::ZERO;
                let rest = self.value(&grid, constraint, r, &mut values);
                let mut slope = Fr::ONE;
                if acc == Acc::Sum {
                    grid.rows[r][at] = Fr::ONE;
                    slope = self.value(&grid, constraint, r, &mut values) - rest;
                }
                grid.rows[r][at] = -rest * slope.invert().unwrap();
                if (at, r) == (column, row) {
                    grid.rows[r][at] += delta;
                }
            }
        }
        grid
    }

    /// Injects whatever makes `residue`, a constraint on a row, zero again.
    pub(super) fn repair(
        &self,
        grid: &Grid,
        (column, row): (usize, usize),
        residue: (usize, usize),
    ) -> Grid {
        let mut values = vec![Fr::ZERO; self.ops.len()];
        let mut at = |grid: &Grid| self.value(grid, residue.0, residue.1, &mut values);
        let before = at(grid);
        let slope = at(&self.inject(grid, column, row, Fr::ONE)) - before;
        let slope: Option<Fr> = slope.invert().into();
        let slope = slope.unwrap_or_else(|| panic!("column {column}, row {row} has no effect"));
        self.inject(grid, column, row, -before * slope)
    }

    /// A row where all the marks are set.
    pub(super) fn row_with(&self, marks: &[Fx]) -> usize {
        let all = |row: &usize| marks.iter().all(|fx| self.plan.is(*fx, *row));
        (0..self.plan.rows).find(all).unwrap_or_else(|| panic!("no row with {marks:?}"))
    }
}
