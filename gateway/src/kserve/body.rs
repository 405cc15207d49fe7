//! The body of an inference request: JSON, and behind it the tensors that come as bytes.
//!
//! ```text
//! JSON, of as many bytes as the header Inference-Header-Content-Length says
//! the bytes of each input whose parameter binary_data_size gives their number, in the order of the inputs
//! ```

use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::refusal::Refusal;
use crate::tensors::{Element, Tensor};

/// Header with the length of the JSON.
pub(super) const JSON_LENGTH: &str = "inference-header-content-length";
/// Deepest nesting of data.
const MAX_DEPTH: usize = 8;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: Option<String>,
    pub(super) tensors: Vec<Tensor>,
    /// `None` for all of them.
    pub(super) outputs: Option<Vec<AskedOutput>>,
    /// Whether outputs are bytes where nothing else is said.
    pub(super) is_binary: bool,
}

#[derive(Debug, Deserialize)]
struct Json {
    id: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    inputs: Vec<AskedInput>,
    outputs: Option<Vec<AskedOutput>>,
}

#[derive(Debug, Deserialize)]
struct AskedInput {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    #[serde(default)]
    parameters: Map<String, Value>,
    data: Option<Value>,
}

/// An output that is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct AskedOutput {
    pub(super) name: String,
    #[serde(default)]
    parameters: Map<String, Value>,
}

impl AskedOutput {
    /// Whether it is to be bytes, where the request says so.
    pub(super) fn is_binary(&self) -> Option<bool> {
        self.parameters.get("binary_data").and_then(Value::as_bool)
    }
}

/// Reads a body.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Asked, Refusal> {
    let (json, mut bytes) = body.split_at(json_length(headers, body.len())?);
    let json: Json = serde_json::from_slice(json).map_err(|e| {
        let part = match headers.contains_key(JSON_LENGTH) {
            true => format!("{} bytes of Inference-Header-Content-Length", json.len()),
            false => "body".into(),
        };
        malformed(format!("the {part} are no inference request in JSON: {e}"))
    })?;
    let mut tensors = Vec::new();
    for input in json.inputs {
        tensors.push(input.tensor(&mut bytes)?);
    }
    if !bytes.is_empty() {
        let left = bytes.len();
        return Err(malformed(format!(
            "{left} bytes are left behind the tensors: the sum of binary_data_size is too small"
        )));
    }
    let is_binary = json.parameters.get("binary_data_output").and_then(Value::as_bool);
    let (id, outputs) = (json.id, json.outputs);
    Ok(Asked { id, tensors, outputs, is_binary: is_binary.unwrap_or(false) })
}

fn malformed(what: String) -> Refusal {
    Refusal::Malformed(what)
}

/// How many bytes of the body are JSON.
fn json_length(headers: &HeaderMap, body: usize) -> Result<usize, Refusal> {
    let Some(header) = headers.get(JSON_LENGTH) else { return Ok(body) };
    let length = header.to_str().ok().and_then(|text| text.trim().parse::<usize>().ok());
    match length {
        Some(length) if length <= body => Ok(length),
        Some(length) => Err(malformed(format!(
            "Inference-Header-Content-Length is {length}, the body has {body} bytes"
        ))),
        None => Err(malformed("Inference-Header-Content-Length is no number".into())),
    }
}

impl AskedInput {
    /// Takes the tensor's numbers from the JSON, or from the front of `bytes`.
    fn tensor(self, bytes: &mut &[u8]) -> Result<Tensor, Refusal> {
        let Self { name, shape, datatype, parameters, data } = self;
        let refused = |what: String| Refusal::Tensor(format!("the input {name}: {what}"));
        let element = Element::parse(&datatype).ok_or_else(|| {
            refused(format!("the type {datatype} is not one of {}", Element::names()))
        })?;
        let expected = shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
        let expected = expected.ok_or_else(|| refused("its shape is too large".into()))?;
        let values = match (parameters.get("binary_data_size"), data) {
            (None, Some(data)) => {
                let mut values = Vec::new();
                flatten(&data, element, MAX_DEPTH, &mut values).map_err(refused)?;
                values
            }
            (Some(size), None) => {
                let size = size.as_u64().and_then(|n| usize::try_from(n).ok());
                let size = size.ok_or_else(|| refused("binary_data_size is no number".into()))?;
                let (own, rest) = bytes.split_at_checked(size).ok_or_else(|| {
                    let left = bytes.len();
                    refused(format!("binary_data_size is {size}, {left} bytes are left"))
                })?;
                if Some(size) != expected.checked_mul(element.size()) {
                    let each = element.size();
                    let what = format!(
                        "binary_data_size is {size}, {shape:?} of {each} bytes each are not"
                    );
                    return Err(refused(what));
                }
                *bytes = rest;
                element.read(own)
            }
            (None, None) => return Err(refused("it has no data".into())),
            (Some(_), Some(_)) => {
                return Err(refused("it has both data and binary_data_size".into()))
            }
        };
        if values.len() != expected {
            let got = values.len();
            return Err(refused(format!("{got} numbers for the shape {shape:?}")));
        }
        Ok(Tensor { name, shape, values })
    }
}

/// The numbers of JSON data, flat or nested.
fn flatten(
    data: &Value,
    element: Element,
    depth: usize,
    values: &mut Vec<f32>,
) -> Result<(), String> {
    match data {
        Value::Array(items) if depth > 0 => {
            items.iter().try_for_each(|item| flatten(item, element, depth - 1, values))
        }
        Value::Array(_) => Err("its data are nested too deeply".into()),
        number => {
            let value = element.of_json(number);
            values.push(value.ok_or_else(|| format!("{number} is no {}", element.name()))?);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
