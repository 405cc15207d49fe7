//! Cells of sequence models, from the numbers of [`dn_core::quant::sequence::SequenceTrace`].

use dn_core::quant::sequence::{Inner, Layer, Sequence, SequenceTrace};

use super::error::WitnessError;
use super::filler::Filler;
use super::Slot;
use crate::system::rows::small::Small;
use crate::system::rows::{activation, embedding, root, sum, token};
use crate::system::sequence::Looked;
use crate::system::table::Division;

/// All sequences of a batch, token by token.
pub(super) struct Tokens<'a> {
    pub(super) traces: &'a [SequenceTrace],
    /// Of one sequence.
    pub(super) tokens: usize,
}

impl Tokens<'_> {
    /// Sequence and token of token `n` of all sequences.
    fn at(&self, n: usize) -> (&SequenceTrace, usize) {
        (&self.traces[n / self.tokens], n % self.tokens)
    }

    /// A value of a tensor with so many channels.
    pub(super) fn value(
        &self,
        n: usize,
        tensor: usize,
        (channel, channels): (usize, usize),
    ) -> i16 {
        let (trace, token) = self.at(n);
        trace.tensors[tensor][token * channels + channel]
    }

    /// What a layer divides.
    pub(super) fn accumulator(
        &self,
        n: usize,
        layer: usize,
        (channel, channels): (usize, usize),
    ) -> i64 {
        let (trace, token) = self.at(n);
        match &trace.inner[layer] {
            Inner::Sums(sums) => sums[token * channels + channel],
            Inner::Norm { products, .. } => products[token * channels + channel],
            Inner::Attention(attended) => attended.products[token * channels + channel],
            Inner::None => 0,
        }
    }
}

/// Quotient and remainder of an accumulator, which validation bounds by `2^31`.
pub(super) fn split(division: &Division, channel: usize, acc: i64) -> (u64, u64) {
    division.split(channel, acc as i32)
}

impl Filler<'_> {
    /// The rows of tokens and of all layers.
    pub(super) fn sequences(
        &mut self,
        model: &Sequence,
        slots: &[Slot],
        traces: &[SequenceTrace],
    ) -> Result<(), WitnessError> {
        let all = Tokens { traces, tokens: model.tokens };
        let plan = self.plan;
        for (chunk, first) in (0..slots.len() * model.tokens).step_by(self.lanes).enumerate() {
            let mut small = Small::default();
            for lane in 0..self.lanes {
                let n = first + lane;
                let byte = slots[n / model.tokens].input[n % model.tokens];
                token::fill(&mut small, lane, (byte, id(&all, n)));
            }
            let tags = token::tags(plan.table.tag_input);
            self.lookup_row(plan.sequence.tokens + chunk, tags, &small)?;
        }
        for layer in 0..model.layers.len() {
            match &model.layers[layer] {
                Layer::Residual(_) => self.sums(model, layer, &all)?,
                Layer::Attention(a) => {
                    self.attention(model, (layer, a), &all)?;
                    self.channels(model, layer, &all)?;
                }
                _ => self.channels(model, layer, &all)?,
            }
        }
        Ok(())
    }

    /// Rows that hold tokens of a channel.
    fn channels(
        &mut self,
        model: &Sequence,
        layer: usize,
        all: &Tokens<'_>,
    ) -> Result<(), WitnessError> {
        let (plan, channels) = (self.plan, model.channels(layer + 1));
        for (channel, first) in plan.sequence.values[layer].iter().enumerate() {
            for chunk in 0..all.traces.len() * all.tokens / self.lanes {
                let mut small = Small::default();
                for lane in 0..self.lanes {
                    let n = chunk * self.lanes + lane;
                    let at = (channel, channels);
                    let value = all.value(n, layer + 1, at);
                    match plan.sequence.looked[layer].division() {
                        None => embedding::fill(&mut small, lane, id(all, n), value),
                        Some(division) => {
                            let pair = split(division, channel, all.accumulator(n, layer, at));
                            // A layer whose rows hold tokens gives int8 values.
                            activation::fill(&mut small, lane, pair, value as i8);
                        }
                    }
                }
                let looked = &plan.sequence.looked[layer];
                let tags = match (looked, looked.division()) {
                    (Looked::Embedding { tags }, _) => embedding::tags(tags[channel]),
                    (_, division) => (division.map_or(0, |d| d.tag_hi), plan.table.tag_lo),
                };
                self.lookup_row(first + chunk, tags, &small)?;
            }
        }
        Ok(())
    }

    /// Rows that hold channels of a token, and the token's root.
    fn sums(
        &mut self,
        model: &Sequence,
        layer: usize,
        all: &Tokens<'_>,
    ) -> Result<(), WitnessError> {
        let (plan, channels) = (self.plan, model.channels(layer + 1));
        let Looked::Values { division, zero } = &plan.sequence.looked[layer] else {
            return Ok(());
        };
        for (n, first) in plan.sequence.values[layer].iter().enumerate() {
            for chunk in 0..channels / self.lanes {
                let mut small = Small::default();
                for lane in 0..self.lanes {
                    let at = (chunk * self.lanes + lane, channels);
                    let pair = split(division, at.0, all.accumulator(n, layer, at));
                    let value = i64::from(all.value(n, layer + 1, at));
                    sum::fill(&mut small, lane, pair, zero.wrapping_add_signed(value));
                }
                let tags = (division.tag_hi, plan.table.tag_lo);
                self.lookup_row(first + chunk, tags, &small)?;
            }
            self.root(model, layer + 1, (all, n), first + channels / self.lanes)?;
        }
        Ok(())
    }

    /// The root of token `n` of a tensor, if a norm reads it.
    fn root(
        &mut self,
        model: &Sequence,
        tensor: usize,
        (all, n): (&Tokens<'_>, usize),
        row: usize,
    ) -> Result<(), WitnessError> {
        let plan = self.plan;
        let (trace, token) = all.at(n);
        for (layer, l) in model.layers.iter().enumerate() {
            let Layer::Norm(norm) = l else { continue };
            let Looked::Norm { tag, squares: scale, .. } = &plan.sequence.looked[layer] else {
                continue;
            };
            let Inner::Norm { squares, roots, .. } = &trace.inner[layer] else { continue };
            if norm.tensor == tensor {
                let sum = squares[token].unsigned_abs();
                let (hi, rest) = (sum >> norm.square_shift, sum % (1 << norm.square_shift));
                let (root, idle) = (roots[token].unsigned_abs(), u64::from(norm.roots[0]));
                let small = root::fill(plan.width, (hi, rest * scale), root, idle);
                self.lookup_row(row, (*tag, plan.table.tag_lo), &small)?;
            }
        }
        Ok(())
    }
}

/// The id of token `n`.
fn id(all: &Tokens<'_>, n: usize) -> u64 {
    u64::from(all.value(n, 0, (0, 1)).unsigned_abs())
}
