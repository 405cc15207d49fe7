//! Random sequence models that reach what their integer semantics admit.

use dn_core::quant::sequence::{
    Attention, Embedding, Function, Layer, Linear, Norm, Residual, Sequence,
};

use super::graphs::Random;

/// Values of a residual tensor are below it.
const RESIDUAL: i64 = 1 << 9;
/// Bits of them.
const BITS: u32 = 10;
/// Largest exponential.
const LARGEST: i64 = 31;

impl Random {
    /// A valid model of one or two blocks, with extents of up to six tokens and twelve channels.
    pub fn sequence(&mut self) -> Sequence {
        let tokens = self.among(&[1, 2, 3, 4, 6]);
        let heads = (self.among(&[1, 2, 3]), self.among(&[1, 2, 4]));
        self.sequence_of(tokens, heads)
    }

    /// The same with so many tokens, up to 64, and heads of so many channels, up to 64 in all. Its tables are any numbers,
    /// or what a transformer has.
    pub fn sequence_of(&mut self, tokens: usize, (heads, depth): (usize, usize)) -> Sequence {
        let channels = heads * depth;
        let vocabulary = self.within(1, 128) as usize;
        let table = self.numbers(vocabulary * channels, RESIDUAL - 1);
        let mut model = Sequence {
            tokens,
            vocabulary,
            layers: vec![Layer::Embedding(Embedding { channels, table })],
        };
        let mut stream = self.residual(&mut model, (1, None), channels);
        for _ in 0..self.within(1, 2) {
            stream = self.block(&mut model, stream, heads);
        }
        let normed = self.norm(&mut model, stream, channels);
        let outputs = self.within(1, 9) as usize;
        let logits = self.linear(&mut model, normed, outputs);
        if self.is_one_in(3) {
            model.layers.push(Layer::ArgMax { tensor: logits });
        }
        model
    }

    /// A block on a residual tensor; returns the one behind it.
    fn block(&mut self, model: &mut Sequence, stream: usize, heads: usize) -> usize {
        let channels = model.channels(stream);
        let normed = self.norm(model, stream, channels);
        let [query, key, value] = [(); 3].map(|()| self.linear(model, normed, channels));
        let attention = self.attention([query, key, value], heads, model.tokens);
        model.layers.push(Layer::Attention(attention));
        let context = model.layers.len();
        let stream = self.residual(model, (stream, Some(context)), channels);
        let normed = self.norm(model, stream, channels);
        let hidden = self.within(1, 9) as usize;
        let hidden = self.linear(model, normed, hidden);
        self.residual(model, (stream, Some(hidden)), channels)
    }

    fn numbers(&mut self, len: usize, end: i64) -> Vec<i16> {
        (0..len).map(|_| self.within(-end, end) as i16).collect()
    }

    fn linear(&mut self, model: &mut Sequence, tensor: usize, outputs: usize) -> usize {
        let weights = self.numbers(model.channels(tensor) * outputs, 127);
        let function = if self.is_one_in(2) {
            Function::saturate()
        } else {
            let values = self.within(1, 600) as usize;
            Function { first: self.within(-300, 50) as i32, values: self.any_bytes(values) }
        };
        model.layers.push(Layer::Linear(Linear {
            tensor,
            weights,
            bias: (0..outputs).map(|_| self.within(-5_000, 5_000) as i32).collect(),
            shift: (0..outputs).map(|_| self.within(0, 10) as u32).collect(),
            function,
        }));
        model.layers.len()
    }

    fn residual(
        &mut self,
        model: &mut Sequence,
        (old, branch): (usize, Option<usize>),
        channels: usize,
    ) -> usize {
        let positions = if branch.is_none() { model.tokens * channels } else { 0 };
        let branch =
            branch.map(|tensor| (tensor, self.numbers(model.channels(tensor) * channels, 127)));
        model.layers.push(Layer::Residual(Residual {
            shortcut: (old, self.within(-200, 200) as i32),
            branch,
            bias: (0..channels).map(|_| self.within(-5_000, 5_000) as i32).collect(),
            positions: (0..positions).map(|_| self.within(-5_000, 5_000) as i32).collect(),
            shift: self.within(0, 9) as u32,
            bits: BITS,
        }));
        model.layers.len()
    }

    fn norm(&mut self, model: &mut Sequence, tensor: usize, channels: usize) -> usize {
        let square_shift = self.within(11, 16) as u32;
        let count = ((channels as i64 * RESIDUAL * RESIDUAL) >> square_shift) as usize + 1;
        let is_any = self.is_one_in(2);
        let root = |r: &mut Self, h: usize| {
            if is_any {
                return r.within(0, 8_191) as u16;
            }
            let mean = (h as f64 + 0.5) * f64::from(square_shift).exp2() / channels as f64;
            (30.0 * 2_048.0 / mean.sqrt()).round().min(2_047.0) as u16
        };
        let roots = (0..count).map(|h| root(self, h)).collect();
        let shift = self.within(6, 12) as u32;
        model.layers.push(Layer::Norm(Norm { tensor, square_shift, roots, shift }));
        model.layers.len()
    }

    fn attention(&mut self, reads: [usize; 3], heads: usize, tokens: usize) -> Attention {
        let [query, key, value] = reads;
        let count = self.within(1, 40) as usize;
        let unit = self.within(1, 12) as f64;
        let exponential = |h: usize| (LARGEST as f64 * (-(h as f64) / unit).exp()).round() as u16;
        let inverses = tokens as i64 * LARGEST + 1;
        let least = if tokens > 6 { 12 } else { 5 };
        let context_shift = self.within(least, least + 4) as u32;
        Attention {
            query,
            key,
            value,
            heads,
            is_causal: self.is_one_in(2),
            score_shift: self.within(0, 10) as u32,
            exponentials: (0..count).map(exponential).collect(),
            inverses: (0..inverses).map(|_| self.within(0, 1_023) as u32).collect(),
            context_shift,
            shift: self.within(0, 12) as u32,
        }
    }
}
