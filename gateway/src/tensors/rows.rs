//! Tensors as a model's inputs.

use dn_import::{Calibration, Package};

use crate::refusal::Refusal;

/// Most rows of one request: as many orders are signed together.
pub(crate) const MAX_ROWS: usize = 64;
/// Name of the input, or the output, of a model that has one without a name.
const ONLY_INPUT: &str = "input";

/// Numbers with extents.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    /// With the axis of the rows in front, or without it for a single row.
    pub(crate) shape: Vec<usize>,
    /// Row-major, as many as the shape says.
    pub(crate) values: Vec<f32>,
}

/// Names of a model's inputs, in its order.
pub(crate) fn input_names(package: &Package) -> Vec<String> {
    if package.inputs.is_empty() {
        vec![ONLY_INPUT.to_owned()]
    } else {
        package.inputs.clone()
    }
}

/// The rows of a request, each of the model's length and finite. Tensors may come in any order.
pub(crate) fn rows(package: &Package, tensors: &[Tensor]) -> Result<Vec<Vec<f32>>, Refusal> {
    let names = input_names(package);
    let wanted = || names.join(", ");
    if let Some(odd) = tensors.iter().find(|t| !names.contains(&t.name)) {
        return Err(refused(format!("the model has no input {}; it has: {}", odd.name, wanted())));
    }
    let mut parts = Vec::new();
    for name in &names {
        let mut found = tensors.iter().filter(|t| t.name == *name);
        match (found.next(), found.next()) {
            (Some(tensor), None) => parts.push(tensor),
            (None, _) => return Err(refused(format!("the input {name} is missing"))),
            (Some(_), Some(_)) => return Err(refused(format!("the input {name} comes twice"))),
        }
    }
    let expected = package.graph.input_len();
    checked(package, if let [one] = parts[..] { single(one, expected)? } else { joined(&parts)? })
}

/// The same of plain lists, each with the numbers of all inputs one behind the other.
pub(crate) fn vectors(package: &Package, x: Vec<Vec<f32>>) -> Result<Vec<Vec<f32>>, Refusal> {
    if x.is_empty() {
        return Err(refused("there is no row".to_owned()));
    }
    checked(package, Calibration { x, ..Calibration::default() })
}

fn checked(package: &Package, examples: Calibration) -> Result<Vec<Vec<f32>>, Refusal> {
    if examples.x.len() > MAX_ROWS {
        return Err(too_many(examples.x.len()));
    }
    examples.check(package.graph.input).map_err(|e| refused(e.to_string()))?;
    Ok(examples.x)
}

fn too_many(rows: usize) -> Refusal {
    refused(format!("{rows} rows at once, at most {MAX_ROWS} are taken"))
}

fn refused(what: String) -> Refusal {
    Refusal::Tensor(what)
}

/// The only input: one row, or several along the first axis.
fn single(tensor: &Tensor, expected: usize) -> Result<Calibration, Refusal> {
    let Tensor { name, shape, values } = tensor;
    let len = |extents: &[usize]| extents.iter().try_fold(1usize, |n, e| n.checked_mul(*e));
    let (width, extents) = match &shape[..] {
        [_, rest @ ..] if !rest.is_empty() && len(rest) == Some(expected) => (expected, rest),
        all if len(all) == Some(expected) => (expected, all),
        all => {
            return Err(refused(format!(
                "the input {name} has shape {all:?}: rows of the model have {expected} values"
            )))
        }
    };
    let x: Vec<Vec<f32>> = values.chunks_exact(width.max(1)).map(<[f32]>::to_vec).collect();
    if x.is_empty() {
        return Err(refused(format!("the input {name} has no row")));
    }
    Ok(Calibration { x, extents: extents.to_vec(), ..Calibration::default() })
}

/// Several inputs, side by side. Each has the axis of the rows.
fn joined(parts: &[&Tensor]) -> Result<Calibration, Refusal> {
    let count = parts[0].shape.first().copied().unwrap_or(0);
    if count == 0 || parts.iter().any(|t| t.shape.first() != Some(&count)) {
        let what = "the first axis of every input counts the rows: it must be the same, and not 0";
        return Err(refused(what.to_owned()));
    }
    if count > MAX_ROWS {
        return Err(too_many(count));
    }
    let part = |t: &Tensor, i: usize| {
        let width = t.values.len() / count;
        t.values[i * width..(i + 1) * width].to_vec()
    };
    let row = |i| parts.iter().flat_map(|t| part(t, i)).collect();
    Ok(Calibration { x: (0..count).map(row).collect(), ..Calibration::default() })
}

#[cfg(test)]
mod tests;
