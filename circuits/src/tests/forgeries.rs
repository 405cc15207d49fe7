//! For every constraint a forged witness that satisfies all the others.
//!
//! Where a false claim needs a cell of the second phase, that cell is computed from the challenges,
//! as a prover can who is free of its constraint; everything behind it follows the gates.

use dn_core::commitment;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::checker::{Checker, Grid};
use super::nets::{set_lo, set_pair, small, Net};
use crate::field::{from_core, to_core, CoreFr};
use crate::system::columns::Acc;
use crate::system::poseidon::{partials, rows, Slip, WIDTH};
use crate::system::rows::classes::{classes, NO_LABEL, SLACK_OFFSET};
use crate::system::steering::Fx;
use crate::system::table::packed_score;
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
    fn new(what: &str, constraint: usize, witness: Witness) -> Self {
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

/// Forged accumulators of linear layers, words and labels.
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
        (Acc::Labels, "labels", "labels", &[Fx::Absorb, Fx::Scale]),
    ];
    let mut all = vec![Forgery::new("another input", claims, other_input(net))];
    for (acc, gate, name, marks) in places {
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

/// The output commitment of slot 2, hashed with a slip.
fn output_hash(net: &Net, at: usize, slip: Slip) -> Witness {
    let mut w = net.witness.clone();
    let (salt, output) = (net.tasks[2].salt, &net.witness.outputs[2]);
    let tag = commitment::tag(commitment::DOMAIN_OUTPUT, output.len(), None);
    let block = commitment::blocks(tag, salt, output).remove(0);
    let mut state = [Fr::ZERO; WIDTH];
    state[1..].iter_mut().zip(block).for_each(|(to, x)| *to = from_core(x));
    let (cells, hash) = net.plan.poseidon.permute_off(state, &slips(at, slip));
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
    let tag = commitment::tag(commitment::DOMAIN_INPUT, task.input.len(), task.label) + tag_off;
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

/// The input of slot 2 hashed under another domain, length or label.
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
        Width::Default | Width::Wide => rounds(net, c, &mut push),
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

/// One-hot bits and sums of a task, in units of `1 / 256` for the label.
#[derive(Clone, Default)]
struct Votes {
    /// Class and 256 times its label bit.
    label: Vec<(usize, u64)>,
    /// Classes that stand for the best other one.
    best: Vec<usize>,
    value: u64,
    /// Best other output on each class row.
    other: Vec<u64>,
    /// The same on the score row.
    total: u64,
    probe: u64,
    number: u64,
    /// The score row's key.
    key: u64,
}

/// Writes the quality rows of slot 0.
fn vote(net: &Net, votes: &Votes) -> Witness {
    let (plan, mut w) = (&net.plan, net.witness.clone());
    let first = plan.sections.quality;
    let in_row = classes(plan.width);
    let groups = net.graph.output_len().div_ceil(in_row);
    for group in 0..groups {
        let row = first + group;
        for i in 0..in_row {
            let class = group * in_row + i;
            let best = u64::from(votes.best.contains(&class));
            set_pair(plan, &mut w, row, 2 * i + 1, best, packed_score(best));
            let label = votes.label.iter().find(|(c, _)| *c == class).map_or(0, |(_, n)| *n);
            let byte = small(w.cells[row][2 * i]);
            set_lo(plan, &mut w, row, 2 * i, votes.other[group] + label - byte);
        }
        set_lo(plan, &mut w, row, 1, votes.other[group]);
    }
    let row = first + groups;
    for (lane, x) in [votes.value, votes.total, votes.probe, votes.number].into_iter().enumerate() {
        set_lo(plan, &mut w, row, lane, x);
    }
    set_pair(plan, &mut w, row, 0, votes.key, packed_score(votes.key));
    let score = packed_score(votes.key);
    w.statement.score.probe_count = (score & 0xffff) as u32;
    w.statement.score.probe_correct = (score >> 16 & 0xffff) as u32;
    w.statement.score.margin_sum = (score >> 32) as u32;
    w
}

/// The honest votes on constant outputs.
fn honest(width: Width, bytes: &[u8], label: usize) -> Votes {
    let rivals = (0..bytes.len()).filter(|i| *i != label);
    let best = rivals.max_by_key(|i| bytes[*i]).unwrap();
    let (value, other) = (u64::from(bytes[label]), u64::from(bytes[best]));
    Votes {
        label: vec![(label, SLACK_OFFSET)],
        best: vec![best],
        value,
        other: vec![other; bytes.len().div_ceil(classes(width))],
        total: other,
        probe: 1,
        number: label as u64 + 1,
        key: SLACK_OFFSET + value - other,
    }
}

/// Forged quality rows, each on a model of its own with nine constant outputs.
pub(super) fn votes(width: Width, c: &dyn Fn(&Net) -> Checker) -> Vec<(Net, Forgery)> {
    let rows = 9usize.div_ceil(classes(width));
    let honest = |bytes: &[u8], label| honest(width, bytes, label);
    let constant = |bytes: &[u8], label| Net::constant_of(width, bytes, label);
    let mut all: Vec<(Net, Forgery)> = Vec::new();
    let gate = "quality classes";
    let mut push = |net: Net, (gate, name, i): (&str, &str, usize), votes: &Votes| {
        let witness = vote(&net, votes);
        let family = c(&net).find(gate, name);
        let what = name.to_owned();
        let forgery =
            Forgery { what, constraint: family[i], family: family.clone(), witness, repair: None };
        all.push((net, forgery));
    };
    // Two classes are half a label each; the committed one lies between them.
    for i in 0..classes(width) {
        let bytes = [60, 62, 64, 66, 70, 72, 74, 76, 90];
        let low = i % 4;
        let half_labels = u64::from(bytes[low] / 2 + bytes[low + 4] / 2);
        let votes = Votes {
            label: vec![(low, SLACK_OFFSET / 2), (low + 4, SLACK_OFFSET / 2)],
            value: half_labels,
            key: SLACK_OFFSET + half_labels - 90,
            ..honest(&bytes, low + 2)
        };
        push(constant(&bytes, Some(low as u16 + 2)), (gate, "label", i), &votes);
        // The label as its own rival hides its margin.
        let mut bytes = [10; 9];
        bytes[i] = 200;
        let votes = Votes {
            best: vec![i],
            other: vec![200; rows],
            total: 200,
            key: 256,
            ..honest(&bytes, i)
        };
        push(constant(&bytes, Some(i as u16)), (gate, "distinct", i), &votes);
    }
    // A task without a label counts as a probe by a class that is padding.
    let without = usize::from(crate::system::rows::classes::real_mark(width, 0).is_none());
    for i in 1..classes(width) {
        let bytes = [30, 20, 90, 1, 2, 3, 4, 5, 6];
        let votes = Votes {
            label: vec![(8 + i, SLACK_OFFSET)],
            value: 0,
            number: 0,
            key: SLACK_OFFSET - 90,
            ..honest(&bytes, 0)
        };
        push(constant(&bytes, None), (gate, "padding", i - without), &votes);
    }
    // The strongest rival is bounded on its own row only.
    let bytes = [150, 200, 3, 4, 5, 6, 7, 8, 9];
    let votes = Votes {
        best: vec![8],
        other: (0..rows).map(|row| if row == 0 { 200 } else { 9 }).collect(),
        total: 9,
        key: SLACK_OFFSET + 150 - 9,
        ..honest(&bytes, 0)
    };
    push(constant(&bytes, Some(0)), (gate, "same", 0), &votes);
    // Two labels that add up to the committed one, and two rivals.
    let bytes = [150, 3, 160, 4, 255, 255, 7, 8, 9];
    let votes = Votes {
        label: vec![(0, SLACK_OFFSET), (2, SLACK_OFFSET)],
        best: vec![4, 5],
        value: 310,
        other: vec![255; rows],
        total: 255,
        probe: 2,
        number: 4,
        key: 2 * SLACK_OFFSET + 310 - 255 - NO_LABEL,
    };
    push(constant(&bytes, Some(3)), ("quality score", "probe", 0), &votes);
    let bytes = [150, 3, 4, 5, 100, 7, 8, 9, 10];
    let larger = honest(&bytes, 0);
    let votes = Votes { key: larger.key + 1, ..larger.clone() };
    push(constant(&bytes, Some(0)), ("quality score", "key", 0), &votes);
    let votes = Votes { value: larger.value + 1, key: larger.key + 1, ..larger };
    push(constant(&bytes, Some(0)), ("quality score", "totals", 0), &votes);
    push(constant(&bytes, Some(0)), (gate, "sums", 0), &votes);
    let (net, sums) = all.last_mut().unwrap();
    let score = net.plan.sections.quality + rows;
    let totals = c(net).find("quality score", "totals")[0];
    sums.repair = Some(((c(net).at.acc(Acc::Classes), score - 2), (totals, score)));
    all
}
