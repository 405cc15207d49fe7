//! For every constraint a forged witness that satisfies all the others.
//!
//! Where a false claim needs a cell of the second phase, that cell is computed from the challenges,
//! as a prover can who is free of its constraint; everything behind it follows the gates.

use dn_core::commitment;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::checker::{Checker, Grid};
use super::nets::{set_pair, small, Net};
use crate::field::{from_core, to_core, CoreFr};
use crate::system::columns::Acc;
use crate::system::poseidon::{partials, rows, Slip, WIDTH};
use crate::system::steering::Fx;
use crate::witness::Witness;
use dn_core::Width;

/// A witness that only `constraint`, or its `family`, can reject.
pub(super) struct Forgery {
    pub(super) what: String,
    pub(super) constraint: usize,
    /// Constraints of the same name that fail with it.
    pub(super) family: Vec<usize>,
    pub(super) witness: Witness,
    /// A cell of the second phase and the constraint and row that it has to satisfy.
    pub(super) repair: Option<((usize, usize), (usize, usize))>,
}

impl Forgery {
    pub(super) fn new(what: &str, constraint: usize, witness: Witness) -> Self {
        let what = what.to_owned();
        Self { what, constraint, family: vec![constraint], witness, repair: None }
    }

    pub(super) fn grid(&self, checker: &Checker) -> Grid {
        let grid = checker.grid(&self.witness);
        match self.repair {
            Some((cell, residue)) => checker.repair(&grid, cell, residue),
            None => grid,
        }
    }
}

/// Another first byte of the input of slot 2, which only the claims notice.
fn other_input(net: &Net) -> Witness {
    let mut w = net.witness.clone();
    let at = net.plan.sections.inputs[0];
    let byte = small(w.cells[at.row][2 * net.plan.width.lanes() + 2]);
    set_pair(&net.plan, &mut w, at.row, 2, 0, byte ^ 1);
    w
}

/// Forged accumulators of linear layers, words and salts.
pub(super) fn folds(net: &Net, c: &Checker) -> Vec<Forgery> {
    let last = c.plan.rows;
    let claims = c.find("claims", "claims")[0];
    let places: [(Acc, &str, &str, &[Fx]); 11] = [
        (Acc::X, "fold items", "x", &[Fx::Lookup, Fx::Position]),
        (Acc::Y, "fold items", "y", &[Fx::Lookup, Fx::Position, Fx::Scale]),
        (Acc::Image, "fold positions and channels", "image", &[Fx::Product]),
        (Acc::Outputs, "fold positions and channels", "outputs", &[Fx::Channel]),
        (Acc::Tensor, "fold positions and channels", "tensor", &[Fx::Close]),
        (Acc::W, "fold weights", "w", &[Fx::Tap]),
        (Acc::Kernel, "fold weights", "kernel", &[Fx::Product]),
        (Acc::Classes, "quality classes", "sums", &[Fx::WordsDone]),
        (Acc::Outputs, "fold positions and channels", "outputs", &[Fx::Item]),
        (Acc::Image, "fold positions and channels", "image", &[Fx::CloseWords]),
        (Acc::Salts, "salts", "salts", &[Fx::Absorb, Fx::Scale]),
    ];
    let factors: (Acc, &str, &str, &[Fx]) =
        (Acc::Y, "fold items", "y", &[Fx::Factors, Fx::Position]);
    let has_products = (0..last).any(|row| net.plan.is(Fx::Factors, row));
    let mut all = vec![Forgery::new("another input", claims, other_input(net))];
    for (acc, gate, name, marks) in places.into_iter().chain(has_products.then_some(factors)) {
        let constraint = c.find(gate, name)[0];
        let mut forgery = Forgery::new(name, constraint, other_input(net));
        forgery.repair = Some(((c.at.acc(acc), c.row_with(marks)), (claims, last)));
        all.push(forgery);
    }
    all
}

