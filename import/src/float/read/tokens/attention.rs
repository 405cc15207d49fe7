//! The operator `Attention`.

use super::scores::NO_ATTENTION;
use super::seen::{Heads, Part, Scores, Seen};
use super::TokenReader;
use crate::onnx::{Element, Node};

impl TokenReader {
    /// `Attention` of operator set 23, on three or four dimensions.
    pub(super) fn attention(&mut self, node: &Node) -> Result<Seen, String> {
        if node.results().count() > 1 || (4..node.input.len()).any(|at| node.operand(at).is_some())
        {
            return Err(
                "it keeps keys and values, which a model of whole sequences does not".to_owned()
            );
        }
        if node.float("softcap", 0.0) != 0.0 || node.int("qk_matmul_output_mode", 0) != 0 {
            return Err("a function stands between scores and softmax".to_owned());
        }
        let counts = [node.int("q_num_heads", 0), node.int("kv_num_heads", 0)];
        let shape = |at: usize| if at == 0 { counts[0] } else { counts[1] };
        let mut parts = Vec::new();
        for at in 0..3 {
            let x = self.operand(node, at)?;
            let x = self.applied(&x)?;
            parts.push(self.split_heads(&x, shape(at))?);
        }
        let out = self.operand(node, 0)?.dims;
        let [query, key, value] = &parts[..] else { return Err(NO_ATTENTION.to_owned()) };
        let (heads, depth) = (query.heads, query.depth);
        let (keys, values) = (repeated(key, heads)?, repeated(value, heads)?);
        let reads = [self.picked(query.value, &query.picked)?, self.picked(key.value, &keys)?];
        let value = self.picked(value.value, &values)?;
        let default = (depth as f64).sqrt().recip();
        let scale = match node.float("scale", 0.0) {
            0.0 => default,
            scale => f64::from(scale),
        };
        let mut scores = Scores { reads, heads, scale, mask: None, hidden: f64::NEG_INFINITY };
        let tokens = self.model.tokens;
        if node.int("is_causal", 0) != 0 {
            let sees = (0..tokens * tokens).map(|i| i % tokens <= i / tokens).collect();
            scores.mask = Some(std::rc::Rc::new(sees));
        }
        let scores = self.masked_by_operand(node, scores)?;
        let value = self.attend(&scores, value, heads)?;
        Ok(if out.len() == 4 {
            let dims = vec![1, heads, tokens, self.model.channels(value) / heads];
            self.behind(value, heads, dims)
        } else {
            self.whole(value)
        })
    }

    fn masked_by_operand(&mut self, node: &Node, scores: Scores) -> Result<Scores, String> {
        let Some(name) = node.operand(3) else { return Ok(scores) };
        let mask = self.constant(node, 3)?;
        let mask = mask.ok_or_else(|| format!("its mask {name:?} is computed"))?;
        let tokens = self.model.tokens;
        let dims = vec![1, scores.heads, tokens, tokens];
        let seen = Seen::all(self.part(Part::Scores(scores)), dims);
        let masked = if mask.element == Element::Bool {
            self.masked(&seen, &mask, f64::NEG_INFINITY, |v| v != 0.0)?
        } else {
            self.masked_by_sum(&seen, &mask)?
        };
        match self.parts[masked.part].clone() {
            Part::Scores(scores) => Ok(scores),
            _ => Err(NO_ATTENTION.to_owned()),
        }
    }

    /// Heads of an operand of four dimensions, or of three, whose channels are `count` heads.
    fn split_heads(&self, x: &Seen, count: i64) -> Result<Heads, String> {
        if x.dims.len() == 4 {
            return self.heads(x, false).ok_or_else(|| NO_ATTENTION.to_owned());
        }
        let heads = usize::try_from(count).ok().filter(|n| *n > 0);
        let heads = heads.ok_or("it does not say how many heads there are")?;
        let (value, picked) = self.channels(x).ok_or(NO_ATTENTION)?;
        if !picked.len().is_multiple_of(heads) {
            return Err(format!("{heads} heads do not divide {} channels", picked.len()));
        }
        let depth = picked.len() / heads;
        Ok(Heads { value, picked, heads, depth })
    }
}

/// Channels of keys or values for so many heads of queries, neighbours of which share them.
fn repeated(of: &Heads, heads: usize) -> Result<Vec<usize>, String> {
    if of.heads == 0 || !heads.is_multiple_of(of.heads) {
        return Err(format!("{} heads of keys do not divide {heads} of queries", of.heads));
    }
    let times = heads / of.heads;
    let all = of.picked.chunks_exact(of.depth.max(1));
    Ok(all.flat_map(|head| std::iter::repeat_n(head, times)).flatten().copied().collect())
}
