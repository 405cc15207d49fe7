//! Forged batches of sequence models: every constraint is needed, and claims hold for the model that was laid out
//! alone.

use std::collections::BTreeSet;

use dn_core::quant::sequence::{Layer, Residual, Sequence};
use dn_core::quant::{Graph, Shape};
use halo2_proofs::halo2curves::bn256::Fr;

use super::forged_attention::PLACES;
use super::{block, frame, linear, tasks, Batch};
use crate::field::CoreFr;
use crate::plan::{Plan, PlanError};
use crate::system::columns::{Acc, Cell};
use crate::system::kind::Kind;
use crate::system::steering::Fx;
use crate::tests::checker::Checker;
use crate::tests::forgeries::{ends, hashes, Forgery};
use crate::tests::mutation::{accepted_of, check_free_cells};
use crate::tests::nets::{out_of, set_lo, set_pair, small, Net};
use crate::tests::soundness::{objections, only};
use crate::tests::weakening::{challenges, check};
use crate::tests::{is_exhaustive, Stream};
use crate::witness::Witness;
use dn_core::Width;

pub(super) const LANES: usize = Width::Sequence.lanes();

/// Column of a cell.
pub(super) fn column(cell: Cell) -> usize {
    cell.index(Width::Sequence)
}

impl Batch {
    /// Three sequences whose messages take two blocks.
    fn messages() -> Self {
        let mut model = block(96, 8);
        model.layers.truncate(3);
        model.layers.push(linear(&mut Stream(5), (3, 8), 1));
        model.validate().unwrap();
        let tasks = tasks(&model, 3);
        Self::new(model, frame(3), tasks)
    }

    /// What forgeries of hashes and public inputs are made of; they look at no graph.
    fn net(&self) -> Net {
        let graph = Graph { input: Shape::vector(self.model.tokens), nodes: Vec::new() };
        let (plan, witness) = (self.plan.clone(), self.witness.clone());
        Net { graph, plan, witness, tasks: self.tasks.clone() }
    }

    /// Rows of a kind.
    pub(super) fn rows(&self, kind: Kind) -> Vec<usize> {
        (0..self.plan.rows).filter(|row| self.plan.kind(*row) == kind).collect()
    }

    /// A witness of another model in this one's rows.
    pub(super) fn of(&self, change: impl Fn(&mut Sequence)) -> Witness {
        let mut model = self.model.clone();
        change(&mut model);
        Witness::of_sequence(&model, &self.plan, &self.tasks, CoreFr::from(3u8)).unwrap()
    }

    /// The first sequence's third token as another one: look-ups hold, words and ids do not.
    fn other_token(&self) -> Witness {
        let mut w = self.witness.clone();
        let row = self.plan.sequence.tokens;
        let [id, byte] = [Cell::Hi(2), Cell::Out(2)].map(|cell| small(w.cells[row][column(cell)]));
        let id = if id == 3 { 4 } else { 3 };
        assert_ne!(byte, 128 + id);
        set_pair(&self.plan, &mut w, row, 2, id, 128 + id);
        w
    }
}

#[test]
fn mutation_rejects_any_changed_cell_of_sequences() {
    let long = is_exhaustive().then(Batch::long);
    for batch in [Batch::short(), Batch::attending()].into_iter().chain(long) {
        for kind in [Kind::Token, Kind::Embedding, Kind::Sum, Kind::Root, Kind::Activation] {
            assert!(!batch.rows(kind).is_empty(), "no {kind:?}");
        }
        let accepted = accepted_of(&batch.plan, &batch.witness);
        assert!(accepted.is_empty(), "{accepted:?}");
    }
}

#[test]
fn free_cells_of_sequences_are_free() {
    for batch in [Batch::short(), Batch::attending()] {
        check_free_cells(&batch.plan, &batch.witness);
    }
}

