//! Files that are made for a fixed batch: one example is computed here at a time, so nothing may
//! lead from one to another.

use super::axes::{axes, axis};
use super::view::View;
use super::Reader;
use crate::onnx;

const MIXED: &str =
    "it leads from one example of the batch to another; make the file for a batch of one";

/// Operators that take their operands entry by entry and spread them.
const SPREADING: &[&str] = &[
    "Add",
    "And",
    "Div",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Max",
    "Mean",
    "Min",
    "Mul",
    "Or",
    "PRelu",
    "Pow",
    "Sub",
    "Sum",
    "Where",
];
/// Operators on images and matrices, whose first axis is the batch.
const FIRST: &[&str] = &[
    "AveragePool",
    "BatchNormalization",
    "Conv",
    "ConvTranspose",
    "DepthToSpace",
    "Gemm",
    "MaxPool",
    "Resize",
    "SpaceToDepth",
    "Upsample",
];

/// Operators that take numbers one by one, or whole.
const ENTRYWISE: &[&str] = &[
    "Abs",
    "Atan",
    "Binarizer",
    "Cast",
    "CastLike",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "DequantizeLinear",
    "Dropout",
    "DynamicQuantizeLinear",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Log",
    "Mish",
    "Neg",
    "Not",
    "QuantizeLinear",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
];

impl Reader {
    /// Another name of a tensor, with the batch where that has it.
    pub(super) fn same_batch(&mut self, name: &str, other: &str) {
        if let Some(at) = self.batch_axes.get(name).copied() {
            self.batch_axes.insert(other.to_owned(), at);
        }
    }

    /// Refuses a batch among the axes from `from` on of a node's first operand.
    pub(super) fn batch_in_front(&self, node: &onnx::Node, from: usize) -> Result<(), String> {
        let at = node.operand(0).and_then(|name| self.batch_axes.get(name));
        at.filter(|at| **at >= from).map_or(Ok(()), |_| Err(MIXED.to_owned()))
    }

    /// Where a node's results have the batch, if the file is made for more than one example.
    pub(super) fn batch_axis(
        &self,
        node: &onnx::Node,
        result: &View,
    ) -> Result<Option<usize>, String> {
        let carriers: Vec<(usize, usize, usize)> = (0..node.input.len())
            .filter_map(|at| {
                let name = node.operand(at)?;
                Some((at, *self.batch_axes.get(name)?, self.views.get(name)?.dims.len()))
            })
            .collect();
        let Some((_, at, rank)) = carriers.first().copied() else { return Ok(None) };
        let mixed = || Err(MIXED.to_owned());
        let op = node.op_type.as_str();
        let dims = &self.operand(node, carriers[0].0)?.dims;
        let own = || axis(node.int("axis", if op == "Concat" { 1 } else { 0 }), rank);
        let found = match op {
            "Transpose" => match node.ints("perm") {
                Some(perm) => perm.iter().position(|p| axis(*p, rank) == Ok(at)),
                None => Some(rank - 1 - at),
            },
            "Reshape" => self.reshaped_axis(node, at, dims, &result.dims),
            "Flatten" => (at == 0 && node.int("axis", 1) != 0).then_some(0),
            "Squeeze" => {
                let removed = self.axes_of(node, "axes", 1);
                let removed = removed.map_or(Ok(Vec::new()), |given| axes(&given, rank))?;
                let before = removed.iter().filter(|a| **a < at).count();
                (!removed.contains(&at)).then_some(at - before)
            }
            "Unsqueeze" => {
                let added = self.axes_of(node, "axes", 1).unwrap_or_default();
                let added = axes(&added, result.dims.len())?;
                (0..result.dims.len()).filter(|a| !added.contains(a)).nth(at)
            }
            op if op.starts_with("Reduce") || op.starts_with("Global") => {
                self.reduced_axis(node, (at, rank), result.dims.len())?
            }
            "Concat" | "Split" | "GatherElements" => (own()? != at).then_some(at),
            "Gather" if carriers[0].0 == 0 => match own()? {
                along if along < at => Some(at + result.dims.len() - rank),
                along => (along != at).then_some(at),
            },
            "Slice" => {
                let given = self.axes_of(node, "axes", 3);
                let all = || (0..rank as i64).collect();
                let touched = axes(&given.unwrap_or_else(all), rank)?.contains(&at);
                let whole = dims[at] == result.dims[at] && self.is_whole_slice(node, at, rank);
                (!touched || whole).then_some(at)
            }
            "Pad" => {
                let pads = self.axes_of(node, "pads", 1).unwrap_or_default();
                let touched = match self.integers_at(node, 3) {
                    Some(given) => axes(&given, rank)?.contains(&at),
                    None => [pads.get(at), pads.get(at + rank)].iter().any(|p| *p != Some(&0)),
                };
                (!touched).then_some(at)
            }
            "Tile" => (dims[at] == result.dims[at]).then_some(at),
            "Expand" => self.spread_axis(at, dims, &result.dims),
            "MatMul" => return self.product_axis(&carriers, &result.dims).map(Some),
            op if SPREADING.contains(&op) => {
                let same = carriers.iter().all(|(_, a, r)| a + rank == at + r);
                self.spread_axis(at, dims, &result.dims).filter(|_| same)
            }
            op if FIRST.contains(&op) => (at == 0).then_some(0),
            // Of the last axis.
            "ArrayFeatureExtractor" => (at + 1 < rank).then_some(at),
            op if ENTRYWISE.contains(&op) => Some(at),
            _ => None,
        };
        found.map_or_else(mixed, |at| Ok(Some(at)))
    }

