//! `POST /v1/embeddings`: a model's output vector for each vector of numbers.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use axum::Json;
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use dn_core::api::Bytes32;
use serde::Deserialize;
use serde_json::{json, Value};

use super::Told;
use crate::access::payer;
use crate::app::App;
use crate::catalog::Model;
use crate::inference::infer;
use crate::refusal::{task_list, Refusal, TASK_HEADER};
use crate::tensors;

#[derive(Debug, Deserialize)]
struct Asked {
    model: String,
    input: Value,
    #[serde(default)]
    encoding_format: Encoding,
    dimensions: Option<usize>,
}

/// How vectors are written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Float,
    /// Little-endian single precision, as the Python client asks for by itself.
    Base64,
}

impl Encoding {
    fn write(self, vector: &[f32]) -> Value {
        match self {
            Self::Float => json!(vector),
            Self::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                STANDARD.encode(bytes).into()
            }
        }
    }
}

pub(super) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Told> {
    let user = payer(&headers, &app)?;
    let body = app.room().body(request).await?;
    let asked: Asked = serde_json::from_slice(&body)
        .map_err(|e| Refusal::Malformed(format!("the body is no request for embeddings: {e}")))?;
    let model = app.catalog().model(&asked.model, None).await?;
    let rows = tensors::vectors(&model.package, vectors(&asked, &model)?)?;
    let encoding = asked.encoding_format;
    drop((asked, body));
    let answers = infer(&user, &model, &rows, app.facts().terms).await?;
    let entry = |(index, answer): (usize, &crate::inference::Answer)| {
        let vector = model.package.values(&answer.codes).concat();
        json!({
            "object": "embedding",
            "index": index,
            "embedding": encoding.write(&vector),
        })
    };
    let data: Vec<Value> = answers.iter().enumerate().map(entry).collect();
    let numbers: usize = rows.iter().map(Vec::len).sum();
    let url = &app.facts().public_url;
    let tasks: Vec<Value> = answers.iter().map(|a| a.reference(url)).collect();
    let body = json!({
        "object": "list",
        "data": data,
        "model": model.view.name,
        // The numbers of the input: there are no tokens.
        "usage": { "prompt_tokens": numbers, "total_tokens": numbers },
        "deepnode": { "model_id": model.view.model_id, "tasks": tasks },
    });
    let mut response = Json(body).into_response();
    let ids: Vec<Bytes32> = answers.iter().map(|a| a.task.task_id).collect();
    if let Ok(value) = HeaderValue::try_from(task_list(&ids)) {
        response.headers_mut().insert(TASK_HEADER, value);
    }
    Ok(response)
}

/// The vectors that are asked about: one list of numbers, or several.
fn vectors(asked: &Asked, model: &Model) -> Result<Vec<Vec<f32>>, Refusal> {
    let expected = model.view.input_len;
    if let Some(dimensions) = asked.dimensions.filter(|d| *d != model.view.output_len) {
        let got = model.view.output_len;
        let what = format!("dimensions is {dimensions}: the model's vectors have {got}");
        return Err(Refusal::Tensor(what));
    }
    let text = || Refusal::Text { model: asked.model.clone(), expected };
    let Value::Array(items) = &asked.input else { return Err(text()) };
    let number = |value: &Value| match value {
        Value::String(_) => Err(text()),
        value => value
            .as_f64()
            .map(|x| x as f32)
            .ok_or_else(|| Refusal::Tensor(format!("{value} is no number"))),
    };
    let row = |items: &Vec<Value>| items.iter().map(number).collect::<Result<Vec<f32>, _>>();
    match items.first() {
        Some(Value::Array(_)) => {
            let each = |item: &Value| match item {
                Value::Array(items) => row(items),
                other => Err(Refusal::Tensor(format!("{other} is no list of numbers"))),
            };
            items.iter().map(each).collect()
        }
        _ => Ok(vec![row(items)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_written_as_the_client_asks() {
        assert_eq!(Encoding::Float.write(&[1.5]), json!([1.5]));
        assert_eq!(Encoding::Base64.write(&[1.0, -2.0]), json!("AACAPwAAAMA="));
    }
}
