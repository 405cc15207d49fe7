//! Forged attention: all that follows is computed from what is forged, so that every look-up holds and a claim alone
//! can tell.

use dn_core::quant::sequence::{Attended, Attention, Inner, Layer, Sequence, SequenceTrace};

use halo2_proofs::halo2curves::bn256::Fr;

use super::attending::{ATTENTION, KEYS, QUERIES, VALUES};
use super::forged::{column, Place, LANES};
use super::Batch;
use crate::field::CoreFr;
use crate::system::attention::Attentive;
use crate::system::columns::{Acc, Cell, Ch};
use crate::system::sequence::Looked;
use crate::system::steering::Fx;
use crate::tests::checker::Checker;
use crate::tests::nets::{set_lo, small};
use crate::tests::soundness::{objections, only};
use crate::tests::weakening::challenges;
use crate::witness::{Slot, Witness, WitnessError};

/// Where registers take what rows of attention add.
pub(super) const PLACES: [Place; 13] = [
    (Acc::X, "fold items", "x", &[Fx::Zero, Fx::OutputsE, Fx::ImageReset]),
    (Acc::X, "fold items", "x", &[Fx::ValuesByE, Fx::Pair]),
    (Acc::X, "fold items", "x", &[Fx::PairOmega]),
    (Acc::Y, "fold items", "y", &[Fx::ImageReset, Fx::OutputsTau]),
    (Acc::Y, "fold items", "y", &[Fx::OutputsOmega, Fx::PairOmega]),
    (Acc::Y, "fold items", "y", &[Fx::OutputsOmega, Fx::ImageReset]),
    (Acc::Y, "fold items", "y", &[Fx::OutputsE, Fx::Pair]),
    (Acc::Image, "fold positions and channels", "image", &[Fx::Pair]),
    (Acc::Outputs, "fold positions and channels", "outputs", &[Fx::OutputsE]),
    (Acc::Outputs, "fold positions and channels", "outputs", &[Fx::OutputsOmega]),
    (Acc::Tensor, "fold positions and channels", "tensor", &[Fx::SequenceStep]),
    (Acc::Tensor, "fold positions and channels", "tensor", &[Fx::ChannelKeep]),
    (Acc::Kernel, "fold weights", "kernel", &[Fx::Pair]),
];

/// Every slot's numbers between the inputs of a layer and its output, and its output.
type Runs = Vec<(Inner, Vec<i16>)>;

/// A witness with something forged, from which all behind it is computed.
fn forge(
    batch: &Batch,
    change: impl Fn(usize, &mut Runs, &[SequenceTrace]),
) -> Result<Witness, WitnessError> {
    let (model, plan) = (&batch.model, &batch.plan);
    let mut slots = batch.tasks.clone();
    slots.resize(plan.slots, Slot::null(model.tokens));
    let begin = |slot: &Slot| {
        let ids = model.trace(&slot.input).tensors.swap_remove(0);
        SequenceTrace { tensors: vec![ids], inner: Vec::new() }
    };
    let mut traces: Vec<SequenceTrace> = slots.iter().map(begin).collect();
    for layer in 0..model.layers.len() {
        let mut runs: Runs = traces.iter().map(|t| model.run(layer, &t.tensors)).collect();
        change(layer, &mut runs, &traces);
        for (trace, (inner, out)) in traces.iter_mut().zip(runs) {
            trace.inner.push(inner);
            trace.tensors.push(out);
        }
    }
    let tasks = (batch.tasks.len(), CoreFr::from(3u8));
    Witness::of_traces((model, plan), &slots, &traces, tasks)
}

fn rounded(a: i64, shift: u32) -> i64 {
    (a + ((1 << shift) >> 1)) >> shift
}

/// What an attention's numbers are computed from: each from those in front of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Scores,
    Exponentials,
    Sums,
    Inverses,
    Contexts,
    Products,
}

/// An attention of a batch.
struct Attack<'a> {
    batch: &'a Batch,
    a: &'a Attention,
    looked: &'a Attentive,
}

impl<'a> Attack<'a> {
    fn of(batch: &'a Batch) -> Self {
        let Layer::Attention(a) = &batch.model.layers[ATTENTION] else { panic!("it attends") };
        let Looked::Attention(looked) = &batch.plan.sequence.looked[ATTENTION] else {
            panic!("it looks up")
        };
        Self { batch, a, looked }
    }

