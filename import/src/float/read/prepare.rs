//! Brings a graph into the form that is read: functions inlined, tails dropped, dead nodes gone.

use std::collections::{HashMap, HashSet};

use crate::error::ImportError;
use crate::onnx::{Attribute, Function, Graph, Model, Node, BFLOAT16, DOUBLE, FLOAT, FLOAT16};
use crate::readout::Readout;

use super::signs::Signs;
use super::unsupported;

/// Operator sets whose operators mean what is read here.
const OPSETS: std::ops::RangeInclusive<i64> = 6..=25;
/// How deep functions may call each other.
const MAX_DEPTH: usize = 16;
/// Most nodes behind inlining.
const MAX_NODES: usize = 1 << 17;

/// A graph without functions.
pub(super) struct Prepared {
    pub(super) graph: Graph,
    /// Version of ONNX's own operator set.
    pub(super) opset: i64,
    /// Names of the tensors that are the outputs, with those that the file gives them.
    pub(super) outputs: Vec<(String, String)>,
    /// How outputs of classifiers are read, by the tensors' names.
    pub(super) readouts: HashMap<String, Readout>,
    /// Whether what was dropped orders or names classes.
    pub(super) has_classes: bool,
    /// What was dropped, for people.
    pub(super) notes: Vec<String>,
}

/// Whether a domain is ONNX's own.
pub(super) fn is_onnx(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// A graph without functions, and nothing else changed.
pub(super) struct Inlined {
    pub(super) graph: Graph,
    /// Version of ONNX's own operator set.
    pub(super) opset: i64,
    /// Names of the outputs.
    pub(super) outputs: Vec<String>,
}

/// Writes functions out, and finds the chosen outputs; all without a choice.
pub(super) fn inlined(model: Model, chosen: &[String]) -> Result<Inlined, ImportError> {
    let versions = model.opset_import.iter().filter(|o| is_onnx(&o.domain)).map(|o| o.version);
    let opset = versions.max();
    let graph = model.graph.ok_or_else(|| unsupported("there is no graph"))?;
    check_names(&graph)?;
    let opset = match opset {
        Some(version) if OPSETS.contains(&version) => version,
        Some(version) => {
            return Err(unsupported(format!(
                "it uses operator set {version}; export it with one from {} to {}",
                OPSETS.start(),
                OPSETS.end()
            )))
        }
        None if graph.node.iter().all(|n| !is_onnx(&n.domain)) => *OPSETS.end(),
        None => return Err(unsupported("it does not say which operator set it uses")),
    };
    let mut inliner = Inliner { functions: HashMap::new(), nodes: Vec::new(), calls: 0 };
    for function in &model.functions {
        inliner.functions.insert((function.domain.as_str(), function.name.as_str()), function);
    }
    for node in &graph.node {
        inliner.add(node.clone(), 0)?;
    }
    let nodes = inliner.nodes;
    let mut outputs: Vec<String> = graph.output.iter().map(|o| o.name.clone()).collect();
    if !chosen.is_empty() {
        let all: Vec<&String> = graph.node.iter().flat_map(|n| &n.output).collect();
        if let Some(name) = chosen.iter().find(|c| !outputs.contains(c) && !all.contains(c)) {
            return Err(unsupported(format!(
                "there is no output {name:?}; the model has {}",
                outputs.join(", ")
            )));
        }
        outputs = chosen.to_vec();
    }
    let graph = Graph { node: nodes, ..graph };
    Ok(Inlined { graph, opset, outputs })
}

/// Prepares a model for its chosen outputs; all without a choice.
pub(super) fn prepare(model: Model, chosen: &[String]) -> Result<Prepared, ImportError> {
    let Inlined { graph, opset, outputs } = inlined(model, chosen)?;
    let mut prepared = Prepared {
        graph,
        opset,
        outputs: Vec::new(),
        readouts: HashMap::new(),
        has_classes: false,
        notes: Vec::new(),
    };
    prepared.drop_tails(&outputs)?;
    prepared.keep_needed();
    Ok(prepared)
}

/// Whether an axis is one of an example's scores whatever the rank: the last one, or one behind the batch.
fn is_of_scores(axis: i64) -> bool {
    axis > 0 || axis == -1
}

/// Refuses two names of which the second is one that reading makes of the first.
fn check_names(graph: &Graph) -> Result<(), ImportError> {
    let made = graph.node.iter().flat_map(|n| &n.output);
    let given = graph.initializer.iter().map(|t| &t.name);
    let names: HashSet<&str> =
        made.chain(given).chain(graph.input.iter().map(|i| &i.name)).map(String::as_str).collect();
    let taken = |name: &&str| name.match_indices('@').any(|(at, _)| names.contains(&name[..at]));
    match names.iter().copied().find(taken) {
        Some(name) => Err(unsupported(format!(
            "two tensors are called {name:?} and the same without what follows an @: rename one"
        ))),
        None => Ok(()),
    }
}

struct Inliner<'a> {
    functions: HashMap<(&'a str, &'a str), &'a Function>,
    nodes: Vec<Node>,
    /// Number of calls so far: part of the names inside.
    calls: usize,
}

