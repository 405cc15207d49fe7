//! Arithmetic of constants.

use std::rc::Rc;

use super::axes::{broadcast, product, spread_index};
use crate::onnx::{self, Numbers};

impl Numbers {
    pub(super) fn floats(dims: Vec<usize>, values: Vec<f64>) -> Self {
        Self { dims, values, is_integer: false }
    }

    pub(super) fn vector(values: Vec<f64>) -> Self {
        Self { dims: vec![values.len()], values, is_integer: true }
    }
}

pub(super) fn concat(node: &onnx::Node, operands: &[Rc<Numbers>]) -> Result<Numbers, String> {
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

pub(super) fn spread(of: &Numbers, dims: &[usize]) -> Vec<f64> {
    if of.dims == dims {
        return of.values.clone();
    }
    spread_index(&of.dims, dims).into_iter().map(|i| of.values[i]).collect()
}

/// Indices of what is not zero, one row per axis.
pub(super) fn non_zero(of: &Numbers) -> Numbers {
    let strides = super::axes::strides(&of.dims);
    let found: Vec<usize> = (0..of.values.len()).filter(|i| of.values[*i] != 0.0).collect();
    let row = |a: usize| -> Vec<f64> {
        found.iter().map(|i| (i / strides[a] % of.dims[a]) as f64).collect()
    };
    let values = (0..of.dims.len()).flat_map(row).collect();
    Numbers { dims: vec![of.dims.len(), found.len()], values, is_integer: true }
}

pub(super) fn mat_mul(a: &Numbers, b: &Numbers) -> Result<Numbers, String> {
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
        "Pow" if is_integer => x.powf(y).trunc(),
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

pub(super) fn unary(op: &str) -> Option<fn(f64) -> f64> {
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
