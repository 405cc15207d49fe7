//! What operators compute, from their definition.

use std::collections::HashSet;

use dn_import::onnx::{Attribute, Node, BOOL, FLOAT, INT32, INT64};

use super::layers;
use super::tensor::{common, fit, indices, Tensor};

fn find<'a>(node: &'a Node, name: &str) -> Option<&'a Attribute> {
    node.attribute.iter().find(|a| a.name == name)
}

pub(crate) fn int(node: &Node, name: &str, default: i64) -> i64 {
    find(node, name).map_or(default, |a| a.i)
}

pub(crate) fn ints(node: &Node, name: &str) -> Vec<i64> {
    find(node, name).map(|a| a.ints.clone()).unwrap_or_default()
}

pub(crate) fn floats(node: &Node, name: &str, default: f32) -> f32 {
    find(node, name).map_or(default, |a| a.f)
}

fn text(node: &Node, name: &str) -> String {
    find(node, name).map(|a| String::from_utf8(a.s.clone()).unwrap()).unwrap_or_default()
}

/// The results of a node on operands; `None` where it is not defined on these.
pub(crate) fn compute(node: &Node, operands: &[&Tensor]) -> Option<Vec<Tensor>> {
    let is_layer = matches!(node.op_type.as_str(), "Conv" | "AveragePool" | "BatchNormalization");
    (operands.first()?.is_float() || !is_layer).then_some(())?;
    let one = match (node.op_type.as_str(), operands) {
        ("Add" | "Sub" | "Mul" | "Div" | "Max" | "Min" | "Pow", [a, b]) => arithmetic(node, a, b),
        ("Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual", [a, b]) => compare(node, a, b),
        ("And" | "Or", [a, b]) => logic(node, a, b),
        ("Not", [a]) if a.data_type == BOOL => Some(a.map(|v| 1.0 - v)),
        ("Where", [c, a, b]) => choose(c, a, b),
        ("Cast", [a]) => {
            let to = int(node, "to", 1) as i32;
            let values = a.values.iter().map(|v| fit(to, *v)).collect();
            Tensor::new(to, a.dims.clone(), values)
        }
        ("Reshape" | "Expand" | "Tile" | "Pad" | "Slice" | "Unsqueeze" | "Squeeze", _) => {
            moved(node, operands)
        }
        ("Transpose", [a]) => {
            let perm: Vec<usize> = ints(node, "perm").iter().map(|p| *p as usize).collect();
            let dims = perm.iter().map(|p| a.dims.get(*p).copied()).collect::<Option<Vec<_>>>()?;
            (perm.len() == a.dims.len()).then_some(())?;
            a.gather(dims, |index| {
                (0..perm.len()).map(|d| index[perm.iter().position(|p| *p == d).unwrap()]).collect()
            })
        }
        ("Concat", all) => concat(node, all),
        ("Split", [a]) => return split(node, a),
        ("Gather", [a, i]) if i.data_type == INT64 => {
            let at = axis(int(node, "axis", 0), a.dims.len())?;
            let wanted = i.integers();
            let extent = a.dims[at] as i64;
            wanted.iter().all(|i| (-extent..extent).contains(i)).then_some(())?;
            let (lead, rank) = (a.dims[..at].to_vec(), i.dims.len());
            let dims: Vec<usize> =
                lead.iter().chain(&i.dims).chain(&a.dims[at + 1..]).copied().collect();
            a.gather(dims, |index| {
                let flat = index[at..at + rank].iter().zip(&i.dims).fold(0, |f, (n, d)| f * d + n);
                let chosen = wanted[flat].rem_euclid(extent) as usize;
                let before = index[..at].iter().copied();
                before.chain([chosen]).chain(index[at + rank..].iter().copied()).collect()
            })
        }
        (op, _) if op.starts_with("Reduce") => reduce(node, operands),
        ("MatMul", [a, b]) => mat_mul(a, b),
        ("Gemm", _) => gemm(node, operands),
        ("Conv", [x, w]) => layers::conv(node, x, w, None),
        ("Conv", [x, w, b]) => layers::conv(node, x, w, Some(b)),
        ("MaxPool" | "AveragePool", [x]) => layers::pool(node, x),
        ("BatchNormalization", [x, rest @ ..]) => layers::batch_norm(node, x, rest),
        ("Resize", [x, _, scales]) => resize(node, x, scales),
        (_, [a]) => function(node, a),
        _ => None,
    };
    one.map(|t| vec![t])
}

