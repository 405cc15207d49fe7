//! Functions of single numbers, and operators that only move numbers.

use super::super::select::FILL;
use super::seen::{Part, Seen};
use super::{Kind, TokenReader};
use crate::onnx::{Element, Node};

impl TokenReader {
    /// What an operator chooses of its operand, or a function of it.
    pub(super) fn moved_or_function(&mut self, node: &Node) -> Result<Vec<Seen>, String> {
        let reason = super::Reader::refusal(node);
        let is_known = super::Reader::operator(node).is_some();
        if let (false, Some(reason)) = (is_known, reason) {
            return Err(reason);
        }
        let x = self.operand(node, 0)?;
        if let Some(selections) = self.reader.selection(node, &x.dims) {
            return selections?.into_iter().map(|one| self.selected(&x, one)).collect();
        }
        let chain = self
            .reader
            .scalar(node)
            .map_err(|_| format!("{} is not read in a model of tokens", node.op_type))?;
        if matches!(self.parts[x.part], Part::Ids) {
            return Err("it computes with token ids; only a table is looked up by them".to_owned());
        }
        Ok(vec![chain.into_iter().fold(x, |x, function| x.then(function))])
    }

    fn selected(
        &mut self,
        x: &Seen,
        selection: super::super::select::Selection,
    ) -> Result<Seen, String> {
        self.reader.afford(selection.dims.iter().copied())?;
        match selection.index {
            None => Ok(Seen { dims: selection.dims, ..x.clone() }),
            Some(index) if index.contains(&FILL) => {
                Err("numbers are put around the tokens".to_owned())
            }
            Some(index) => {
                self.reader.spend(index.len())?;
                Ok(self.chosen(x, selection.dims, &index))
            }
        }
    }

    /// Types of numbers do not matter as long as they stay numbers.
    pub(super) fn cast(&mut self, node: &Node) -> Result<Seen, String> {
        let x = self.operand(node, 0)?;
        let to = match node.op_type.as_str() {
            "CastLike" => self.element_like(node)?,
            _ => Element::of(node.int("to", 1) as i32),
        };
        let is_whole = match self.parts[x.part] {
            Part::Ids => true,
            Part::Value(value) => {
                self.model.op(value).is_some_and(|op| matches!(op.kind, Kind::ArgMax { .. }))
            }
            _ => false,
        };
        match to {
            Some(Element::Float { .. }) => Ok(x),
            Some(Element::Integer { .. }) if is_whole => Ok(x),
            _ => Err("it rounds numbers to integers".to_owned()),
        }
    }

    /// The type of a node's second operand: of what is computed, ids alone are no floats.
    fn element_like(&mut self, node: &Node) -> Result<Option<Element>, String> {
        if let Some(constant) = self.constant(node, 1)? {
            return Ok(Some(constant.element));
        }
        let like = self.operand(node, 1)?;
        let is_ids = matches!(self.parts[like.part], Part::Ids);
        Ok(Some(if is_ids { Element::INT64 } else { Element::FLOAT }))
    }

    /// The channel of the largest number.
    pub(super) fn arg_max(&mut self, node: &Node) -> Result<Seen, String> {
        let x = self.operand(node, 0)?;
        if node.int("select_last_index", 0) != 0 {
            return Err(
                "the last of several largest is asked for; the first one is given".to_owned()
            );
        }
        self.last_axis(node.int("axis", 0), &x)?;
        let x = match self.parts[x.part] {
            Part::Probabilities(value) if x.chain.is_empty() => {
                Seen { part: self.part(Part::Value(value)), ..x }
            }
            _ => x,
        };
        let value = self.settled(&x)?;
        let value = self.push(1, Kind::ArgMax { of: value })?;
        let mut dims = x.dims;
        dims.pop();
        dims.extend((node.int("keepdims", 1) != 0).then_some(1));
        Ok(self.under(value, dims))
    }

    /// Fails for an axis that is not that of the channels.
    pub(super) fn last_axis(&self, axis: i64, x: &Seen) -> Result<(), String> {
        let rank = x.dims.len();
        match super::super::axes::axis(axis, rank)? {
            at if at + 1 == rank => Ok(()),
            _ => Err(format!("axis {axis} is not the last one, that of the channels or keys")),
        }
    }
}
