//! Rows of attention.
//!
//! `T` tokens, `B` sequences, token `n = b T + i`; `H` heads of `D` channels, `L` lanes. With `k = h B + b`:
//!
//! ```text
//! queries     per head and sequence: per channel: T/L rows of queries, T/L rows of keys; T/L rows of maxima m, T/L of
//!             constants
//! values      per head, sequence and key j: T/L rows of exponentials E, D/L rows of values
//! contexts    per head, sequence and token i: a row of its sum Z, D/L rows of contexts
//! outputs     per channel, per sequence: T/L rows
//!
//! queries     sum_c X_c sum_h z^(H-1-h) sum_d (e^(2(D-d)-1) wq[h d, c] + e^(2(D-d)-2) wk[h d, c])
//!               = sum_h z^(H-1-h) sum_b tau^(T(B-1-b)) sum_d sum_i tau^(T-1-i) (e^(2(D-d)-1) Yq + e^(2(D-d)-2) Yk)
//! values      sum_h z^(H-1-h) sum_b tau^(T(B-1-b)) (sum_d Q_d K_d - divisor sum_j tau^(T-1-j) sum_i e^(T-1-i) m[i])
//!             + omega sum_c X_c sum_h z^(H-1-h) sum_d e^(D-1-d) wv[h d, c]
//!               = sum_h z^(H-1-h) sum_b,j tau^(N-1-bT-j) (sum_i e^(T-1-i) Ye + omega sum_d e^(D-1-d) Yv)
//!             Q_d = sum_i e^(T-1-i) q[i, d], K_d = sum_j tau^(T-1-j) k[j, d]
//! contexts    sum_k z^(HB-1-k) sum_j (sum_i e^(T-1-i) E[i, j]) (omega + sum_d tau^(D-1-d) v[j, d])
//!               = sum_k z^(HB-1-k) sum_i e^(T-1-i) (omega Z[i] + sum_d tau^(D-1-d) Yc)
//! outputs     sum_h z^(H-1-h) sum_n tau^(N-1-n) inverse[n] sum_d e^(D-1-d) c[n, d]
//!               = sum_h z^(H-1-h) sum_d e^(D-1-d) sum_n tau^(N-1-n) Y
//! ```
//!
//! The products of two tensors are `K`, folded beside the second one (`system/rows/attention.rs`), for the claim
//! behind. Sections of the table and why `m` is the maximum are in [`crate::system::attention`] and
//! [`crate::system::rows::total`].

use dn_core::quant::sequence::{Attention, Layer, Linear};

use super::model::Model;
use crate::plan::writer::Writer;
use crate::system::attention::Attentive;
use crate::system::rows::small::Divided;
use crate::system::rows::value::Turn;
use crate::system::rows::{constant, context, exponential, key, maximum, query, total, value};
use crate::system::sequence::Looked;
use crate::system::steering::Fx;
use crate::system::table::Division;

/// Where rows of an attention stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attended {
    /// By head, sequence and channel of the head: first row of its queries. Its keys stand behind them.
    pub(crate) channels: Vec<usize>,
    /// By head and sequence: first row of the maxima. Constants stand behind them.
    pub(crate) maxima: Vec<usize>,
    /// By head, sequence and key: first row of its exponentials. Its values stand behind them.
    pub(crate) keys: Vec<usize>,
    /// By head, sequence and token: row of its sum. Its context stands behind it.
    pub(crate) tokens: Vec<usize>,
}

/// What all rows of one attention are written from.
struct Heads<'a> {
    model: &'a Model<'a>,
    a: &'a Attention,
    looked: &'a Attentive,
    /// Channels of a head.
    depth: usize,
    lanes: usize,
}

