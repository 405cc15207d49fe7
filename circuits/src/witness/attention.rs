//! Cells of attention, from the numbers of [`dn_core::quant::sequence::Attended`].

use dn_core::quant::sequence::{Attended, Attention, Inner, Sequence};

use super::error::WitnessError;
use super::filler::Filler;
use super::sequence::{split, Tokens};
use crate::system::attention::Attentive;
use crate::system::rows::small::Small;
use crate::system::rows::{activation, constant, maximum, total};
use crate::system::sequence::Looked;

/// The attention of a layer in all sequences of a batch.
struct Heads<'a> {
    layer: usize,
    a: &'a Attention,
    looked: &'a Attentive,
    all: &'a Tokens<'a>,
    channels: usize,
    /// Channels of a head.
    depth: usize,
}

impl Heads<'_> {
    /// Head, sequence and what is left of the index of something of which each head has `count` in a sequence.
    fn at(&self, index: usize, count: usize) -> (usize, usize, usize) {
        let (k, rest) = (index / count, index % count);
        let slots = self.all.traces.len();
        (k / slots, k % slots, rest)
    }

    fn attended(&self, slot: usize) -> Option<&Attended> {
        match &self.all.traces[slot].inner[self.layer] {
            Inner::Attention(attended) => Some(attended),
            _ => None,
        }
    }
}

