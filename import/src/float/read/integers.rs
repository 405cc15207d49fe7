//! Integer arithmetic on shapes, as exporters emit it in front of a `Reshape`.

use super::Reader;
use crate::onnx;

impl Reader {
    /// Integers under a name: computed ones or a constant.
    pub(super) fn integers(&self, name: &str) -> Option<Vec<i64>> {
        let constant = || self.constants.get(name).and_then(|t| t.integers().ok());
        self.integers.get(name).cloned().or_else(constant)
    }

    /// The integers of an attribute or, in later operator sets, of an operand.
    pub(super) fn axes(&self, node: &onnx::Node, name: &str, at: usize) -> Option<Vec<i64>> {
        let attribute = node.ints(name).map(<[i64]>::to_vec);
        attribute.or_else(|| self.integers(node.operand(at)?))
    }

    /// The result of a node that computes with shapes only.
    pub(super) fn fold_integers(&self, node: &onnx::Node) -> Option<Vec<i64>> {
        let first = node.operand(0)?;
        match node.op_type.as_str() {
            "Shape" => {
                let dims = &self.views.get(first)?.dims;
                let dims = dims.iter().map(|d| i64::try_from(*d).ok());
                std::iter::once(Some(0)).chain(dims).collect()
            }
            "Cast" | "Squeeze" | "Unsqueeze" | "Identity" => self.integers(first),
            "Concat" => {
                let parts: Option<Vec<_>> = node.input.iter().map(|n| self.integers(n)).collect();
                Some(parts?.concat())
            }
            "Gather" => {
                let values = self.integers(first)?;
                let len = i64::try_from(values.len()).ok()?;
                let pick = |i: i64| {
                    let at = if i < 0 { i.checked_add(len)? } else { i };
                    values.get(usize::try_from(at).ok()?).copied()
                };
                self.integers(node.operand(1)?)?.into_iter().map(pick).collect()
            }
            "Slice" => {
                let values = self.integers(first)?;
                let bound = |at: usize| -> Option<usize> {
                    let [n] = self.integers(node.operand(at)?)?[..] else { return None };
                    let len = i64::try_from(values.len()).ok()?;
                    usize::try_from(if n < 0 { n.checked_add(len)? } else { n.min(len) }).ok()
                };
                Some(values.get(bound(1)?..bound(2)?)?.to_vec())
            }
            _ => None,
        }
    }
}
