//! Rows whose lanes are tokens of a channel: tokens, and layers that read them or each other; and the kernels beside
//! them.

use dn_core::quant::sequence::{Attention, Layer};
use halo2_proofs::halo2curves::bn256::Fr;

use super::claims::attention_of;
use super::model::Model;
use super::words::Words;
use crate::field::signed;
use crate::plan::kernel::Program;
use crate::plan::writer::{Move, Moves, Writer};
use crate::system::rows::{activation, embedding, token};
use crate::system::sequence::Looked;
use crate::system::steering::Fx;
use crate::system::table::Division;

impl Model<'_> {
    /// The digits from `first` on of every sequence, whose rows begin at `row`.
    fn words(&self, w: &mut Writer, row: usize, first: usize) -> Words {
        let (tokens, lanes) = (self.sequence.tokens, w.width.lanes());
        let (mut row, mut last) = (row, Words::default());
        for slot in 0..w.slots {
            let mut words = Words::default();
            for token in (0..tokens).step_by(lanes) {
                words.pack(w, row, first + token);
                row += 1;
            }
            Words::end(w, row - 1, slot);
            last = words;
        }
        last
    }

    /// The tokens' rows, their words and the products with embeddings.
    pub(super) fn tokens(&self, w: &mut Writer) {
        let first = w.row;
        let row = first + self.chunks(w) - 1;
        for r in first..=row {
            token::marks(&mut w.draft, r, r == first, self.table.tag_input);
        }
        let words = self.words(w, first, 0);
        w.mark(Fx::OutputsReset, row);
        w.mark(Fx::OutputsAlone, row);
        w.row = row + 1;
        w.flush();
        if let Some(program) = words.program(self.sequence.tokens, w.width) {
            w.product(&program, false, row);
        }
        w.flush();
        // Words stand above all claims: attention has sums with omega too, and claims are moved on by up to the depth.
        for _ in 0..self.claims.depth {
            w.claim();
        }
        for (layer, l) in self.sequence.layers.iter().enumerate() {
            if let Layer::Embedding(e) = l {
                let ones = vec![Fr::one(); e.channels];
                let program = Program::dense(&ones, self.moves(0, layer), w.width);
                w.product(&program, true, row);
            }
        }
        w.flush();
    }

    /// Rows that hold tokens of a channel; returns the first one of each channel.
    pub(super) fn channels(&self, w: &mut Writer, layer: usize) -> Vec<usize> {
        let (chunks, channels) = (self.chunks(w), self.sequence.channels(layer + 1));
        // Outputs of an attention's heads are kept apart by z.
        let heads = match &self.sequence.layers[layer] {
            Layer::Attention(a) => a.heads,
            _ => 1,
        };
        let depth = channels / heads;
        let is_last = layer + 1 == self.sequence.layers.len();
        let mut rows = Vec::with_capacity(channels);
        for channel in 0..channels {
            let (first, row) = if is_last {
                self.answers(w, channel)
            } else {
                w.await_tensor(chunks);
                w.position(chunks, Moves { image: Move::Reset, outputs: Move::Reset, rows: 0 })
            };
            for r in first..=row {
                self.values(w, (layer, channel), r, r == first);
            }
            w.channel(row, channel % depth == 0);
            let (head, is_end) = (channel / depth, (channel + 1) % depth == 0);
            if is_end && head + 1 < heads {
                w.close((heads - 1 - head) as i64, self.claims.depth);
            }
            rows.push(first);
            self.products(w, layer + 1, channel, row);
        }
        rows
    }

    /// Rows of a channel of the last tensor, whose words the image takes; returns the first and the last one.
    fn answers(&self, w: &mut Writer, channel: usize) -> (usize, usize) {
        w.flush();
        let (first, row) = (w.row, w.row + self.chunks(w) - 1);
        let words = self.words(w, first, channel * self.sequence.tokens);
        w.mark(Fx::OutputsReset, row);
        w.mark(Fx::OutputsAlone, row);
        w.row = row + 1;
        w.flush();
        if let Some(program) = words.program(self.sequence.output_len(), w.width) {
            w.product(&program, false, row);
        }
        (first, row)
    }

    fn values(&self, w: &mut Writer, (layer, channel): (usize, usize), row: usize, is_first: bool) {
        match (&self.looked[layer], &self.sequence.layers[layer]) {
            (Looked::Embedding { tags }, _) => {
                embedding::marks(&mut w.draft, row, is_first, tags[channel]);
            }
            (Looked::Values { division, .. }, Layer::Linear(l)) => {
                let offset = division.offset(channel, l.bias[channel]);
                self.divided(w, row, is_first, (division, offset));
            }
            (Looked::Values { division, .. } | Looked::Norm { division, .. }, _) => {
                self.divided(w, row, is_first, (division, division.offset(channel, 0)));
            }
            (Looked::Attention(a), _) => {
                self.divided(w, row, is_first, (&a.outputs, a.outputs.offset(channel, 0)));
            }
        }
    }

    fn divided(
        &self,
        w: &mut Writer,
        row: usize,
        is_first: bool,
        (division, offset): (&Division, i64),
    ) {
        let tags = (division.tag_hi, self.table.tag_lo);
        activation::divided(&mut w.draft, row, is_first, (tags, self.table.lo_bits), offset);
        w.draft.set(Fx::Zero, row, crate::system::table::zero_point());
    }

    /// Adds the products of a complete channel, which ends on `row`, with everything that reads it.
    fn products(&self, w: &mut Writer, tensor: usize, channel: usize, row: usize) {
        for (layer, l) in self.sequence.layers.iter().enumerate().skip(tensor) {
            let programs = match l {
                Layer::Attention(a) => self.projections(w, (tensor, channel), a),
                _ if attention_of(self.sequence, layer).is_some() => continue,
                _ => [self.dense(w, (tensor, channel), layer), None],
            };
            for program in programs.into_iter().flatten() {
                w.product(&program, false, row);
            }
        }
    }

    /// The kernel of a layer that reads a channel, if it is not 0.
    fn dense(
        &self,
        w: &Writer,
        (tensor, channel): (usize, usize),
        layer: usize,
    ) -> Option<Program> {
        let weights = self.weights(tensor, channel, layer)?;
        let weights: Vec<Fr> = weights.iter().copied().map(signed).collect();
        let is_read = weights.iter().any(|weight| !bool::from(ff::Field::is_zero(weight)));
        is_read.then(|| Program::dense(&weights, self.moves(tensor, layer), w.width))
    }

    /// The kernels of queries and keys, and of values, that read a channel. Heads are powers of z; of queries and keys
    /// every second output is a query, and values are scaled by omega.
    fn projections(
        &self,
        w: &Writer,
        (tensor, channel): (usize, usize),
        a: &Attention,
    ) -> [Option<Program>; 2] {
        let of = |read: usize| self.weights(tensor, channel, read - 1);
        let taps = |weights: Vec<i64>| {
            let is_read = weights.iter().any(|weight| *weight != 0);
            let outputs = weights.len() / a.heads;
            let heads = weights.chunks_exact(outputs).enumerate();
            let tap = |(head, weights): (usize, &[i64])| {
                let power = (a.heads - 1 - head) as i64;
                (power, weights.iter().copied().map(signed).collect())
            };
            is_read.then(|| heads.map(tap).collect::<Vec<(i64, Vec<Fr>)>>())
        };
        let program = |taps: Vec<(i64, Vec<Fr>)>, layer: usize| {
            Program::taps(&taps, self.moves(tensor, layer), w.width)
        };
        let pairs = match (of(a.query), of(a.key)) {
            (Some(queries), Some(keys)) => {
                taps(queries.into_iter().zip(keys).flat_map(|(q, k)| [q, k]).collect())
            }
            _ => None,
        };
        let values = of(a.value).and_then(taps);
        [
            pairs.map(|taps| program(taps, a.query - 1)),
            values.map(|taps| program(taps, a.value - 1).times_omega()),
        ]
    }

    /// Weights with which a channel enters a layer's accumulators, scaled to the remainders' range; 0 if a dense layer
    /// reads another tensor.
    fn weights(&self, tensor: usize, channel: usize, layer: usize) -> Option<Vec<i64>> {
        let Looked::Values { division, .. } = &self.looked[layer] else { return None };
        let outputs = self.sequence.channels(layer + 1);
        let inputs = self.sequence.channels(tensor);
        let column = |weights: &[i16]| -> Vec<i64> {
            weights.iter().skip(channel).step_by(inputs).map(|w| i64::from(*w)).collect()
        };
        let mut weights = vec![0; outputs];
        match &self.sequence.layers[layer] {
            Layer::Linear(l) if l.tensor == tensor => weights = column(&l.weights),
            Layer::Linear(_) => {}
            Layer::Residual(r) => {
                if let Some((_, w)) = r.branch.as_ref().filter(|(t, _)| *t == tensor) {
                    weights = column(w);
                }
                if r.shortcut.0 == tensor {
                    weights[channel] += i64::from(r.shortcut.1);
                }
            }
            _ => return None,
        }
        weights.iter_mut().enumerate().for_each(|(o, w)| *w *= division.scale(o));
        Some(weights)
    }
}
