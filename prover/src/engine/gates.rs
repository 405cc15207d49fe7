//! Evaluates all gates on the rows of a coset.
//!
//! The program is the exported protocol's, whose common subexpressions are shared: what depends on
//! constants and challenges alone is computed once per proof, everything else in blocks of rows, so
//! that intermediate values stay in the cache. The compiler tracks the bound of every value
//! ([`dn_vector`]) and reduces where a product or a sum would pass its limit.

use dn_circuits::field::from_core;
use dn_core::commitment::from_bytes;
use dn_core::protocol::{Op, Protocol, Query};
use dn_vector::column::splat_all;
use dn_vector::{Column, Octet, PRODUCT_BOUND, REDUCED};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use rayon::prelude::*;

/// Octets of rows evaluated together.
const BLOCK: usize = 4;
/// The largest bound of a value, up to which it can be reduced.
const LIMIT: u32 = 16;

/// Where an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The same on all rows.
    Uniform(usize),
    /// An intermediate value.
    Register(usize),
    /// A column, at the previous row if the flag is set.
    Column(usize, bool),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The negative of a value of this bound.
    Neg(Source, u32, usize),
    Sum(Source, Source, usize),
    Product(Source, Source, usize),
    /// Makes a register's value small.
    Reduce(usize),
    /// A constraint is complete.
    Constraint(Source),
}

/// The gates, compiled.
#[derive(Debug)]
pub(crate) struct Gates {
    /// Uniform ops; operands are indices among them.
    uniforms: Vec<Op>,
    constants: Vec<Fr>,
    steps: Vec<Step>,
    registers: usize,
}

/// Compiles op by op, in order.
struct Compiler<'a> {
    protocol: &'a Protocol,
    sources: Vec<Source>,
    /// Bounds of the registers' values.
    bounds: Vec<u32>,
    last_use: Vec<usize>,
    free: Vec<usize>,
    gates: Gates,
}

impl Gates {
    /// Compiles the gates of an exported protocol.
    ///
    /// # Panics
    /// If a query is neither at the current nor at the previous row, or a constant is not a field
    /// element: the layout has neither.
    pub(crate) fn new(protocol: &Protocol) -> Self {
        let number = |word| from_core(from_bytes(word).expect("an exported constant is reduced"));
        let gates = Self {
            uniforms: Vec::new(),
            constants: protocol.constants.iter().map(number).collect(),
            steps: Vec::new(),
            registers: 0,
        };
        let mut compiler = Compiler {
            protocol,
            sources: Vec::with_capacity(protocol.ops.len()),
            bounds: Vec::new(),
            last_use: last_use(protocol),
            free: Vec::new(),
            gates,
        };
        for (i, constraint) in protocol.constraints.iter().enumerate() {
            let at = *constraint as usize;
            while compiler.sources.len() <= at {
                compiler.op();
            }
            let source = compiler.sources[at];
            compiler.gates.steps.push(Step::Constraint(source));
            if compiler.last_use[at] == CONSTRAINT
                && !protocol.constraints[i + 1..].contains(constraint)
            {
                compiler.free_register(source);
            }
        }
        compiler.gates
    }

    /// The constraints, folded by `y`, times `scale` on the rows of a coset. Columns: advice,
    /// instance, fixed.
    pub(super) fn evaluate<V: Octet<Field = Fr>>(
        &self,
        columns: &[&Column<V>],
        challenges: &[Fr],
        y: Fr,
        scale: Fr,
    ) -> Column<V> {
        let uniforms: Vec<V> = V::run(
            #[inline(always)]
            || splat_all(&self.uniforms(challenges)),
        );
        let zero = V::splat(Fr::ZERO);
        let mut folded = vec![zero.pack(); columns[0].len()];
        folded.par_chunks_mut(BLOCK).enumerate().for_each_init(
            || vec![[zero; BLOCK]; self.registers],
            |registers, (block, out)| {
                let rows = Rows { columns, first: block * BLOCK, uniforms: &uniforms };
                V::run(
                    #[inline(always)]
                    || self.block(&rows, registers, [y, scale], out),
                );
            },
        );
        folded
    }