impl Inliner<'_> {
    /// Adds a node, or the body of the function that it calls.
    fn add(&mut self, node: Node, depth: usize) -> Result<(), ImportError> {
        let Some(function) =
            self.functions.get(&(node.domain.as_str(), node.op_type.as_str())).copied()
        else {
            if self.nodes.len() >= MAX_NODES {
                return Err(unsupported(format!("there are more than {MAX_NODES} nodes")));
            }
            self.nodes.push(node);
            return Ok(());
        };
        if depth == MAX_DEPTH {
            return Err(unsupported(format!(
                "function {:?} is called more than {MAX_DEPTH} deep",
                node.op_type
            )));
        }
        self.calls += 1;
        if self.calls > MAX_NODES {
            return Err(unsupported("functions are called too often"));
        }
        let label = node.label();
        let mut names: HashMap<&str, String> = HashMap::new();
        let pairs = function.input.iter().zip(&node.input);
        let pairs = pairs.chain(function.output.iter().zip(&node.output));
        names.extend(pairs.map(|(formal, actual)| (formal.as_str(), actual.clone())));
        let call = self.calls;
        let rename = |name: &String| match names.get(name.as_str()) {
            Some(actual) => actual.clone(),
            None if name.is_empty() || function.input.contains(name) => String::new(),
            None => format!("{name}@{call}"),
        };
        for inner in &function.node {
            let body = Node {
                input: inner.input.iter().map(rename).collect(),
                output: inner.output.iter().map(rename).collect(),
                name: format!("{label}/{}", inner.label()),
                op_type: inner.op_type.clone(),
                attribute: attributes(inner, &node, function),
                domain: inner.domain.clone(),
            };
            self.add(body, depth + 1)?;
        }
        Ok(())
    }
}

/// Attributes of a node in a function's body: its own, or those that the call gives.
fn attributes(inner: &Node, call: &Node, function: &Function) -> Vec<Attribute> {
    let given = |name: &str| {
        let given = call.attribute.iter().find(|a| a.name == name);
        given.or_else(|| function.attribute_proto.iter().find(|a| a.name == name))
    };
    let one = |a: &Attribute| {
        if a.ref_attr_name.is_empty() {
            return Some(a.clone());
        }
        given(&a.ref_attr_name).map(|g| Attribute { name: a.name.clone(), ..g.clone() })
    };
    inner.attribute.iter().filter_map(one).collect()
}

/// What stands between an output and the numbers that are computed for it.
struct Tail {
    /// Tensor in front of the tail.
    base: String,
    /// Whether the output is an index or a name of a class.
    is_label: bool,
    /// Nodes to be read as views.
    dropped: Vec<usize>,
    visited: Vec<usize>,
}

/// Whether a `Cast` leaves numbers as they are.
fn keeps_numbers(node: &Node) -> bool {
    let to = node.int("to", 0);
    [FLOAT, FLOAT16, DOUBLE, BFLOAT16].iter().any(|float| i64::from(*float) == to)
}

