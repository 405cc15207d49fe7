//! Reads a transformer: a graph of token ids whose tensors are tokens by channels.
//!
//! Every computed tensor is [`Seen`]: some numbers of a [`Part`] under dimensions that the graph chose, and functions
//! of them. Operators that only move numbers change what is seen and make nothing. What a norm and an attention are made
//! of are parts of their own until the last of their operators turns them into an operation.

mod attention;
mod constants;
mod dense;
mod functions;
mod norm;
mod scores;
mod seen;
mod sums;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use dn_core::quant::sequence::{MAX_TOKENS, MAX_VOCABULARY};
use prost::Message;

use super::prepare::{inlined, Inlined};
use super::{unsupported, Reader, Reading, View};
use crate::error::{Failed, ImportError};
use crate::float::Origin;
use crate::onnx::{self, Element, Node, Numbers};
use crate::tokens::{Kind, Op, TokenModel};
use seen::{Part, Seen};

/// Most operations of a transformer.
const MAX_OPS: usize = 2_048;
/// Most weights and other constants of a transformer.
const MAX_WEIGHTS: usize = 1 << 26;
/// Tokens of a sequence, and channels of its residual sums, are multiples of it: the lanes of a proof.
const LANES: usize = 8;

/// What a file says about a transformer, beside the operations.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenFacts {
    /// Name of its input.
    pub(crate) input: String,
    /// Name of its output.
    pub(crate) output: String,
    /// What was dropped or changed, for people.
    pub(crate) notes: Vec<String>,
}

/// Reads a transformer; `None` if the file is none.
///
/// # Errors
/// As those of other models, and what the layers of sequences cannot express.
pub(crate) fn read(
    bytes: &[u8],
    reading: &Reading,
) -> Result<Option<(TokenModel, TokenFacts)>, ImportError> {
    let Ok(model) = onnx::Model::decode(bytes) else { return Ok(None) };
    let Ok(inlined) = inlined(model, &reading.outputs) else { return Ok(None) };
    if !is_transformer(&inlined.graph) {
        return Ok(None);
    }
    TokenReader::read(inlined, reading).map(Some)
}

/// Whether computed tensors are multiplied in a graph that looks integers up.
fn is_transformer(graph: &onnx::Graph) -> bool {
    let given: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let is_input = |i: &&onnx::ValueInfo| !given.contains(i.name.as_str());
    let inputs = || graph.input.iter().filter(is_input);
    let element = |i: &onnx::ValueInfo| {
        let tensor = i.r#type.as_ref()?.tensor_type.as_ref()?;
        Element::of(tensor.elem_type)
    };
    let is_integer = |i: &onnx::ValueInfo| matches!(element(i), Some(Element::Integer { .. }));
    if !inputs().any(is_integer) {
        return false;
    }
    let mut computed: HashSet<&str> = inputs().map(|i| i.name.as_str()).collect();
    let (mut looks_up, mut multiplies) = (false, false);
    for node in &graph.node {
        let is_computed = |at: usize| node.operand(at).is_some_and(|n| computed.contains(n));
        // The shape of a tensor is none of its numbers.
        if node.op_type == "Shape" || !node.operands().any(|n| computed.contains(n)) {
            continue;
        }
        match node.op_type.as_str() {
            "Gather" => looks_up |= is_computed(1) && !is_computed(0),
            "MatMul" => multiplies |= is_computed(0) && is_computed(1),
            "Attention" | "MultiHeadAttention" => multiplies = true,
            _ => {}
        }
        computed.extend(node.results());
    }
    looks_up && multiplies
}

struct TokenReader {
    /// Folds constants.
    reader: Reader,
    model: TokenModel,
    parts: Vec<Part>,
    seen: HashMap<String, Seen>,
    /// Weights so far.
    weights: usize,
    failed: HashSet<String>,
    failures: Vec<Failed>,
    notes: Vec<String>,
    origin: Origin,
}