fn axis(at: i64, rank: usize) -> Option<usize> {
    usize::try_from(if at < 0 { at + rank as i64 } else { at }).ok().filter(|a| *a < rank)
}

fn arithmetic(node: &Node, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    let op = node.op_type.as_str();
    let is_power = op == "Pow";
    if a.data_type == BOOL || b.data_type == BOOL || (!is_power && a.data_type != b.data_type) {
        return None;
    }
    let dims = common(&a.dims, &b.dims)?;
    let (x, y) = (a.spread(&dims)?, b.spread(&dims)?);
    let whole = !a.is_float();
    let is_undefined = |(x, y): (&f64, &f64)| match op {
        "Div" => *y == 0.0,
        "Pow" => *x == 0.0 && *y < 0.0,
        _ => false,
    };
    if whole && x.values.iter().zip(&y.values).any(is_undefined) {
        return None;
    }
    let f = |x: f64, y: f64| match op {
        "Add" => x + y,
        "Sub" => x - y,
        "Mul" => x * y,
        "Div" if whole => (x as i64 / y as i64) as f64,
        "Div" => x / y,
        "Max" => x.max(y),
        "Min" => x.min(y),
        _ => x.powf(y),
    };
    let values = x.values.iter().zip(&y.values).map(|(x, y)| fit(a.data_type, f(*x, *y)));
    Tensor::new(a.data_type, dims, values.collect())
}

fn compare(node: &Node, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    (a.data_type == b.data_type && a.data_type != BOOL).then_some(())?;
    let dims = common(&a.dims, &b.dims)?;
    let (x, y) = (a.spread(&dims)?, b.spread(&dims)?);
    let f = |(x, y): (&f64, &f64)| match node.op_type.as_str() {
        "Greater" => x > y,
        "Less" => x < y,
        "GreaterOrEqual" => x >= y,
        _ => x <= y,
    };
    let values = x.values.iter().zip(&y.values).map(f).map(|t| f64::from(u8::from(t)));
    Tensor::new(BOOL, dims, values.collect())
}

fn logic(node: &Node, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    (a.data_type == BOOL && b.data_type == BOOL).then_some(())?;
    let dims = common(&a.dims, &b.dims)?;
    let (x, y) = (a.spread(&dims)?, b.spread(&dims)?);
    let f = |(x, y): (&f64, &f64)| if node.op_type == "And" { x.min(*y) } else { x.max(*y) };
    Tensor::new(BOOL, dims, x.values.iter().zip(&y.values).map(f).collect())
}

fn choose(c: &Tensor, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    (c.data_type == BOOL && a.data_type == b.data_type).then_some(())?;
    let dims = common(&common(&c.dims, &a.dims)?, &b.dims)?;
    let (c, a, b) = (c.spread(&dims)?, a.spread(&dims)?, b.spread(&dims)?);
    let values =
        (0..c.values.len()).map(|i| if c.values[i] != 0.0 { a.values[i] } else { b.values[i] });
    Tensor::new(a.data_type, dims, values.collect())
}