/// Forged public inputs and look-ups.
pub(super) fn ends(net: &Net, c: &Checker) -> Vec<Forgery> {
    let last = c.plan.rows;
    let mut statement = net.witness.clone();
    statement.statement.outputs[0] += CoreFr::from(1u8);
    let equal = c.find("public inputs", "equal")[0];
    let mut all = vec![Forgery::new("another output commitment", equal, statement.clone())];
    for (acc, name, marks) in
        [(Acc::Published, "published", Fx::PublishHash), (Acc::Read, "read", Fx::Read)]
    {
        let constraint = c.find("public inputs", name)[0];
        let mut forgery = Forgery::new(name, constraint, statement.clone());
        forgery.repair = Some(((c.at.acc(acc), c.row_with(&[marks])), (equal, last)));
        all.push(forgery);
    }
    let mut counted = net.witness.clone();
    counted.multiplicities[5] += 1;
    let sum = c.find("lookup sum", "")[0];
    all.push(Forgery::new("a look-up that nobody made", sum, counted.clone()));
    for (lane, constraint) in c.find("lookup helper", "").into_iter().enumerate() {
        let mut forgery = Forgery::new("a helper", constraint, counted.clone());
        let row = c.row_with(&[Fx::Lookup, Fx::Position]);
        forgery.repair = Some(((c.at.helpers + lane, row), (sum, last)));
        all.push(forgery);
    }
    all
}

/// A slip of one on a row.
fn slips(at: usize, slip: Slip) -> impl Fn(usize, Slip) -> Fr {
    move |row, what| if (row, what) == (at, slip) { Fr::ONE } else { Fr::ZERO }
}

/// The output commitment of slot 2, hashed with a slip in its first block.
fn output_hash(net: &Net, at: usize, slip: Slip) -> Witness {
    let mut w = net.witness.clone();
    let (salt, output) = (net.tasks[2].salt, &net.witness.outputs[2]);
    let tag = commitment::tag(commitment::DOMAIN_OUTPUT, output.len());
    let mut blocks = commitment::blocks(tag, salt, output).into_iter();
    let mut state = [Fr::ZERO; WIDTH];
    let first = blocks.next().unwrap();
    state[1..].iter_mut().zip(first).for_each(|(to, x)| *to = from_core(x));
    let (mut cells, mut hash) = net.plan.poseidon.permute_off(state, &slips(at, slip));
    for block in blocks {
        let mut state = [Fr::ZERO; WIDTH];
        state[1] = hash;
        state[2..].iter_mut().zip(block).for_each(|(to, x)| *to = from_core(x));
        let (next, out) = net.plan.poseidon.permute(state);
        cells.extend(&next);
        hash = out;
    }
    let first = net.plan.sections.output_hashes + 2 * cells.len();
    w.cells[first..first + cells.len()].copy_from_slice(&cells[0..cells.len()]);
    w.statement.outputs[2] = to_core(hash);
    w
}

/// The input commitment of slot 2, which takes two blocks, under a tag that is off and with a slip in
/// the second block.
fn input_hash(net: &Net, tag_off: CoreFr, slip: Option<Slip>) -> Witness {
    let mut w = net.witness.clone();
    let task = &net.tasks[2];
    let tag = commitment::tag(commitment::DOMAIN_INPUT, task.input.len()) + tag_off;
    let blocks = commitment::blocks(tag, task.salt, &task.input);
    let state = |first: CoreFr, block: &[CoreFr]| {
        let mut state = [Fr::ZERO; WIDTH];
        let words = std::iter::once(&first).chain(block);
        state[1..].iter_mut().zip(words).for_each(|(to, x)| *to = from_core(*x));
        state
    };
    let poseidon = &net.plan.poseidon;
    let (mut cells, hash) = poseidon.permute(state(blocks[0][0], &blocks[0][1..]));
    let chained = state(to_core(hash), &blocks[1]);
    let off = |row, what| slip.map_or(Fr::ZERO, |slip| slips(0, slip)(row, what));
    let (second, hash) = poseidon.permute_off(chained, &off);
    cells.extend(&second);
    let first = net.plan.sections.input_hashes + 2 * cells.len();
    w.cells[first..first + cells.len()].copy_from_slice(&cells[0..cells.len()]);
    w.statement.inputs[2] = to_core(hash);
    w
}