impl Filler<'_> {
    /// Rows of queries, keys and values, and of all between them and the outputs.
    pub(super) fn attention(
        &mut self,
        model: &Sequence,
        (layer, a): (usize, &Attention),
        all: &Tokens<'_>,
    ) -> Result<(), WitnessError> {
        let Looked::Attention(looked) = &self.plan.sequence.looked[layer] else { return Ok(()) };
        let channels = model.channels(a.value);
        let heads = Heads { layer, a, looked, all, channels, depth: channels / a.heads };
        let rows = &self.plan.sequence.attended[layer];
        for (index, first) in rows.channels.iter().enumerate() {
            let at = heads.at(index, heads.depth);
            self.tokens_of(&heads, a.query, at, *first)?;
            self.tokens_of(&heads, a.key, at, first + all.tokens / self.lanes)?;
        }
        for (index, first) in rows.maxima.iter().enumerate() {
            self.maxima(&heads, heads.at(index, 1), *first)?;
        }
        for (index, first) in rows.keys.iter().enumerate() {
            let at = heads.at(index, all.tokens);
            self.exponentials(&heads, at, *first)?;
            self.values(&heads, at, first + all.tokens / self.lanes)?;
        }
        for (index, first) in rows.tokens.iter().enumerate() {
            self.contexts(&heads, heads.at(index, all.tokens), *first)?;
        }
        Ok(())
    }

    /// A value of a dense layer in a lane; returns the tags that it is looked up with.
    fn dense(
        &self,
        (small, lane): (&mut Small, usize),
        heads: &Heads<'_>,
        tensor: usize,
        (n, channel): (usize, usize),
    ) -> (u64, u64) {
        let looked = &self.plan.sequence.looked[tensor - 1];
        let Some(division) = looked.division() else { return (0, 0) };
        let at = (channel, heads.channels);
        let pair = split(division, channel, heads.all.accumulator(n, tensor - 1, at));
        // Dense layers give int8 values.
        activation::fill(small, lane, pair, heads.all.value(n, tensor, at) as i8);
        (division.tag_hi, self.plan.table.tag_lo)
    }

    /// Rows of one channel of queries or keys.
    fn tokens_of(
        &mut self,
        heads: &Heads<'_>,
        tensor: usize,
        (head, slot, channel): (usize, usize, usize),
        first: usize,
    ) -> Result<(), WitnessError> {
        let (tokens, output) = (heads.all.tokens, head * heads.depth + channel);
        for chunk in 0..tokens / self.lanes {
            let (mut small, mut tags) = (Small::default(), (0, 0));
            for lane in 0..self.lanes {
                let n = slot * tokens + chunk * self.lanes + lane;
                tags = self.dense((&mut small, lane), heads, tensor, (n, output));
            }
            self.lookup_row(first + chunk, tags, &small)?;
        }
        Ok(())
    }

    fn maxima(
        &mut self,
        heads: &Heads<'_>,
        (head, slot, _): (usize, usize, usize),
        first: usize,
    ) -> Result<(), WitnessError> {
        let Some(attended) = heads.attended(slot) else { return Ok(()) };
        let (tokens, looked) = (heads.all.tokens, heads.looked);
        let chunks = tokens / self.lanes;
        for chunk in 0..chunks {
            let mut small = Small::default();
            for lane in 0..self.lanes {
                let i = head * tokens + chunk * self.lanes + lane;
                let stored = looked.zero.wrapping_add_signed(attended.maxima[i]);
                small.put(lane, [stored, 0, stored]);
            }
            self.lookup_row(first + chunk, maximum::tags(looked.maxima), &small)?;
            self.lookup_row(first + chunks + chunk, constant::TAGS, &Small::default())?;
        }
        Ok(())
    }

    fn exponentials(
        &mut self,
        heads: &Heads<'_>,
        (head, slot, key): (usize, usize, usize),
        first: usize,
    ) -> Result<(), WitnessError> {
        let Some(attended) = heads.attended(slot) else { return Ok(()) };
        let (tokens, looked) = (heads.all.tokens, heads.looked);
        for chunk in 0..tokens / self.lanes {
            let mut small = Small::default();
            for lane in 0..self.lanes {
                let i = chunk * self.lanes + lane;
                let (row, is_seen) = (head * tokens + i, key < heads.a.seen(i, tokens));
                let at = row * tokens + key;
                let score = attended.scores[at];
                let (hi, lo) = looked.difference(score, attended.maxima[row], is_seen);
                small.put(lane, [hi, lo, attended.exponentials[at].unsigned_abs()]);
            }
            let tags = (looked.scores.tag_hi, self.plan.table.tag_lo);
            self.lookup_row(first + chunk, tags, &small)?;
        }
        Ok(())
    }

    fn values(
        &mut self,
        heads: &Heads<'_>,
        (head, slot, key): (usize, usize, usize),
        first: usize,
    ) -> Result<(), WitnessError> {
        let n = slot * heads.all.tokens + key;
        for chunk in 0..heads.depth / self.lanes {
            let (mut small, mut tags) = (Small::default(), (0, 0));
            for lane in 0..self.lanes {
                let output = head * heads.depth + chunk * self.lanes + lane;
                tags = self.dense((&mut small, lane), heads, heads.a.value, (n, output));
            }
            self.lookup_row(first + chunk, tags, &small)?;
        }
        Ok(())
    }

    /// The sum of a token's exponentials and its context.
    fn contexts(
        &mut self,
        heads: &Heads<'_>,
        (head, slot, token): (usize, usize, usize),
        first: usize,
    ) -> Result<(), WitnessError> {
        let Some(attended) = heads.attended(slot) else { return Ok(()) };
        let (tokens, looked, plan) = (heads.all.tokens, heads.looked, self.plan);
        let (i, modulus) = (head * tokens + token, tokens as u64 + 1);
        let rest = (attended.sums[i] - 1).unsigned_abs();
        let inverse = attended.inverses[i].unsigned_abs();
        let small = total::fill(plan.width, (rest / modulus, rest % modulus), inverse);
        self.lookup_row(first, (looked.sums, looked.ties), &small)?;
        for chunk in 0..heads.depth / self.lanes {
            let mut small = Small::default();
            for lane in 0..self.lanes {
                let output = head * heads.depth + chunk * self.lanes + lane;
                let context = attended.contexts[token * heads.channels + output];
                let (hi, lo) = split(&looked.contexts, 0, context);
                small.put(lane, [hi, lo, hi]);
            }
            let tags = (looked.contexts.tag_hi, plan.table.tag_lo);
            self.lookup_row(first + 1 + chunk, tags, &small)?;
        }
        Ok(())
    }
}
