//! Computes what depends on constants and on shapes only, as exporters emit it around the layers.

use std::rc::Rc;

use super::axes::{axes, broadcast, permuted_index, product, spread_index};
use super::select::FILL;
use super::Reader;
use crate::onnx::{self, Numbers};

impl Numbers {
    fn floats(dims: Vec<usize>, values: Vec<f64>) -> Self {
        Self { dims, values, is_integer: false }
    }

    fn vector(values: Vec<f64>) -> Self {
        Self { dims: vec![values.len()], values, is_integer: true }
    }
}

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
        let mut operands = Vec::new();
        for name in node.operands() {
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
                results.push(selected(node, &first, selection));
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
                Numbers { dims, values, is_integer: a.is_integer }
            }
            ("NonZero", [of]) => non_zero(of),
            ("MatMul", [a, b]) => mat_mul(a, b)?,
            ("DequantizeLinear", _) => self.dequantized(node, operands)?,
            ("QuantizeLinear", _) => self.quantised_constant(node, operands)?,
            (
                "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Max" | "Min" | "Equal" | "Greater"
                | "Less" | "GreaterOrEqual" | "LessOrEqual" | "And" | "Or" | "Xor" | "Sum",
                rest,
            ) => {
                let mut result = (**first).clone();
                for other in &rest[1..] {
                    self.afford(broadcast(&result.dims, &other.dims)?)?;
                    result = binary(&node.op_type, &result, other)?;
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
                Numbers {
                    values: first.values.iter().map(|v| f(*v)).collect(),
                    ..(**first).clone()
                }
            }
            _ => return Ok(None),
        }))
    }

    fn constant_of_shape(&self, node: &onnx::Node, shape: &Numbers) -> Result<Numbers, String> {
        let extent = |d: &f64| if *d < 0.0 { usize::MAX } else { *d as usize };
        let dims: Vec<usize> = shape.values.iter().map(extent).collect();
        self.afford(dims.iter().copied())?;
        let value = node.tensor("value").map(|t| t.numbers(None)).transpose()?;
        let is_integer = value.as_ref().is_some_and(|v| v.is_integer);
        let number = value.and_then(|v| v.values.first().copied()).unwrap_or(0.0);
        Ok(Numbers { values: vec![number; product(&dims)], dims, is_integer })
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
        Ok(Numbers { is_integer: start.is_integer, ..Numbers::vector(values) })
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
            _ => (0..rank).collect(),
        };
        let kept: Vec<usize> = (0..rank).filter(|a| !over.contains(a)).collect();
        let order: Vec<usize> = kept.iter().chain(&over).copied().collect();
        let (to, index) = permuted_index(&of.dims, &order);
        let count = product(&to[kept.len()..]).max(1);
        let moved: Vec<f64> = index.iter().map(|i| of.values[*i]).collect();
        let values = moved.chunks_exact(count).map(fold).collect();
        let dims = if node.int("keepdims", 1) != 0 {
            (0..rank).map(|a| if over.contains(&a) { 1 } else { of.dims[a] }).collect()
        } else {
            kept.iter().map(|a| of.dims[*a]).collect()
        };
        Ok(Some(Numbers { dims, values, is_integer: of.is_integer }))
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

fn selected(node: &onnx::Node, of: &Numbers, selection: super::select::Selection) -> Numbers {
    let values: Vec<f64> = match &selection.index {
        None => of.values.clone(),
        Some(index) => {
            let one = |i: &usize| if *i == FILL { selection.fill } else { of.values[*i] };
            index.iter().map(one).collect()
        }
    };
    // A cast to an integer cuts towards zero; wider types hold all that narrower ones do.
    let to = if node.op_type == "Cast" { onnx::is_integer(node.int("to", 1) as i32) } else { None };
    let is_integer = to.unwrap_or(of.is_integer);
    let is_truth = node.op_type == "Cast" && node.int("to", 1) == i64::from(onnx::BOOL);
    let cast = |v: f64| match (is_truth, is_integer) {
        (true, _) => f64::from(u8::from(v != 0.0)),
        (false, true) => v.trunc(),
        _ => v,
    };
    Numbers { dims: selection.dims, values: values.into_iter().map(cast).collect(), is_integer }
}

