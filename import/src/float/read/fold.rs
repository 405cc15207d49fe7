//! Computes what depends on constants and on shapes only, as exporters emit it around the layers.

use std::rc::Rc;

use super::axes::{axes, broadcast, permuted_index, product};
use super::numbers::{binary, concat, mat_mul, non_zero, spread, unary};
use super::select::FILL;
use super::Reader;
use crate::onnx::{self, Element, Numbers};

impl Reader {
    /// Numbers under a name: a constant of the file or a computed one. `None` for tensors that
    /// depend on the input.
    pub(super) fn numbers(&self, name: &str) -> Result<Option<Rc<Numbers>>, String> {
        if let Some(known) = self.constants.get(name) {
            return Ok(Some(known.clone()));
        }
        let Some(tensor) = self.initializers.get(name) else { return Ok(None) };
        let numbers = tensor.numbers(self.folder.as_deref());
        numbers.map(|n| Some(Rc::new(n))).map_err(|reason| format!("constant {name:?}: {reason}"))
    }

    /// Integers under a name.
    pub(super) fn integers(&self, name: &str) -> Option<Vec<i64>> {
        let numbers = self.numbers(name).ok()??;
        Some(numbers.values.iter().map(|v| *v as i64).collect())
    }

    /// The integers of an operand.
    pub(super) fn integers_at(&self, node: &onnx::Node, at: usize) -> Option<Vec<i64>> {
        self.integers(node.operand(at)?)
    }

    /// The integers of an attribute or, in later operator sets, of an operand.
    pub(super) fn axes_of(&self, node: &onnx::Node, name: &str, at: usize) -> Option<Vec<i64>> {
        let attribute = node.ints(name).map(<[i64]>::to_vec);
        attribute.or_else(|| self.integers_at(node, at))
    }

    /// Dimensions under a name, of a constant or of a view.
    fn dims_of(&self, name: &str) -> Option<Vec<usize>> {
        if let Some(view) = self.views.get(name) {
            return Some(view.dims.clone());
        }
        self.numbers(name).ok()?.map(|n| n.dims.clone())
    }

    /// The results of a node that depends on no input, if it is one.
    pub(super) fn fold(&mut self, node: &onnx::Node) -> Result<Option<Vec<Numbers>>, String> {
        match node.op_type.as_str() {
            "Constant" => {
                let tensor = node.constant().ok_or("its value is not a tensor of numbers")?;
                return Ok(Some(vec![tensor.numbers(self.folder.as_deref())?]));
            }
            "Shape" | "Size" => {
                let dims = node.operand(0).and_then(|name| self.dims_of(name));
                let dims = dims.ok_or("its operand is not computed before this node")?;
                return Ok(Some(vec![shape(node, &dims)]));
            }
            _ => {}
        }
        let target = self.cast_target(node)?;
        // Of what gives a type only that is read.
        let count = if node.op_type == "CastLike" { 1 } else { usize::MAX };
        let mut operands = Vec::new();
        for name in node.operands().take(count) {
            match self.numbers(name)? {
                Some(numbers) => operands.push(numbers),
                None => return Ok(None),
            }
        }
        let Some(first) = operands.first().cloned() else { return Ok(None) };
        if let Some(selections) = self.selection(node, &first.dims) {
            let mut results = Vec::new();
            for selection in selections? {
                self.spend(product(&selection.dims))?;
                results.push(selected(&first, selection, target));
            }
            return Ok(Some(results));
        }
        let Some(result) = self.evaluate(node, &operands)? else { return Ok(None) };
        self.spend(result.values.len())?;
        Ok(Some(vec![result]))
    }

    fn evaluate(
        &mut self,
        node: &onnx::Node,
        operands: &[Rc<Numbers>],
    ) -> Result<Option<Numbers>, String> {
        let first = &operands[0];
        Ok(Some(match (node.op_type.as_str(), operands) {
            ("ConstantOfShape", _) => self.constant_of_shape(node, first)?,
            ("Range", [a, b, step]) => self.range(a, b, step)?,
            ("Concat", _) => concat(node, operands)?,
            ("Where", [condition, a, b]) => {
                let dims = broadcast(&broadcast(&condition.dims, &a.dims)?, &b.dims)?;
                self.afford(dims.iter().copied())?;
                let [c, x, y] = [condition, a, b].map(|n| spread(n, &dims));
                let values = c.iter().zip(x.iter().zip(&y));
                let values = values.map(|(c, (x, y))| if *c != 0.0 { *x } else { *y }).collect();
                Numbers { dims, values, element: a.element }
            }
            ("NonZero", [of]) => non_zero(of),
            ("MatMul", [a, b]) => mat_mul(a, b)?,
            ("Trilu", [of, ..]) => {
                let stays = self.side(node, &of.dims)?;
                let one = |(i, v): (usize, &f64)| if stays(i) { *v } else { 0.0 };
                Numbers {
                    values: of.values.iter().enumerate().map(one).collect(),
                    ..(**of).clone()
                }
            }
            ("DequantizeLinear", _) => self.dequantized(node, operands)?,
            ("QuantizeLinear", _) => self.quantised_constant(node, operands)?,
            (
                "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Max" | "Min" | "Equal" | "Greater"
                | "Less" | "GreaterOrEqual" | "LessOrEqual" | "And" | "Or" | "Xor" | "Sum",
                rest,
            ) => {
                let mut result = (**first).clone();
                let keeps_sign = node.op_type == "Mod" && node.int("fmod", 0) != 0;
                let op = if keeps_sign { "Fmod" } else { &node.op_type };
                for other in &rest[1..] {
                    self.afford(broadcast(&result.dims, &other.dims)?)?;
                    result = binary(op, &result, other)?;
                }
                result
            }
            ("Clip", _) => {
                let bound = |at: usize, name: &str, default: f32| match node.operand(at) {
                    Some(name) => Ok(self.numbers(name)?.and_then(|n| n.values.first().copied())),
                    None => Ok(Some(f64::from(node.float(name, default)))),
                };
                let low: Option<f64> = bound(1, "min", f32::MIN).map_err(|e: String| e)?;
                let high: Option<f64> = bound(2, "max", f32::MAX).map_err(|e: String| e)?;
                let (low, high) = (low.unwrap_or(f64::MIN), high.unwrap_or(f64::MAX));
                let values = first.values.iter().map(|v| v.max(low).min(high)).collect();
                Numbers { values, ..(**first).clone() }
            }
            (op, _) if op.starts_with("Reduce") => {
                let Some(result) = self.reduced(node, first)? else { return Ok(None) };
                result
            }
            (op, [_]) => {
                let Some(f) = unary(op) else { return Ok(None) };
                let element = if op == "Not" { Element::Bool } else { first.element };
                let values = first.values.iter().map(|v| element.cast(f(*v))).collect();
                Numbers { dims: first.dims.clone(), values, element }
            }
            _ => return Ok(None),
        }))
    }

