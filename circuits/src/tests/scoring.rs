//! Models without classes, and models with many.

use dn_core::digest::label_leaves;
use dn_core::labels;
use dn_core::quant::Graph;
use dn_core::statement::{Form, Score};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::checker::Checker;
use super::images::{push, shape, square};
use super::nets::{set_pair, small, Net};
use super::soundness::{objections, only};
use super::weakening::challenges;
use super::{batch, chain, dense, failures, Stream};
use crate::estimate::estimate;
use crate::field::CoreFr;
use crate::plan::{count_rows, Frame, Plan};
use crate::system::columns::Acc;
use crate::system::kind::Kind;
use crate::system::rows::classes::class_rows;
use crate::system::steering::Fx;
use crate::system::table::Table;
use crate::witness::{Slot, Witness};
use crate::{PlanError, WitnessError};
use dn_core::{Scoring, Width};

/// Tasks without labels.
fn unlabelled(s: &mut Stream, graph: &Graph, tasks: usize) -> Vec<Slot> {
    batch(s, graph, tasks).into_iter().map(|task| Slot { label: None, ..task }).collect()
}

/// A model whose outputs are no classes: an input of two blocks, an output of more than one word.
pub(super) fn quantities(frame: Frame) -> Net {
    let mut s = Stream(101);
    let layers = vec![dense(&mut s, 100, 9, 9, true), dense(&mut s, 9, 40, 8, false)];
    let graph = chain(100, layers);
    let tasks = unlabelled(&mut s, &graph, frame.slots - 2);
    Net::new(graph, frame.scored(Scoring::None), tasks)
}

fn frames() -> impl Iterator<Item = Frame> {
    let forms = [Form::Listed, Form::Digest];
    Width::ALL.into_iter().flat_map(move |width| forms.map(|form| Frame::of(18, width).with(form)))
}

#[test]
fn accepts_outputs_that_are_no_classes() {
    for frame in frames() {
        let net = quantities(frame);
        let failures = failures(&net.plan, net.witness.clone());
        assert!(failures.is_empty(), "{failures:?}");
        assert_eq!(net.witness.statement.score, Score::default());
        let estimate = estimate(&net.graph, net.plan.frame()).unwrap();
        assert_eq!(estimate.rows, net.plan.rows);
    }
}

/// Without quality rows there are fewer rows by all of them but one for each word of labels.
#[test]
fn a_model_without_classes_has_no_quality_rows() {
    for frame in frames() {
        let net = quantities(frame);
        let (plan, slots) = (&net.plan, frame.slots);
        let of = |kind: Kind| (0..plan.rows).filter(|row| plan.kind(*row) == kind).count();
        assert_eq!(of(Kind::Classes) + of(Kind::Score), 0);
        let words = match frame.form {
            Form::Listed => labels::words(slots),
            Form::Digest => label_leaves(slots),
        };
        assert_eq!(of(Kind::Zero), words);
        let scored = frame.scored(Scoring::Classes);
        let rows = count_rows(&net.graph, &[frame.scored(Scoring::None), scored]).unwrap();
        let quality = slots * (class_rows(net.graph.output_len(), frame.width) + 1);
        assert!(rows[1] - rows[0] >= quality - labels::words(slots));
    }
}

/// A score and labels of a model without classes are zeros, whatever a statement says.
#[test]
fn rejects_a_score_and_a_label_where_there_are_no_classes() {
    for width in Width::ALL {
        let net = quantities(Frame::of(18, width));
        let c = Checker::new(&net.plan, challenges());
        let mut forged = Vec::new();
        for score in [
            Score { probe_count: 1, ..Score::default() },
            Score { probe_correct: 1, ..Score::default() },
            Score { margin_sum: 1, ..Score::default() },
        ] {
            let mut w = net.witness.clone();
            w.statement.score = score;
            forged.push(w);
        }
        for slot in [0, 14, 15, 17] {
            let mut w = net.witness.clone();
            w.statement.labels[slot] = Some(0);
            forged.push(w);
        }
        for w in forged {
            assert_eq!(objections(&c, &c.grid(&w)), only("public inputs/equal"));
        }
        let tasks = vec![Slot { label: Some(0), ..net.tasks[0].clone() }];
        let error = Witness::new(&net.graph, &net.plan, &tasks, CoreFr::from(1u8)).unwrap_err();
        assert_eq!(error, WitnessError::Label { slot: 0, label: 0, classes: 0 });
    }
}