    /// Difference of a score to its maximum, as it is looked up.
    fn difference(&self, x: &Attended, at: usize) -> u64 {
        let tokens = self.batch.model.tokens;
        let is_seen = at % tokens < self.a.seen(at / tokens % tokens, tokens);
        self.looked.difference(x.scores[at], x.maxima[at / tokens], is_seen).0
    }

    /// Computes all that follows from a part, and returns the outputs.
    fn follow(&self, x: &mut Attended, values: &[i16], part: Part) -> Vec<i16> {
        let (tokens, a) = (self.batch.model.tokens, self.a);
        let (channels, modulus) = (values.len() / tokens, tokens as i64 + 1);
        let row = |at: usize| at % channels / (channels / a.heads) * tokens + at / channels;
        if part < Part::Exponentials {
            let exponential = |at: usize| {
                let h = self.difference(x, at) as i64;
                modulus * a.exponential(h) + i64::from(h == 0)
            };
            x.exponentials = (0..x.scores.len()).map(exponential).collect();
        }
        if part < Part::Sums {
            x.sums = x.exponentials.chunks_exact(tokens).map(|row| row.iter().sum()).collect();
        }
        if part < Part::Inverses {
            let inverse = |sum: &i64| i64::from(a.inverses[((sum - 1) / modulus) as usize]);
            x.inverses = x.sums.iter().map(inverse).collect();
        }
        if part < Part::Contexts {
            let context = |at: usize| {
                let row = &x.exponentials[row(at) * tokens..][..tokens];
                let weighed = row.iter().enumerate().map(|(j, e)| {
                    let value = values[j * channels + at % channels];
                    e * i64::from(value)
                });
                weighed.sum()
            };
            x.contexts = (0..values.len()).map(context).collect();
        }
        if part < Part::Products {
            let product =
                |at: usize| rounded(x.contexts[at], a.context_shift) * x.inverses[row(at)];
            x.products = (0..values.len()).map(product).collect();
        }
        let out = |p: &i64| rounded(*p, a.shift).clamp(-128, 127) as i16;
        x.products.iter().map(out).collect()
    }

    /// A witness with a part of the first slot's attention forged.
    fn with(
        &self,
        part: Part,
        change: impl Fn(&Self, &mut Attended),
    ) -> Result<Witness, WitnessError> {
        forge(self.batch, |layer, runs, traces| {
            if layer == ATTENTION {
                let (Inner::Attention(x), out) = &mut runs[0] else { panic!("it attends") };
                change(self, x);
                *out = self.follow(x, &traces[0].tensors[VALUES + 1], part);
            }
        })
    }

    /// A witness with a dense layer's accumulators forged.
    fn dense(&self, dense: usize, change: impl Fn(&mut [Vec<i64>])) -> Witness {
        let forged = forge(self.batch, |layer, runs, _| {
            let Layer::Linear(l) = &self.batch.model.layers[layer] else { return };
            if layer != dense {
                return;
            }
            let sums = runs.iter().map(|(inner, _)| match inner {
                Inner::Sums(sums) => sums.clone(),
                _ => panic!("a dense layer has sums"),
            });
            let mut sums: Vec<Vec<i64>> = sums.collect();
            change(&mut sums);
            for ((inner, out), sums) in runs.iter_mut().zip(sums) {
                let of =
                    |(acc, shift): (&i64, &u32)| i16::from(l.function.apply(rounded(*acc, *shift)));
                *out = sums.iter().zip(l.shift.iter().cycle()).map(of).collect();
                *inner = Inner::Sums(sums);
            }
        });
        forged.unwrap()
    }

    /// Makes a query's maximum the largest of its scores.
    fn attain(&self, x: &mut Attended, row: usize) {
        let tokens = self.batch.model.tokens;
        let scores = &x.scores[row * tokens..][..self.a.seen(row % tokens, tokens)];
        let quotients = scores.iter().map(|score| rounded(*score, self.a.score_shift));
        x.maxima[row] = quotients.max().unwrap();
    }

