//! The answer to an inference request.

use axum::http::{header, HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use dn_core::api::Bytes32;
use dn_import::Package;
use serde_json::{json, Map, Value};

use super::body::{Asked, JSON_LENGTH};
use super::metadata::{codes_extents, values, CODES};
use crate::app::App;
use crate::catalog::Model;
use crate::inference::Answer;
use crate::refusal::{task_list, Refusal, TASK_HEADER};

/// An output of the answer.
#[derive(Debug)]
pub(super) struct Wanted {
    what: What,
    name: String,
    extents: Vec<usize>,
    is_binary: bool,
}

/// What an output's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The model's own.
    Codes,
    /// What they stand for, in the model's output of this number.
    Values(usize),
}

/// The outputs that are asked for: all of them where nothing is said.
pub(super) fn wanted(asked: &Asked, package: &Package) -> Result<Vec<Wanted>, Refusal> {
    let floats = values(package).into_iter().enumerate();
    let all = floats.map(|(i, o)| (What::Values(i), o.name, o.extents));
    let codes = (What::Codes, CODES.to_owned(), codes_extents(package));
    let all: Vec<_> = all.chain([codes]).collect();
    let is_binary = asked.is_binary;
    let Some(outputs) = &asked.outputs else {
        let wanted = |(what, name, extents): (_, _, _)| Wanted { what, name, extents, is_binary };
        return Ok(all.into_iter().map(wanted).collect());
    };
    let find = |output: &super::body::AskedOutput| {
        let found = all.iter().find(|(_, name, _)| *name == output.name);
        let (what, name, extents) = found.cloned().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|(_, name, _)| name.as_str()).collect();
            let names = names.join(", ");
            Refusal::Tensor(format!("the model has no output {}; it has: {names}", output.name))
        })?;
        let is_binary = output.is_binary().unwrap_or(is_binary);
        Ok(Wanted { what, name, extents, is_binary })
    };
    outputs.iter().map(find).collect()
}

/// Numbers of an output, row behind row.
enum Numbers {
    Codes(Vec<i8>),
    Values(Vec<f32>),
}

impl Numbers {
    fn of(what: What, model: &Model, answers: &[Answer]) -> Self {
        match what {
            What::Codes => Self::Codes(answers.iter().flat_map(|a| a.codes.clone()).collect()),
            What::Values(i) => {
                let of_row = |a: &Answer| model.package.values(&a.codes).swap_remove(i);
                Self::Values(answers.iter().flat_map(of_row).collect())
            }
        }
    }

    fn element(&self) -> &'static str {
        match self {
            Self::Codes(_) => "INT8",
            Self::Values(_) => "FP32",
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Codes(codes) => json!(codes),
            Self::Values(values) => json!(values),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Codes(codes) => codes.iter().map(|c| *c as u8).collect(),
            Self::Values(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
}

/// Writes the answer.
pub(super) fn write(
    app: &App,
    model: &Model,
    id: Option<String>,
    wanted: &[Wanted],
    answers: &[Answer],
) -> Response {
    let (mut outputs, mut bytes, mut has_bytes) = (Vec::new(), Vec::new(), false);
    for Wanted { what, name, extents, is_binary } in wanted {
        let numbers = Numbers::of(*what, model, answers);
        let shape: Vec<usize> = [answers.len()].into_iter().chain(extents.clone()).collect();
        let mut output = json!({ "name": name, "shape": shape, "datatype": numbers.element() });
        if *is_binary {
            let own = numbers.bytes();
            output["parameters"] = json!({ "binary_data_size": own.len() });
            bytes.extend(own);
            has_bytes = true;
        } else {
            output["data"] = numbers.json();
        }
        outputs.push(output);
    }
    let ids: Vec<Bytes32> = answers.iter().map(|a| a.task.task_id).collect();
    let mut body = Map::from_iter([
        ("model_name".to_owned(), json!(model.view.name)),
        ("model_version".to_owned(), json!(model.view.model_id)),
        ("parameters".to_owned(), parameters(app, &ids, answers)),
        ("outputs".to_owned(), json!(outputs)),
    ]);
    if let Some(id) = id {
        body.insert("id".to_owned(), id.into());
    }
    respond(&Value::Object(body), has_bytes.then_some(bytes), &ids)
}

/// What proves the answer. The protocol allows text here, and neither lists nor objects.
fn parameters(app: &App, ids: &[Bytes32], answers: &[Answer]) -> Value {
    let references: Vec<Value> =
        answers.iter().map(|a| a.reference(&app.facts().public_url)).collect();
    let receipts: Vec<_> = answers.iter().map(|a| &a.task.receipt).collect();
    json!({
        "task_id": task_list(ids),
        "receipt": json!(receipts).to_string(),
        "proof": references.iter().filter_map(|r| r["proof"].as_str()).collect::<Vec<_>>().join(","),
        "tasks": json!(references).to_string(),
    })
}

fn respond(body: &Value, bytes: Option<Vec<u8>>, ids: &[Bytes32]) -> Response {
    let mut text = body.to_string().into_bytes();
    let json_length = text.len();
    let is_binary = bytes.is_some();
    text.extend(bytes.unwrap_or_default());
    let mut response = text.into_response();
    let kind = if is_binary { "application/octet-stream" } else { "application/json" };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if is_binary {
        headers.insert(HeaderName::from_static(JSON_LENGTH), json_length.into());
    }
    if let Ok(value) = HeaderValue::try_from(task_list(ids)) {
        headers.insert(TASK_HEADER, value);
    }
    response
}
