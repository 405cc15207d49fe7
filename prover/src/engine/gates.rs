//! Evaluates all gates on the rows of a coset.
//!
//! The program is the exported protocol's, whose common subexpressions are shared: what depends on
//! constants and challenges alone is computed once per proof, everything else in blocks of rows, so
//! that intermediate values stay in the cache.

use dn_circuits::field::from_core;
use dn_core::commitment::from_bytes;
use dn_core::protocol::{Node, Protocol, Query};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use rayon::prelude::*;

/// Rows evaluated together.
const BLOCK: usize = 32;

type Block = [Fr; BLOCK];

/// Where an operand comes from.
#[derive(Clone, Copy, Debug)]
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
    Neg(Source, usize),
    Sum(Source, Source, usize),
    Product(Source, Source, usize),
    /// A constraint is complete.
    Constraint(Source),
}

/// The gates, compiled.
#[derive(Debug)]
pub(crate) struct Gates {
    /// Uniform nodes; operands are indices among them.
    uniforms: Vec<Node>,
    constants: Vec<Fr>,
    steps: Vec<Step>,
    registers: usize,
}

/// Columns on a coset, each behind a copy of its last value: advice, fixed, instance.
pub(crate) type Columns<'a> = [&'a [Fr]];

/// Compiles node by node, in order.
struct Compiler<'a> {
    protocol: &'a Protocol,
    sources: Vec<Source>,
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
            sources: Vec::with_capacity(protocol.nodes.len()),
            last_use: last_use(protocol),
            free: Vec::new(),
            gates,
        };
        for (i, constraint) in protocol.constraints.iter().enumerate() {
            let at = *constraint as usize;
            while compiler.sources.len() <= at {
                compiler.node();
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

    /// The constraints, folded by `y`, on each of `n` rows.
    pub(crate) fn evaluate(
        &self,
        n: usize,
        columns: &Columns<'_>,
        challenges: &[Fr],
        y: Fr,
    ) -> Vec<Fr> {
        let uniforms = self.uniforms(challenges);
        let mut folded = vec![Fr::ZERO; n];
        folded.par_chunks_mut(BLOCK).enumerate().for_each_init(
            || vec![[Fr::ZERO; BLOCK]; self.registers],
            |registers, (block, sum)| {
                self.block(block * BLOCK, columns, &uniforms, registers, (y, sum));
            },
        );
        folded
    }

    fn uniforms(&self, challenges: &[Fr]) -> Vec<Fr> {
        let mut values: Vec<Fr> = Vec::with_capacity(self.uniforms.len());
        for node in &self.uniforms {
            let at = |i: u32| values[i as usize];
            values.push(match *node {
                Node::Constant(i) => self.constants[i as usize],
                Node::Challenge(i) => challenges[i as usize],
                Node::Neg(a) => -at(a),
                Node::Sum(a, b) => at(a) + at(b),
                Node::Product(a, b) => at(a) * at(b),
                Node::Fixed(_) | Node::Advice(_) | Node::Instance => {
                    unreachable!("columns are not uniform")
                }
            });
        }
        values
    }

    fn block(
        &self,
        first: usize,
        columns: &Columns<'_>,
        uniforms: &[Fr],
        registers: &mut [Block],
        (y, sum): (Fr, &mut [Fr]),
    ) {
        for step in &self.steps {
            let read = |source: Source| Operand::new(source, first, columns, uniforms, registers);
            let (to, values) = match *step {
                Step::Neg(a, to) => (to, read(a).map(|x| -*x)),
                Step::Sum(a, b, to) => (to, read(a).zip(&read(b), |x, y| x.add(y))),
                Step::Product(a, b, to) => (to, read(a).zip(&read(b), |x, y| x.mul(y))),
                Step::Constraint(a) => {
                    let value = read(a).map(|x| *x);
                    sum.iter_mut().zip(&value).for_each(|(s, v)| *s = *s * y + v);
                    continue;
                }
            };
            registers[to] = values;
        }
    }
}

/// In the place of a last use: the node is a constraint, and nothing reads it behind that.
const CONSTRAINT: usize = usize::MAX;

/// For each node, the last node that reads it, or [`CONSTRAINT`].
fn last_use(protocol: &Protocol) -> Vec<usize> {
    let mut last = vec![0; protocol.nodes.len()];
    for (i, node) in protocol.nodes.iter().enumerate() {
        operands(node).for_each(|operand| last[operand] = i);
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

/// The distinct operands of a node.
fn operands(node: &Node) -> impl Iterator<Item = usize> {
    let (a, b) = match *node {
        Node::Neg(a) => (Some(a), None),
        Node::Sum(a, b) | Node::Product(a, b) => (Some(a), (b != a).then_some(b)),
        Node::Constant(_)
        | Node::Fixed(_)
        | Node::Advice(_)
        | Node::Instance
        | Node::Challenge(_) => (None, None),
    };
    a.into_iter().chain(b).map(|i| i as usize)
}

impl Compiler<'_> {
    fn node(&mut self) {
        let at = self.sources.len();
        let node = self.protocol.nodes[at];
        let advice = self.protocol.advice_columns();
        let column = |queries: &[Query], query: u32, from: usize| {
            let query = queries[query as usize];
            assert!(matches!(query.rotation, 0 | -1), "a rotation that the layout does not use");
            Source::Column(from + query.column as usize, query.rotation == -1)
        };
        let source = match node {
            Node::Constant(_) | Node::Challenge(_) => self.uniform(node),
            Node::Advice(i) => column(&self.protocol.advice_queries, i, 0),
            Node::Fixed(i) => column(&self.protocol.fixed_queries, i, advice),
            Node::Instance => Source::Column(advice + self.protocol.fixed.len(), false),
            Node::Neg(a) => match self.sources[a as usize] {
                Source::Uniform(u) => self.uniform(Node::Neg(u as u32)),
                a @ (Source::Register(_) | Source::Column(..)) => self.step(|to| Step::Neg(a, to)),
            },
            Node::Sum(a, b) => match (self.sources[a as usize], self.sources[b as usize]) {
                (Source::Uniform(u), Source::Uniform(v)) => {
                    self.uniform(Node::Sum(u as u32, v as u32))
                }
                (a, b) => self.step(|to| Step::Sum(a, b, to)),
            },
            Node::Product(a, b) => match (self.sources[a as usize], self.sources[b as usize]) {
                (Source::Uniform(u), Source::Uniform(v)) => {
                    self.uniform(Node::Product(u as u32, v as u32))
                }
                (a, b) => self.step(|to| Step::Product(a, b, to)),
            },
        };
        self.sources.push(source);
        self.release(&node, at);
    }

    fn uniform(&mut self, node: Node) -> Source {
        self.gates.uniforms.push(node);
        Source::Uniform(self.gates.uniforms.len() - 1)
    }

    fn step(&mut self, step: impl Fn(usize) -> Step) -> Source {
        let to = self.free.pop().unwrap_or_else(|| {
            self.gates.registers += 1;
            self.gates.registers - 1
        });
        self.gates.steps.push(step(to));
        Source::Register(to)
    }

    /// Frees the registers of operands that nothing reads behind node `at`.
    fn release(&mut self, node: &Node, at: usize) {
        for operand in operands(node) {
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

/// One operand on a block of rows.
enum Operand<'a> {
    Same(Fr),
    Rows(&'a [Fr]),
}

impl<'a> Operand<'a> {
    fn new(
        source: Source,
        first: usize,
        columns: &'a Columns<'_>,
        uniforms: &[Fr],
        registers: &'a [Block],
    ) -> Self {
        match source {
            Source::Uniform(i) => Self::Same(uniforms[i]),
            Source::Register(i) => Self::Rows(&registers[i]),
            Source::Column(i, previous) => {
                let at = first + usize::from(!previous);
                Self::Rows(&columns[i][at..at + BLOCK])
            }
        }
    }

    fn map(&self, f: impl Fn(&Fr) -> Fr) -> Block {
        match self {
            Self::Same(x) => [f(x); BLOCK],
            Self::Rows(xs) => std::array::from_fn(|i| f(&xs[i])),
        }
    }

    fn zip(&self, other: &Self, f: impl Fn(&Fr, &Fr) -> Fr) -> Block {
        match (self, other) {
            (Self::Rows(xs), Self::Rows(ys)) => std::array::from_fn(|i| f(&xs[i], &ys[i])),
            (_, Self::Same(y)) => self.map(|x| f(x, y)),
            (Self::Same(x), Self::Rows(_)) => other.map(|y| f(x, y)),
        }
    }
}