    /// Queries, in order of their index, whose two largest scores differ and which see others.
    fn queries(&self, x: &Attended) -> Vec<usize> {
        let tokens = self.batch.model.tokens;
        let is_varied = |row: &usize| {
            let seen = self.a.seen(row % tokens, tokens);
            let of = |j: usize| self.difference(x, row * tokens + j);
            seen > 3 && (0..seen).any(|j| of(j) != of(0))
        };
        (0..x.maxima.len()).filter(is_varied).collect()
    }
}

/// A claim tells, and nothing else; the cells are others.
fn is_claimed(c: &Checker, batch: &Batch, what: &str, w: &Witness) {
    assert!(w.cells != batch.witness.cells, "{what}: the same cells");
    assert_eq!(objections(c, &c.grid(w)), only("claims/claims"), "{what}");
}

/// Changes the numbers of an attention.
type Change = fn(&Attack<'_>, &mut Attended);

/// Changes a dense layer's accumulators, by slot, of so many channels.
type OfSums = fn(&mut [Vec<i64>], usize);

/// Makes another model.
type OfModel = fn(&mut Sequence);

/// A query that [`Attack::queries`] has, and where its scores begin.
fn scores(attack: &Attack<'_>, x: &Attended) -> (usize, usize) {
    let row = attack.queries(x)[1];
    (row, row * attack.batch.model.tokens)
}

#[test]
fn honest_numbers_follow_from_the_scores() {
    let batch = Batch::attending();
    let attack = Attack::of(&batch);
    let w = attack.with(Part::Scores, |_, _| {}).unwrap();
    assert!(w.cells == batch.witness.cells);
}

#[test]
fn soundness_row_30_rejects_other_scores_and_maxima() {
    let batch = Batch::attending();
    let (attack, c) = (Attack::of(&batch), Checker::new(&batch.plan, challenges()));
    let changes: [(&str, Change); 9] = [
        ("a score", |attack, x| {
            let (_, at) = scores(attack, x);
            x.scores[at + 1] -= 512;
        }),
        ("two scores that make up for each other", |attack, x| {
            let (queries, tokens) = (attack.queries(x), attack.batch.model.tokens);
            x.scores[queries[1] * tokens] += 512;
            x.scores[queries[2] * tokens + 1] -= 512;
            [queries[1], queries[2]].into_iter().for_each(|row| attack.attain(x, row));
        }),
        ("scores of two keys, exchanged", |attack, x| {
            let (_, at) = scores(attack, x);
            let differs = |j: &usize| attack.difference(x, at + j) != attack.difference(x, at);
            let other = (1..4).find(differs).unwrap();
            x.scores.swap(at, at + other);
        }),
        ("scores of two queries", |attack, x| {
            let queries = attack.queries(x);
            let tokens = attack.batch.model.tokens;
            let (a, b) = (queries[0], queries[1]);
            for j in 0..tokens {
                x.scores.swap(a * tokens + j, b * tokens + j);
            }
            [a, b].into_iter().for_each(|row| attack.attain(x, row));
        }),
        ("a second key that attains the maximum", |attack, x| {
            let (row, at) = scores(attack, x);
            let below = (0..4).find(|j| attack.difference(x, at + j) > 0).unwrap();
            x.scores[at + below] = x.maxima[row] << attack.a.score_shift;
        }),
        ("a maximum above, which a key attains", |attack, x| {
            let (row, at) = scores(attack, x);
            x.maxima[row] += 1;
            x.scores[at] = x.maxima[row] << attack.a.score_shift;
        }),
        ("a maximum below one score", |attack, x| {
            let (row, at) = scores(attack, x);
            x.maxima[row] -= 1;
            let largest = x.maxima[row] << attack.a.score_shift;
            for j in 0..attack.a.seen(row % attack.batch.model.tokens, attack.batch.model.tokens) {
                x.scores[at + j] = x.scores[at + j].min(largest);
            }
        }),
        ("a mask left out", |attack, x| {
            // The first token's differences to those behind it, as if it saw them.
            let (hidden, shift) = (attack.looked.hidden as i64, attack.a.score_shift);
            for j in 1..attack.batch.model.tokens {
                let quotient = rounded(x.scores[j], shift);
                let seen = (x.maxima[0] - quotient).max(0);
                x.scores[j] = (x.maxima[0] + hidden - seen) << shift;
            }
        }),
        ("heads exchanged", |attack, x| {
            let half = x.scores.len() / attack.a.heads;
            x.scores.rotate_left(half);
            let half = x.maxima.len() / attack.a.heads;
            x.maxima.rotate_left(half);
        }),
    ];
    for (what, change) in changes {
        is_claimed(&c, &batch, what, &attack.with(Part::Scores, change).expect(what));
    }
}

/// All claims would hold for a maximum above every score; that the sum counts no maximum is told by the table.
#[test]
fn soundness_row_30_rejects_a_maximum_that_no_key_attains() {
    let batch = Batch::attending();
    let (attack, c) = (Attack::of(&batch), Checker::new(&batch.plan, challenges()));
    let above = |attack: &Attack<'_>, x: &mut Attended| {
        let (row, _) = scores(attack, x);
        x.maxima[row] += 1;
    };
    let error = attack.with(Part::Scores, above).unwrap_err();
    let WitnessError::Lookup { row, triple } = error else { panic!("{error}") };
    assert!(batch.plan.sequence.attended[ATTENTION].tokens.contains(&row));
    assert_eq!(triple, (attack.looked.ties, batch.model.tokens as u64, 0));
    // With a sum that counts one, or as many as there are tokens, it is not the sum.
    for by in [1, -1] {
        let counted = |attack: &Attack<'_>, x: &mut Attended| {
            above(attack, x);
            attack.follow(x, &vec![0; x.contexts.len()], Part::Scores);
            let (row, _) = scores(attack, x);
            x.sums[row] += by;
        };
        // Values only matter behind the sums.
        let w = forge(&batch, |layer, runs, traces| {
            if layer == ATTENTION {
                let values = &traces[0].tensors[VALUES + 1];
                let (Inner::Attention(x), out) = &mut runs[0] else { panic!("it attends") };
                counted(&attack, x);
                *out = attack.follow(x, values, Part::Sums);
            }
        });
        is_claimed(&c, &batch, &format!("a sum with {by} more"), &w.unwrap());
    }
}

