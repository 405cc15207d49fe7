//! Rules of a sequence model.

use super::error::SequenceError;
use super::model::{Attention, Layer, Residual, Sequence, MAX_BITS, MAX_TOKENS, MAX_VOCABULARY};
use crate::quant::{MAX_EXTENT, MAX_LEN, MAX_SHIFT};

/// A layer and what is found about it.
struct Check {
    layer: usize,
}

impl Check {
    fn exactly(
        &self,
        what: &'static str,
        got: usize,
        expected: usize,
    ) -> Result<(), SequenceError> {
        if got == expected {
            return Ok(());
        }
        Err(SequenceError::Length { layer: self.layer, what, got, expected })
    }

    fn at_least(
        &self,
        what: &'static str,
        got: usize,
        expected: usize,
    ) -> Result<(), SequenceError> {
        self.exactly(what, got.min(expected), expected).map_err(|_| SequenceError::Length {
            layer: self.layer,
            what,
            got,
            expected,
        })
    }

    fn holds(&self, is_so: bool, what: &'static str) -> Result<(), SequenceError> {
        if is_so {
            return Ok(());
        }
        Err(SequenceError::Range { layer: self.layer, what })
    }

    fn shift(&self, shift: u32) -> Result<(), SequenceError> {
        self.holds(shift <= MAX_SHIFT, "a shift is too large")
    }
}

impl Sequence {
    /// Checks extents, tables and the bounds of all sums.
    ///
    /// # Errors
    /// The first violated rule.
    pub fn validate(&self) -> Result<(), SequenceError> {
        let (tokens, vocabulary) = (self.tokens, self.vocabulary);
        if !(1..=MAX_TOKENS).contains(&tokens) || !(1..=MAX_VOCABULARY).contains(&vocabulary) {
            return Err(SequenceError::Extents { tokens, vocabulary });
        }
        (0..self.layers.len()).try_for_each(|layer| self.validate_layer(layer))?;
        match self.layers.last() {
            Some(
                Layer::Linear(_) | Layer::Norm(_) | Layer::Attention(_) | Layer::ArgMax { .. },
            ) => Ok(()),
            Some(Layer::Embedding(_) | Layer::Residual(_)) | None => Err(SequenceError::Output),
        }
    }

    fn validate_layer(&self, index: usize) -> Result<(), SequenceError> {
        let (layer, check) = (&self.layers[index], Check { layer: index });
        for tensor in layer.reads() {
            self.validate_read(index, tensor)?;
        }
        match layer {
            Layer::Embedding(e) => {
                check.exactly(
                    "the table",
                    e.table.len(),
                    self.vocabulary.saturating_mul(e.channels),
                )?;
                let end = 1i16 << (MAX_BITS - 1);
                let fits = e.table.iter().all(|v| (-end..end).contains(v));
                check.holds(fits, "a value of the table has too many bits")?;
            }
            Layer::Linear(l) => {
                let outputs = l.bias.len();
                check.exactly("weights", l.weights.len(), outputs * self.channels(l.tensor))?;
                check.exactly("shift", l.shift.len(), outputs)?;
                check.at_least("the function", l.function.values.len(), 1)?;
                l.shift.iter().try_for_each(|s| check.shift(*s))?;
            }
            Layer::Residual(r) => self.validate_residual(&check, r)?,
            Layer::Norm(n) => {
                check.shift(n.square_shift)?;
                check.shift(n.shift)?;
                let (low, high) = self.values(n.tensor);
                let count = n.root_count(low.abs().max(high.abs()), self.channels(n.tensor));
                check.at_least("roots", n.roots.len(), count)?;
            }
            Layer::Attention(a) => self.validate_attention(&check, a)?,
            Layer::ArgMax { tensor } => {
                let fits = self.channels(*tensor) <= MAX_VOCABULARY;
                check.holds(fits, "there are more channels than token ids")?;
            }
        }
        let channels = self.channels(index + 1);
        let fits = (1..=MAX_EXTENT).contains(&channels) && self.tokens * channels <= MAX_LEN;
        check.holds(fits, "the tensor is empty or too large")?;
        let over = self.bounds(index).into_iter().find(|b| b.largest > b.limit());
        over.map_or(Ok(()), |b| {
            let (quantity, largest, limit) = (b.quantity, b.largest, b.limit());
            Err(SequenceError::Overflow { layer: index, quantity, largest, limit })
        })
    }

    /// Only embeddings read token ids, and nothing reads those that an arg-max gives.
    fn validate_read(&self, layer: usize, tensor: usize) -> Result<(), SequenceError> {
        let wrong = |what| Err(SequenceError::Reads { layer, tensor, what });
        if tensor > layer {
            return wrong("it is not computed before");
        }
        let is_embedding = matches!(self.layers[layer], Layer::Embedding(_));
        let has_ids = tensor == 0 || matches!(self.layers[tensor - 1], Layer::ArgMax { .. });
        if has_ids && !is_embedding {
            return wrong("it holds token ids");
        }
        Ok(())
    }

    fn validate_residual(&self, check: &Check, r: &Residual) -> Result<(), SequenceError> {
        let channels = r.bias.len();
        check.exactly("the shortcut", self.channels(r.shortcut.0), channels)?;
        if let Some((tensor, weights)) = &r.branch {
            check.exactly("weights", weights.len(), channels * self.channels(*tensor))?;
        }
        if !r.positions.is_empty() {
            check.exactly("positions", r.positions.len(), channels * self.tokens)?;
        }
        check.shift(r.shift)?;
        check.holds((2..=MAX_BITS).contains(&r.bits), "a value has too few or too many bits")
    }

    fn validate_attention(&self, check: &Check, a: &Attention) -> Result<(), SequenceError> {
        let channels = self.channels(a.value);
        check.exactly("queries", self.channels(a.query), channels)?;
        check.exactly("keys", self.channels(a.key), channels)?;
        let divides = a.heads > 0 && channels.is_multiple_of(a.heads);
        check.holds(divides, "the heads do not divide the channels")?;
        let is_positive = a.exponentials.first().is_some_and(|e| *e > 0);
        check.holds(is_positive, "the exponential of no difference is 0")?;
        check.at_least("inverses", a.inverses.len(), a.inverse_count(self.tokens))?;
        [a.score_shift, a.context_shift, a.shift].into_iter().try_for_each(|s| check.shift(s))
    }
}
