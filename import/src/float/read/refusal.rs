//! What to say about operators that cannot be read.

use super::operators::{Group, Operator, OPERATORS};
use super::Reader;
use crate::onnx;

/// What to say about operators that are known and not supported: names, why, and what helps.
const REFUSED: &[(&[&str], &str)] = &[
    (&["TreeEnsemble"], "trees in this form are not read yet; TreeEnsembleClassifier and TreeEnsembleRegressor, which \
        exporters write for ai.onnx.ml 3, are"),
    (&["GroupNormalization", "LpNormalization", "MeanVarianceNormalization", "SimplifiedLayerNormalization",
        "SkipLayerNormalization", "LRN"],
        "it divides by a statistic of each example in a form that is not read; LayerNormalization and \
        InstanceNormalization are, and so are ReduceMean, Sqrt and Div"),
    (&["Attention", "MultiHeadAttention", "Einsum", "GroupQueryAttention", "RotaryEmbedding"],
        "it multiplies computed tensors in a form that is not read; MatMul and Mul are"),
    (&["LogSoftmax", "Hardmax"], "it divides by a sum over each example; it is left out as the last operator \
        only"),
    (&["ArgMax", "ArgMin", "TopK"], "it is left out as the last operator only: take the scores as output"),
    (&["Loop", "If", "Scan"], "graphs inside of a node are not read; export the model with fixed shapes"),
    (&["SVMClassifier"], "votes of support vectors need a gate that is not built yet; LinearClassifier (LinearSVC, \
        LogisticRegression) is supported"),
];

impl Reader {
    /// The entry of an operator.
    pub(super) fn operator(node: &onnx::Node) -> Option<&'static Operator> {
        let domain = if node.domain == "ai.onnx" { "" } else { &node.domain };
        OPERATORS.iter().find(|o| o.name == node.op_type && o.domain == domain)
    }

    /// Why a node whose operands depend on the input cannot be read, by its operator alone.
    pub(super) fn refusal(node: &onnx::Node) -> Option<String> {
        let told = REFUSED.iter().find(|(names, _)| names.contains(&node.op_type.as_str()));
        match (Self::operator(node), told) {
            (Some(o), _) if !matches!(o.group, Group::Constant | Group::Dropped) => None,
            (_, Some((_, why))) => Some((*why).to_owned()),
            (Some(o), None) if o.group == Group::Constant => {
                Some("it is supported on constants only".to_owned())
            }
            _ if !super::prepare::is_onnx(&node.domain) => Some(format!(
                "the operator is of domain {:?}, which defines it elsewhere, and is not supported",
                node.domain
            )),
            _ => Some(match nearest(&node.op_type) {
                Some(name) => {
                    format!("this operator is not supported; the nearest one that is: {name}")
                }
                None => "this operator is not supported".to_owned(),
            }),
        }
    }
}

/// A supported operator whose name contains the other, or is contained in it.
fn nearest(name: &str) -> Option<&'static str> {
    let alike = |o: &&Operator| {
        o.domain.is_empty() && o.read.is_some() && (o.name.contains(name) || name.contains(o.name))
    };
    OPERATORS.iter().filter(alike).map(|o| o.name).max_by_key(|n| n.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_operator_shares_its_name() {
        assert_eq!(nearest("QLinearSoftmax"), None);
        assert_eq!(nearest("MaxUnpool"), Some("Max"));
    }
}
