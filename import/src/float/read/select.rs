//! Operators that only move numbers: which entry of its operand each result is.
//!
//! A selection holds for computed tensors, whose cells it moves, and for constants alike.

use super::axes::{axes, axis, inverse, permuted_index, spread_index, strides};
use super::blocks::{depth_to_space, space_to_depth};
use super::Reader;
use crate::onnx;

/// An index that stands for the fill value.
pub(super) const FILL: usize = usize::MAX;

/// Dimensions of a result and the entries of its operand.
pub(super) struct Selection {
    pub(super) dims: Vec<usize>,
    /// `None` keeps all in order.
    pub(super) index: Option<Vec<usize>>,
    /// Value of entries that are [`FILL`].
    pub(super) fill: f64,
}

impl Selection {
    fn keep(dims: Vec<usize>) -> Self {
        Self { dims, index: None, fill: 0.0 }
    }

    pub(super) fn of(dims: Vec<usize>, index: Vec<usize>) -> Self {
        Self { dims, index: Some(index), fill: 0.0 }
    }

    /// Entries chosen along each axis.
    pub(super) fn lines(dims: &[usize], lines: &[Vec<usize>]) -> Self {
        let strides = strides(dims);
        let mut index = vec![0];
        for (line, stride) in lines.iter().zip(&strides) {
            let step = |at: usize, i: usize| {
                if at == FILL || i == FILL {
                    FILL
                } else {
                    at + i * stride
                }
            };
            index = index.iter().flat_map(|at| line.iter().map(move |i| step(*at, *i))).collect();
        }
        Self::of(lines.iter().map(Vec::len).collect(), index)
    }
}

impl Reader {
    /// What a node selects of an operand with dimensions `dims`; one for each result. `None` for
    /// operators that compute.
    pub(super) fn selection(
        &self,
        node: &onnx::Node,
        dims: &[usize],
    ) -> Option<Result<Vec<Selection>, String>> {
        let one = match node.op_type.as_str() {
            "Identity" | "Dropout" | "Cast" | "CastLike" => Ok(Selection::keep(dims.to_vec())),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => {
                self.reshaped(node, dims).map(Selection::keep)
            }
            "Transpose" => transpose(node, dims),
            "Slice" => self.slice(node, dims),
            "Gather" => self.gather(node, dims),
            "GatherElements" => self.gather_elements(node, dims),
            "Expand" => self.expand(node, dims),
            "Tile" => self.tile(node, dims),
            "Pad" => self.pad(node, dims),
            "DepthToSpace" => depth_to_space(node, dims),
            "SpaceToDepth" => space_to_depth(node, dims),
            "ArrayFeatureExtractor" => self.features(node, dims),
            "Split" => return Some(self.split(node, dims)),
            _ => return None,
        };
        Some(one.map(|s| vec![s]))
    }

