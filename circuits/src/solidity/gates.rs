//! The gates as straight-line Yul: one statement per constraint or shared result.
//!
//! Signs are carried and never computed: `a + (-b)` becomes a subtraction, and a factor's sign
//! moves to the product. Results that are read once stay on the stack.

use std::collections::HashMap;

use dn_core::protocol::{Op, Protocol, Word};

use super::map::Map;
use super::text::line;

/// How often the field's order fits into a word.
const MAX_BOUND: u32 = 5;
/// Stack slots that one expression may take; the EVM reaches 16, the function's own included.
const MAX_STACK: u32 = 9;
/// Largest constant that is written out wherever it is read.
const SMALL: usize = 4;

type Id = usize;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum EvmOp {
    Constant(Word),
    Load(String),
    Add(Id, Id),
    Sub(Id, Id),
    Mul(Id, Id),
}

/// A value or its negative.
#[derive(Clone, Copy, Debug)]
struct Signed {
    id: Id,
    negative: bool,
}

/// Operations with common subexpressions shared.
#[derive(Debug, Default)]
struct Dag {
    ops: Vec<EvmOp>,
    index: HashMap<EvmOp, Id>,
}

impl Dag {
    fn push(&mut self, op: EvmOp, negative: bool) -> Signed {
        let next = self.ops.len();
        let id = *self.index.entry(op.clone()).or_insert(next);
        if id == next {
            self.ops.push(op);
        }
        Signed { id, negative }
    }

    fn sum(&mut self, a: Signed, b: Signed) -> Signed {
        match (a.negative, b.negative) {
            (false, false) => self.push(EvmOp::Add(a.id, b.id), false),
            (false, true) => self.push(EvmOp::Sub(a.id, b.id), false),
            (true, false) => self.push(EvmOp::Sub(b.id, a.id), false),
            (true, true) => self.push(EvmOp::Add(a.id, b.id), true),
        }
    }

    fn op(&mut self, op: &Op, p: &Protocol, map: &Map, done: &[Signed]) -> Signed {
        let load = |name: &str| EvmOp::Load(name.to_string());
        match *op {
            Op::Constant(i) => self.push(EvmOp::Constant(p.constants[i as usize]), false),
            Op::Advice(i) => self.push(load(map.value(i as usize)), false),
            Op::Fixed(i) => self.push(load(map.value(p.advice_queries.len() + i as usize)), false),
            Op::Instance => self.push(load("INSTANCE"), false),
            Op::Challenge(i) => self.push(load(map.challenge(i as usize)), false),
            Op::Neg(a) => {
                let a = done[a as usize];
                Signed { negative: !a.negative, ..a }
            }
            Op::Sum(a, b) => self.sum(done[a as usize], done[b as usize]),
            Op::Product(a, b) => {
                let (a, b) = (done[a as usize], done[b as usize]);
                self.push(EvmOp::Mul(a.id, b.id), a.negative != b.negative)
            }
        }
    }
}

/// Yul that yields a value of at most `bound` times the field's order.
#[derive(Clone, Debug)]
struct Expr {
    text: String,
    bound: u32,
    /// Stack slots that its evaluation takes.
    stack: u32,
}

/// The statements of the gates.
#[derive(Debug)]
pub(super) struct Gates {
    statements: Vec<String>,
}

struct Writer<'a> {
    ops: &'a [EvmOp],
    uses: Vec<u32>,
    stored: HashMap<Id, Expr>,
    map: &'a mut Map,
    statements: Vec<String>,
}

impl Gates {
    pub(super) fn new(p: &Protocol, map: &mut Map) -> Self {
        let mut dag = Dag::default();
        let mut done = Vec::with_capacity(p.ops.len());
        for op in &p.ops {
            let signed = dag.op(op, p, map, &done);
            done.push(signed);
        }
        let roots: Vec<Signed> = p.constraints.iter().map(|c| done[*c as usize]).collect();
        let uses = uses(&dag.ops, &roots);
        let mut writer =
            Writer { ops: &dag.ops, uses, stored: HashMap::new(), map, statements: Vec::new() };
        for (i, root) in roots.iter().enumerate() {
            writer.constraint(i, *root);
        }
        Self { statements: writer.statements }
    }

    pub(super) fn write(&self, out: &mut String) {
        line(out, format_args!("    /// @inheritdoc BatchLayout"));
        let head = "function _evaluateGates(uint256 y) internal pure override returns (uint256 s)";
        line(out, format_args!("    {head} {{"));
        line(out, format_args!("        assembly (\"memory-safe\") {{"));
        line(out, format_args!("            let r := {}", openings_order()));
        for statement in &self.statements {
            line(out, format_args!("            {statement}"));
        }
        line(out, format_args!("        }}\n    }}\n"));
    }
}

/// The field's order as Yul writes it.
pub(super) fn openings_order() -> &'static str {
    "0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001"
}

/// How often each operation is read, those that no constraint needs left out.
fn uses(ops: &[EvmOp], roots: &[Signed]) -> Vec<u32> {
    let mut uses = vec![0; ops.len()];
    roots.iter().for_each(|r| uses[r.id] += 1);
    for id in (0..ops.len()).rev() {
        if let (true, EvmOp::Add(a, b) | EvmOp::Sub(a, b) | EvmOp::Mul(a, b)) =
            (uses[id] > 0, &ops[id])
        {
            uses[*a] += 1;
            uses[*b] += 1;
        }
    }
    uses
}