/// Forged folds of tokens, words and layers.
fn folds(batch: &Batch, c: &Checker) -> Vec<Forgery> {
    let claims = c.find("claims", "claims")[0];
    let (items, positions) = ("fold items", "fold positions and channels");
    let places: [Place; 15] = [
        (Acc::X, items, "x", &[Fx::Lookup, Fx::Position]),
        (Acc::X, items, "x", &[Fx::ValuesByE, Fx::Position]),
        (Acc::Y, items, "y", &[Fx::Lookup, Fx::Position]),
        (Acc::Y, items, "y", &[Fx::AccumulatorsByE, Fx::Position]),
        (Acc::Y, items, "y", &[Fx::OutputsAlone]),
        (Acc::Image, positions, "image", &[Fx::Words]),
        (Acc::Image, positions, "image", &[Fx::Product]),
        (Acc::Image, positions, "image", &[Fx::CloseWords]),
        (Acc::Outputs, positions, "outputs", &[Fx::Channel]),
        (Acc::Outputs, positions, "outputs", &[Fx::Item]),
        (Acc::Tensor, positions, "tensor", &[Fx::Close]),
        (Acc::W, "fold weights", "w", &[Fx::Tap]),
        (Acc::Kernel, "fold weights", "kernel", &[Fx::Bare]),
        (Acc::Classes, "words", "sums", &[Fx::Words]),
        (Acc::Salts, "salts", "salts", &[Fx::Absorb, Fx::Scale]),
    ];
    let token = Forgery::new("another token", claims, batch.other_token());
    std::iter::once(token).chain(places.map(|place| repaired(batch, c, place))).collect()
}

