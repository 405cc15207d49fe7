//! Nodes that read codes: a choice of codes is one of the numbers that they stand for, arithmetic is not.

use std::borrow::Cow;

use super::view::View;
use super::Reader;
use crate::float::Scalar;
use crate::onnx::{self, Element};

/// Operators that choose or order numbers, whatever these are.
const CHOICES: &[&str] = &[
    "Concat",
    "DepthToSpace",
    "Dropout",
    "Expand",
    "Flatten",
    "Gather",
    "GatherElements",
    "GlobalMaxPool",
    "Identity",
    "Max",
    "MaxPool",
    "Min",
    "ReduceMax",
    "ReduceMin",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
];
/// Operators that read codes with the scales that are given beside them.
const READERS: &[&str] = &[
    "ConvInteger",
    "DequantizeLinear",
    "MatMulInteger",
    "QGemm",
    "QLinearAdd",
    "QLinearConcat",
    "QLinearConv",
    "QLinearGlobalAveragePool",
    "QLinearLeakyRelu",
    "QLinearMatMul",
    "QLinearSigmoid",
];

/// What no scale that each example has by itself may become.
const OWN_SCALE: &str =
    "it computes with a scale that each example has by itself, in another way than a layer \
                         quantised dynamically";

impl Reader {
    /// The node, reading code numbers in place of codes where it computes with them.
    pub(super) fn on_codes<'a>(
        &mut self,
        node: &'a onnx::Node,
    ) -> Result<Cow<'a, onnx::Node>, String> {
        let op = node.op_type.as_str();
        self.scales_of_examples(node)?;
        let coded = |reader: &Self, name: &str| reader.quantised.contains_key(name);
        if !node.operands().any(|name| coded(self, name)) || READERS.contains(&op) {
            return Ok(Cow::Borrowed(node));
        }
        if self.only_chooses(node) {
            return Ok(Cow::Borrowed(node));
        }
        let mut node = node.clone();
        for at in 0..node.input.len() {
            let name = node.input[at].clone();
            if coded(self, &name) {
                node.input[at] = self.code_numbers(&name)?;
            }
        }
        Ok(Cow::Owned(node))
    }

    /// Whether a node chooses among codes of one scale.
    fn only_chooses(&self, node: &onnx::Node) -> bool {
        let op = node.op_type.as_str();
        let is_nearest =
            matches!(op, "Resize" | "Upsample") && matches!(node.text("mode"), "" | "nearest");
        if !is_nearest && !CHOICES.contains(&op) {
            return false;
        }
        // Of all others the first operand is chosen from.
        let count = if matches!(op, "Concat" | "Max" | "Min") { usize::MAX } else { 1 };
        let mut codings = node.operands().take(count).map(|name| self.quantised.get(name));
        let Some(Some(first)) = codings.next() else { return false };
        let is_same = codings.all(|other| other == Some(first));
        let is_kept = matches!(op, "Identity" | "Dropout");
        is_same
            && (first.single().is_some() || is_kept)
            && node.operands().skip(count).all(|name| !self.quantised.contains_key(name))
    }

    /// The codes themselves as numbers, under a name of their own.
    fn code_numbers(&mut self, name: &str) -> Result<String, String> {
        let own = format!("{name}@codes");
        if self.views.contains_key(&own) {
            return Ok(own);
        }
        let coding = &self.quantised[name];
        if coding.is_dynamic {
            return Err(OWN_SCALE.to_owned());
        }
        let Some((scale, zero)) = coding.single() else {
            return Err("it computes with codes of several scales".to_owned());
        };
        let element = self.element(name);
        let (Some((low, high)), true) = (element.range(), scale > 0.0) else {
            return Err(
                "it computes with codes of a type or scale that is not supported".to_owned()
            );
        };
        let view = self.view(name)?;
        let codes = self.as_codes(&view, (scale, zero), (low, high))?;
        self.views.insert(own.clone(), codes);
        self.elements.insert(own.clone(), element);
        self.same_batch(name, &own);
        Ok(own)
    }

    /// The codes of numbers.
    fn as_codes(
        &mut self,
        view: &View,
        (scale, zero): (f64, f64),
        (low, high): (f64, f64),
    ) -> Result<View, String> {
        let steps = Scalar::Affine((1.0 / scale) as f32, 0.0);
        let shift = Scalar::Affine(1.0, zero as f32);
        let clip = Scalar::Clip(low as f32, high as f32);
        self.function(view, &[steps, Scalar::Round, shift, clip])
    }

    /// Scales and zero points of `DynamicQuantizeLinear` stand for what differs from example to example.
    /// They may only become factors of the layer that reads its codes.
    fn scales_of_examples(&mut self, node: &onnx::Node) -> Result<(), String> {
        let op = node.op_type.as_str();
        let scaled: Vec<&str> = node.operands().filter(|n| self.own_scales.contains(*n)).collect();
        let open: Vec<&str> = node.operands().filter(|n| self.unscaled.contains(*n)).collect();
        if scaled.is_empty() && open.is_empty() || READERS.contains(&op) {
            return Ok(());
        }
        let to_float = self.cast_target(node)?.is_none_or(Element::is_float);
        let moves = CHOICES.contains(&op) && !matches!(op, "Max" | "Min" | "Concat")
            || op == "Cast" && to_float;
        let is_constant = node.operands().all(|n| matches!(self.numbers(n), Ok(Some(_))));
        let results = node.results().map(str::to_owned);
        if is_constant && (moves || op == "Mul" && scaled.len() == 1) {
            self.own_scales.extend(results);
        } else if !is_constant && moves && scaled.is_empty() {
            self.unscaled.extend(results);
        } else if !(op == "Mul" && scaled.len() == 1 && open.len() == 1) {
            return Err(OWN_SCALE.to_owned());
        }
        Ok(())
    }
}
