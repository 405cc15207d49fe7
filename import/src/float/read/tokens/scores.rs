//! Scores between tokens, their masks and their softmax.

use std::rc::Rc;

use super::super::axes::{broadcast, spread_index};
use super::seen::{Part, Scores, Seen};
use super::sums::line;
use super::TokenReader;
use crate::onnx::{Node, Numbers};
use crate::tokens::{Attention, Kind};

/// A number as far below 0 hides a key whatever its score is.
const HIDDEN: f64 = -1e4;

/// The dimensions in front of tokens and depth, without ones in front: what two factors must have alike, since ONNX
/// spreads them against each other.
fn lead(x: &Seen) -> &[usize] {
    let lead = &x.dims[..x.dims.len().saturating_sub(2)];
    let ones = lead.iter().take_while(|extent| **extent == 1).count();
    &lead[ones..]
}

impl TokenReader {
    /// A product of two computed matrices: scores, or what an attention gives.
    pub(super) fn attended(&mut self, a: &Seen, b: &Seen) -> Result<Seen, String> {
        match self.parts[a.part].clone() {
            Part::Shares(scores) if a.chain.is_empty() && a.index.is_none() => {
                self.weighed(&scores, a, b)
            }
            Part::Value(_) => self.scores(a, b),
            _ => Err(NO_ATTENTION.to_owned()),
        }
    }

    fn scores(&mut self, a: &Seen, b: &Seen) -> Result<Seen, String> {
        let (a, first) = self.without_factor(a)?;
        let (b, second) = self.without_factor(b)?;
        let query = self.heads(&a, false).ok_or(NO_ATTENTION)?;
        let key = self.heads(&b, true).ok_or(NO_ATTENTION)?;
        if lead(&a) != lead(&b) || query.depth != key.depth {
            return Err(format!("queries of {:?} and keys of {:?} do not fit", a.dims, b.dims));
        }
        let heads = query.heads;
        let reads =
            [self.picked(query.value, &query.picked)?, self.picked(key.value, &key.picked)?];
        let (scale, hidden) = (first * second, f64::NEG_INFINITY);
        let scores = Scores { reads, heads, scale, mask: None, hidden };
        let mut dims = a.dims.clone();
        dims.pop();
        dims.push(self.model.tokens);
        self.reader.afford(dims.iter().copied())?;
        Ok(Seen::all(self.part(Part::Scores(scores)), dims))
    }

    /// Queries or keys, and the factor that all of them have.
    fn without_factor(&mut self, x: &Seen) -> Result<(Seen, f64), String> {
        match line(&x.chain) {
            Some((factor, 0.0)) => Ok((x.plain(), factor)),
            _ => Ok((self.applied(x)?, 1.0)),
        }
    }

    fn weighed(&mut self, scores: &Scores, a: &Seen, b: &Seen) -> Result<Seen, String> {
        let b = self.applied(b)?;
        let values = self.heads(&b, false).ok_or(NO_ATTENTION)?;
        if lead(a) != lead(&b) {
            return Err(format!("shares of {:?} and values of {:?} do not fit", a.dims, b.dims));
        }
        let value = self.picked(values.value, &values.picked)?;
        let dims = a.dims[..a.dims.len() - 1].iter().copied().chain([values.depth]).collect();
        let heads = values.heads;
        self.attend(scores, value, heads).map(|value| self.behind(value, heads, dims))
    }

    /// An attention whose scores and values are known.
    pub(super) fn attend(
        &mut self,
        scores: &Scores,
        value: usize,
        heads: usize,
    ) -> Result<usize, String> {
        let channels = self.model.channels(value);
        let [query, key] = scores.reads;
        if heads != scores.heads || self.model.channels(query) != channels {
            return Err("queries, keys and values differ in heads or in channels".to_owned());
        }
        let is_causal = self.is_causal(scores)?;
        let scale = scores.scale;
        if !(scale.is_finite() && scale > 0.0) {
            return Err(format!(
                "its scores are multiplied by {scale}, which is no positive factor"
            ));
        }
        let attention = Attention { reads: [query, key, value], heads, is_causal, scale };
        self.push(channels, Kind::Attention(attention))
    }

    /// An attention's result under the dimensions of heads, tokens and channels.
    pub(super) fn behind(&mut self, value: usize, heads: usize, dims: Vec<usize>) -> Seen {
        let channels = self.model.channels(value);
        let (tokens, depth) = (self.model.tokens, channels / heads);
        let place = |i: usize| {
            let (head, token, d) = (i / (tokens * depth), i / depth % tokens, i % depth);
            token * channels + head * depth + d
        };
        let places: Vec<usize> = (0..tokens * channels).map(place).collect();
        let all = self.whole(value);
        self.chosen(&all, dims, &places)
    }

    /// Whether tokens see none behind them; else all.
    fn is_causal(&self, scores: &Scores) -> Result<bool, String> {
        let tokens = self.model.tokens;
        let Some(mask) = &scores.mask else { return Ok(false) };
        if mask.iter().all(|sees| *sees) {
            return Ok(false);
        }
        let fits = mask.iter().enumerate().all(|(i, sees)| *sees == (i % tokens <= i / tokens));
        if fits {
            return Ok(true);
        }
        Err("its mask is neither the causal one nor none; windows, prefixes and padding are not read".to_owned())
    }

