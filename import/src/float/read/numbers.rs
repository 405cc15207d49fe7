//! Arithmetic of constants.

use std::rc::Rc;

use super::axes::{broadcast, product, spread_index};
use crate::onnx::{self, Element, Numbers};

impl Numbers {
    pub(super) fn floats(dims: Vec<usize>, values: Vec<f64>) -> Self {
        Self { dims, values, element: Element::FLOAT }
    }

    pub(super) fn vector(values: Vec<f64>) -> Self {
        Self { dims: vec![values.len()], values, element: Element::INT64 }
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
    Ok(Numbers { dims, values, element: first.element })
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
    Numbers { dims: vec![of.dims.len(), found.len()], values, element: Element::INT64 }
}

/// A product of matrices, or of lists of such, or of vectors.
pub(super) fn mat_mul(a: &Numbers, b: &Numbers) -> Result<Numbers, String> {
    let misfit = || format!("{:?} and {:?} do not fit, or are too large", a.dims, b.dims);
    let wide = |dims: &[usize], is_first: bool| match (dims, is_first) {
        ([n], true) => vec![1, *n],
        ([n], false) => vec![*n, 1],
        _ => dims.to_vec(),
    };
    let (left, right) = (wide(&a.dims, true), wide(&b.dims, false));
    let ([many @ .., rows, inner], [more @ .., same, columns]) = (&left[..], &right[..]) else {
        return Err(misfit());
    };
    let lead = broadcast(many, more)?;
    // Sums of nothing are still numbers.
    let count = [*rows, (*inner).max(1), *columns].into_iter().chain(lead.iter().copied());
    let count = count.fold(1, usize::saturating_mul);
    if inner != same || count > super::MAX_VIEW {
        return Err(misfit());
    }
    let (first, second) = (spread_index(many, &lead), spread_index(more, &lead));
    let mut values = Vec::new();
    for (i, j) in first.into_iter().zip(second) {
        let (x, y) = (&a.values[i * rows * inner..], &b.values[j * inner * columns..]);
        for cell in 0..rows * columns {
            let (row, column) = (cell / columns, cell % columns);
            values.push((0..*inner).map(|k| x[row * inner + k] * y[k * columns + column]).sum());
        }
    }
    let mut dims = lead;
    dims.extend((a.dims.len() > 1).then_some(*rows));
    dims.extend((b.dims.len() > 1).then_some(*columns));
    Ok(Numbers { dims, values, element: joined(a.element, b.element) })
}

/// The type of a result: real where an operand is.
pub(super) fn joined(a: Element, b: Element) -> Element {
    if b.is_float() && !a.is_float() {
        b
    } else {
        a
    }
}

/// `op` on two constants. `Fmod` is `Mod` with the sign of what is divided.
pub(super) fn binary(op: &str, a: &Numbers, b: &Numbers) -> Result<Numbers, String> {
    let dims = broadcast(&a.dims, &b.dims)?;
    let truth = |t: bool| f64::from(u8::from(t));
    let f = |x: f64, y: f64| match op {
        "Add" | "Sum" => x + y,
        "Sub" => x - y,
        "Mul" => x * y,
        "Div" => x / y,
        "Pow" => x.powf(y),
        "Mod" => x - y * (x / y).floor(),
        "Fmod" => x % y,
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
    let element = match op {
        "Pow" => a.element,
        "Add" | "Sum" | "Sub" | "Mul" | "Div" | "Mod" | "Fmod" | "Max" | "Min" => {
            joined(a.element, b.element)
        }
        _ => Element::Bool,
    };
    let (x, y) = (spread(a, &dims), spread(b, &dims));
    let values = x.iter().zip(&y).map(|(x, y)| element.cast(f(*x, *y))).collect();
    Ok(Numbers { dims, values, element })
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
        "Softplus" => |x| x.max(0.0) + (-x.abs()).exp().ln_1p(),
        _ => return None,
    })
}