impl Writer<'_> {
    fn constraint(&mut self, index: usize, root: Signed) {
        let value = self.emit(root.id);
        let value = if root.negative { negate(&value) } else { value };
        self.statements.push(format!("// Constraint {index}."));
        let folded = Expr { text: "mulmod(s, y, r)".into(), bound: 1, stack: 3 };
        let sum = if index == 0 { value } else { add(&folded, &value) };
        self.statements.push(format!("s := {}", sum.text));
    }

    fn emit(&mut self, id: Id) -> Expr {
        if let Some(stored) = self.stored.get(&id) {
            return stored.clone();
        }
        let expr = match &self.ops[id] {
            EvmOp::Load(name) => return load(name, 1),
            EvmOp::Constant(word) => {
                let text = literal(word);
                if text.len() <= 2 + 2 * SMALL {
                    return Expr { text, bound: 1, stack: 1 };
                }
                Expr { text, bound: 1, stack: 1 }
            }
            EvmOp::Add(a, b) => self.binary(*a, *b, add),
            EvmOp::Sub(a, b) => self.binary(*a, *b, |a, b| add(a, &negate(b))),
            EvmOp::Mul(a, b) => self.binary(*a, *b, mul),
        };
        if self.uses[id] > 1 {
            self.store(id, &expr)
        } else {
            expr
        }
    }

    /// Stores operands as long as the stack would not reach.
    fn binary(&mut self, a: Id, b: Id, combine: impl Fn(&Expr, &Expr) -> Expr) -> Expr {
        let (mut left, mut right) = (self.emit(a), self.emit(b));
        loop {
            let expr = combine(&left, &right);
            if expr.stack <= MAX_STACK {
                return expr;
            }
            if left.stack >= right.stack {
                left = self.store(a, &left);
            } else {
                right = self.store(b, &right);
            }
        }
    }

    fn store(&mut self, id: Id, expr: &Expr) -> Expr {
        let name = self.map.temporary();
        self.statements.push(format!("mstore({name}, {})", expr.text));
        let loaded = load(&name, expr.bound);
        self.stored.insert(id, loaded.clone());
        loaded
    }
}

fn load(name: &str, bound: u32) -> Expr {
    Expr { text: format!("mload({name})"), bound, stack: 1 }
}

/// Hexadecimal without leading zeros.
fn literal(word: &Word) -> String {
    let hex: String = word.iter().map(|b| format!("{b:02x}")).collect();
    let digits = hex.trim_start_matches('0');
    if digits.is_empty() {
        "0".into()
    } else {
        format!("0x{digits}")
    }
}

/// The EVM evaluates the last argument first, so the one that takes more stack goes there.
fn ordered<'a>(a: &'a Expr, b: &'a Expr) -> (&'a Expr, &'a Expr) {
    if a.stack > b.stack {
        (b, a)
    } else {
        (a, b)
    }
}

fn add(a: &Expr, b: &Expr) -> Expr {
    let (first, last) = ordered(a, b);
    let bound = a.bound + b.bound;
    if bound <= MAX_BOUND {
        let stack = last.stack.max(first.stack + 1);
        return Expr { text: format!("add({}, {})", first.text, last.text), bound, stack };
    }
    let stack = (last.stack + 1).max(first.stack + 2);
    Expr { text: format!("addmod({}, {}, r)", first.text, last.text), bound: 1, stack }
}

fn mul(a: &Expr, b: &Expr) -> Expr {
    let (first, last) = ordered(a, b);
    let stack = (last.stack + 1).max(first.stack + 2);
    Expr { text: format!("mulmod({}, {}, r)", first.text, last.text), bound: 1, stack }
}

fn negate(a: &Expr) -> Expr {
    if a.bound == 1 {
        let stack = a.stack.max(2);
        return Expr { text: format!("sub(r, {})", a.text), bound: 1, stack };
    }
    let stack = (a.stack + 1).max(2);
    Expr { text: format!("sub(r, mod({}, r))", a.text), bound: 1, stack }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_would_outgrow_a_word_is_reduced() {
        let mut sum = load("x", 1);
        for _ in 1..MAX_BOUND {
            sum = add(&sum, &load("x", 1));
            assert!(sum.text.starts_with("add("));
        }
        let reduced = add(&sum, &load("x", 1));
        assert_eq!((reduced.bound, reduced.text.starts_with("addmod(")), (1, true));
    }

    #[test]
    fn a_negative_never_wraps() {
        assert_eq!(negate(&load("x", 1)).text, "sub(r, mload(x))");
        assert_eq!(negate(&load("x", 2)).text, "sub(r, mod(mload(x), r))");
    }

    #[test]
    fn signs_move_outwards() {
        let mut dag = Dag::default();
        let a = dag.push(EvmOp::Load("a".into()), false);
        let b = dag.push(EvmOp::Load("b".into()), false);
        let minus = |x: Signed| Signed { negative: !x.negative, ..x };
        let difference = dag.sum(a, minus(b));
        assert_eq!(dag.ops[difference.id], EvmOp::Sub(a.id, b.id));
        let sum = dag.sum(minus(a), minus(b));
        assert!(sum.negative && dag.ops[sum.id] == EvmOp::Add(a.id, b.id));
    }
}