/// The input of slot 2 hashed under another domain, length or number behind them.
pub(super) fn tags(net: &Net) -> Vec<Witness> {
    let offs = [1u128, 1 << 32, 1 << 64].map(CoreFr::from);
    offs.into_iter().flat_map(|off| [off, -off]).map(|off| input_hash(net, off, None)).collect()
}

/// Forged hashes; the model's input must take two blocks.
pub(super) fn hashes(net: &Net, c: &Checker) -> Vec<Forgery> {
    let mut all = Vec::new();
    let mut push = |what: &str, constraint: usize, w: Witness| {
        all.push(Forgery::new(what, constraint, w));
    };
    match net.plan.width {
        Width::Narrow => narrow_rounds(net, c, &mut push),
        Width::Default | Width::Wide | Width::Sequence => rounds(net, c, &mut push),
    }
    let (absorb, zero) = (c.find("poseidon absorb", ""), CoreFr::from(0u8));
    push("a capacity that is not zero", absorb[0], output_hash(net, 0, Slip::State(0)));
    push("another tag", absorb[1], output_hash(net, 0, Slip::State(1)));
    push("a capacity that is not zero", absorb[0], input_hash(net, zero, Some(Slip::State(0))));
    push("another chain", absorb[2], input_hash(net, zero, Some(Slip::State(1))));
    all
}

fn rounds(net: &Net, c: &Checker, push: &mut dyn FnMut(&str, usize, Witness)) {
    let sboxes = c.find("poseidon S-boxes", "");
    let states = c.find("poseidon partial states", "");
    let (message, full, first, next, leave) = (0, 1, 4, 7, 14);
    for k in 0..WIDTH {
        let own = &sboxes[7 * k..7 * k + 7];
        for row in [message, full, first, next] {
            push("x^4", own[0], output_hash(net, row, Slip::Fourth(k)));
        }
        push("x^2 of a full round", own[1], output_hash(net, full, Slip::Square(k)));
        push("x^5 of a full round", own[2], output_hash(net, full, Slip::Output(k)));
        push("x^2 of a partial round", own[3], output_hash(net, next, Slip::Square(k)));
        push("x^5 of a partial round", own[4], output_hash(net, first, Slip::Output(k)));
        push("x^2 of a message", own[5], output_hash(net, message, Slip::Square(k)));
        push("x^5 of a message", own[6], output_hash(net, message, Slip::Output(k)));
        for (i, row) in [first, next, leave].into_iter().enumerate() {
            push("a state", states[3 * k + i], output_hash(net, row, Slip::State(k)));
        }
    }
}

fn narrow_rounds(net: &Net, c: &Checker, push: &mut dyn FnMut(&str, usize, Witness)) {
    let full = c.find("poseidon full rounds", "");
    let sboxes = c.find("poseidon S-boxes", "");
    let states = c.find("poseidon partial states", "");
    let (squares, powers, first, next, leave) = (4, 3, 8, 19, 38);
    for k in 0..WIDTH {
        let own = &full[5 * k..5 * k + 5];
        // Behind the message, in the middle, and in the last round.
        for row in [2, squares, rows(Width::Narrow) - 2] {
            push("an input of a full round", own[0], output_hash(net, row, Slip::State(k)));
        }
        push("a state behind partial rounds", own[1], output_hash(net, leave, Slip::State(k)));
        for row in [0, squares, leave] {
            push("x^2 of a full round", own[2], output_hash(net, row, Slip::Square(k)));
        }
        for row in [1, powers, leave + 1, rows(Width::Narrow) - 1] {
            push("x^4 of a full round", own[3], output_hash(net, row, Slip::Fourth(k)));
            push("x^5 of a full round", own[4], output_hash(net, row, Slip::Output(k)));
        }
        push("the first state", states[2 * k], output_hash(net, first, Slip::State(k)));
        push("another state", states[2 * k + 1], output_hash(net, next, Slip::State(k)));
    }
    for k in 0..partials(Width::Narrow) {
        for row in [first, next] {
            push("x^2 of a partial round", sboxes[3 * k], output_hash(net, row, Slip::Square(k)));
            push("x^4 of one", sboxes[3 * k + 1], output_hash(net, row, Slip::Fourth(k)));
            push("x^5 of one", sboxes[3 * k + 2], output_hash(net, row, Slip::Output(k)));
        }
    }
}