    /// A mask of numbers that are added: 0, or far below.
    pub(super) fn masked_by_sum(&mut self, x: &Seen, c: &Numbers) -> Result<Seen, String> {
        if c.values.iter().any(|v| *v != 0.0 && (v.is_nan() || *v > HIDDEN)) {
            return Err(format!(
                "a constant is added to the scores that is neither 0 nor below {HIDDEN}; biases by distance are not read"
            ));
        }
        let hidden = c.values.iter().copied().filter(|v| *v != 0.0);
        let hidden = hidden.fold(f64::NEG_INFINITY, f64::max);
        self.masked(x, c, hidden, |v| v == 0.0)
    }

    /// Scores of which only those stay whose entry of a constant says so.
    pub(super) fn masked(
        &mut self,
        x: &Seen,
        c: &Numbers,
        hidden: f64,
        stays: impl Fn(f64) -> bool,
    ) -> Result<Seen, String> {
        let Part::Scores(scores) = self.parts[x.part].clone() else {
            return Err("a choice by a constant is read in masks of scores only".to_owned());
        };
        let dims = broadcast(&x.dims, &c.dims)?;
        let tokens = self.model.tokens;
        if dims.iter().product::<usize>() != x.len() || x.index.is_some() {
            return Err(format!("a mask of {:?} does not fit scores of {:?}", c.dims, x.dims));
        }
        let all: Vec<bool> =
            spread_index(&c.dims, &dims).into_iter().map(|i| stays(c.values[i])).collect();
        let (own, others) = all.split_at(tokens * tokens);
        if others.chunks_exact(tokens * tokens).any(|other| other != own) {
            return Err("its heads have different masks".to_owned());
        }
        let old = |i: usize| scores.mask.as_ref().is_none_or(|mask| mask[i]);
        let mask = own.iter().enumerate().map(|(i, sees)| *sees && old(i)).collect();
        let (factor, _) = line(&x.chain).filter(|(factor, _)| *factor > 0.0).unwrap_or((1.0, 0.0));
        let hidden = scores.hidden.max(hidden / factor);
        let masked = Scores { mask: Some(Rc::new(mask)), hidden, ..scores };
        Ok(Seen { part: self.part(Part::Scores(masked)), ..x.clone() })
    }

    /// A mask, or the way around what is no number.
    pub(super) fn choice(&mut self, node: &Node) -> Result<Seen, String> {
        let Some(condition) = self.constant(node, 0)? else {
            let condition = self.operand(node, 0)?;
            let shares = self.operand(node, 2)?;
            return match (&self.parts[condition.part], &self.parts[shares.part]) {
                (Part::NoNumber(a), Part::Shares(b)) if a == b => Ok(shares),
                _ => Err("a choice by computed numbers is not read".to_owned()),
            };
        };
        let low = |c: &Numbers| c.values.iter().all(|v| *v <= HIDDEN);
        let most = |c: &Numbers| c.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        match (self.constant(node, 1)?, self.constant(node, 2)?) {
            (None, Some(c)) if low(&c) => {
                let x = self.operand(node, 1)?;
                self.masked(&x, &condition, most(&c), |v| v != 0.0)
            }
            (Some(c), None) if low(&c) => {
                let x = self.operand(node, 2)?;
                self.masked(&x, &condition, most(&c), |v| v == 0.0)
            }
            _ => Err(format!("a choice is read in masks only, with numbers below {HIDDEN}")),
        }
    }

    pub(super) fn softmax(&mut self, node: &Node) -> Result<Seen, String> {
        let x = self.operand(node, 0)?;
        let default = if self.reader.opset >= 13 { -1 } else { 1 };
        self.last_axis(node.int("axis", default), &x)?;
        if x.index.is_some() {
            return Err(NO_ATTENTION.to_owned());
        }
        let tokens = self.model.tokens;
        let part = match self.parts[x.part].clone() {
            Part::Scores(scores) if node.op_type == "Softmax" && x.dims.last() == Some(&tokens) => {
                let Some((factor, _)) = line(&x.chain).filter(|(factor, _)| *factor > 0.0) else {
                    return Err("a function stands between scores and softmax".to_owned());
                };
                // To the last bit of a factor that was applied twice.
                if scores.hidden * factor > HIDDEN * (1.0 - 1e-6) {
                    return Err(format!(
                        "scores of hidden keys are {} behind a factor, not below {HIDDEN}",
                        scores.hidden * factor
                    ));
                }
                Part::Shares(Scores { scale: scores.scale * factor, ..scores })
            }
            Part::Value(_) => Part::Probabilities(self.settled(&x)?),
            _ => return Err("it is neither of scores nor the end of the model".to_owned()),
        };
        Ok(Seen::all(self.part(part), x.dims))
    }

    /// Shares are always numbers: each token sees itself.
    pub(super) fn is_nan(&mut self, node: &Node) -> Result<Seen, String> {
        let x = self.operand(node, 0)?;
        match self.parts[x.part].clone() {
            Part::Shares(scores) => Ok(Seen { part: self.part(Part::NoNumber(scores)), ..x }),
            _ => Err("it is read behind an attention's softmax only".to_owned()),
        }
    }
}

/// Why a product of computed tensors is not read.
pub(super) const NO_ATTENTION: &str = "it multiplies computed tensors in a form that is no attention: queries \
    [heads, tokens, depth] by keys [heads, depth, tokens], their softmax by values [heads, tokens, depth]";