    fn uniforms(&self, challenges: &[Fr]) -> Vec<Fr> {
        let mut values: Vec<Fr> = Vec::with_capacity(self.uniforms.len());
        for op in &self.uniforms {
            let at = |i: u32| values[i as usize];
            values.push(match *op {
                Op::Constant(i) => self.constants[i as usize],
                Op::Challenge(i) => challenges[i as usize],
                Op::Neg(a) => -at(a),
                Op::Sum(a, b) => at(a) + at(b),
                Op::Product(a, b) => at(a) * at(b),
                Op::Fixed(_) | Op::Advice(_) | Op::Instance => {
                    unreachable!("columns are not uniform")
                }
            });
        }
        values
    }

    #[inline(always)]
    fn block<V: Octet<Field = Fr>>(
        &self,
        rows: &Rows<'_, V>,
        registers: &mut [Block<V>],
        [y, scale]: [Fr; 2],
        out: &mut [V::Packed],
    ) {
        let (y, scale) = (V::splat(y), V::splat(scale));
        let mut sum = [V::splat(Fr::ZERO); BLOCK];
        for step in &self.steps {
            for i in 0..BLOCK {
                match *step {
                    Step::Neg(a, bound, to) => {
                        registers[to][i] = rows.read(a, i, registers).neg(bound);
                    }
                    Step::Sum(a, b, to) => {
                        let sum = rows.read(a, i, registers).add(rows.read(b, i, registers));
                        registers[to][i] = sum;
                    }
                    Step::Product(a, b, to) => {
                        let product = rows.read(a, i, registers).mul(rows.read(b, i, registers));
                        registers[to][i] = product;
                    }
                    Step::Reduce(register) => {
                        registers[register][i] = registers[register][i].reduce();
                    }
                    Step::Constraint(a) => {
                        sum[i] = sum[i].mul(y).add(rows.read(a, i, registers));
                    }
                }
            }
        }
        for (out, sum) in out.iter_mut().zip(sum) {
            *out = sum.mul(scale).pack();
        }
    }
}

/// Values on a block of rows.
type Block<V> = [V; BLOCK];

/// What a program reads on a block of rows.
struct Rows<'a, V: Octet> {
    columns: &'a [&'a Column<V>],
    /// The first octet.
    first: usize,
    uniforms: &'a [V],
}

impl<V: Octet> Rows<'_, V> {
    /// The `i`-th octet of the block.
    #[inline(always)]
    fn read(&self, source: Source, i: usize, registers: &[Block<V>]) -> V {
        match source {
            Source::Uniform(u) => self.uniforms[u],
            Source::Register(register) => registers[register][i],
            Source::Column(c, is_previous) => {
                let column = self.columns[c];
                let at = (self.first + i) % column.len();
                let here = V::unpack(&column[at]);
                if is_previous {
                    here.behind(V::unpack(&column[at.checked_sub(1).unwrap_or(column.len() - 1)]))
                } else {
                    here
                }
            }
        }
    }
}

/// In the place of a last use: the op is a constraint, and nothing reads it behind that.
const CONSTRAINT: usize = usize::MAX;

/// For each op, the last op that reads it, or [`CONSTRAINT`].
fn last_use(protocol: &Protocol) -> Vec<usize> {
    let mut last = vec![0; protocol.ops.len()];
    for (i, op) in protocol.ops.iter().enumerate() {
        operands(op).for_each(|operand| last[operand] = i);
    }
    let mut latest = 0;
    for constraint in protocol.constraints.iter().map(|c| *c as usize) {
        latest = latest.max(constraint);
        if last[constraint] <= latest {
            last[constraint] = CONSTRAINT;
        }
    }
    last
}