impl TokenReader {
    fn read(file: Inlined, reading: &Reading) -> Result<(TokenModel, TokenFacts), ImportError> {
        let Inlined { graph, opset, outputs } = file;
        let [output] = &outputs[..] else {
            return Err(unsupported(format!(
                "a model of tokens has one output, this one has {}: choose it with --output-name",
                outputs.len()
            )));
        };
        let reader = Reader::of(graph.initializer, opset, reading);
        let input = reader.ids(&graph.input, &graph.node, reading)?;
        let tokens = input.dims.iter().product();
        check_tokens(tokens)?;
        let mut this = Self {
            reader,
            model: TokenModel { tokens, ..TokenModel::default() },
            parts: vec![Part::Ids],
            seen: HashMap::new(),
            weights: 0,
            failed: HashSet::new(),
            failures: Vec::new(),
            notes: Vec::new(),
            origin: Origin::default(),
        };
        let dims = std::iter::repeat_n(1, usize::from(input.has_batch)).chain(input.dims).collect();
        this.see(&input.name, Seen::all(0, dims));
        let needed = needed(&graph.node, output);
        for node in graph.node.iter().zip(needed).filter(|(_, n)| *n).map(|(node, _)| node) {
            this.node(node);
        }
        let (model, notes) = this.finish(output)?;
        Ok((model, TokenFacts { input: input.name, output: output.clone(), notes }))
    }

    fn node(&mut self, node: &Node) {
        self.origin = Origin { node: node.label(), op: node.op_type.clone() };
        let depends = node.operands().any(|name| self.failed.contains(name));
        let reason = if depends { None } else { self.single(node).err() };
        if depends || reason.is_some() {
            self.failed.extend(node.results().map(str::to_owned));
        }
        if let Some(reason) = reason {
            let Origin { node, op } = self.origin.clone();
            self.failures.push(Failed { node, op, reason, form: String::new() });
        }
    }

    fn single(&mut self, node: &Node) -> Result<(), String> {
        if node.results().next().is_none() {
            return Err("it has no output".to_owned());
        }
        if let Some(results) = self.reader.folded(node)? {
            for (name, numbers) in node.output.iter().zip(results) {
                self.reader.constants.insert(name.clone(), Rc::new(numbers));
            }
            return Ok(());
        }
        if !node.operands().any(|name| self.seen.contains_key(name)) {
            return Err("its operands are constants, and it is not computed of such".to_owned());
        }
        for (name, seen) in node.output.iter().zip(self.computed(node)?) {
            self.see(name, seen);
        }
        Ok(())
    }

    /// The results of a node with an operand that depends on the ids.
    fn computed(&mut self, node: &Node) -> Result<Vec<Seen>, String> {
        if !super::prepare::is_onnx(&node.domain) {
            return Err(Reader::refusal(node).unwrap_or_else(|| "it is not supported".to_owned()));
        }
        let one = match node.op_type.as_str() {
            "Gather" if node.operand(0).is_some_and(|n| !self.seen.contains_key(n)) => {
                self.embedding(node)?
            }
            "MatMul" => self.mat_mul(node)?,
            "Gemm" => self.gemm(node)?,
            "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Max" | "Min" | "Sum" => self.pair(node)?,
            "ReduceMean" => self.mean(node)?,
            "LayerNormalization" | "RMSNormalization" => self.normalised(node)?,
            "Softmax" | "LogSoftmax" => self.softmax(node)?,
            "IsNaN" => self.is_nan(node)?,
            "Where" => self.choice(node)?,
            "Attention" => self.attention(node)?,
            "ArgMax" => self.arg_max(node)?,
            "Cast" | "CastLike" => self.cast(node)?,
            _ => return self.moved_or_function(node),
        };
        Ok(vec![one])
    }

    fn see(&mut self, name: &str, seen: Seen) {
        // Shapes are read from the views.
        self.reader.views.insert(name.to_owned(), View::stack(Vec::new(), seen.dims.clone()));
        self.seen.insert(name.to_owned(), seen);
    }

    /// A computed operand.
    fn operand(&self, node: &Node, at: usize) -> Result<Seen, String> {
        let name = node.operand(at).ok_or_else(|| format!("operand {at} is missing"))?;
        self.seen.get(name).cloned().ok_or_else(|| format!("operand {name:?} must be computed"))
    }

    /// A constant operand; `None` for one that is computed or absent.
    fn constant(&self, node: &Node, at: usize) -> Result<Option<Rc<Numbers>>, String> {
        let Some(name) = node.operand(at).filter(|name| !self.seen.contains_key(*name)) else {
            return Ok(None);
        };
        self.reader.numbers(name)
    }

    /// Adds an operation; gives its value.
    fn push(&mut self, channels: usize, kind: Kind) -> Result<usize, String> {
        if self.model.ops.len() == MAX_OPS {
            return Err(format!("there are more than {MAX_OPS} operations"));
        }
        self.reader.afford([self.model.tokens, channels])?;
        self.afford_weights(kind.weights())?;
        self.model.ops.push(Op { origin: self.origin.clone(), channels, kind });
        Ok(self.model.ops.len())
    }

