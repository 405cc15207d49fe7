//! Which claim of a sequence model is whose, and how far apart they are.

use dn_core::quant::sequence::{Attention, Layer, Sequence};

/// Claims of an attention: queries, keys; exponentials, values; contexts; outputs.
const OF_ATTENTION: usize = 4;

/// The attention whose rows have a layer's values, if there is one.
pub(super) fn attention_of(sequence: &Sequence, layer: usize) -> Option<(usize, &Attention)> {
    let reads = |(i, l): (usize, &'_ Layer)| match l {
        Layer::Attention(a) if [a.query, a.key, a.value].contains(&(layer + 1)) => Some(i),
        _ => None,
    };
    let at = sequence.layers.iter().enumerate().find_map(reads)?;
    match &sequence.layers[at] {
        Layer::Attention(a) => Some((at, a)),
        _ => None,
    }
}

/// The claims of a model, counted from 1: the tokens' rows stand in front of the first one.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    /// By layer, the claim whose rows have its values; what an attention has the values of has none.
    of: Vec<usize>,
    /// Largest number of claims between a tensor and what reads it.
    pub(super) depth: usize,
}

impl Claims {
    pub(super) fn new(sequence: &Sequence) -> Self {
        let (mut of, mut count) = (Vec::with_capacity(sequence.layers.len()), 0);
        for (i, layer) in sequence.layers.iter().enumerate() {
            count += match layer {
                _ if attention_of(sequence, i).is_some() => 0,
                Layer::Attention(_) => OF_ATTENTION,
                _ => 1,
            };
            of.push(count);
        }
        let mut claims = Self { of, depth: 1 };
        let reads = |(i, layer): (usize, &Layer)| {
            let claim = claims.reads(sequence, i);
            let is_apart = matches!(layer, Layer::Attention(_));
            let tensors = if is_apart { Vec::new() } else { layer.reads() };
            tensors.into_iter().map(|tensor| claim - claims.tensor(tensor)).max().unwrap_or(1)
        };
        let depth = sequence.layers.iter().enumerate().map(reads).max().unwrap_or(1);
        claims.depth = depth;
        claims
    }

    /// The claim that has a layer's accumulators.
    pub(super) fn reads(&self, sequence: &Sequence, layer: usize) -> usize {
        match attention_of(sequence, layer) {
            Some((at, a)) if a.value == layer + 1 => self.of[at] - 2,
            Some((at, _)) => self.of[at] - 3,
            None => self.of[layer],
        }
    }

    /// The claim whose rows have a tensor's values; 0 for tokens.
    fn tensor(&self, tensor: usize) -> usize {
        tensor.checked_sub(1).map_or(0, |layer| self.of[layer])
    }

    /// How many claims a product of a tensor with a claim's kernel is moved on.
    pub(super) fn moves(&self, tensor: usize, claim: usize) -> usize {
        self.depth - (claim - self.tensor(tensor))
    }

    /// The same from the claim in front.
    pub(super) fn moves_from_before(&self) -> usize {
        self.depth - 1
    }
}
