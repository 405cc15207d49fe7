//! Log lines of a request name it: its method, its route and, when the client sends one, its trace.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tracing::field::Empty;
use tracing::Instrument as _;

/// Header of W3C's Trace Context.
const TRACEPARENT: &str = "traceparent";

/// Handles a request inside a span of its own.
pub(crate) async fn spanned(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!("request", method = %request.method(), route, trace = Empty);
    let header = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    if let Some(trace) = header.and_then(trace_id) {
        span.record("trace", trace);
    }
    next.run(request).instrument(span).await
}

/// The trace's id in `version-trace-parent-flags`: 32 hex digits, not all 0.
fn trace_id(header: &str) -> Option<&str> {
    let mut parts = header.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_valid = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && is_hex(parent, 16)
        && is_hex(flags, 2)
        && trace.bytes().any(|b| b != b'0');
    is_valid.then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_header_names_a_trace() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{trace}-00f067aa0ba902b7-01")), Some(trace));
        let zeros = "0".repeat(32);
        for header in [
            "",
            "00",
            trace,
            &format!("ff-{trace}-00f067aa0ba902b7-01"),
            &format!("00-{zeros}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            &format!("00-{trace}-00f067aa0ba902b-01"),
            &format!("00-{trace}\n-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(trace_id(header), None, "{header}");
        }
    }
}
