//! What the graph sees as one tensor.

use std::rc::Rc;

use super::TokenReader;
use crate::float::Scalar;

/// What numbers there are to be seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// `[tokens]`
    Ids,
    /// A value of the model, `[tokens, channels]`.
    Value(usize),
    /// Mean of each token's channels, `[tokens]`.
    Mean(usize),
    /// A value without this mean, `[tokens, channels]`.
    Centred(usize),
    /// Mean of a token's squares, or of those of what is centred, `[tokens]`.
    Moment { of: usize, is_centred: bool },
    /// Products of queries and keys, `[heads, tokens, tokens]`.
    Scores(Scores),
    /// Their softmax.
    Shares(Scores),
    /// Whether such a share is no number: never.
    NoNumber(Scores),
    /// Softmax of a value's channels, `[tokens, channels]`.
    Probabilities(usize),
}

/// Products of queries and keys.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scores {
    /// Values of queries and keys, heads behind each other.
    pub(super) reads: [usize; 2],
    pub(super) heads: usize,
    pub(super) scale: f64,
    /// Which keys each token sees, `[tokens, tokens]`; all without.
    pub(super) mask: Option<Rc<Vec<bool>>>,
    /// What scores of hidden keys are at most, over the factor that was applied in front of the mask.
    pub(super) hidden: f64,
}

/// A tensor of the graph: numbers of a part, with functions from first to last.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) part: usize,
    /// With the batch, which is 1, if there is one.
    pub(super) dims: Vec<usize>,
    /// Which number of the part each is; all in order without.
    pub(super) index: Option<Rc<Vec<usize>>>,
    pub(super) chain: Vec<Scalar>,
}

impl Seen {
    /// All numbers of a part.
    pub(super) fn all(part: usize, dims: Vec<usize>) -> Self {
        Self { part, dims, index: None, chain: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Which number of the part is seen at a place.
    pub(super) fn at(&self, i: usize) -> usize {
        self.index.as_ref().map_or(i, |index| index[i])
    }

    /// The same numbers with a function behind the others.
    pub(super) fn then(&self, function: Scalar) -> Self {
        let mut chain = self.chain.clone();
        let last = match (chain.last().cloned(), function) {
            (Some(Scalar::Affine(a, b)), Scalar::Affine(c, d)) => {
                chain.pop();
                Scalar::Affine(a * c, b * c + d)
            }
            (_, function) => function,
        };
        if last != Scalar::Affine(1.0, 0.0) {
            chain.push(last);
        }
        Self { chain, ..self.clone() }
    }

    /// Without functions.
    pub(super) fn plain(&self) -> Self {
        Self { chain: Vec::new(), ..self.clone() }
    }

    /// Dimensions without ones in front.
    pub(super) fn core(&self) -> &[usize] {
        let first = self.dims.iter().position(|d| *d != 1).unwrap_or(self.dims.len());
        &self.dims[first..]
    }
}

impl TokenReader {
    /// Numbers of a part.
    pub(super) fn part_len(&self, part: usize) -> usize {
        let tokens = self.model.tokens;
        match &self.parts[part] {
            Part::Ids | Part::Mean(_) | Part::Moment { .. } => tokens,
            Part::Value(v) | Part::Centred(v) | Part::Probabilities(v) => {
                tokens * self.model.channels(*v)
            }
            Part::Scores(s) | Part::Shares(s) | Part::NoNumber(s) => s.heads * tokens * tokens,
        }
    }

    /// What is seen, through a choice of its places.
    pub(super) fn chosen(&self, seen: &Seen, dims: Vec<usize>, places: &[usize]) -> Seen {
        let index: Vec<usize> = places.iter().map(|i| seen.at(*i)).collect();
        let is_all = index.len() == self.part_len(seen.part)
            && index.iter().enumerate().all(|(i, at)| i == *at);
        let index = (!is_all).then(|| Rc::new(index));
        Seen { dims, index, ..seen.clone() }
    }

    /// The value whose channels are seen as `[tokens, channels]`, and which of them.
    pub(super) fn channels(&self, seen: &Seen) -> Option<(usize, Vec<usize>)> {
        let Part::Value(value) = self.parts[seen.part] else { return None };
        let (tokens, channels) = (self.model.tokens, self.model.channels(value));
        let count = *seen.dims.last()?;
        if seen.len() != tokens * count {
            return None;
        }
        let picked: Vec<usize> = (0..count).map(|i| seen.at(i)).collect();
        let fits =
            (0..tokens * count).all(|i| seen.at(i) == i / count * channels + picked[i % count]);
        (picked.iter().all(|c| *c < channels) && fits).then_some((value, picked))
    }

    /// The value whose channels are seen as `[heads, tokens, depth]`, or as `[heads, depth, tokens]`: which of them,
    /// head by head.
    pub(super) fn heads(&self, seen: &Seen, is_turned: bool) -> Option<Heads> {
        let Part::Value(value) = self.parts[seen.part] else { return None };
        let (tokens, channels) = (self.model.tokens, self.model.channels(value));
        let [lead @ .., rows, columns] = &seen.dims[..] else { return None };
        let heads: usize = lead.iter().product();
        let (along, depth) = if is_turned { (*columns, *rows) } else { (*rows, *columns) };
        if along != tokens || heads == 0 || depth == 0 {
            return None;
        }
        let place = |h: usize, n: usize, d: usize| {
            let inner = if is_turned { d * tokens + n } else { n * depth + d };
            seen.at(h * depth * tokens + inner)
        };
        let all = || (0..heads).flat_map(|h| (0..depth).map(move |d| (h, d)));
        let picked: Vec<usize> = all().map(|(h, d)| place(h, 0, d)).collect();
        let fits = all().zip(&picked).all(|((h, d), c)| {
            *c < channels && (0..tokens).all(|n| place(h, n, d) == n * channels + c)
        });
        fits.then_some(Heads { value, picked, heads, depth })
    }
}

/// Channels of a value, head by head.
pub(super) struct Heads {
    pub(super) value: usize,
    pub(super) picked: Vec<usize>,
    pub(super) heads: usize,
    pub(super) depth: usize,
}