fn moved(node: &Node, operands: &[&Tensor]) -> Option<Tensor> {
    let [x, wanted, ..] = operands else { return None };
    (wanted.data_type == INT64).then_some(())?;
    let given = wanted.integers();
    let rank = x.dims.len();
    match node.op_type.as_str() {
        "Reshape" => {
            let known: i64 = given.iter().enumerate().try_fold(1, |n, (i, d)| match d {
                -1 => Some(n),
                0 => Some(n * *x.dims.get(i)? as i64),
                d => Some(n * d),
            })?;
            let rest = x.values.len() as i64 / known.max(1);
            let one = |(i, d): (usize, &i64)| match d {
                -1 => rest as usize,
                0 => x.dims[i],
                d => *d as usize,
            };
            let dims = given.iter().enumerate().map(one).collect();
            Tensor::new(x.data_type, dims, x.values.clone())
        }
        "Expand" => {
            let target: Vec<usize> = given.iter().map(|d| *d as usize).collect();
            x.spread(&common(&x.dims, &target)?)
        }
        "Tile" => {
            (given.len() == rank).then_some(())?;
            let dims = x.dims.iter().zip(&given).map(|(d, n)| d * *n as usize).collect();
            x.gather(dims, |index| index.iter().zip(&x.dims).map(|(i, d)| i % d).collect())
        }
        "Squeeze" | "Unsqueeze" => {
            let is_in = node.op_type == "Unsqueeze";
            let full = if is_in { rank + given.len() } else { rank };
            let mut at: Vec<usize> = given.iter().map(|a| axis(*a, full)).collect::<Option<_>>()?;
            at.sort_unstable();
            at.dedup();
            (at.len() == given.len()).then_some(())?;
            let mut rest = x.dims.iter();
            let dims: Vec<usize> = if is_in {
                (0..full).map(|a| if at.contains(&a) { 1 } else { *rest.next().unwrap() }).collect()
            } else {
                at.iter().all(|a| x.dims[*a] == 1).then_some(())?;
                (0..rank).filter(|a| !at.contains(a)).map(|a| x.dims[a]).collect()
            };
            Tensor::new(x.data_type, dims, x.values.clone())
        }
        "Slice" => slice(x, &operands[1..]),
        _ => pad(node, x, &given, operands.get(2).copied()),
    }
}

fn slice(x: &Tensor, bounds: &[&Tensor]) -> Option<Tensor> {
    let [starts, ends, axes, steps] = bounds else { return None };
    let mut lines: Vec<Vec<usize>> = x.dims.iter().map(|d| (0..*d).collect()).collect();
    for (i, at) in axes.integers().iter().enumerate() {
        let at = axis(*at, x.dims.len())?;
        let (n, step) = (x.dims[at] as i64, steps.integers()[i]);
        let absolute = |v: i64| if v < 0 { v + n } else { v };
        let (start, end) = (absolute(starts.integers()[i]), absolute(ends.integers()[i]));
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let mut place = start.clamp(if step > 0 { 0 } else { -1 }, high);
        let end = end.clamp(low, high);
        lines[at].clear();
        while step > 0 && place < end || step < 0 && place > end {
            lines[at].push(place as usize);
            place += step;
        }
    }
    let dims = lines.iter().map(Vec::len).collect();
    x.gather(dims, |index| index.iter().zip(&lines).map(|(i, line)| line[*i]).collect())
}

fn pad(node: &Node, x: &Tensor, pads: &[i64], fill: Option<&Tensor>) -> Option<Tensor> {
    let rank = x.dims.len();
    (pads.len() == 2 * rank).then_some(())?;
    let fill = fill.map_or(0.0, |f| f.values[0]);
    let mode = text(node, "mode");
    let extent = |a: usize| usize::try_from(x.dims[a] as i64 + pads[a] + pads[rank + a]).ok();
    let dims: Vec<usize> = (0..rank).map(extent).collect::<Option<_>>()?;
    let reflects = |a: usize| (x.dims[a] as i64) > pads[a].max(pads[rank + a]);
    (mode != "reflect" || (0..rank).all(reflects)).then_some(())?;
    let mut values = Vec::new();
    for index in indices(&dims) {
        let place = |a: usize| {
            let (i, n) = (index[a] as i64 - pads[a], x.dims[a] as i64);
            match mode.as_str() {
                "edge" => Some(i.clamp(0, n - 1)),
                "reflect" if i < 0 => Some(-i),
                "reflect" if i >= n => Some(2 * (n - 1) - i),
                _ => (0..n).contains(&i).then_some(i),
            }
        };
        let at: Option<Vec<usize>> = (0..rank).map(|a| place(a).map(|i| i as usize)).collect();
        values.push(at.map_or(fill, |at| x.at(&at)));
    }
    Tensor::new(x.data_type, dims, values)
}