impl Prepared {
    /// Decides what each output is and drops what only orders or names classes.
    fn drop_tails(&mut self, outputs: &[String]) -> Result<(), ImportError> {
        let mut producer: HashMap<String, usize> = HashMap::new();
        for (i, node) in self.graph.node.iter().enumerate() {
            producer.extend(node.results().map(|name| (name.to_owned(), i)));
        }
        let tails: Vec<Tail> = outputs.iter().map(|o| self.tail(o, &producer)).collect();
        let visited: HashSet<usize> = tails.iter().flat_map(|t| t.visited.clone()).collect();
        if let (true, Some(tail)) = (tails.iter().all(|t| t.is_label), tails.first()) {
            let base = &tail.base;
            return Err(unsupported(format!(
                "its only output is the class, an index: take the scores with --output-name {base}; the class is the \
                 index of the largest"
            )));
        }
        // A file that names the class beside them promises probabilities.
        let is_classifier = tails.iter().any(|t| t.is_label);
        self.has_classes = tails.iter().any(|t| t.is_label || !t.dropped.is_empty());
        for (name, tail) in outputs.iter().zip(&tails) {
            let dropped = tail.dropped.iter().map(|at| self.readout(*at));
            let readout = dropped.fold(Readout::Plain, |read, own| match own {
                Readout::Plain => read,
                own => own,
            });
            if is_classifier && readout != Readout::Plain {
                self.readouts.insert(tail.base.clone(), readout);
            }
            if tail.is_label {
                self.notes.push(format!("output {name:?} is dropped: it names the class"));
                continue;
            }
            self.outputs.push((tail.base.clone(), name.clone()));
        }
        let dropped: HashSet<usize> = tails.iter().flat_map(|t| t.dropped.clone()).collect();
        let mut dropped: Vec<usize> = dropped.into_iter().collect();
        dropped.sort_unstable();
        for at in dropped {
            let results: HashSet<&str> = self.graph.node[at].results().collect();
            let reads = |n: &Node| n.operands().any(|name| results.contains(name));
            let readers = (0..self.graph.node.len()).filter(|i| reads(&self.graph.node[*i]));
            if readers.into_iter().all(|i| visited.contains(&i)) {
                self.drop_node(at);
            }
        }
        Ok(())
    }

    /// What a reader does in place of a node of a tail.
    fn readout(&self, at: usize) -> Readout {
        let node = &self.graph.node[at];
        match node.op_type.as_str() {
            "Softmax" => Readout::Softmax,
            "Div" => Readout::Share,
            "Normalizer" if node.text("norm") == "L1" => Readout::Share,
            _ => Readout::Plain,
        }
    }

    /// Turns a node of a tail into one that passes its operand on.
    fn drop_node(&mut self, at: usize) {
        let node = &mut self.graph.node[at];
        let (label, op) = (node.label(), node.op_type.clone());
        let effect = match op.as_str() {
            "Softmax" | "LogSoftmax" => {
                "the outputs are logits in the same order; where it works on groups, order holds within each"
            }
            "Normalizer" | "Div" => "the outputs are scores in the same order that do not add up to 1",
            _ => "the outputs are plain numbers, one per class",
        };
        self.notes.push(format!("{op} {label:?} is dropped: {effect}"));
        "Identity".clone_into(&mut node.op_type);
        node.domain.clear();
    }