    fn slice(&self, node: &onnx::Node, dims: &[usize]) -> Result<Selection, String> {
        let starts = self.axes_of(node, "starts", 1).ok_or("the starts are not constants")?;
        let ends = self.axes_of(node, "ends", 2).ok_or("the ends are not constants")?;
        let all = || (0..starts.len() as i64).collect();
        let given = self.axes_of(node, "axes", 3).unwrap_or_else(all);
        let steps = self.integers_at(node, 4).unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), given.len(), steps.len()].iter().any(|n| *n != starts.len()) {
            return Err("starts, ends, axes and steps differ in number".to_owned());
        }
        let mut lines: Vec<Vec<usize>> = dims.iter().map(|d| (0..*d).collect()).collect();
        for (i, at) in given.iter().enumerate() {
            let at = axis(*at, dims.len())?;
            lines[at] = range(starts[i], ends[i], steps[i], dims[at])?;
        }
        Ok(Selection::lines(dims, &lines))
    }

    fn gather(&self, node: &onnx::Node, dims: &[usize]) -> Result<Selection, String> {
        let name = node.operand(1).ok_or("the indices are missing")?;
        let indices = self.numbers(name)?.ok_or("the indices are computed from the input")?;
        let at = axis(node.int("axis", 0), dims.len())?;
        let extent = dims[at] as i64;
        let position = |i: &f64| {
            let i = *i as i64;
            let i = if i < 0 { i + extent } else { i };
            usize::try_from(i).ok().filter(|i| *i < dims[at]).ok_or("an index is outside")
        };
        let line: Vec<usize> = indices.values.iter().map(position).collect::<Result<_, _>>()?;
        let mut lines: Vec<Vec<usize>> = dims.iter().map(|d| (0..*d).collect()).collect();
        lines[at] = line;
        self.afford(lines.iter().map(Vec::len))?;
        let mut selection = Selection::lines(dims, &lines);
        selection.dims.splice(at..=at, indices.dims.iter().copied());
        Ok(selection)
    }

    /// One entry for each index, whose place along one axis it is.
    fn gather_elements(&self, node: &onnx::Node, dims: &[usize]) -> Result<Selection, String> {
        let name = node.operand(1).ok_or("the indices are missing")?;
        let indices = self.numbers(name)?.ok_or("the indices are computed from the input")?;
        let at = axis(node.int("axis", 0), dims.len())?;
        let to = &indices.dims;
        if to.len() != dims.len() || (0..to.len()).any(|a| a != at && to[a] > dims[a]) {
            return Err(format!("indices of {to:?} do not fit {dims:?}"));
        }
        let (from, own) = (strides(dims), strides(to));
        let place = |(n, i): (usize, &f64)| {
            let i = if *i < 0.0 { *i as i64 + dims[at] as i64 } else { *i as i64 };
            let i =
                usize::try_from(i).ok().filter(|i| *i < dims[at]).ok_or("an index is outside")?;
            let along = |a: usize| if a == at { i } else { n / own[a] % to[a] };
            Ok((0..to.len()).map(|a| along(a) * from[a]).sum())
        };
        let index: Result<Vec<usize>, String> =
            indices.values.iter().enumerate().map(place).collect();
        Ok(Selection::of(to.clone(), index?))
    }

    /// Chosen columns of a table.
    fn features(&self, node: &onnx::Node, dims: &[usize]) -> Result<Selection, String> {
        let chosen = self.integers_at(node, 1).ok_or("the columns are not constants")?;
        let at = dims.len().checked_sub(1).ok_or("a number has no columns")?;
        let mut lines: Vec<Vec<usize>> = dims.iter().map(|d| (0..*d).collect()).collect();
        let column = |c: &i64| usize::try_from(*c).ok().filter(|c| *c < dims[at]);
        let line: Option<Vec<usize>> = chosen.iter().map(column).collect();
        lines[at] = line.ok_or("a column is outside")?;
        self.afford(lines.iter().map(Vec::len))?;
        Ok(Selection::lines(dims, &lines))
    }

    fn expand(&self, node: &onnx::Node, dims: &[usize]) -> Result<Selection, String> {
        let target = self.integers_at(node, 1).ok_or("the new shape is not a constant")?;
        let target = self.extents(&target, dims)?;
        let to = super::axes::broadcast(dims, &target)?;
        self.afford(to.iter().copied())?;
        let index = spread_index(dims, &to);
        Ok(Selection::of(to, index))
    }

    fn tile(&self, node: &onnx::Node, dims: &[usize]) -> Result<Selection, String> {
        let repeats = self.integers_at(node, 1).ok_or("the repeats are not constants")?;
        if repeats.len() != dims.len() {
            return Err(format!("{} repeats for {} dimensions", repeats.len(), dims.len()));
        }
        let repeats: Option<Vec<usize>> =
            repeats.iter().map(|r| usize::try_from(*r).ok()).collect();
        let repeats = repeats.ok_or("a number of repeats is negative")?;
        self.afford(repeats.iter().zip(dims).map(|(r, d)| r.saturating_mul(*d)))?;
        let line = |(r, d): (&usize, &usize)| (0..r * d).map(|i| i % d).collect();
        let lines: Vec<Vec<usize>> = repeats.iter().zip(dims).map(line).collect();
        Ok(Selection::lines(dims, &lines))
    }

    fn split(&self, node: &onnx::Node, dims: &[usize]) -> Result<Vec<Selection>, String> {
        let at = axis(node.int("axis", 0), dims.len())?;
        let parts = node.output.len().max(1);
        let sizes = match self.axes_of(node, "split", 1) {
            Some(sizes) => sizes.iter().map(|s| usize::try_from(*s).ok()).collect(),
            None => {
                let size = dims[at].div_ceil(parts);
                let last = dims[at].checked_sub(size * (parts - 1));
                (0..parts).map(|i| if i + 1 < parts { Some(size) } else { last }).collect()
            }
        };
        let sizes: Option<Vec<usize>> = sizes;
        let sizes = sizes.filter(|s| s.iter().sum::<usize>() == dims[at] && s.len() == parts);
        let sizes = sizes.ok_or("the parts do not add up to the extent")?;
        let mut first = 0;
        let part = |size: &usize| {
            let mut lines: Vec<Vec<usize>> = dims.iter().map(|d| (0..*d).collect()).collect();
            lines[at] = (first..first + size).collect();
            first += size;
            Selection::lines(dims, &lines)
        };
        Ok(sizes.iter().map(part).collect())
    }

    /// Numbers around a tensor: a constant, its reflection, its border, or its other end.
    fn pad(&self, node: &onnx::Node, dims: &[usize]) -> Result<Selection, String> {
        let pads = self.axes_of(node, "pads", 1).ok_or("the padding is not a constant")?;
        let all = || (0..dims.len() as i64).collect();
        let given = self.integers_at(node, 3).unwrap_or_else(all);
        if pads.len() != 2 * given.len() {
            return Err(format!("{} paddings for {} axes", pads.len(), given.len()));
        }
        let mode = match node.text("mode") {
            "" => "constant",
            mode => mode,
        };
        let mut lines: Vec<Vec<usize>> = dims.iter().map(|d| (0..*d).collect()).collect();
        for (i, at) in given.iter().enumerate() {
            let at = axis(*at, dims.len())?;
            lines[at] = padded(dims[at], pads[i], pads[given.len() + i], mode)?;
        }
        self.afford(lines.iter().map(Vec::len))?;
        let fill = match node.operand(2) {
            Some(name) => {
                let value = self.numbers(name)?.ok_or("the padding's value is not a constant")?;
                value.values.first().copied().unwrap_or(0.0)
            }
            None => f64::from(node.float("value", 0.0)),
        };
        Ok(Selection { fill, ..Selection::lines(dims, &lines) })
    }
}