fn concat(node: &Node, all: &[&Tensor]) -> Option<Tensor> {
    let first = all.first()?;
    let at = axis(int(node, "axis", 0), first.dims.len())?;
    let fits = |t: &&Tensor| {
        t.data_type == first.data_type
            && t.dims.len() == first.dims.len()
            && (0..t.dims.len()).all(|a| a == at || t.dims[a] == first.dims[a])
    };
    all.iter().all(fits).then_some(())?;
    let mut dims = first.dims.clone();
    dims[at] = all.iter().map(|t| t.dims[at]).sum();
    let mut values = Vec::new();
    for mut index in indices(&dims) {
        let mut which = 0;
        while index[at] >= all[which].dims[at] {
            index[at] -= all[which].dims[at];
            which += 1;
        }
        values.push(all[which].at(&index));
    }
    Tensor::new(first.data_type, dims, values)
}

fn split(node: &Node, x: &Tensor) -> Option<Vec<Tensor>> {
    let at = axis(int(node, "axis", 0), x.dims.len())?;
    let parts = node.output.len();
    x.dims[at].is_multiple_of(parts).then_some(())?;
    let size = x.dims[at] / parts;
    let part = |n: usize| {
        let mut dims = x.dims.clone();
        dims[at] = size;
        x.gather(dims, |index| {
            let mut index = index.to_vec();
            index[at] += n * size;
            index
        })
    };
    (0..parts).map(part).collect()
}

fn reduce(node: &Node, operands: &[&Tensor]) -> Option<Tensor> {
    let x = operands[0];
    (x.data_type != BOOL).then_some(())?;
    let rank = x.dims.len();
    let given = match operands.get(1) {
        Some(axes) => axes.integers(),
        None => ints(node, "axes"),
    };
    let over: Vec<usize> = match &given[..] {
        [] if int(node, "noop_with_empty_axes", 0) != 0 => Vec::new(),
        [] => (0..rank).collect(),
        given => given.iter().map(|a| axis(*a, rank)).collect::<Option<_>>()?,
    };
    let is_over = |a: &usize| over.contains(a);
    (over.iter().collect::<HashSet<_>>().len() == over.len()).then_some(())?;
    let kept: Vec<usize> = (0..rank).map(|a| if is_over(&a) { 1 } else { x.dims[a] }).collect();
    let inner: Vec<usize> = (0..rank).map(|a| if is_over(&a) { x.dims[a] } else { 1 }).collect();
    let op = node.op_type.as_str();
    let mut values = Vec::new();
    for base in indices(&kept) {
        let place = |offset: &Vec<usize>| {
            x.at(&base.iter().zip(offset).map(|(a, b)| a + b).collect::<Vec<usize>>())
        };
        let seen: Vec<f64> = indices(&inner).iter().map(place).collect();
        let sum = |f: fn(f64) -> f64| seen.iter().map(|v| f(*v)).sum::<f64>();
        let y = match op {
            "ReduceSum" => sum(|v| v),
            "ReduceMean" => sum(|v| v) / seen.len() as f64,
            "ReduceL1" => sum(f64::abs),
            "ReduceL2" => sum(|v| v * v).sqrt(),
            "ReduceSumSquare" => sum(|v| v * v),
            "ReduceMax" => seen.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            "ReduceMin" => seen.iter().copied().fold(f64::INFINITY, f64::min),
            _ => return None,
        };
        values.push(fit(x.data_type, y));
    }
    let dims = if int(node, "keepdims", 1) != 0 {
        kept
    } else {
        (0..rank).filter(|a| !is_over(a)).map(|a| x.dims[a]).collect()
    };
    Tensor::new(x.data_type, dims, values)
}

fn mat_mul(a: &Tensor, b: &Tensor) -> Option<Tensor> {
    (a.data_type == b.data_type && a.dims.len() > 1 && b.dims.len() > 1).then_some(())?;
    [FLOAT, INT32, INT64].contains(&a.data_type).then_some(())?;
    let (m, n) = (a.dims.len(), b.dims.len());
    let (rows, inner, columns) = (a.dims[m - 2], a.dims[m - 1], b.dims[n - 1]);
    (b.dims[n - 2] == inner).then_some(())?;
    let lead = common(&a.dims[..m - 2], &b.dims[..n - 2])?;
    let wide = |t: &Tensor| {
        let own = t.dims[t.dims.len() - 2..].iter();
        t.spread(&lead.iter().chain(own).copied().collect::<Vec<usize>>())
    };
    let (a, b) = (wide(a)?, wide(b)?);
    let dims: Vec<usize> = lead.iter().copied().chain([rows, columns]).collect();
    let value = |index: &Vec<usize>| {
        let (batch, at) = index.split_at(lead.len());
        let cell = |row: usize, column: usize| [batch, &[row, column]].concat();
        (0..inner).map(|k| a.at(&cell(at[0], k)) * b.at(&cell(k, at[1]))).sum()
    };
    Tensor::new(a.data_type, dims.clone(), indices(&dims).iter().map(value).collect())
}