/// A register, its gate and constraint, and the marks of a row where a forger sets it.
pub(super) type Place = (Acc, &'static str, &'static str, &'static [Fx]);

/// Another token, which the register at a place makes up for.
pub(super) fn repaired(batch: &Batch, c: &Checker, (acc, gate, name, marks): Place) -> Forgery {
    let (last, claims) = (c.plan.rows, c.find("claims", "claims")[0]);
    let mut forgery = Forgery::new(name, c.find(gate, name)[0], batch.other_token());
    forgery.repair = Some(((c.at.acc(acc), c.row_with(marks)), (claims, last)));
    forgery
}

/// The token's sum of squares as another one with the same root: nothing else reads either.
fn other_squares(batch: &Batch) -> Witness {
    let mut w = batch.witness.clone();
    let (hi, out) = (column(Cell::Hi(LANES - 1)), column(Cell::Out(LANES - 1)));
    let is_set = batch.rows(Kind::Root).into_iter().any(|row| {
        let [h, root] = [hi, out].map(|column| small(w.cells[row][column]));
        let alike = |h: &u64| out_of(&batch.plan, row, *h) == Some(root);
        let other = [h + 1, h.wrapping_sub(1)].into_iter().find(alike);
        if let Some(other) = other {
            set_pair(&batch.plan, &mut w, row, LANES - 1, other, root);
        }
        other.is_some()
    });
    assert!(is_set, "two sums with one root");
    w
}

#[test]
fn every_constraint_of_sequences_rejects_a_witness_that_all_others_accept() {
    let batch = Batch::messages();
    let (net, mut covered) = (batch.net(), BTreeSet::new());
    let c = Checker::new(&batch.plan, challenges());
    assert!(c.failures(&c.grid(&batch.witness)).is_empty());
    let root = Forgery::new("squares", c.find("roots", "root")[0], other_squares(&batch));
    let all = folds(&batch, &c).into_iter().chain(ends(&net, &c)).chain(hashes(&net, &c));
    for forgery in all.chain([root]) {
        check(&c, &forgery, &mut covered);
    }
    let batch = Batch::attending();
    let attention = Checker::new(&batch.plan, challenges());
    for place in PLACES {
        check(&attention, &repaired(&batch, &attention, place), &mut covered);
    }
    let missing: Vec<_> = (0..c.constraints.len())
        .filter(|i| !covered.contains(i))
        .map(|i| (&c.constraints[i].gate, &c.constraints[i].name))
        .collect();
    assert!(missing.is_empty(), "no forgery for {missing:?}");
}

fn residual(model: &mut Sequence, layer: usize) -> &mut Residual {
    let Layer::Residual(residual) = &mut model.layers[layer] else { panic!("no residual sum") };
    residual
}

/// Makes another model.
type Change = fn(&mut Sequence);

/// Look-ups, hashes, words and published values of another model's honest run: only a claim can tell.
#[test]
fn soundness_row_27_rejects_another_model_in_the_same_rows() {
    let changes: [(&str, Change); 8] = [
        ("a shortcut left out", |m| residual(m, 4).shortcut.1 = 0),
        ("a shortcut weighed otherwise", |m| residual(m, 1).shortcut.1 -= 1),
        ("a shortcut from another tensor", |m| residual(m, 4).shortcut.0 = 1),
        ("a branch left out", |m| residual(m, 4).branch = None),
        ("another constant", |m| residual(m, 4).bias[3] += 64),
        ("positions of the tokens behind", |m| {
            let channels = residual(m, 1).bias.len();
            residual(m, 1).positions.rotate_left(channels);
        }),
        ("a weight", |m| {
            let Layer::Linear(l) = &mut m.layers[3] else { panic!("no dense layer") };
            l.weights[5] += 9;
        }),
        ("two channels exchanged", |m| {
            let Layer::Linear(l) = &mut m.layers[6] else { panic!("no dense layer") };
            l.weights.swap(0, 1);
        }),
    ];
    for batch in [Batch::short(), Batch::long()] {
        let c = Checker::new(&batch.plan, challenges());
        for (what, change) in changes {
            let w = batch.of(change);
            assert!(w.cells != batch.witness.cells, "{what}: the same answers");
            assert_eq!(objections(&c, &c.grid(&w)), only("claims/claims"), "{what}");
        }
    }
}

/// Every look-up of a layer's row, moved along the table: what it says is claimed of it.
#[test]
fn soundness_row_27_rejects_other_values_of_any_layer() {
    let batch = Batch::long();
    let c = Checker::new(&batch.plan, challenges());
    for kind in [Kind::Token, Kind::Embedding, Kind::Sum, Kind::Activation] {
        let rows = batch.rows(kind);
        for row in [rows[0], rows[rows.len() / 2], rows[rows.len() - 1]] {
            let mut w = batch.witness.clone();
            let hi = small(w.cells[row][column(Cell::Hi(5))]);
            let beside = |hi: &u64| out_of(&batch.plan, row, *hi).is_some();
            let other = [hi + 1, hi.wrapping_sub(1)].into_iter().find(beside).unwrap();
            let out = out_of(&batch.plan, row, other).unwrap();
            set_pair(&batch.plan, &mut w, row, 5, other, out);
            let found = objections(&c, &c.grid(&w));
            assert!(found.contains("claims/claims"), "{kind:?} {row}: {found:?}");
        }
    }
}

/// Exchanged tokens, channels and sequences: all look-ups hold, and sums that ignore places would too.
#[test]
fn soundness_row_27_rejects_values_in_each_other_s_places() {
    let batch = Batch::long();
    let c = Checker::new(&batch.plan, challenges());
    let chunks = batch.model.tokens / LANES;
    let layers = &batch.plan.sequence.values;
    let per_token = layers[1][1] - layers[1][0];
    let swaps = [
        ("channels of an embedding's token", (layers[0][0], 1), (layers[0][0], 2)),
        ("sequences of a hidden channel", (layers[3][4], 0), (layers[3][4] + chunks, 0)),
        ("chunks of a norm's channel", (layers[2][1], 3), (layers[2][1] + 1, 3)),
        ("channels of a sum", (layers[1][7], 0), (layers[1][7], 5)),
        ("chunks of a sum", (layers[1][7], 0), (layers[1][7] + 1, 0)),
        ("tokens of a sum", (layers[4][7], 2), (layers[4][7] + per_token, 2)),
        ("tokens of an answer", (layers[6][0], 0), (layers[6][0], 4)),
        ("channels of an answer", (layers[6][0], 1), (layers[6][1], 1)),
    ];
    for (what, (a, left), (b, right)) in swaps {
        let mut w = batch.witness.clone();
        // The first lanes from there on whose values differ.
        for lane in 0..LANES {
            let [left, right] = [left, right].map(|at| (at + lane) % LANES);
            for cell in [Cell::Hi, Cell::Lo, Cell::Out] {
                let [left, right] = [left, right].map(|lane| column(cell(lane)));
                let x = w.cells[a][left];
                w.cells[a][left] = w.cells[b][right];
                w.cells[b][right] = x;
            }
            if w.cells != batch.witness.cells {
                break;
            }
        }
        assert!(w.cells != batch.witness.cells, "{what}: equal values");
        let found = objections(&c, &c.grid(&w));
        assert!(found.contains("claims/claims"), "{what}: {found:?}");
        assert!(!found.iter().any(|name| name.starts_with("lookup")), "{what}: {found:?}");
    }
}

/// A root is the one of the token's squares: another one in the table is none, with whatever remainder.
#[test]
fn soundness_row_28_rejects_another_root() {
    let batch = Batch::short();
    let c = Checker::new(&batch.plan, challenges());
    let rows = batch.rows(Kind::Root);
    let values = |row: usize| {
        [Cell::Hi, Cell::Lo, Cell::Out]
            .map(|cell| small(batch.witness.cells[row][column(cell(LANES - 1))]))
    };
    let pairs = rows.windows(2).filter(|pair| values(pair[0]) != values(pair[1]));
    for pair in pairs.take(6) {
        let mut w = batch.witness.clone();
        let [hi, lo, out] = values(pair[1]);
        if out_of(&batch.plan, pair[0], hi) != Some(out) {
            continue;
        }
        set_pair(&batch.plan, &mut w, pair[0], LANES - 1, hi, out);
        set_lo(&batch.plan, &mut w, pair[0], LANES - 1, lo);
        let found = objections(&c, &c.grid(&w));
        assert!(found.contains("roots/root"), "{found:?}");
    }
    // The neighbour with a remainder that makes up for it is outside of the remainders' section.
    let [hi, lo, _] = values(rows[0]);
    let range = 1 << batch.plan.table.lo_bits;
    assert!(batch.plan.table.find((batch.plan.table.tag_lo, lo + range, 0)).is_none() && hi > 0);
}

/// Words end within rows; a digit in another word's place is another word.
#[test]
fn soundness_row_29_rejects_other_words() {
    let batch = Batch::long();
    let c = Checker::new(&batch.plan, challenges());
    // A commitment to other tokens, and one to other answers, each with everything else honest.
    for domain in [true, false] {
        let mut tasks = batch.tasks.clone();
        let mut w = batch.witness.clone();
        let (first, count) = if domain {
            tasks[1].input[30] += 1;
            (batch.plan.sections.input_hashes, batch.plan.sections.values)
        } else {
            tasks[1].salt += CoreFr::from(1u8);
            (batch.plan.sections.output_hashes, batch.plan.rows)
        };
        assert_ne!(tasks[1], batch.tasks[1]);
        let other = Witness::of_sequence(&batch.model, &batch.plan, &tasks, CoreFr::from(3u8));
        let other = other.unwrap();
        let rows = first..count.min(batch.plan.rows);
        w.cells[rows.clone()].copy_from_slice(&other.cells[rows]);
        if domain {
            w.statement.inputs = other.statement.inputs;
        } else {
            w.statement.outputs = other.statement.outputs;
        }
        assert_eq!(objections(&c, &c.grid(&w)), only("claims/claims"), "input: {domain}");
    }
    let w = batch.other_token();
    assert_eq!(objections(&c, &c.grid(&w)), only("claims/claims"));
}

/// A digit behind the end of a word is not one of the word, though both stand in one row.
#[test]
fn soundness_row_29_words_are_split_where_they_end() {
    let batch = Batch::long();
    let splits: Vec<usize> =
        (0..batch.plan.rows).filter(|row| batch.plan.is(Fx::Split, *row)).collect();
    // 32 tokens end one word, in two sequences; the answers of 96 values end three.
    assert_eq!(splits.len(), 2 * (1 + 3));
    let c = Checker::new(&batch.plan, challenges());
    for row in splits {
        for lane in [0, LANES - 1] {
            let mut w = batch.witness.clone();
            w.cells[row][column(Cell::Out(lane))] += Fr::one();
            let found = objections(&c, &c.grid(&w));
            assert!(found.contains("claims/claims"), "{row} {lane}: {found:?}");
        }
    }
}

#[test]
fn models_without_rows_are_refused_with_the_layer() {
    let refused = |model: &Sequence| {
        model.validate().unwrap();
        Plan::of_sequence(model, frame(2)).unwrap_err()
    };
    let mut model = block(8, 8);
    model.layers.push(Layer::ArgMax { tensor: 7 });
    assert!(matches!(refused(&model), PlanError::Layer { layer: 7, .. }));
    let mut model = block(8, 8);
    let Layer::Linear(l) = &mut model.layers[6] else { panic!("no dense layer") };
    l.tensor = 5;
    assert!(matches!(refused(&model), PlanError::Layer { layer: 6, .. }));
    assert_eq!(refused(&block(12, 8)), PlanError::Tokens { tokens: 12, lanes: 8 });
    assert!(matches!(refused(&block(8, 12)), PlanError::Layer { layer: 1, .. }));
    let model = block(8, 8);
    assert!(matches!(Plan::of_sequence(&model, frame(0)), Err(PlanError::Slots { .. })));
}
