//! The graph's inputs.

use std::collections::HashMap;

use dn_core::quant::MAX_LEN;

use super::axes::product;
use super::unsupported;
use crate::error::ImportError;
use crate::onnx::{Dimension, Element, ValueInfo};

/// One input of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Extents of one example, without the batch.
    pub dims: Vec<usize>,
}

/// An input as the graph sees it.
pub(super) struct Declared {
    pub(super) input: Input,
    /// With the batch, which is 1, if there is one.
    pub(super) dims: Vec<usize>,
    /// The batch that the file is made for; 1 if it is open.
    pub(super) batch: usize,
    /// What its numbers are.
    pub(super) element: Element,
}

/// Reads the declaration of an input, with sizes for symbols.
pub(super) fn declared(
    info: &ValueInfo,
    sizes: &HashMap<String, usize>,
) -> Result<Declared, ImportError> {
    let name = &info.name;
    let tensor = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| unsupported(format!("input {name:?} is not a tensor")))?;
    let element = Element::of(tensor.elem_type).ok_or_else(|| {
        let data_type = tensor.elem_type;
        unsupported(format!("input {name:?} does not hold numbers (type {data_type})"))
    })?;
    let shape = tensor.shape.as_ref();
    let shape = shape.ok_or_else(|| unsupported(format!("input {name:?} has no shape")))?;
    let extent = |axis: usize, d: &Dimension| extent(name, sizes, axis, d);
    let (batch, rest) = match &shape.dim[..] {
        [] => return Err(unsupported(format!("input {name:?} is a single number"))),
        [only] if known(only).is_some() => (None, std::slice::from_ref(only)),
        [batch, rest @ ..] => (Some(known(batch).unwrap_or(1)), rest),
    };
    let first = shape.dim.len() - rest.len();
    let dims: Vec<usize> =
        rest.iter().enumerate().map(|(i, d)| extent(i + first, d)).collect::<Result<_, _>>()?;
    let len = dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
    if len.is_none_or(|n| n > MAX_LEN) {
        return Err(unsupported(format!("input {name:?} of {dims:?} is too large")));
    }
    debug_assert!(product(&dims) > 0);
    let input = Input { name: name.clone(), dims: dims.clone() };
    let dims = batch.map(|_| 1).into_iter().chain(dims).collect();
    Ok(Declared { input, dims, batch: batch.unwrap_or(1), element })
}

fn known(d: &Dimension) -> Option<usize> {
    d.dim_value.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0)
}

/// The extent of an axis: fixed by the file, or given by symbol or by `input.axis`.
fn extent(
    name: &str,
    sizes: &HashMap<String, usize>,
    axis: usize,
    d: &Dimension,
) -> Result<usize, ImportError> {
    let place = format!("{name}.{axis}");
    let symbol = d.dim_param.as_deref().filter(|s| !s.is_empty());
    let given = symbol.and_then(|s| sizes.get(s)).or_else(|| sizes.get(&place));
    known(d).or(given.copied().filter(|n| *n > 0)).ok_or_else(|| {
        let symbol = symbol.unwrap_or(&place);
        unsupported(format!(
            "dimension {axis} of input {name:?} has no fixed size: give it, as --shape {symbol}=8"
        ))
    })
}
