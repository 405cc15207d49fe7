//! The reference executor of sequence models. Plain integers, no floats.

use super::attention::Attended;
use super::model::{Layer, Linear, Norm, Residual, Sequence};
use super::rounding::{rounded, saturated};

/// What stands between a layer's inputs and its output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inner {
    /// Nothing.
    None,
    /// Accumulators, `[tokens, channels]`.
    Sums(Vec<i64>),
    /// A norm's numbers.
    Norm {
        /// Sums of squares, `[tokens]`.
        squares: Vec<i64>,
        /// What their section says, `[tokens]`.
        roots: Vec<i64>,
        /// `[tokens, channels]`.
        products: Vec<i64>,
    },
    /// An attention's numbers.
    Attention(Attended),
}

/// Every tensor of one sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceTrace {
    /// Token ids, then the output of each layer, `[tokens, channels]`.
    pub tensors: Vec<Vec<i16>>,
    /// By layer.
    pub inner: Vec<Inner>,
}

impl Sequence {
    /// Runs a validated model on one int8 value for each token. The output is `[channels, tokens]`, as images are:
    /// the tokens of a channel stand side by side.
    ///
    /// # Panics
    /// If there are not as many as [`Self::tokens`], or the model was not validated.
    #[must_use]
    pub fn execute(&self, input: &[i8]) -> Vec<i8> {
        let last = self.trace(input).tensors.pop().expect("a trace holds at least the input");
        let channels = last.len() / self.tokens;
        // A validated model's last layer gives int8 values.
        let channel = |c: usize| last.iter().skip(c).step_by(channels).map(|v| *v as i8);
        (0..channels).flat_map(channel).collect()
    }

    /// The same, and every number on the way.
    ///
    /// # Panics
    /// As [`Self::execute`].
    #[must_use]
    pub fn trace(&self, input: &[i8]) -> SequenceTrace {
        assert_eq!(input.len(), self.tokens, "input length");
        let last = self.vocabulary as i16 - 1;
        let ids = input.iter().map(|q| i16::from(*q).clamp(0, last)).collect();
        let mut trace = SequenceTrace { tensors: vec![ids], inner: Vec::new() };
        for layer in 0..self.layers.len() {
            let (inner, out) = self.run(layer, &trace.tensors);
            trace.inner.push(inner);
            trace.tensors.push(out);
        }
        trace
    }

    /// Runs one layer of a validated model on the tensors before it, `[tokens, channels]` each. Returns what stands
    /// between, and its output likewise.
    ///
    /// # Panics
    /// If a tensor that the layer reads is not there or has another length.
    #[must_use]
    pub fn run(&self, layer: usize, tensors: &[Vec<i16>]) -> (Inner, Vec<i16>) {
        match &self.layers[layer] {
            Layer::Embedding(e) => {
                let row = |id: &i16| {
                    let first = usize::from(id.unsigned_abs()) * e.channels;
                    &e.table[first..first + e.channels]
                };
                (Inner::None, tensors[0].iter().flat_map(row).copied().collect())
            }
            Layer::Linear(l) => l.run(&tensors[l.tensor], self.tokens),
            Layer::Residual(r) => r.run(tensors, self.tokens),
            Layer::Norm(n) => n.run(&tensors[n.tensor], self.tokens),
            Layer::Attention(a) => {
                let tensors = [a.query, a.key, a.value].map(|t| &tensors[t][..]);
                let (inner, out) = a.attend(tensors, self.tokens);
                (Inner::Attention(inner), out)
            }
            Layer::ArgMax { tensor } => {
                let rows = tensors[*tensor].chunks_exact(self.channels(*tensor));
                (Inner::None, rows.map(arg_max).collect())
            }
        }
    }
}

/// The lowest index of the largest value.
fn arg_max(row: &[i16]) -> i16 {
    let largest = row.iter().max();
    let at = row.iter().position(|v| Some(v) == largest);
    // There are at most as many channels as int8 has values that are not negative.
    at.unwrap_or(0) as i16
}

/// Adds `weights x` to the accumulators, token by token.
fn multiply(weights: &[i16], x: &[i16], tokens: usize, acc: &mut [i64]) {
    let (inputs, outputs) = (x.len() / tokens, acc.len() / tokens);
    for (acc, x) in acc.chunks_exact_mut(outputs).zip(x.chunks_exact(inputs)) {
        for (acc, row) in acc.iter_mut().zip(weights.chunks_exact(inputs)) {
            *acc += row.iter().zip(x).map(|(w, x)| i64::from(*w) * i64::from(*x)).sum::<i64>();
        }
    }
}

impl Linear {
    fn run(&self, x: &[i16], tokens: usize) -> (Inner, Vec<i16>) {
        let mut acc: Vec<i64> =
            (0..tokens).flat_map(|_| self.bias.iter().map(|b| i64::from(*b))).collect();
        multiply(&self.weights, x, tokens, &mut acc);
        let of = |(acc, shift): (&i64, &u32)| i16::from(self.function.apply(rounded(*acc, *shift)));
        let out = acc.iter().zip(self.shift.iter().cycle()).map(of).collect();
        (Inner::Sums(acc), out)
    }
}

impl Residual {
    fn run(&self, tensors: &[Vec<i16>], tokens: usize) -> (Inner, Vec<i16>) {
        let (old, weight) = (&tensors[self.shortcut.0], i64::from(self.shortcut.1));
        let carried = old.iter().zip(self.bias.iter().cycle());
        let mut acc: Vec<i64> =
            carried.map(|(x, b)| weight * i64::from(*x) + i64::from(*b)).collect();
        acc.iter_mut().zip(&self.positions).for_each(|(acc, p)| *acc += i64::from(*p));
        if let Some((tensor, weights)) = &self.branch {
            multiply(weights, &tensors[*tensor], tokens, &mut acc);
        }
        let out = acc.iter().map(|a| saturated(rounded(*a, self.shift), self.bits)).collect();
        (Inner::Sums(acc), out)
    }
}

impl Norm {
    fn run(&self, x: &[i16], tokens: usize) -> (Inner, Vec<i16>) {
        let (mut squares, mut roots, mut products) = (Vec::new(), Vec::new(), Vec::new());
        for token in x.chunks_exact(x.len() / tokens) {
            let sum: i64 = token.iter().map(|x| i64::from(*x) * i64::from(*x)).sum();
            let root = i64::from(self.roots[(sum >> self.square_shift) as usize]);
            products.extend(token.iter().map(|x| i64::from(*x) * root));
            squares.push(sum);
            roots.push(root);
        }
        let of = |p: &i64| saturated(rounded(*p, self.shift), i8::BITS);
        let out = products.iter().map(of).collect();
        (Inner::Norm { squares, roots, products }, out)
    }
}
