//! What a sequence model is made of.

use serde::{Deserialize, Serialize};

/// Most tokens of one sequence.
pub const MAX_TOKENS: usize = 4096;
/// Most token ids: a token is one int8 value that is not negative.
pub const MAX_VOCABULARY: usize = 128;
/// Most bits of a residual value.
pub const MAX_BITS: u32 = 14;

/// A sequence model: layers in order of evaluation. The last one is the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// Tokens of a sequence.
    pub tokens: usize,
    /// Token ids are below it.
    pub vocabulary: usize,
    /// At least two: an embedding, and what reads it.
    pub layers: Vec<Layer>,
}

/// How one tensor is computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Rows of a table, by token id.
    Embedding(Embedding),
    /// A dense layer on each token, and a function.
    Linear(Linear),
    /// A sum with a tensor before, in a scale of its own.
    Residual(Residual),
    /// Every token, divided by the root of its mean square.
    Norm(Norm),
    /// Sums of values, weighed by a softmax of queries and keys.
    Attention(Attention),
    /// The channel of the largest value, the lowest of several.
    ArgMax {
        /// Tensor that is read.
        tensor: usize,
    },
}

/// A vector for each token id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embedding {
    /// Length of a vector.
    pub channels: usize,
    /// `[vocabulary, channels]`, of at most [`MAX_BITS`] bits.
    pub table: Vec<i16>,
}

/// A function of quotients, to int8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// The quotient of the first value.
    pub first: i32,
    /// Values of `first` and of the quotients behind it. Quotients beyond either end have that end's value.
    pub values: Vec<i8>,
}

impl Function {
    /// Saturation to int8.
    #[must_use]
    pub fn saturate() -> Self {
        Self { first: i32::from(i8::MIN), values: (i8::MIN..=i8::MAX).collect() }
    }

    /// Looks `q` up.
    ///
    /// # Panics
    /// If there is no value.
    #[must_use]
    pub fn apply(&self, q: i64) -> i8 {
        let last = self.values.len() as i64 - 1;
        // The clamp makes the cast lossless.
        self.values[(q - i64::from(self.first)).clamp(0, last) as usize]
    }
}

/// A dense layer on each token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linear {
    /// Tensor that is read.
    pub tensor: usize,
    /// `[outputs, inputs]`, row-major.
    pub weights: Vec<i16>,
    /// `[outputs]`, in units of the accumulator.
    pub bias: Vec<i32>,
    /// `[outputs]`, right shifts.
    pub shift: Vec<u32>,
    /// Of the quotients.
    pub function: Function,
}

/// A sum with a tensor before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residual {
    /// Tensor that is carried on, and what it is multiplied by.
    pub shortcut: (usize, i32),
    /// Tensor that is added to it, and its weights `[channels, inputs]`, row-major.
    pub branch: Option<(usize, Vec<i16>)>,
    /// `[channels]`, in units of the accumulator.
    pub bias: Vec<i32>,
    /// `[tokens, channels]`, in units of the accumulator; or empty.
    pub positions: Vec<i32>,
    /// Right shift.
    pub shift: u32,
    /// Bits of the values, sign included: 2 to [`MAX_BITS`].
    pub bits: u32,
}

/// Division by the root of the mean square.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Norm {
    /// Tensor that is read.
    pub tensor: usize,
    /// Right shift of the sum of squares.
    pub square_shift: u32,
    /// What a token is multiplied by, for every shifted sum of squares that there can be.
    pub roots: Vec<u16>,
    /// Right shift of the products.
    pub shift: u32,
}

/// Attention of the tokens of one sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    /// Tensor of the queries.
    pub query: usize,
    /// Tensor of the keys, of the same extents.
    pub key: usize,
    /// Tensor of the values, of the same extents.
    pub value: usize,
    /// Heads, which have equally many channels.
    pub heads: usize,
    /// Whether a token sees none of those behind it.
    pub is_causal: bool,
    /// Right shift of products of queries and keys.
    pub score_shift: u32,
    /// By difference to the largest score; 0 behind the last one. The first one is not 0.
    pub exponentials: Vec<u16>,
    /// Of every sum of exponentials that there can be, from 0 on.
    pub inverses: Vec<u32>,
    /// Right shift of sums of values.
    pub context_shift: u32,
    /// Right shift of the normalised values.
    pub shift: u32,
}

impl Attention {
    /// The exponential of a difference to the largest score.
    #[must_use]
    pub fn exponential(&self, difference: i64) -> i64 {
        let value = usize::try_from(difference).ok().and_then(|d| self.exponentials.get(d));
        value.map_or(0, |e| i64::from(*e))
    }

    /// How many of the first keys token `i` of `tokens` sees.
    #[must_use]
    pub fn seen(&self, i: usize, tokens: usize) -> usize {
        if self.is_causal {
            i + 1
        } else {
            tokens
        }
    }
}

impl Layer {
    /// Tensors that it reads.
    #[must_use]
    pub fn reads(&self) -> Vec<usize> {
        match self {
            Self::Embedding(_) => vec![0],
            Self::Linear(l) => vec![l.tensor],
            Self::Residual(r) => {
                let branch = r.branch.iter().map(|b| b.0);
                std::iter::once(r.shortcut.0).chain(branch).collect()
            }
            Self::Norm(n) => vec![n.tensor],
            Self::Attention(a) => vec![a.query, a.key, a.value],
            Self::ArgMax { tensor } => vec![*tensor],
        }
    }
}

impl Sequence {
    /// Channels of a tensor.
    ///
    /// # Panics
    /// If the model was not validated.
    #[must_use]
    pub fn channels(&self, tensor: usize) -> usize {
        let Some(layer) = tensor.checked_sub(1) else { return 1 };
        match &self.layers[layer] {
            Layer::Embedding(e) => e.channels,
            Layer::Linear(l) => l.bias.len(),
            Layer::Residual(r) => r.bias.len(),
            Layer::Norm(n) => self.channels(n.tensor),
            Layer::Attention(a) => self.channels(a.value),
            Layer::ArgMax { .. } => 1,
        }
    }

    /// Values of an output.
    ///
    /// # Panics
    /// As [`Self::channels`].
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.tokens * self.channels(self.layers.len())
    }
}