    /// The axis behind a reduction of a tensor of `rank` axes to one of `to`.
    fn reduced_axis(
        &self,
        node: &onnx::Node,
        (at, rank): (usize, usize),
        to: usize,
    ) -> Result<Option<usize>, String> {
        let over = match self.axes_of(node, "axes", 1).filter(|a| !a.is_empty()) {
            Some(given) => axes(&given, rank)?,
            None if node.op_type.starts_with("Global") => (2..rank).collect(),
            None if node.int("noop_with_empty_axes", 0) != 0 => Vec::new(),
            None => (0..rank).collect(),
        };
        let before = over.iter().filter(|a| **a < at && to < rank).count();
        Ok((!over.contains(&at)).then_some(at - before))
    }

    /// The axis of a product of matrices that has the batch.
    fn product_axis(
        &self,
        carriers: &[(usize, usize, usize)],
        to: &[usize],
    ) -> Result<usize, String> {
        let from_end = |(operand, at, rank): &(usize, usize, usize)| {
            let behind = rank - at;
            let summed = if *operand == 0 || *rank == 1 { 1 } else { 2 };
            let kept = behind != summed && (carriers.len() == 1 || behind > 2);
            kept.then_some(behind)
        };
        let all: Option<Vec<usize>> = carriers.iter().map(from_end).collect();
        let all = all.filter(|all| all.iter().all(|b| *b == all[0] && *b <= to.len()));
        all.map(|all| to.len() - all[0]).ok_or_else(|| MIXED.to_owned())
    }

    /// The axis behind a `Reshape`: numbers keep their order, so the axes in front must stay.
    fn reshaped_axis(
        &self,
        node: &onnx::Node,
        at: usize,
        dims: &[usize],
        to: &[usize],
    ) -> Option<usize> {
        let target = self.integers_at(node, 1)?;
        if at > 0 {
            let front = dims.get(..=at)? == to.get(..=at)?;
            let given = *target.get(at)?;
            return (front && [0, -1, self.batch as i64].contains(&given)).then_some(at);
        }
        let whole = i64::try_from(self.batch * to.first()?).ok()?;
        [0, -1, whole].contains(target.first()?).then_some(0)
    }

    /// The axis behind spreading, where its extent stays.
    fn spread_axis(&self, at: usize, dims: &[usize], to: &[usize]) -> Option<usize> {
        let place = at + to.len() - dims.len();
        (to.get(place) == dims.get(at)).then_some(place)
    }

    /// Whether a `Slice` takes all of the batch.
    fn is_whole_slice(&self, node: &onnx::Node, at: usize, rank: usize) -> bool {
        let list = |name: &str, operand: usize| self.axes_of(node, name, operand);
        let given = list("axes", 3).unwrap_or_else(|| (0..rank as i64).collect());
        let place = given.iter().position(|a| axis(*a, rank) == Ok(at));
        let (Some(place), Some(starts), Some(ends)) = (place, list("starts", 1), list("ends", 2))
        else {
            return false;
        };
        let step = self.integers_at(node, 4).and_then(|s| s.get(place).copied()).unwrap_or(1);
        starts.get(place) == Some(&0)
            && ends.get(place).is_some_and(|end| *end >= self.batch as i64)
            && step == 1
    }
}
