//! Which tensors are never negative, as far as a graph's operators tell.

use std::collections::HashMap;

use crate::onnx::{Element, Graph, Node};

/// How far back operators are followed.
const MAX_DEPTH: usize = 24;
/// How many tensors are looked at.
const MAX_LOOKS: usize = 4_096;

/// What is known of a tensor's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sign {
    /// None is below 0.
    pub(super) is_positive: bool,
    /// None is above 1.
    is_bounded: bool,
}

const ANY: Sign = Sign { is_positive: false, is_bounded: false };
const POSITIVE: Sign = Sign { is_positive: true, is_bounded: false };
const SHARE: Sign = Sign { is_positive: true, is_bounded: true };

/// A graph and what makes each tensor.
pub(super) struct Signs<'a> {
    pub(super) graph: &'a Graph,
    pub(super) producer: &'a HashMap<String, usize>,
}

impl Signs<'_> {
    pub(super) fn of(&self, name: &str) -> Sign {
        self.follow(name, 0, &mut HashMap::new())
    }

    /// `known` has what was found before.
    fn follow(&self, name: &str, depth: usize, known: &mut HashMap<String, Sign>) -> Sign {
        if let Some(sign) = known.get(name) {
            return *sign;
        }
        if depth == MAX_DEPTH || known.len() == MAX_LOOKS {
            return ANY;
        }
        let sign = self.computed(name, depth, known);
        known.insert(name.to_owned(), sign);
        sign
    }

    fn computed(&self, name: &str, depth: usize, known: &mut HashMap<String, Sign>) -> Sign {
        let Some(node) = self.producer.get(name).map(|at| &self.graph.node[*at]) else {
            return self.constant(name);
        };
        let signs: Vec<Sign> =
            node.operands().map(|operand| self.follow(operand, depth + 1, known)).collect();
        let operand = |at: usize| signs.get(at).copied().unwrap_or(ANY);
        let all = || signs.iter().copied();
        let positive = |is_positive: bool| Sign { is_positive, is_bounded: false };
        match node.op_type.as_str() {
            "Sigmoid" | "Softmax" | "HardSigmoid" => SHARE,
            "Relu" | "Exp" | "Abs" | "Softplus" | "Sqrt" | "ReduceL1" | "ReduceL2"
            | "ReduceSumSquare" => POSITIVE,
            "Add" | "Sum" | "Mean" | "Div" => positive(all().all(|s| s.is_positive)),
            "Mul" => Sign {
                is_positive: all().all(|s| s.is_positive),
                is_bounded: all().all(|s| s == SHARE),
            },
            // What is left of 1.
            "Sub" => positive(self.is_one(node.operand(0)) && operand(1).is_bounded),
            "ReduceSum" => positive(operand(0).is_positive),
            "Concat" => Sign {
                is_positive: all().all(|s| s.is_positive),
                is_bounded: all().all(|s| s.is_bounded),
            },
            "Identity" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Transpose"
            | "Slice" | "Gather" | "Split" | "ReduceMean" | "ReduceMax" | "ReduceMin"
            | "ZipMap" | "Dropout" => operand(0),
            // A type of few bits turns large numbers over.
            "Cast" => match i32::try_from(node.int("to", 0)).ok().and_then(Element::of) {
                Some(element) if element.is_float() => operand(0),
                Some(Element::Bool) => SHARE,
                Some(Element::Integer { is_signed: false, .. }) => POSITIVE,
                _ => ANY,
            },
            "TreeEnsembleClassifier" | "LinearClassifier" => scores(node),
            "Constant" => node.constant().map_or(ANY, |t| numbers(t.numbers(None).ok())),
            _ => ANY,
        }
    }

    fn is_one(&self, name: Option<&str>) -> bool {
        let tensor = |name: &str| match self.producer.get(name) {
            Some(at) => self.graph.node[*at].constant(),
            None => self.graph.initializer.iter().find(|t| t.name == name).cloned(),
        };
        let numbers = name.and_then(tensor).and_then(|t| t.numbers(None).ok());
        numbers.is_some_and(|n| n.values.iter().all(|v| *v == 1.0))
    }

    fn constant(&self, name: &str) -> Sign {
        let tensor = self.graph.initializer.iter().find(|t| t.name == name);
        tensor.map_or(ANY, |t| numbers(t.numbers(None).ok()))
    }
}

fn numbers(of: Option<crate::onnx::Numbers>) -> Sign {
    let Some(of) = of else { return ANY };
    let all = |f: fn(&f64) -> bool| of.values.iter().all(f);
    Sign { is_positive: all(|v| *v >= 0.0), is_bounded: all(|v| *v <= 1.0) }
}

/// The scores of a classifier.
fn scores(node: &Node) -> Sign {
    match node.text("post_transform") {
        "LOGISTIC" | "SOFTMAX" => SHARE,
        "" | "NONE" if node.op_type == "TreeEnsembleClassifier" => {
            let weights = ["class_weights", "base_values"].map(|name| node.numbers(name));
            let known = |w: &Result<Vec<f64>, String>| {
                w.as_ref().is_ok_and(|w| w.iter().all(|v| *v >= 0.0))
            };
            Sign { is_positive: weights.iter().all(known), is_bounded: false }
        }
        _ => ANY,
    }
}
