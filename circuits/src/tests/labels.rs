//! Labels as public inputs: a word is the sum of what its class rows choose, and no other number.

use dn_core::canonical::{self, Flaw};
use dn_core::commitment::to_bytes;
use dn_core::labels::{self, LABELS_PER_WORD};
use dn_core::protocol::Word;
use dn_core::statement::{self, Form};
use ff::Field;

use super::checker::Checker;
use super::nets::Net;
use super::soundness::{objections, only};
use super::weakening::challenges;
use super::{batch, chain, dense, failures, Stream};
use crate::plan::Frame;
use crate::system::columns::Acc;
use crate::system::steering::Fx;
use crate::witness::Slot;
use dn_core::Width;

/// Slots of three words of labels, the last ones without a task.
const TASKS: usize = 33;

fn net(frame: Frame) -> Net {
    let mut s = Stream(83);
    let graph = chain(5, vec![dense(&mut s, 5, 6, 9, false)]);
    let tasks = batch(&mut s, &graph, TASKS);
    Net::new(graph, frame, tasks)
}

#[test]
fn accepts_labels_of_several_words() {
    for width in Width::ALL {
        for form in [Form::Listed, Form::Digest] {
            let net = net(Frame::of(TASKS, width).with(form));
            let failures = failures(&net.plan, net.witness.clone());
            assert!(failures.is_empty(), "{failures:?}");
            let score = net.witness.statement.score;
            assert_eq!(score.probe_count as usize, TASKS.div_ceil(3));
        }
    }
}

/// Labels move neither input nor output commitments: whoever has an input can check it without.
#[test]
fn commitments_do_not_depend_on_labels() {
    let net = net(Frame::of(TASKS, Width::Default));
    let tasks = net.tasks.iter().map(|task| Slot { label: None, ..task.clone() }).collect();
    let without = Net::new(net.graph, net.plan.frame(), tasks).witness.statement;
    let with = net.witness.statement;
    assert_eq!((with.inputs, with.outputs), (without.inputs, without.outputs));
    assert_ne!(with.labels, without.labels);
}

/// Another class, a label more, one less, one in another slot or word.
#[test]
fn rejects_other_labels_than_those_of_the_rows() {
    for width in Width::ALL {
        let net = net(Frame::of(TASKS, width));
        let c = Checker::new(&net.plan, challenges());
        let honest = &net.witness.statement.labels;
        assert!(honest[0].is_some() && honest[1].is_none() && honest[30].is_some());
        let mut changes = Vec::new();
        for (slot, label) in [(0, honest[0].map(|x| x ^ 1)), (0, None), (1, Some(0)), (30, None)] {
            let mut labels = honest.clone();
            labels[slot] = label;
            changes.push(labels);
        }
        for (a, b) in [(0, 1), (LABELS_PER_WORD - 1, LABELS_PER_WORD), (0, LABELS_PER_WORD)] {
            let mut labels = honest.clone();
            labels.swap(a, b);
            changes.extend((labels != *honest).then_some(labels));
        }
        assert!(changes.len() >= 6);
        for labels in changes {
            let mut w = net.witness.clone();
            w.statement.labels = labels;
            assert_eq!(objections(&c, &c.grid(&w)), only("public inputs/equal"));
        }
    }
}

/// What a label counts is fixed, and so is the row on which a word begins.
#[test]
fn rejects_a_word_that_is_published_otherwise() {
    for width in Width::ALL {
        let net = net(Frame::of(TASKS, width));
        let c = Checker::new(&net.plan, challenges());
        for (acc, name, row) in [
            (Acc::Published, "public inputs/published", c.row_with(&[Fx::Score, Fx::Publish])),
            (Acc::Published, "public inputs/published", c.row_with(&[Fx::Absorb, Fx::TagB])),
            (Acc::Kernel, "fold weights/kernel", c.row_with(&[Fx::Score])),
            (Acc::Kernel, "fold weights/kernel", c.row_with(&[Fx::Absorb, Fx::TagB])),
            (Acc::Salts, "salts/salts", c.row_with(&[Fx::Score])),
        ] {
            let mut grid = c.grid(&net.witness);
            grid.rows[row][c.at.acc(acc)] += halo2_proofs::halo2curves::bn256::Fr::ONE;
            assert!(objections(&c, &grid).contains(name), "{name} {row}");
        }
    }
}

/// The circuit knows no unused slots: the statement's reader refuses their labels.
#[test]
fn a_label_of_an_unused_slot_is_refused_by_who_reads_the_statement() {
    let mut s = Stream(89);
    let graph = chain(5, vec![dense(&mut s, 5, 6, 9, false)]);
    let mut tasks = batch(&mut s, &graph, 5);
    tasks.resize(7, Slot::null(5));
    tasks.push(Slot { label: Some(3), ..Slot::null(5) });
    for form in [Form::Listed, Form::Digest] {
        let mut net =
            Net::new(graph.clone(), Frame::of(8, Width::Default).with(form), tasks.clone());
        net.witness.statement.count = 5;
        assert!(failures(&net.plan, net.witness.clone()).is_empty());
        let all = |of: Vec<crate::field::CoreFr>| of.into_iter().map(to_bytes).collect();
        let words: Vec<Word> = all(net.witness.statement.instances());
        let leaves: Vec<Word> = all(net.witness.statement.leaves());
        let flaw = match form {
            Form::Listed => canonical::read(&words).err(),
            Form::Digest => canonical::read(&words).unwrap().with_leaves(&leaves).err(),
        };
        assert_eq!(flaw, Some(Flaw::Label { slot: 7 }));
    }
}

/// A sixteenth label is no public input that the circuit has a witness for.
#[test]
fn a_word_is_below_its_bound() {
    let net = net(Frame::of(TASKS, Width::Default));
    let at = statement::labels_at(net.plan.slots);
    let words = net.witness.statement.instances();
    for word in &words[at..at + labels::words(net.plan.slots)] {
        assert!(labels::unpack(&to_bytes(*word)).is_some());
    }
}