    fn constant_of_shape(&self, node: &onnx::Node, shape: &Numbers) -> Result<Numbers, String> {
        let extent = |d: &f64| if *d < 0.0 { usize::MAX } else { *d as usize };
        let dims: Vec<usize> = shape.values.iter().map(extent).collect();
        self.afford(dims.iter().copied())?;
        let value = node.tensor("value").map(|t| t.numbers(None)).transpose()?;
        let element = value.as_ref().map_or(Element::FLOAT, |v| v.element);
        let number = value.and_then(|v| v.values.first().copied()).unwrap_or(0.0);
        Ok(Numbers { values: vec![number; product(&dims)], dims, element })
    }

    fn range(&self, start: &Numbers, end: &Numbers, step: &Numbers) -> Result<Numbers, String> {
        let one = |n: &Numbers| n.values.first().copied().ok_or("a bound is empty".to_owned());
        let (first, end, step) = (one(start)?, one(end)?, one(step)?);
        let count = ((end - first) / step).ceil().max(0.0);
        if !count.is_finite() {
            return Err("the range is not finite".to_owned());
        }
        self.afford([count as usize])?;
        let values: Vec<f64> = (0..count as usize).map(|i| first + i as f64 * step).collect();
        Ok(Numbers { element: start.element, ..Numbers::vector(values) })
    }

    fn reduced(&self, node: &onnx::Node, of: &Numbers) -> Result<Option<Numbers>, String> {
        let fold: fn(&[f64]) -> f64 = match node.op_type.as_str() {
            "ReduceSum" => |v| v.iter().sum(),
            "ReduceMean" => |v| v.iter().sum::<f64>() / v.len() as f64,
            "ReduceProd" => |v| v.iter().product(),
            "ReduceMax" => |v| v.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            "ReduceMin" => |v| v.iter().copied().fold(f64::INFINITY, f64::min),
            _ => return Ok(None),
        };
        let rank = of.dims.len();
        let over = match self.axes_of(node, "axes", 1) {
            Some(given) if !given.is_empty() => axes(&given, rank)?,
            _ if node.int("noop_with_empty_axes", 0) != 0 => Vec::new(),
            _ => (0..rank).collect(),
        };
        let kept: Vec<usize> = (0..rank).filter(|a| !over.contains(a)).collect();
        let order: Vec<usize> = kept.iter().chain(&over).copied().collect();
        let (to, index) = permuted_index(&of.dims, &order);
        let count = product(&to[kept.len()..]).max(1);
        let moved: Vec<f64> = index.iter().map(|i| of.values[*i]).collect();
        let values = moved.chunks_exact(count).map(|v| of.element.cast(fold(v))).collect();
        let dims = if node.int("keepdims", 1) != 0 {
            (0..rank).map(|a| if over.contains(&a) { 1 } else { of.dims[a] }).collect()
        } else {
            kept.iter().map(|a| of.dims[*a]).collect()
        };
        Ok(Some(Numbers { dims, values, element: of.element }))
    }
}

/// Dimensions, or a range of them, or their product.
fn shape(node: &onnx::Node, dims: &[usize]) -> Numbers {
    if node.op_type == "Size" {
        return Numbers { dims: Vec::new(), ..Numbers::vector(vec![product(dims) as f64]) };
    }
    let rank = dims.len() as i64;
    let at = |i: i64| (if i < 0 { i.saturating_add(rank) } else { i }).clamp(0, rank) as usize;
    let (start, end) = (at(node.int("start", 0)), at(node.int("end", rank)));
    let chosen = dims.get(start..end).unwrap_or_default();
    Numbers::vector(chosen.iter().map(|d| *d as f64).collect())
}

/// What a node selects of a constant, as numbers of another type if there is one.
fn selected(of: &Numbers, selection: super::select::Selection, target: Option<Element>) -> Numbers {
    let values: Vec<f64> = match &selection.index {
        None => of.values.clone(),
        Some(index) => {
            let one = |i: &usize| if *i == FILL { selection.fill } else { of.values[*i] };
            index.iter().map(one).collect()
        }
    };
    let cast = |v: f64| target.map_or(v, |element| element.cast(v));
    let values = values.into_iter().map(cast).collect();
    Numbers { dims: selection.dims, values, element: target.unwrap_or(of.element) }
}