#[test]
fn soundness_row_30_rejects_other_sums_inverses_and_contexts() {
    let batch = Batch::attending();
    let (attack, c) = (Attack::of(&batch), Checker::new(&batch.plan, challenges()));
    let changes: [(&str, Part, Change); 8] = [
        ("an exponential of another score", Part::Scores, |attack, x| {
            let (row, at) = scores(attack, x);
            let below = (0..4).find(|j| attack.difference(x, at + j) > 0).unwrap();
            x.scores[at + below] = (x.maxima[row] - 1) << attack.a.score_shift;
            x.scores[at + below] -= 1 << attack.a.score_shift;
        }),
        ("a sum", Part::Sums, |attack, x| {
            let row = attack.queries(x)[1];
            x.sums[row] += attack.batch.model.tokens as i64 + 1;
        }),
        ("a sum with one maximum more", Part::Sums, |attack, x| {
            let row = attack.queries(x)[1];
            x.sums[row] += 1;
        }),
        ("a sum of another token", Part::Sums, |attack, x| {
            let queries = attack.queries(x);
            let other = queries.iter().find(|row| x.sums[**row] != x.sums[queries[0]]);
            x.sums.swap(queries[0], *other.unwrap());
        }),
        ("a context", Part::Contexts, |attack, x| {
            x.contexts[3] += 1 << attack.a.context_shift;
        }),
        ("contexts of another head", Part::Contexts, |attack, x| {
            let channels = x.contexts.len() / attack.batch.model.tokens;
            for token in x.contexts.chunks_exact_mut(channels) {
                token.rotate_left(channels / attack.a.heads);
            }
        }),
        ("contexts of another token", Part::Contexts, |attack, x| {
            let channels = x.contexts.len() / attack.batch.model.tokens;
            x.contexts.rotate_left(channels);
        }),
        ("a normalised value", Part::Products, |attack, x| {
            x.products[5] += 1 << attack.a.shift;
        }),
    ];
    for (what, part, change) in changes {
        is_claimed(&c, &batch, what, &attack.with(part, change).expect(what));
    }
}