/// The distinct operands of an op.
fn operands(op: &Op) -> impl Iterator<Item = usize> {
    let (a, b) = match *op {
        Op::Neg(a) => (Some(a), None),
        Op::Sum(a, b) | Op::Product(a, b) => (Some(a), (b != a).then_some(b)),
        Op::Constant(_) | Op::Fixed(_) | Op::Advice(_) | Op::Instance | Op::Challenge(_) => {
            (None, None)
        }
    };
    a.into_iter().chain(b).map(|i| i as usize)
}

impl Compiler<'_> {
    fn op(&mut self) {
        let at = self.sources.len();
        let op = self.protocol.ops[at];
        let advice = self.protocol.advice_columns();
        let column = |queries: &[Query], query: u32, from: usize| {
            let query = queries[query as usize];
            assert!(matches!(query.rotation, 0 | -1), "a rotation that the layout does not use");
            Source::Column(from + query.column as usize, query.rotation == -1)
        };
        let source = match op {
            Op::Constant(_) | Op::Challenge(_) => self.uniform(op),
            Op::Advice(i) => column(&self.protocol.advice_queries, i, 0),
            Op::Fixed(i) => column(&self.protocol.fixed_queries, i, advice + 1),
            Op::Instance => Source::Column(advice, false),
            Op::Neg(a) => match self.sources[a as usize] {
                Source::Uniform(u) => self.uniform(Op::Neg(u as u32)),
                a @ (Source::Register(_) | Source::Column(..)) => {
                    let bound = self.bound(a);
                    self.step(bound.next_power_of_two(), |to| Step::Neg(a, bound, to))
                }
            },
            Op::Sum(a, b) => match (self.sources[a as usize], self.sources[b as usize]) {
                (Source::Uniform(u), Source::Uniform(v)) => {
                    self.uniform(Op::Sum(u as u32, v as u32))
                }
                (a, b) => {
                    self.reduce_until(a, b, |x, y| x + y <= LIMIT);
                    let bound = self.bound(a) + self.bound(b);
                    self.step(bound, |to| Step::Sum(a, b, to))
                }
            },
            Op::Product(a, b) => match (self.sources[a as usize], self.sources[b as usize]) {
                (Source::Uniform(u), Source::Uniform(v)) => {
                    self.uniform(Op::Product(u as u32, v as u32))
                }
                (a, b) => {
                    self.reduce_until(a, b, |x, y| x * y <= PRODUCT_BOUND);
                    self.step(REDUCED, |to| Step::Product(a, b, to))
                }
            },
        };
        self.sources.push(source);
        self.release(&op, at);
    }

    fn uniform(&mut self, op: Op) -> Source {
        self.gates.uniforms.push(op);
        Source::Uniform(self.gates.uniforms.len() - 1)
    }

    fn bound(&self, source: Source) -> u32 {
        match source {
            Source::Uniform(_) => 1,
            Source::Column(..) => REDUCED,
            Source::Register(register) => self.bounds[register],
        }
    }

    /// Reduces the larger of two operands until their bounds fit.
    fn reduce_until(&mut self, a: Source, b: Source, fits: impl Fn(u32, u32) -> bool) {
        while !fits(self.bound(a), self.bound(b)) {
            let larger = if self.bound(a) < self.bound(b) { b } else { a };
            let Source::Register(register) = larger else {
                unreachable!("uniforms and columns are small")
            };
            self.gates.steps.push(Step::Reduce(register));
            self.bounds[register] = REDUCED;
        }
    }

    /// A step whose result has this bound.
    fn step(&mut self, bound: u32, step: impl Fn(usize) -> Step) -> Source {
        let to = self.free.pop().unwrap_or_else(|| {
            self.gates.registers += 1;
            self.bounds.push(0);
            self.gates.registers - 1
        });
        self.bounds[to] = bound;
        self.gates.steps.push(step(to));
        Source::Register(to)
    }

    /// Frees the registers of operands that nothing reads behind op `at`.
    fn release(&mut self, op: &Op, at: usize) {
        for operand in operands(op) {
            if self.last_use[operand] == at {
                self.free_register(self.sources[operand]);
            }
        }
    }

    fn free_register(&mut self, source: Source) {
        if let Source::Register(register) = source {
            self.free.push(register);
        }
    }
}
