//! Forged votes: quality rows that only one constraint can reject.

use dn_core::Width;

use super::checker::Checker;
use super::forgeries::Forgery;
use super::nets::{set_lo, set_pair, small, Net};
use crate::system::columns::Acc;
use crate::system::rows::classes::{classes, real_mark, NO_LABEL, SLACK_OFFSET};
use crate::system::table::packed_score;
use crate::witness::Witness;

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
    w.statement.labels[0] = votes.number.checked_sub(1).map(|class| class as u16);
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

/// Collects forged quality rows, each on a model of its own with nine constant outputs.
struct Ballots<'a> {
    width: Width,
    checker: &'a dyn Fn(&Net) -> Checker,
    all: Vec<(Net, Forgery)>,
}

const CLASSES: &str = "quality classes";
const SCORE: &str = "quality score";

impl Ballots<'_> {
    /// Votes on constant outputs that constraint `i` of a name must reject.
    fn push(
        &mut self,
        (bytes, label): (&[u8], Option<usize>),
        (gate, name, i): (&str, &str, usize),
        votes: &Votes,
    ) {
        let net = Net::constant_of(self.width, bytes, label.map(|label| label as u16));
        let (witness, family) = (vote(&net, votes), (self.checker)(&net).find(gate, name));
        let (what, constraint) = (name.to_owned(), family[i]);
        self.all.push((net, Forgery { what, constraint, family, witness, repair: None }));
    }

    fn honest(&self, bytes: &[u8], label: usize) -> Votes {
        honest(self.width, bytes, label)
    }

    /// Class rows of a task.
    fn rows(&self) -> usize {
        9usize.div_ceil(classes(self.width))
    }

    /// Votes that are wrong in class `i` of a row.
    fn in_class(&mut self, i: usize) {
        // Two classes are half a label each; the committed one lies between them.
        let bytes = [60, 62, 64, 66, 70, 72, 74, 76, 90];
        let low = i % 4;
        let half_labels = u64::from(bytes[low] / 2 + bytes[low + 4] / 2);
        let votes = Votes {
            label: vec![(low, SLACK_OFFSET / 2), (low + 4, SLACK_OFFSET / 2)],
            value: half_labels,
            key: SLACK_OFFSET + half_labels - 90,
            ..self.honest(&bytes, low + 2)
        };
        self.push((&bytes, Some(low + 2)), (CLASSES, "label", i), &votes);
        // The label as its own rival hides its margin.
        let mut bytes = [10; 9];
        bytes[i] = 200;
        let votes = Votes {
            best: vec![i],
            other: vec![200; self.rows()],
            total: 200,
            key: 256,
            ..self.honest(&bytes, i)
        };
        self.push((&bytes, Some(i)), (CLASSES, "distinct", i), &votes);
        // A task without a label counts as a probe by a class that is padding.
        let bytes = [30, 20, 90, 1, 2, 3, 4, 5, 6];
        let votes = Votes {
            label: vec![(8 + i, SLACK_OFFSET)],
            value: 0,
            number: 0,
            key: SLACK_OFFSET - 90,
            ..self.honest(&bytes, 0)
        };
        let without = usize::from(real_mark(self.width, 0).is_none());
        if i > 0 {
            self.push((&bytes, None), (CLASSES, "padding", i - without), &votes);
        }
    }

    /// Votes that are wrong from row to row.
    fn across_rows(&mut self) {
        // The strongest rival is bounded on its own row only.
        let bytes = [150, 200, 3, 4, 5, 6, 7, 8, 9];
        let votes = Votes {
            best: vec![8],
            other: (0..self.rows()).map(|row| if row == 0 { 200 } else { 9 }).collect(),
            total: 9,
            key: SLACK_OFFSET + 150 - 9,
            ..self.honest(&bytes, 0)
        };
        self.push((&bytes, Some(0)), (CLASSES, "same", 0), &votes);
        // Two labels that add up to the committed one, and two rivals.
        let bytes = [150, 3, 160, 4, 255, 255, 7, 8, 9];
        let votes = Votes {
            label: vec![(0, SLACK_OFFSET), (2, SLACK_OFFSET)],
            best: vec![4, 5],
            value: 310,
            other: vec![255; self.rows()],
            total: 255,
            probe: 2,
            number: 4,
            key: 2 * SLACK_OFFSET + 310 - 255 - NO_LABEL,
        };
        self.push((&bytes, Some(3)), (SCORE, "probe", 0), &votes);
    }

    /// Scores and sums that are wrong.
    fn totals(&mut self) {
        let bytes = [150, 3, 4, 5, 100, 7, 8, 9, 10];
        let larger = self.honest(&bytes, 0);
        let votes = Votes { key: larger.key + 1, ..larger.clone() };
        self.push((&bytes, Some(0)), (SCORE, "key", 0), &votes);
        let votes = Votes { value: larger.value + 1, key: larger.key + 1, ..larger };
        self.push((&bytes, Some(0)), (SCORE, "totals", 0), &votes);
        self.push((&bytes, Some(0)), (CLASSES, "sums", 0), &votes);
        let rows = self.rows();
        let (net, sums) = self.all.last_mut().unwrap();
        let (c, score) = ((self.checker)(net), net.plan.sections.quality + rows);
        let totals = c.find(SCORE, "totals")[0];
        sums.repair = Some(((c.at.acc(Acc::Classes), score - 2), (totals, score)));
    }
}

/// Forged quality rows.
pub(super) fn votes(width: Width, checker: &dyn Fn(&Net) -> Checker) -> Vec<(Net, Forgery)> {
    let mut ballots = Ballots { width, checker, all: Vec::new() };
    (0..classes(width)).for_each(|i| ballots.in_class(i));
    ballots.across_rows();
    ballots.totals();
    ballots.all
}
