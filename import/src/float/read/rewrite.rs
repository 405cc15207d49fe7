//! Operators that are made of others.

use std::rc::Rc;

use super::prepare::is_onnx;
use super::Reader;
use crate::onnx::{self, Attribute, Element, Node, Numbers};

/// A node with one result.
pub(super) fn node(op: &str, inputs: &[&str], output: &str) -> Node {
    Node {
        input: inputs.iter().map(|s| (*s).to_owned()).collect(),
        output: vec![output.to_owned()],
        op_type: op.to_owned(),
        ..Node::default()
    }
}

/// The node with a float attribute.
pub(super) fn with_float(node: Node, name: &str, f: f32) -> Node {
    with(node, Attribute { name: name.to_owned(), f, ..Attribute::default() })
}

/// The node with an integer attribute.
pub(super) fn with_int(node: Node, name: &str, i: i64) -> Node {
    with(node, Attribute { name: name.to_owned(), i, ..Attribute::default() })
}

/// The node with a list of integers.
pub(super) fn with_ints(node: Node, name: &str, ints: &[i64]) -> Node {
    with(node, Attribute { name: name.to_owned(), ints: ints.to_vec(), ..Attribute::default() })
}

fn with(mut node: Node, attribute: Attribute) -> Node {
    node.attribute.push(attribute);
    node
}

impl Reader {
    /// Stores a constant under a name of its own; gives the name.
    pub(super) fn store(&mut self, hint: &str, dims: Vec<usize>, values: Vec<f64>) -> String {
        let name = format!("{hint}@{}", self.constants.len());
        self.constants.insert(name.clone(), Rc::new(Numbers::floats(dims, values)));
        name
    }

    /// The same for integers.
    pub(super) fn store_integers(&mut self, hint: &str, values: &[i64]) -> String {
        let name = self.store(hint, vec![values.len()], values.iter().map(|v| *v as f64).collect());
        if let Some(numbers) = self.constants.get_mut(&name).and_then(Rc::get_mut) {
            numbers.element = Element::INT64;
        }
        name
    }

    /// The nodes that a node stands for; `None` if it is read as it is.
    pub(super) fn rewritten(&mut self, node: &onnx::Node) -> Result<Option<Vec<Node>>, String> {
        let nodes = match (node.domain.as_str(), node.op_type.as_str()) {
            ("ai.onnx.ml", _) => return self.learned(node),
            ("com.microsoft", "FusedConv" | "FusedGemm" | "FusedMatMul") => fused(node)?,
            ("com.microsoft", _) => return self.quantised_layer(node),
            (
                domain,
                "Softmax" | "LayerNormalization" | "InstanceNormalization" | "RMSNormalization",
            ) if is_onnx(domain) => self.statistic(node)?,
            (domain, "CumSum") if is_onnx(domain) => self.running_sum(node)?,
            (domain, "Trilu") if is_onnx(domain) => self.triangle(node)?,
            (domain, "LSTM" | "GRU" | "RNN") if is_onnx(domain) => self.recurrent(node)?,
            (domain, "QLinearConv" | "QLinearMatMul" | "MatMulInteger" | "ConvInteger")
                if is_onnx(domain) =>
            {
                return self.quantised_layer(node)
            }
            _ => return Ok(None),
        };
        Ok(Some(nodes))
    }
}

/// A layer with its activation, as onnxruntime's optimiser writes it.
fn fused(node: &Node) -> Result<Vec<Node>, String> {
    let result = node.output.first().cloned().unwrap_or_default();
    let activation = node.text("activation").to_owned();
    let inner = format!("{result}@inner");
    let parameters = node.floats("activation_params");
    let alpha = parameters.first().copied().unwrap_or(node.float("activation_alpha", 0.01));
    let beta = parameters.get(1).copied().unwrap_or(node.float("activation_beta", 0.5));
    let base = node.op_type.trim_start_matches("Fused");
    let mut input = node.input.clone();
    let sum = (base == "Conv" && node.operand(3).is_some()).then(|| input.remove(3));
    let is_plain =
        node.int("transA", 0) + node.int("transB", 0) == 0 && node.float("alpha", 1.0) == 1.0;
    let op = if base == "MatMul" && !is_plain { "Gemm" } else { base };
    if base == "MatMul" && node.int("transBatchA", 0) + node.int("transBatchB", 0) != 0 {
        return Err("transposed batches are not supported".to_owned());
    }
    let layer = Node {
        op_type: op.to_owned(),
        domain: String::new(),
        input,
        output: vec![inner.clone()],
        ..node.clone()
    };
    let mut nodes = vec![layer];
    let mut last = inner;
    if let Some(sum) = sum {
        let added = format!("{result}@sum");
        nodes.push(self::node("Add", &[&last, &sum], &added));
        last = added;
    }
    nodes.push(match activation.as_str() {
        "" => self::node("Identity", &[&last], &result),
        "Clip" => {
            let clip = self::node("Clip", &[&last], &result);
            with_float(with_float(clip, "min", alpha), "max", beta)
        }
        "LeakyRelu" => with_float(self::node("LeakyRelu", &[&last], &result), "alpha", alpha),
        "HardSigmoid" => {
            let function = self::node("HardSigmoid", &[&last], &result);
            with_float(with_float(function, "alpha", alpha), "beta", beta)
        }
        name @ ("Relu" | "Sigmoid" | "Tanh") => self::node(name, &[&last], &result),
        name => return Err(format!("activation {name:?} is not supported")),
    });
    Ok(nodes)
}