fn transpose(node: &onnx::Node, dims: &[usize]) -> Result<Selection, String> {
    let order: Vec<usize> = match node.ints("perm").filter(|p| !p.is_empty()) {
        Some(perm) => {
            let order = perm.iter().map(|a| axis(*a, dims.len())).collect::<Result<Vec<_>, _>>()?;
            if axes(perm, dims.len())?.len() != dims.len() {
                return Err(format!("perm {perm:?} does not fit {dims:?}"));
            }
            order
        }
        None => (0..dims.len()).rev().collect(),
    };
    let (to, index) = permuted_index(dims, &order);
    Ok(Selection::of(to, index))
}

/// Indices from `start` to `end`, which may count from the end and be beyond it. Of the dimensions
/// of a tensor there may be none left.
fn range(start: i64, end: i64, step: i64, extent: usize) -> Result<Vec<usize>, String> {
    if extent == 0 {
        return Ok(Vec::new());
    }
    let extent = extent as i64;
    let from_end = |i: i64| if i < 0 { i.saturating_add(extent) } else { i };
    let (low, high) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
    let clamp = |i: i64| from_end(i).clamp(low, high);
    let start = if step > 0 { clamp(start) } else { from_end(start).clamp(0, extent - 1) };
    let end = clamp(end);
    let mut out = Vec::new();
    let mut at = start;
    while (step > 0 && at < end) || (step < 0 && at > end) {
        out.push(usize::try_from(at).map_err(|_| "an index is outside")?);
        at = at.saturating_add(step);
    }
    Ok(out)
}

/// Indices of an axis with numbers in front and behind; negative paddings crop.
fn padded(extent: usize, front: i64, back: i64, mode: &str) -> Result<Vec<usize>, String> {
    let n = extent as i64;
    let limit = dn_core::quant::MAX_EXTENT as i64;
    if front.saturating_abs() > limit || back.saturating_abs() > limit || n == 0 {
        return Err("a padding is too large".to_owned());
    }
    let at = |i: i64| -> Result<usize, String> {
        let inside = match mode {
            "constant" if !(0..n).contains(&i) => return Ok(FILL),
            "constant" => i,
            "edge" => i.clamp(0, n - 1),
            "wrap" if front < 0 || back < 0 => {
                return Err("paddings that wrap around and crop are not supported".to_owned())
            }
            "wrap" => i.rem_euclid(n),
            "reflect" if n == 1 => 0,
            "reflect" => {
                let period = 2 * (n - 1);
                let i = i.rem_euclid(period);
                i.min(period - i)
            }
            mode => return Err(format!("mode {mode:?} is not known")),
        };
        Ok(inside as usize)
    };
    (-front..n + back).map(at).collect()
}

impl Reader {
    /// The view with its axes in another order.
    pub(super) fn transposed(
        &mut self,
        view: &super::View,
        order: &[usize],
    ) -> Result<super::View, String> {
        if order.windows(2).all(|w| w[0] < w[1]) {
            return Ok(view.clone());
        }
        let (dims, index) = permuted_index(&view.dims, order);
        self.pick(view, &index, dims, 0.0)
    }

    /// The view with the axes of `order` put back where they were.
    pub(super) fn restored(
        &mut self,
        view: &super::View,
        order: &[usize],
    ) -> Result<super::View, String> {
        self.transposed(view, &inverse(order))
    }

    /// Fails for extents whose product is too large.
    pub(super) fn afford(&self, dims: impl IntoIterator<Item = usize>) -> Result<(), String> {
        let len = dims.into_iter().try_fold(1usize, usize::checked_mul);
        match len {
            Some(n) if (1..=super::MAX_VIEW).contains(&n) => Ok(()),
            Some(0) => Err("the result is empty".to_owned()),
            _ => Err("the result is too large".to_owned()),
        }
    }
}