#[test]
fn soundness_row_30_rejects_other_queries_keys_and_values() {
    let batch = Batch::attending();
    let (attack, c) = (Attack::of(&batch), Checker::new(&batch.plan, challenges()));
    let channels = batch.model.channels(ATTENTION + 1);
    for dense in [QUERIES, KEYS, VALUES] {
        let changes: [(&str, OfSums); 5] = [
            ("an accumulator", |x, channels| x[1][2 * channels + 3] += 256),
            ("heads exchanged", |x, channels| {
                let tokens = x[0].chunks_exact_mut(channels);
                tokens.for_each(|token| token.rotate_left(channels / 2));
            }),
            ("sequences exchanged", |x, _| x.swap(0, 1)),
            ("tokens exchanged", |x, channels| {
                let (a, b) = x[0].split_at_mut(channels);
                a.swap_with_slice(&mut b[..channels]);
            }),
            ("channels exchanged", |x, channels| x[0][..channels].swap(1, 3)),
        ];
        for (what, change) in changes {
            let w = attack.dense(dense, |x| change(x, channels));
            is_claimed(&c, &batch, &format!("layer {dense}: {what}"), &w);
        }
    }
}

/// The honest run of a model that attends otherwise.
#[test]
fn soundness_row_30_rejects_another_attention_in_the_same_rows() {
    let batch = Batch::attending();
    let c = Checker::new(&batch.plan, challenges());
    let sequences = forge(&batch, |layer, runs, _| {
        if layer == ATTENTION {
            runs.swap(0, 1);
        }
    });
    is_claimed(&c, &batch, "sequences exchanged", &sequences.unwrap());
    let changes: [(&str, OfModel); 3] = [
        ("a weight of the keys", |m| {
            let Layer::Linear(l) = &mut m.layers[KEYS] else { panic!("no dense layer") };
            l.weights[5] += 9;
        }),
        ("the shortcut left out", |m| {
            let Layer::Residual(r) = &mut m.layers[ATTENTION + 1] else { panic!("no sum") };
            r.shortcut.1 = 0;
        }),
        ("a constant of a value", |m| {
            let Layer::Linear(l) = &mut m.layers[VALUES] else { panic!("no dense layer") };
            l.bias[9] += 64;
        }),
    ];
    for (what, change) in changes {
        is_claimed(&c, &batch, what, &batch.of(change));
    }
}

/// Cells in each other's places: all look-ups hold.
#[test]
fn soundness_row_30_rejects_attention_in_each_other_s_places() {
    let batch = Batch::attending();
    let c = Checker::new(&batch.plan, challenges());
    let rows = &batch.plan.sequence.attended[ATTENTION];
    let (tokens, chunks) = (batch.model.tokens, batch.model.tokens / LANES);
    let swaps = [
        ("queries of two channels", rows.channels[0], rows.channels[1]),
        ("chunks of keys", rows.channels[2] + chunks, rows.channels[2] + chunks + 1),
        ("maxima of two sequences", rows.maxima[0], rows.maxima[1]),
        ("maxima of two heads", rows.maxima[0], rows.maxima[2]),
        ("chunks of maxima", rows.maxima[0], rows.maxima[0] + 1),
        ("exponentials of two keys", rows.keys[0] + 1, rows.keys[1] + 1),
        ("exponentials of two sequences", rows.keys[3] + 1, rows.keys[tokens + 3] + 1),
        ("exponentials of two heads", rows.keys[2], rows.keys[2 * tokens + 2]),
        ("values of two keys", rows.keys[0] + chunks, rows.keys[1] + chunks),
        ("chunks of values", rows.keys[0] + chunks, rows.keys[0] + chunks + 1),
        ("values of two heads", rows.keys[4] + chunks, rows.keys[2 * tokens + 4] + chunks),
        ("sums of two tokens", rows.tokens[9], rows.tokens[14]),
        ("sums of two sequences", rows.tokens[9], rows.tokens[tokens + 9]),
        ("sums of two heads", rows.tokens[9], rows.tokens[2 * tokens + 9]),
        ("contexts of two tokens", rows.tokens[9] + 1, rows.tokens[14] + 1),
        ("chunks of contexts", rows.tokens[9] + 1, rows.tokens[9] + 2),
        ("contexts of two heads", rows.tokens[9] + 1, rows.tokens[2 * tokens + 9] + 1),
    ];
    for (what, a, b) in swaps {
        let mut w = batch.witness.clone();
        for cell in (0..LANES).flat_map(|l| [Cell::Hi(l), Cell::Lo(l), Cell::Out(l)].map(column)) {
            let x = w.cells[a][cell];
            w.cells[a][cell] = w.cells[b][cell];
            w.cells[b][cell] = x;
        }
        is_claimed(&c, &batch, what, &w);
    }
}