    fn tail(&self, output: &str, producer: &HashMap<String, usize>) -> Tail {
        let mut tail = Tail {
            base: output.to_owned(),
            is_label: false,
            dropped: Vec::new(),
            visited: Vec::new(),
        };
        let mut name = output.to_owned();
        // Views that are walked past count only if something is dropped behind them.
        let mut passed = Vec::new();
        // Behind what cuts or renames numbers there are no scores, only a class.
        let mut is_index = false;
        while let Some(at) = producer.get(&name).copied() {
            let node = &self.graph.node[at];
            let computed = |i: usize| node.operand(i).filter(|n| producer.contains_key(*n));
            passed.push(at);
            if passed.len() > self.graph.node.len() {
                break;
            }
            is_index |= match node.op_type.as_str() {
                "Cast" => !keeps_numbers(node),
                "LabelEncoder" | "ArrayFeatureExtractor" | "Gather" => true,
                _ => false,
            };
            match node.op_type.as_str() {
                "Identity" | "Cast" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze"
                | "Transpose" => {
                    let Some(next) = computed(0) else { break };
                    name = next.to_owned();
                }
                "LabelEncoder" => {
                    let Some(next) = computed(0) else { break };
                    name = next.to_owned();
                }
                "ArrayFeatureExtractor" | "Gather" if computed(0).is_none() => {
                    let Some(next) = computed(1) else { break };
                    name = next.to_owned();
                }
                "Softmax" | "LogSoftmax" | "ZipMap" | "Normalizer"
                    if !is_index && self.keeps_order(node, producer) =>
                {
                    let Some(next) = node.operand(0) else { break };
                    tail.visited.append(&mut passed);
                    tail.dropped.push(at);
                    name = next.to_owned();
                }
                // Each score as a share of their sum.
                "Div" if !is_index && self.is_share(node, producer) => {
                    let Some(next) = node.operand(0) else { break };
                    tail.visited.append(&mut passed);
                    tail.dropped.push(at);
                    name = next.to_owned();
                }
                "ArgMax" => {
                    let Some(next) = node.operand(0) else { break };
                    tail.visited.append(&mut passed);
                    tail.is_label = true;
                    is_index = false;
                    name = next.to_owned();
                    tail.base.clone_from(&name);
                }
                "LinearClassifier" | "SVMClassifier" | "TreeEnsembleClassifier"
                    if node.output.first() == Some(&name) =>
                {
                    let Some(scores) = node.output.get(1) else { break };
                    tail.visited.append(&mut passed);
                    tail.is_label = true;
                    tail.base.clone_from(scores);
                    break;
                }
                _ => break,
            }
        }
        tail
    }

    /// Whether scores are in the same order in front of a node.
    fn keeps_order(&self, node: &Node, producer: &HashMap<String, usize>) -> bool {
        match node.op_type.as_str() {
            // Over the batch, each score would be one of its own.
            "Softmax" | "LogSoftmax" => is_of_scores(node.int("axis", -1)),
            "Normalizer" if matches!(node.text("norm"), "" | "MAX") => {
                self.is_never_negative(node.operand(0), producer)
            }
            _ => true,
        }
    }

    /// Whether a quotient is that of numbers and their own sum, in the same order: the sum of numbers
    /// that may be negative may be negative.
    fn is_share(&self, node: &Node, producer: &HashMap<String, usize>) -> bool {
        let sum =
            node.operand(1).and_then(|name| producer.get(name)).map(|at| &self.graph.node[*at]);
        sum.is_some_and(|n| {
            let is_positive = match n.op_type.as_str() {
                "ReduceL1" | "ReduceL2" => true,
                "ReduceSum" => self.is_never_negative(node.operand(0), producer),
                _ => false,
            };
            is_positive && n.operand(0) == node.operand(0) && self.sums_scores(n)
        })
    }

    fn is_never_negative(&self, name: Option<&str>, producer: &HashMap<String, usize>) -> bool {
        name.is_some_and(|name| Signs { graph: &self.graph, producer }.of(name).is_positive)
    }

    /// Whether a node reduces the scores of each example, not the examples.
    fn sums_scores(&self, node: &Node) -> bool {
        let constant = |name: &str| {
            let tensor = self.graph.initializer.iter().find(|t| t.name == name)?;
            let numbers = tensor.numbers(None).ok()?;
            Some(numbers.values.iter().map(|v| *v as i64).collect::<Vec<i64>>())
        };
        let given = match (node.ints("axes"), node.operand(1)) {
            (Some(axes), _) => Some(axes.to_vec()),
            (None, Some(name)) => constant(name),
            (None, None) => Some(vec![1]).filter(|_| node.int("noop_with_empty_axes", 0) == 0),
        };
        given.is_some_and(|axes| !axes.is_empty() && axes.iter().all(|a| is_of_scores(*a)))
    }

    /// Drops nodes that no output needs.
    fn keep_needed(&mut self) {
        let mut needed: HashSet<String> =
            self.outputs.iter().map(|(name, _)| name.clone()).collect();
        let mut keep = vec![false; self.graph.node.len()];
        for (i, node) in self.graph.node.iter().enumerate().rev() {
            if node.results().any(|name| needed.contains(name)) {
                keep[i] = true;
                needed.extend(node.operands().map(str::to_owned));
            }
        }
        let mut keep = keep.into_iter();
        self.graph.node.retain(|_| keep.next().unwrap_or(true));
    }
}