fn concat(node: &onnx::Node, operands: &[Rc<Numbers>]) -> Result<Numbers, String> {
    let first = &operands[0];
    let at = super::axes::axis(node.int("axis", 0), first.dims.len())?;
    let mut dims = first.dims.clone();
    dims[at] = operands.iter().map(|o| o.dims.get(at).copied().unwrap_or(0)).sum();
    let fits = |o: &Rc<Numbers>| {
        o.dims.len() == dims.len() && (0..dims.len()).all(|a| a == at || o.dims[a] == dims[a])
    };
    if !operands.iter().all(fits) {
        return Err("the operands have different extents".to_owned());
    }
    let mut values = Vec::new();
    for row in 0..product(&dims[..at]) {
        for operand in operands {
            let len = product(&operand.dims[at..]);
            values.extend_from_slice(&operand.values[row * len..(row + 1) * len]);
        }
    }
    Ok(Numbers { dims, values, is_integer: first.is_integer })
}

fn spread(of: &Numbers, dims: &[usize]) -> Vec<f64> {
    if of.dims == dims {
        return of.values.clone();
    }
    spread_index(&of.dims, dims).into_iter().map(|i| of.values[i]).collect()
}

/// Indices of what is not zero, one row per axis.
fn non_zero(of: &Numbers) -> Numbers {
    let strides = super::axes::strides(&of.dims);
    let found: Vec<usize> = (0..of.values.len()).filter(|i| of.values[*i] != 0.0).collect();
    let row = |a: usize| -> Vec<f64> {
        found.iter().map(|i| (i / strides[a] % of.dims[a]) as f64).collect()
    };
    let values = (0..of.dims.len()).flat_map(row).collect();
    Numbers { dims: vec![of.dims.len(), found.len()], values, is_integer: true }
}

fn mat_mul(a: &Numbers, b: &Numbers) -> Result<Numbers, String> {
    let ([rows, inner], [same, columns]) = (&a.dims[..], &b.dims[..]) else {
        return Err("a product of constants needs two matrices".to_owned());
    };
    if inner != same || rows.saturating_mul(*inner).saturating_mul(*columns) > super::MAX_VIEW {
        return Err(format!("{:?} and {:?} do not fit, or are too large", a.dims, b.dims));
    }
    let cell = |i: usize, j: usize| {
        (0..*inner).map(|k| a.values[i * inner + k] * b.values[k * columns + j]).sum()
    };
    let values = (0..*rows).flat_map(|i| (0..*columns).map(move |j| cell(i, j))).collect();
    Ok(Numbers::floats(vec![*rows, *columns], values))
}

pub(super) fn binary(op: &str, a: &Numbers, b: &Numbers) -> Result<Numbers, String> {
    let dims = broadcast(&a.dims, &b.dims)?;
    let is_integer = a.is_integer && b.is_integer;
    let truth = |t: bool| f64::from(u8::from(t));
    let f = |x: f64, y: f64| match op {
        "Add" | "Sum" => x + y,
        "Sub" => x - y,
        "Mul" => x * y,
        "Div" if is_integer && y != 0.0 => (x / y).trunc(),
        "Div" => x / y,
        "Pow" => x.powf(y),
        "Mod" => x - y * (x / y).floor(),
        "Max" => x.max(y),
        "Min" => x.min(y),
        "Equal" => truth(x == y),
        "Greater" => truth(x > y),
        "Less" => truth(x < y),
        "GreaterOrEqual" => truth(x >= y),
        "LessOrEqual" => truth(x <= y),
        "And" => truth(x != 0.0 && y != 0.0),
        "Or" => truth(x != 0.0 || y != 0.0),
        _ => truth((x != 0.0) != (y != 0.0)),
    };
    let (x, y) = (spread(a, &dims), spread(b, &dims));
    let values = x.iter().zip(&y).map(|(x, y)| f(*x, *y)).collect();
    let compares =
        !matches!(op, "Add" | "Sum" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Max" | "Min");
    Ok(Numbers { dims, values, is_integer: is_integer || compares })
}

fn unary(op: &str) -> Option<fn(f64) -> f64> {
    Some(match op {
        "Neg" => |x| -x,
        "Abs" => f64::abs,
        "Sqrt" => f64::sqrt,
        "Exp" => f64::exp,
        "Log" => f64::ln,
        "Sin" => f64::sin,
        "Cos" => f64::cos,
        "Tan" => f64::tan,
        "Tanh" => f64::tanh,
        "Floor" => f64::floor,
        "Ceil" => f64::ceil,
        "Round" => f64::round_ties_even,
        "Reciprocal" => f64::recip,
        "Sign" => |x| if x == 0.0 { 0.0 } else { x.signum() },
        "Not" => |x| f64::from(u8::from(x == 0.0)),
        "Relu" => |x| x.max(0.0),
        "Sigmoid" => |x| 1.0 / (1.0 + (-x).exp()),
        "Softplus" => |x| x.exp().ln_1p(),
        _ => return None,
    })
}
