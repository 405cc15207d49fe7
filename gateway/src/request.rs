//! Reading bodies.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request};
use axum::http::header::CONTENT_ENCODING;

use crate::refusal::Refusal;

/// Largest body.
pub(crate) const MAX_BODY_BYTES: usize = 16 << 20;
/// Longest time for a body.
pub(crate) const BODY_LIMIT: Duration = Duration::from_secs(30);

/// The whole body of a request.
pub(crate) async fn body(request: Request) -> Result<Bytes, Refusal> {
    let encoding = request.headers().get(CONTENT_ENCODING).filter(|e| *e != "identity");
    if let Some(encoding) = encoding {
        return Err(Refusal::Encoding(String::from_utf8_lossy(encoding.as_bytes()).into_owned()));
    }
    let body = tokio::time::timeout(BODY_LIMIT, Bytes::from_request(request, &())).await;
    // The only other way to fail is a broken connection, on which nobody reads the answer.
    body.map_err(|_| Refusal::TooSlow)?.map_err(|_| Refusal::TooLarge)
}
