//! The interface as an OpenAPI 3.1 document: its head, and what every operation has.

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

#[cfg(test)]
mod tests {
    /// `DN_UPDATE_OPENAPI=1` rewrites the file.
    #[test]
    fn the_document_is_the_one_that_is_checked_in() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let document = super::super::documented().1.to_pretty_json().unwrap() + "\n";
        if std::env::var_os("DN_UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &document).unwrap();
        }
        let known = std::fs::read_to_string(path).unwrap();
        assert!(known == document, "openapi.json is old: run this test with DN_UPDATE_OPENAPI=1");
    }
}