    /// Counts weights that are made.
    fn afford_weights(&mut self, count: usize) -> Result<(), String> {
        self.weights = self.weights.saturating_add(count);
        if self.weights <= MAX_WEIGHTS {
            return Ok(());
        }
        Err(format!("the model has more than {MAX_WEIGHTS} weights"))
    }

    /// A value as one tensor `[1, tokens, channels]`.
    fn whole(&mut self, value: usize) -> Seen {
        let dims = vec![1, self.model.tokens, self.model.channels(value)];
        self.under(value, dims)
    }

    /// A value under other dimensions.
    fn under(&mut self, value: usize, dims: Vec<usize>) -> Seen {
        Seen::all(self.part(Part::Value(value)), dims)
    }

    fn part(&mut self, part: Part) -> usize {
        if let Some(at) = self.parts.iter().position(|p| *p == part) {
            return at;
        }
        self.parts.push(part);
        self.parts.len() - 1
    }

    fn finish(mut self, output: &str) -> Result<(TokenModel, Vec<String>), ImportError> {
        if !self.failures.is_empty() {
            return Err(ImportError::of(self.failures));
        }
        self.origin = Origin { node: output.to_owned(), op: "output".to_owned() };
        let seen = self.seen.get(output).cloned();
        let seen = seen.ok_or_else(|| {
            unsupported(format!("output {output:?} does not depend on the token ids"))
        })?;
        let value = self.result(&seen).map_err(|reason| self.origin.error(reason))?;
        self.model.keep_only(value);
        self.check_extents()?;
        Ok((self.model, self.notes))
    }

    /// The value that an output is.
    fn result(&mut self, seen: &Seen) -> Result<usize, String> {
        let seen = match self.parts[seen.part] {
            Part::Probabilities(value) if seen.chain.is_empty() && seen.index.is_none() => {
                self.notes.push(
                    "the softmax at the end is dropped: the outputs are logits in the same order"
                        .to_owned(),
                );
                Seen { part: self.part(Part::Value(value)), ..seen.clone() }
            }
            Part::Value(value)
                if self.model.channels(value) == 1
                    && seen.index.is_none()
                    && seen.chain.is_empty() =>
            {
                return Ok(value);
            }
            _ => seen.clone(),
        };
        self.settled(&seen).map_err(|_| {
            "it is not one row of channels for each token, in the order of the tokens".to_owned()
        })
    }

    fn check_extents(&self) -> Result<(), ImportError> {
        let odd = self.model.ops.iter().find(|op| {
            let is_residual = matches!(op.kind, Kind::Sum { .. } | Kind::Embedding { .. });
            is_residual && !op.channels.is_multiple_of(LANES)
        });
        match odd {
            Some(op) => Err(op.origin.error(format!(
                "it has {} channels; residual sums of sequences have a multiple of {LANES}",
                op.channels
            ))),
            None => Ok(()),
        }
    }
}

fn check_tokens(tokens: usize) -> Result<(), ImportError> {
    if tokens.is_multiple_of(LANES) && (LANES..=MAX_TOKENS).contains(&tokens) {
        return Ok(());
    }
    Err(unsupported(format!(
        "a sequence has {tokens} tokens; their number is a multiple of {LANES}, at most {MAX_TOKENS}: export the model \
         with another length, or give it where it is a symbol, as --shape NAME=64"
    )))
}

/// Whether each node is needed for the output.
fn needed(nodes: &[Node], output: &str) -> Vec<bool> {
    let mut names: HashSet<&str> = HashSet::from([output]);
    let mut needed = vec![false; nodes.len()];
    for (node, needed) in nodes.iter().zip(&mut needed).rev() {
        if node.results().any(|name| names.contains(name)) {
            *needed = true;
            names.extend(node.operands());
        }
    }
    needed
}

/// The vocabulary must fit a token's value.
fn check_vocabulary(ids: usize) -> Result<(), String> {
    if (1..=MAX_VOCABULARY).contains(&ids) {
        return Ok(());
    }
    Err(format!(
        "its table has {ids} rows; a token is an 8-bit value that is not negative, so there are at most \
         {MAX_VOCABULARY}: use characters or a smaller vocabulary"
    ))
}