fn gemm(node: &Node, operands: &[&Tensor]) -> Option<Tensor> {
    let [a, b, rest @ ..] = operands else { return None };
    (a.is_float() && b.is_float() && a.dims.len() == 2 && b.dims.len() == 2).then_some(())?;
    let b = if int(node, "transB", 0) != 0 {
        b.gather(vec![b.dims[1], b.dims[0]], |i| vec![i[1], i[0]])?
    } else {
        (*b).clone()
    };
    let alpha = f64::from(floats(node, "alpha", 1.0));
    let product = mat_mul(a, &b)?.map(|v| alpha * v);
    match rest {
        [c] => {
            let beta = f64::from(floats(node, "beta", 1.0));
            let c = c.spread(&product.dims)?;
            let values = product.values.iter().zip(&c.values).map(|(p, c)| p + beta * c).collect();
            Tensor::new(FLOAT, product.dims.clone(), values)
        }
        _ => Some(product),
    }
}

/// Nearest neighbours of the last two axes.
fn resize(node: &Node, x: &Tensor, scales: &Tensor) -> Option<Tensor> {
    (scales.values.len() == x.dims.len()).then_some(())?;
    let extent = |(d, s): (&usize, &f64)| (*d as f64 * s).floor() as usize;
    let dims: Vec<usize> = x.dims.iter().zip(&scales.values).map(extent).collect();
    let (mode, rule) = (text(node, "coordinate_transformation_mode"), text(node, "nearest_mode"));
    let place = |a: usize, i: usize| {
        let s = scales.values[a];
        let at = if mode == "asymmetric" { i as f64 / s } else { (i as f64 + 0.5) / s - 0.5 };
        let near = match rule.as_str() {
            "floor" => at.floor(),
            "ceil" => at.ceil(),
            "round_prefer_ceil" => (at + 0.5).floor(),
            _ => (at - 0.5).ceil(),
        };
        near.clamp(0.0, x.dims[a] as f64 - 1.0) as usize
    };
    x.gather(dims, |index| index.iter().enumerate().map(|(a, i)| place(a, *i)).collect())
}

fn function(node: &Node, x: &Tensor) -> Option<Tensor> {
    let alpha = |default: f32| f64::from(floats(node, "alpha", default));
    let whole = matches!(node.op_type.as_str(), "Abs" | "Neg" | "Sign" | "Relu" | "Identity");
    (x.is_float() || whole && x.data_type != BOOL).then_some(())?;
    Some(match node.op_type.as_str() {
        "Identity" => x.clone(),
        "Relu" => x.map(|v| v.max(0.0)),
        "LeakyRelu" => x.map(|v| if v < 0.0 { alpha(0.01) * v } else { v }),
        "Elu" => x.map(|v| if v < 0.0 { alpha(1.0) * (v.exp() - 1.0) } else { v }),
        "Sigmoid" => x.map(|v| 1.0 / (1.0 + (-v).exp())),
        "Tanh" => x.map(f64::tanh),
        "Abs" => x.map(f64::abs),
        "Neg" => x.map(|v| -v),
        "Sign" => x.map(|v| if v == 0.0 { 0.0 } else { v.signum() }),
        "Floor" => x.map(f64::floor),
        "Ceil" => x.map(f64::ceil),
        "Round" => x.map(f64::round_ties_even),
        "HardSigmoid" => {
            let beta = f64::from(floats(node, "beta", 0.5));
            x.map(|v| (alpha(0.2) * v + beta).clamp(0.0, 1.0))
        }
        "Softplus" => x.map(|v| v.max(0.0) + (-v.abs()).exp().ln_1p()),
        "Softsign" => x.map(|v| v / (1.0 + v.abs())),
        "ThresholdedRelu" => x.map(|v| if v > alpha(1.0) { v } else { 0.0 }),
        "Exp" => x.map(f64::exp),
        _ => return None,
    })
}
