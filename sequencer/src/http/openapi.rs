//! The interface as an OpenAPI 3.1 document: its head, and what every operation has.

use serde_json::Value;
use utoipa::openapi::{OpenApi, RefOr};
use utoipa::OpenApi as _;

const ABOUT: &str =
    "Verified inference: tasks in, answers at once, proofs on chain later. Errors follow \
RFC 9457 with a stable `code` and a `hint`; 429 and 503 say in `Retry-After` when to try again.";

#[derive(utoipa::OpenApi)]
#[openapi(info(title = "deepnode sequencer", description = ABOUT))]
struct Document;

/// Title and description.
pub(crate) fn header() -> OpenApi {
    Document::openapi()
}

/// Adds what any operation can answer: its caller may send too much, and the sequencer may be busy.
pub(crate) fn finish(document: &mut OpenApi) {
    for path in document.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.post];
        for operation in operations.into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            let problem = responses.get("4XX").or(responses.get("5XX")).cloned();
            if let Some(RefOr::T(problem)) = problem {
                responses.entry("4XX".into()).or_insert_with(|| RefOr::T(problem.clone()));
                responses.entry("5XX".into()).or_insert_with(|| RefOr::T(problem));
            }
        }
    }
}

/// 32 and 20 bytes, any bytes, an amount below 10^38, and a key, as the parsers take them.
const PATTERNS: [(&[&str], &str); 5] = [
    (&["Bytes32", "id"], "^0x[0-9a-fA-F]{64}$"),
    (&["Address", "node"], "^0x[0-9a-fA-F]{40}$"),
    (&["Bytes"], "^0x([0-9a-fA-F]{2})*$"),
    (&["Amount"], "^(0|[1-9][0-9]{0,37})$"),
    (&["Idempotency-Key"], "^[!-~]{1,128}$"),
];

/// The document with what types alone do not say: patterns of texts, ranges of integers.
pub(crate) fn exact(document: &OpenApi) -> Value {
    let mut value = serde_json::to_value(document).unwrap_or_default();
    for (names, pattern) in PATTERNS {
        for name in names {
            if let Some(schema) = value.pointer_mut(&format!("/components/schemas/{name}")) {
                schema["pattern"] = pattern.into();
            }
        }
    }
    refine(&mut value);
    value
}

fn refine(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(refine),
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str);
            let pattern =
                PATTERNS.iter().find(|(names, _)| text("name").is_some_and(|n| names.contains(&n)));
            let is_unsigned = text("format") == Some("int64") && fields.contains_key("minimum");
            let is_small = text("format") == Some("int32") && fields.contains_key("minimum");
            let is_byte = text("format") == Some("int32") && !fields.contains_key("minimum");
            if let (Some((_, pattern)), Some(schema)) = (pattern, fields.get_mut("schema")) {
                if schema["type"] == "string" || schema["type"][0] == "string" {
                    schema["pattern"] = (*pattern).into();
                }
            }
            if is_unsigned {
                fields.remove("format");
                fields.insert("maximum".into(), u64::MAX.into());
            }
            if is_small {
                fields.remove("format");
                fields.entry("maximum").or_insert_with(|| u32::MAX.into());
            }
            // The only small signed integers are the values of inputs and outputs.
            if is_byte {
                fields.insert("minimum".into(), i8::MIN.into());
                fields.insert("maximum".into(), i8::MAX.into());
            }
            fields.values_mut().for_each(refine);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    /// `DN_UPDATE_OPENAPI=1` rewrites the file.
    #[test]
    fn the_document_is_the_one_that_is_checked_in() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let document = super::exact(&super::super::documented().1);
        let document = serde_json::to_string_pretty(&document).unwrap() + "\n";
        if std::env::var_os("DN_UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &document).unwrap();
        }
        let known = std::fs::read_to_string(path).unwrap();
        assert!(known == document, "openapi.json is old: run this test with DN_UPDATE_OPENAPI=1");
    }
}
