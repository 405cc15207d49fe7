//! The input of a transformer, and what depends on constants only.

use super::super::input::declared;
use super::super::{unsupported, Reader, Reading};
use crate::error::ImportError;
use crate::float::Origin;
use crate::onnx::{Element, Node, Numbers, ValueInfo};

/// The token ids.
pub(super) struct Ids {
    pub(super) name: String,
    /// Without the batch.
    pub(super) dims: Vec<usize>,
    pub(super) has_batch: bool,
}

impl Reader {
    /// The one input of a transformer.
    pub(super) fn ids(
        &self,
        all: &[ValueInfo],
        nodes: &[Node],
        reading: &Reading,
    ) -> Result<Ids, ImportError> {
        let is_read = |i: &&ValueInfo| nodes.iter().any(|n| n.operands().any(|o| o == i.name));
        let given = |i: &&ValueInfo| !self.initializers.contains_key(&i.name);
        let inputs: Vec<&ValueInfo> = all.iter().filter(given).filter(is_read).collect();
        let [input] = &inputs[..] else {
            let names: Vec<&str> = inputs.iter().map(|i| i.name.as_str()).collect();
            return Err(unsupported(format!(
                "a model of tokens takes their ids alone, this one takes {}: export it without masks and caches",
                names.join(", ")
            )));
        };
        let declared = declared(input, &reading.sizes)?;
        if !matches!(declared.element, Element::Integer { .. }) {
            return Err(unsupported(format!("input {:?} holds no integers", input.name)));
        }
        if declared.batch > 1 {
            return Err(unsupported(format!(
                "input {:?} has a fixed batch of {}: export it with a batch of 1 or an open one",
                input.name, declared.batch
            )));
        }
        let has_batch = declared.dims.len() > declared.input.dims.len();
        Ok(Ids { name: declared.input.name, dims: declared.input.dims, has_batch })
    }

    /// The results of a node that depends on constants and shapes only.
    pub(super) fn folded(&mut self, node: &Node) -> Result<Option<Vec<Numbers>>, String> {
        self.origin = Origin { node: node.label(), op: node.op_type.clone() };
        match Self::operator(node) {
            Some(_) => self.fold(node),
            None => Ok(None),
        }
    }
}
