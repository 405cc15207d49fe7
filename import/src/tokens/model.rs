//! What a transformer's file computes, in float.
//!
//! Value 0 is the token ids, value `i + 1` the result of operation `i`; all others are `[tokens, channels]`. The last
//! operation is the output.

use crate::float::{Origin, Scalar};

/// What an operation computes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Rows of a table `[vocabulary, channels]`, by token id.
    Embedding {
        table: Vec<f64>,
    },
    Dense(Dense),
    /// Functions, from first to last, of every number.
    Function {
        of: usize,
        chain: Vec<Scalar>,
    },
    /// The values' sum, and a table `[tokens, channels]` or nothing.
    Sum {
        of: Vec<usize>,
        table: Vec<f64>,
    },
    Norm(Norm),
    Attention(Attention),
    /// The channel of the largest number, the lowest of several.
    ArgMax {
        of: usize,
    },
}

/// A dense layer on each token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dense {
    pub(crate) of: usize,
    /// `[outputs, inputs]`
    pub(crate) weights: Vec<f64>,
    pub(crate) bias: Vec<f64>,
}

/// Division by the root of the mean square, of what is left when the mean is taken away if `is_centred`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Norm {
    pub(crate) of: usize,
    pub(crate) is_centred: bool,
    pub(crate) epsilon: f64,
    pub(crate) gain: Vec<f64>,
    pub(crate) shift: Vec<f64>,
}

/// Values, weighed by the softmax of products of queries and keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attention {
    /// Queries, keys and values; each head has neighbouring channels.
    pub(crate) reads: [usize; 3],
    pub(crate) heads: usize,
    /// Whether a token sees none of those behind it.
    pub(crate) is_causal: bool,
    /// Factor of the products.
    pub(crate) scale: f64,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Op {
    pub(crate) origin: Origin,
    pub(crate) channels: usize,
    pub(crate) kind: Kind,
}

/// A transformer.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenModel {
    pub(crate) tokens: usize,
    pub(crate) vocabulary: usize,
    pub(crate) ops: Vec<Op>,
}

impl Dense {
    /// Each channel times its scale.
    pub(crate) fn diagonal(of: usize, scale: &[f64], bias: Vec<f64>) -> Self {
        let n = scale.len();
        let mut weights = vec![0.0; n * n];
        scale.iter().enumerate().for_each(|(c, s)| weights[c * n + c] = *s);
        Self { of, weights, bias }
    }
}

impl Kind {
    /// The values that are read.
    pub(crate) fn operands(&self) -> Vec<usize> {
        match self {
            Self::Embedding { .. } => vec![0],
            Self::Dense(dense) => vec![dense.of],
            Self::Norm(norm) => vec![norm.of],
            Self::Function { of, .. } | Self::ArgMax { of } => vec![*of],
            Self::Sum { of, .. } => of.clone(),
            Self::Attention(attention) => attention.reads.to_vec(),
        }
    }

    /// Constants that it has.
    pub(crate) fn weights(&self) -> usize {
        match self {
            Self::Embedding { table } | Self::Sum { table, .. } => table.len(),
            Self::Dense(dense) => dense.weights.len(),
            Self::Norm(norm) => norm.gain.len(),
            Self::Function { .. } | Self::Attention(_) | Self::ArgMax { .. } => 0,
        }
    }

    /// Reads other values.
    fn rename(&mut self, with: impl Fn(usize) -> usize) {
        match self {
            Self::Embedding { .. } => {}
            Self::Dense(dense) => dense.of = with(dense.of),
            Self::Norm(norm) => norm.of = with(norm.of),
            Self::Function { of, .. } | Self::ArgMax { of } => *of = with(*of),
            Self::Sum { of, .. } => of.iter_mut().for_each(|v| *v = with(*v)),
            Self::Attention(attention) => attention.reads = attention.reads.map(with),
        }
    }

    /// What it is, for people.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Embedding { .. } => "an embedding",
            Self::Dense(_) => "a dense layer",
            Self::Function { .. } => "a function",
            Self::Sum { .. } => "a residual sum",
            Self::Norm(_) => "a norm",
            Self::Attention(_) => "an attention",
            Self::ArgMax { .. } => "an arg-max",
        }
    }
}

impl TokenModel {
    /// The operation whose result a value is.
    pub(crate) fn op(&self, value: usize) -> Option<&Op> {
        self.ops.get(value.checked_sub(1)?)
    }

    /// Drops what `output` does not need and makes it the last operation.
    pub(crate) fn keep_only(&mut self, output: usize) {
        let mut needed = vec![false; self.ops.len() + 1];
        needed[output] = true;
        for (i, op) in self.ops.iter().enumerate().rev() {
            if needed[i + 1] {
                op.kind.operands().into_iter().for_each(|v| needed[v] = true);
            }
        }
        let mut index = vec![0; needed.len()];
        let ops = std::mem::take(&mut self.ops);
        for (i, mut op) in ops.into_iter().enumerate().filter(|(i, _)| needed[i + 1]) {
            op.kind.rename(|value| index[value]);
            self.ops.push(op);
            index[i + 1] = self.ops.len();
        }
    }

    /// Channels of a value; those of the ids are one.
    pub(crate) fn channels(&self, value: usize) -> usize {
        self.op(value).map_or(1, |op| op.channels)
    }
}