impl Model<'_> {
    /// Rows of everything between the tensors that queries, keys and values read and the outputs, with a claim for each
    /// of the three parts.
    pub(super) fn attention(&self, w: &mut Writer, layer: usize, a: &Attention) -> Attended {
        let Looked::Attention(looked) = &self.looked[layer] else { return Attended::default() };
        let depth = self.sequence.channels(a.value) / a.heads;
        let heads = Heads { model: self, a, looked, depth, lanes: w.width.lanes() };
        let mut rows = Attended::default();
        heads.queries(w, &mut rows);
        heads.values(w, &mut rows);
        heads.contexts(w, &mut rows);
        rows
    }
}

impl Heads<'_> {
    /// Rows of a channel's tokens in one sequence, and of a token's scores.
    fn chunks(&self) -> usize {
        self.model.sequence.tokens / self.lanes
    }

    /// The dense layer that a tensor is the output of, and how it divides.
    fn dense(&self, tensor: usize) -> (&Linear, &Division, u64) {
        match (&self.model.sequence.layers[tensor - 1], &self.model.looked[tensor - 1]) {
            (Layer::Linear(l), Looked::Values { division, zero }) => (l, division, *zero),
            _ => unreachable!("queries, keys and values are dense layers, or the model is refused"),
        }
    }

    fn divided(&self, division: &Division, offset: i64, zero: u64) -> Divided {
        let table = self.model.table;
        Divided { tags: (division.tag_hi, table.tag_lo), lo_bits: table.lo_bits, offset, zero }
    }

    /// Closes the tensor and moves the products on to the next claim, both of one head, whose rows are complete.
    fn end_head(&self, w: &mut Writer, head: usize) {
        let (steps, claims) = (self.a.heads - 1 - head, &self.model.claims);
        w.close(steps as i64, claims.depth);
        w.bare(steps, claims.moves_from_before());
        w.flush();
    }

    /// Queries, keys, maxima and constants.
    fn queries(&self, w: &mut Writer, rows: &mut Attended) {
        w.begin_claim();
        let scale = self.looked.scores.scale(0).unsigned_abs();
        for head in 0..self.a.heads {
            for slot in 0..w.slots {
                for channel in 0..self.depth {
                    let is_next = slot > 0 && channel == 0;
                    rows.channels.push(w.row);
                    self.pair(w, (head, channel), is_next);
                    key::end(&mut w.draft, w.row - 1, slot == 0 && channel == 0, scale);
                }
                rows.maxima.push(w.row);
                self.maxima(w, scale);
                if slot == 0 {
                    w.channel(w.row - 1, true);
                } else {
                    w.channel_kept(w.row - 1);
                }
            }
            self.end_head(w, head);
        }
    }

    /// Queries and keys of one channel; `is_next` where another sequence begins.
    fn pair(&self, w: &mut Writer, (head, channel): (usize, usize), is_next: bool) {
        let of = |tensor: usize| {
            let (l, division, zero) = self.dense(tensor);
            let output = head * self.depth + channel;
            self.divided(division, division.offset(output, l.bias[output]), zero)
        };
        let (queries, keys) = (of(self.a.query), of(self.a.key));
        for chunk in 0..self.chunks() {
            query::marks(&mut w.draft, w.row, chunk == 0, &queries);
            if is_next {
                w.mark(Fx::SequenceStep, w.row);
            }
            w.row += 1;
        }
        query::end(&mut w.draft, w.row - 1, channel == 0);
        for chunk in 0..self.chunks() {
            key::marks(&mut w.draft, w.row, chunk == 0, &keys);
            w.row += 1;
        }
    }

    fn maxima(&self, w: &mut Writer, scale: u64) {
        let looked = self.looked;
        for chunk in 0..self.chunks() {
            maximum::marks(&mut w.draft, w.row, chunk == 0, looked.maxima, looked.zero);
            w.row += 1;
        }
        maximum::end(&mut w.draft, w.row - 1);
        for chunk in 0..self.chunks() {
            constant::marks(&mut w.draft, w.row, chunk == 0, 1 << self.a.score_shift);
            w.row += 1;
        }
        constant::end(&mut w.draft, w.row - 1, scale);
    }

    /// Exponentials and values.
    fn values(&self, w: &mut Writer, rows: &mut Attended) {
        w.begin_claim();
        let scale = self.looked.contexts.scale(0).unsigned_abs();
        for head in 0..self.a.heads {
            for slot in 0..w.slots {
                for key in 0..self.model.sequence.tokens {
                    rows.keys.push(w.row);
                    self.exponentials(w, key, slot == 0 && key == 0);
                    self.value(w, head);
                    let turn = match (head, slot, key) {
                        (0, 0, 0) => Turn::First,
                        (_, _, 0) => Turn::Next,
                        _ => Turn::Same,
                    };
                    value::end(&mut w.draft, w.row - 1, turn, scale);
                }
            }
            w.channel(w.row - 1, true);
            w.close((self.a.heads - 1 - head) as i64, self.model.claims.depth);
            w.flush();
        }
        w.bare(0, self.model.claims.moves_from_before());
        w.flush();
    }

    fn exponentials(&self, w: &mut Writer, key: usize, is_first: bool) {
        let (table, scores) = (self.model.table, &self.looked.scores);
        let of = exponential::Of {
            tags: (scores.tag_hi, table.tag_lo),
            lo_bits: table.lo_bits,
            offset: scores.offset(0, 0),
            hidden: self.looked.hidden,
        };
        for chunk in 0..self.chunks() {
            let tokens = self.model.sequence.tokens;
            let is_seen = |lane: usize| key < self.a.seen(chunk * self.lanes + lane, tokens);
            exponential::marks(&mut w.draft, w.row, chunk == 0, &of, is_seen);
            w.row += 1;
        }
        exponential::end(&mut w.draft, w.row - 1, is_first);
    }

    fn value(&self, w: &mut Writer, head: usize) {
        let (l, division, zero) = self.dense(self.a.value);
        let least = division.least();
        let of = self.divided(division, least, zero);
        for first in (0..self.depth).step_by(self.lanes) {
            let outputs = head * self.depth + first..head * self.depth + first + self.lanes;
            let constants: Vec<i64> =
                outputs.map(|o| division.offset(o, l.bias[o]) - least).collect();
            value::marks(&mut w.draft, w.row, first == 0, &of, &constants);
            w.row += 1;
        }
    }

    /// Sums of exponentials and contexts.
    fn contexts(&self, w: &mut Writer, rows: &mut Attended) {
        w.begin_claim();
        let (looked, tokens) = (self.looked, self.model.sequence.tokens);
        let (contexts, scale) = (&looked.contexts, looked.outputs.scale(0).unsigned_abs());
        let zero = contexts.quotient_min.unsigned_abs();
        let of = self.divided(contexts, contexts.offset(0, 0), zero);
        for head in 0..self.a.heads {
            for slot in 0..w.slots {
                let is_first = head == 0 && slot == 0;
                for token in 0..tokens {
                    rows.tokens.push(w.row);
                    let tags = (looked.sums, looked.ties);
                    total::marks(&mut w.draft, w.row, token == 0, tags, tokens as u64 + 1);
                    if token == 0 && !is_first {
                        w.mark(Fx::TensorStep, w.row);
                    }
                    w.row += 1;
                    for first in (0..self.depth).step_by(self.lanes) {
                        context::marks(&mut w.draft, w.row, first == 0, &of);
                        w.row += 1;
                    }
                    context::end(&mut w.draft, w.row - 1, slot == 0 && token == 0, scale);
                }
                if is_first {
                    w.channel(w.row - 1, true);
                } else {
                    w.channel_kept(w.row - 1);
                }
            }
            w.bare(self.a.heads - 1 - head, self.model.claims.moves_from_before());
        }
        w.close(0, self.model.claims.depth);
        w.flush();
    }
}