/// What quality rows would close is closed without them: salts, words, and registers that begin anew.
#[test]
fn rejects_other_outputs_salts_and_sums_where_there_are_no_classes() {
    for width in Width::ALL {
        let net = quantities(Frame::of(18, width));
        let c = Checker::new(&net.plan, challenges());
        // Another output byte of the last layer.
        let mut w = net.witness.clone();
        let (row, lanes) = (net.plan.sections.nodes[1].accumulators[3], width.lanes());
        let [hi, out] = [0, 2 * lanes].map(|cell| small(w.cells[row][cell]));
        let section = net.plan.table.divisions[1].tag_hi;
        let next = net.plan.table.rows.iter().find(|t| t.0 == section && t.2 != out).unwrap();
        assert_ne!(hi, next.1);
        set_pair(&net.plan, &mut w, row, 0, next.1, next.2);
        assert_eq!(objections(&c, &c.grid(&w)), only("claims/claims"));
        // An output under another salt.
        let mut tasks = net.tasks.clone();
        tasks[3].salt += CoreFr::from(1u8);
        let other = Witness::new(&net.graph, &net.plan, &tasks, CoreFr::from(3u8)).unwrap();
        let mut w = net.witness.clone();
        let rows = net.plan.sections.output_hashes..net.plan.rows;
        w.cells[rows.clone()].copy_from_slice(&other.cells[rows]);
        w.statement.outputs = other.statement.outputs;
        assert_eq!(objections(&c, &c.grid(&w)), only("claims/claims"));
        // Registers on the row that closes.
        let row = c.row_with(&[Fx::Publish, Fx::ImageReset]);
        for acc in [Acc::Image, Acc::Kernel, Acc::Salts, Acc::Published] {
            let mut grid = c.grid(&net.witness);
            grid.rows[row][c.at.acc(acc)] += Fr::ONE;
            assert!(!c.failures(&grid).is_empty(), "{acc:?}");
        }
    }
}

/// An image of 1,024 pixels, and of 4,096: neither would be classes.
#[test]
fn outputs_may_be_images() {
    let mut s = Stream(103);
    for side in [32, 64] {
        let mut graph = Graph { input: shape(1, side, side), nodes: Vec::new() };
        push(&mut s, &mut graph, 1, square(3, 1, 1), 1);
        graph.validate().unwrap();
        let frame = Frame::of(2, Width::Default).scored(Scoring::None);
        let plan = Plan::new(&graph, frame).unwrap();
        let scored = count_rows(&graph, &[frame.scored(Scoring::Classes)]).unwrap();
        assert!(plan.rows < scored[0]);
        if side == 32 {
            let tasks = unlabelled(&mut s, &graph, 2);
            let net = Net::new(graph, frame, tasks);
            assert!(failures(&net.plan, net.witness.clone()).is_empty());
        }
    }
}

/// Labels of more classes than nine bits can number, which take a larger table.
#[test]
fn there_may_be_many_classes() {
    let mut s = Stream(107);
    let graph = chain(4, vec![dense(&mut s, 4, 520, 8, false)]);
    let tasks = |label: u16| {
        let mut tasks = unlabelled(&mut Stream(109), &graph, 3);
        tasks[1].label = Some(label);
        tasks
    };
    for width in Width::ALL {
        let net = Net::new(graph.clone(), Frame::of(8, width), tasks(519));
        let plan = &net.plan;
        assert_eq!(plan.table.lo_bits, 10);
        let c = Checker::new(plan, challenges());
        assert!(c.failures(&c.grid(&net.witness)).is_empty());
        let mut w = net.witness.clone();
        w.statement.labels[1] = Some(518);
        assert_eq!(objections(&c, &c.grid(&w)), only("public inputs/equal"));
    }
    let plan = Plan::new(&graph, 8).unwrap();
    let error = Witness::new(&graph, &plan, &tasks(520), CoreFr::from(1u8)).unwrap_err();
    assert_eq!(error, WitnessError::Label { slot: 1, label: 520, classes: 520 });
}

/// The table's ranges and the limit: 511 classes take what few do.
#[test]
fn only_many_classes_pay_for_many_classes() {
    let mut s = Stream(113);
    let mut of = |outputs: usize| chain(2, vec![dense(&mut s, 2, outputs, 8, false)]);
    for (outputs, bits) in [(2, 9), (511, 9), (512, 10), (4096, 13)] {
        let graph = of(outputs);
        assert_eq!(Table::new(&graph, Scoring::Classes).lo_bits, bits, "{outputs}");
        assert_eq!(Table::new(&graph, Scoring::None).lo_bits, 8, "{outputs}");
    }
    let graph = of(4097);
    let frame = Frame::from(8);
    let refused = PlanError::Outputs { outputs: 4097 };
    assert_eq!(count_rows(&graph, &[frame]), Err(refused));
    assert!(count_rows(&graph, &[frame.scored(Scoring::None)]).is_ok());
}

/// A single output is the largest of nothing: it takes no label, scored or not.
#[test]
fn a_single_output_takes_no_label() {
    let mut s = Stream(127);
    let graph = chain(3, vec![dense(&mut s, 3, 1, 8, false)]);
    for scoring in [Scoring::Classes, Scoring::None] {
        let frame = Frame::from(8).scored(scoring);
        let net = Net::new(graph.clone(), frame, unlabelled(&mut s, &graph, 5));
        assert!(failures(&net.plan, net.witness.clone()).is_empty());
        let tasks = vec![Slot { label: Some(0), ..net.tasks[0].clone() }];
        assert!(Witness::new(&graph, &net.plan, &tasks, CoreFr::from(1u8)).is_err());
    }
}
