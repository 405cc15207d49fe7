//! The interface as an OpenAPI 3.1 document.

use axum::Json;
use utoipa::openapi::OpenApi;
use utoipa::OpenApi as _;

use super::{batches, events, models, nodes, tasks};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "deepnode sequencer",
        description = "Verified inference: tasks in, answers at once, proofs on chain later. Errors follow RFC 9457 with a stable `code` and a `hint`."
    ),
    paths(
        models::chain,
        models::list,
        models::package,
        models::protocol,
        tasks::submit,
        tasks::get,
        events::of_task,
        events::all,
        batches::list,
        batches::get,
        batches::proof,
        batches::proof_file,
        nodes::list,
        nodes::register,
        nodes::lease,
        nodes::heartbeat,
        nodes::result,
        nodes::proof_job,
        nodes::proof_result,
    )
)]
struct Document;

/// `GET /openapi.json`.
pub(crate) async fn serve() -> Json<OpenApi> {
    Json(Document::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `DN_UPDATE_OPENAPI=1` rewrites the file.
    #[test]
    fn the_document_is_the_one_that_is_checked_in() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let document = Document::openapi().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("DN_UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &document).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), document);
    }
}