/// For each challenge that keeps numbers of attention apart a forgery that fits where the prover knows it, and only
/// there: two changes whose powers are then equal.
#[test]
fn soundness_row_30_forgeries_that_fit_a_known_challenge_are_wrong() {
    let batch = Batch::attending();
    let (attack, tokens) = (Attack::of(&batch), batch.model.tokens);
    let check = |challenge: Ch, value: Fr, w: Result<Witness, WitnessError>| {
        let (w, mut known) = (w.unwrap(), challenges());
        known[challenge as usize] = value;
        let c = Checker::new(&batch.plan, known);
        assert_eq!(objections(&c, &c.grid(&w)), Default::default(), "{challenge:?}");
        let c = Checker::new(&batch.plan, challenges());
        is_claimed(&c, &batch, &format!("{challenge:?}"), &w);
    };
    let moved = |x: &mut Attended, [up, down]: [usize; 2]| {
        x.scores[up] += 512;
        x.scores[down] -= 512;
        [up, down].into_iter().for_each(|at| attack.attain(x, at / tokens));
    };
    // Query 9 and key 3, query 8 and key 4: queries are powers of e, keys of tau.
    let w = attack.with(Part::Scores, |_, x| moved(x, [9 * tokens + 3, 8 * tokens + 4]));
    check(Ch::E, challenges()[Ch::Tau as usize], w);
    // The same query and key of two heads.
    let w = attack.with(Part::Scores, |_, x| moved(x, [9 * tokens + 3, (tokens + 9) * tokens + 3]));
    check(Ch::Z, Fr::one(), w);
    // A score of query 8 and channel 8 of the key's value, as many of which there are: omega is in front of values.
    let Looked::Values { division, .. } = &batch.plan.sequence.looked[VALUES] else {
        panic!("a dense layer has values")
    };
    let by = 512 * attack.looked.scores.scale(0) / division.scale(8);
    let w = forge(&batch, |layer, runs, traces| match layer {
        VALUES => {
            let (Inner::Sums(sums), out) = &mut runs[0] else { panic!("a dense layer has sums") };
            let Layer::Linear(l) = &batch.model.layers[VALUES] else { panic!("no dense layer") };
            let at = 2 * l.bias.len() + 8;
            sums[at] -= by;
            out[at] = l.function.apply(rounded(sums[at], l.shift[8])).into();
        }
        ATTENTION => {
            let (Inner::Attention(x), out) = &mut runs[0] else { panic!("it attends") };
            x.scores[8 * tokens + 2] += 512;
            attack.attain(x, 8);
            *out = attack.follow(x, &traces[0].tensors[VALUES + 1], Part::Scores);
        }
        _ => {}
    });
    check(Ch::Omega, Fr::one(), w);
}

/// Another prompt is committed to than the model has run, and a sum of exponentials makes up for it: in a lane that holds
/// nothing, and in the sum's own.
#[test]
fn soundness_row_29_rejects_other_words_that_a_sum_makes_up_for() {
    let batch = Batch::attending();
    let (plan, tokens) = (&batch.plan, batch.model.tokens);
    let c = Checker::new(plan, challenges());
    // Of the last head and sequence, as far from the end as the first word is.
    let row = plan.sequence.attended[ATTENTION].tokens[4 * tokens - 3];
    for (task, lane) in [(0, LANES - 2), (1, LANES - 1)] {
        let mut tasks = batch.tasks.clone();
        tasks[task].input[0] -= 1;
        let other = Witness::of_sequence(&batch.model, plan, &tasks, CoreFr::from(3u8)).unwrap();
        let mut w = batch.witness.clone();
        let hashes = plan.sections.input_hashes..plan.sections.values;
        w.cells[hashes.clone()].copy_from_slice(&other.cells[hashes]);
        w.statement.inputs = other.statement.inputs;
        let lo = small(w.cells[row][column(Cell::Lo(lane))]) + 1;
        set_lo(plan, &mut w, row, lane, lo);
        assert_eq!(objections(&c, &c.grid(&w)), only("claims/claims"), "task {task}");
    }
}
