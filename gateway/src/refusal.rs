//! Why a request is refused, and how each protocol says so.

use axum::http::{header, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use dn_core::api::{Bytes32, Problem};
use dn_core::task::{Reason, TaskState};
use dn_sdk::ClientError;
use serde_json::{json, Value};
use thiserror::Error;

use crate::request::{BODY_LIMIT, MAX_BODY_BYTES};

/// Header with the tasks of an answer, in the order of its rows.
pub(crate) const TASK_HEADER: &str = "x-dn-task";

/// Why a request is refused.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error("the request has no API key")]
    NoKey,
    #[error("the API key is unknown or revoked")]
    UnknownKey,
    #[error("no model is called {name}; there are: {known}")]
    NoModel { name: String, known: String },
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    Tensor(String),
    #[error("the body is encoded as {0}")]
    Encoding(String),
    #[error("the body has more than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("the body did not arrive within {} seconds", BODY_LIMIT.as_secs())]
    TooSlow,
    #[error("there is nothing at this path")]
    NoPath,
    #[error("the path does not take this method")]
    NoMethod,
    #[error("{}", .0.detail)]
    Sequencer(Box<Problem>),
    #[error("the sequencer does not answer")]
    Unreachable(#[source] ClientError),
    #[error("some tasks are not answered within {limit_s} seconds")]
    Late { limit_s: u64, tasks: Vec<Bytes32> },
    #[error("a task ended as {}{}", .state.as_str(), .reason.map_or(String::new(), |r| format!(" ({})", r.as_str())))]
    Ended { state: TaskState, reason: Option<Reason>, tasks: Vec<Bytes32> },
    #[error("{} of the rows were ordered, the others refused: {source}", .tasks.len())]
    Partly { tasks: Vec<Bytes32>, source: Box<Refusal> },
    #[error("there is no such task of this key's account")]
    NoTask,
    #[error("the task has no proof yet: it is {}", .0.as_str())]
    NoProof(TaskState),
    #[error("something is wrong with the gateway")]
    Internal(#[source] anyhow::Error),
}

/// How errors look in a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// RFC 9457.
    Problem,
    /// `{"error": "..."}`; code and hint stand beside it.
    KServe,
}

impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        match error {
            // Our own signatures are not the client's business.
            ClientError::Refused(problem) if problem.status != 401 => Self::Sequencer(problem),
            error if error.is_temporary() => Self::Unreachable(error),
            error => Self::Internal(error.into()),
        }
    }
}

impl Refusal {
    /// Status, code and what to do.
    fn entry(&self) -> (StatusCode, &str, &str) {
        use StatusCode as S;
        match self {
            Self::NoKey => (S::UNAUTHORIZED, "no_api_key", "send Authorization: Bearer KEY"),
            Self::UnknownKey => (
                S::UNAUTHORIZED,
                "unknown_api_key",
                "use a key that deepnode gateway key add printed for this gateway",
            ),
            Self::NoModel { .. } => {
                (S::NOT_FOUND, "model_not_found", "GET /v2/models lists the models")
            }
            Self::Malformed(_) => {
                (S::BAD_REQUEST, "malformed_request", "docs/book/gateway.md shows requests")
            }
            Self::Tensor(_) => {
                (S::BAD_REQUEST, "bad_tensor", "GET /v2/models/NAME tells names, shapes and types")
            }
            Self::Encoding(_) => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "send the body uncompressed")
            }
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "body_too_large", "send fewer rows at once"),
            Self::TooSlow => (S::REQUEST_TIMEOUT, "body_timeout", "send the whole body at once"),
            Self::NoPath => (S::NOT_FOUND, "not_found", "docs/book/gateway.md lists the paths"),
            Self::NoMethod => {
                (S::METHOD_NOT_ALLOWED, "method_not_allowed", "the Allow header lists the methods")
            }
            Self::Sequencer(problem) => {
                let status = S::from_u16(problem.status).unwrap_or(S::BAD_GATEWAY);
                (status, &problem.code, &problem.hint)
            }
            Self::Unreachable(_) => {
                (S::SERVICE_UNAVAILABLE, "no_sequencer", "retry with a backoff")
            }
            Self::Late { .. } => (
                S::GATEWAY_TIMEOUT,
                "not_answered",
                "the tasks are ordered: ask GET /v1/tasks/ID for their answers",
            ),
            Self::Ended { .. } => {
                (S::BAD_GATEWAY, "task_ended", "nothing was charged for it: send the row again")
            }
            Self::Partly { source, .. } => source.entry(),
            Self::NoTask => (S::NOT_FOUND, "task_not_found", "ask with the key that ordered it"),
            Self::NoProof(_) => (
                S::NOT_FOUND,
                "proof_not_found",
                "ask again later; wait_ms waits for it up to half a minute",
            ),
            Self::Internal(_) => {
                (S::INTERNAL_SERVER_ERROR, "internal", "retry; tell the operator if it stays")
            }
        }
    }

    /// Tasks that were ordered all the same.
    fn tasks(&self) -> &[Bytes32] {
        match self {
            Self::Late { tasks, .. } | Self::Ended { tasks, .. } | Self::Partly { tasks, .. } => {
                tasks
            }
            _ => &[],
        }
    }

    /// The answer in a protocol's form.
    pub(crate) fn answer(&self, form: Form) -> Response {
        let (status, code, hint) = self.entry();
        if let Self::Internal(error) = self {
            tracing::error!(error = format!("{error:#}"), "request failed");
        }
        let body = self.body(form, status, code, hint);
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        if form == Form::Problem {
            let kind = HeaderValue::from_static("application/problem+json");
            headers.insert(header::CONTENT_TYPE, kind);
        }
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        if let (false, Ok(value)) =
            (self.tasks().is_empty(), HeaderValue::try_from(task_list(self.tasks())))
        {
            headers.insert(TASK_HEADER, value);
        }
        response
    }

    fn body(&self, form: Form, status: StatusCode, code: &str, hint: &str) -> Value {
        let message = self.to_string();
        match form {
            Form::Problem => json!({
                "type": format!("urn:deepnode:problem:{code}"),
                "title": code.replace('_', " "),
                "status": status.as_u16(),
                "code": code,
                "detail": message,
                "hint": hint,
            }),
            Form::KServe => json!({ "error": message, "code": code, "hint": hint }),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.answer(Form::Problem)
    }
}

/// Ids as a list header has them.
pub(crate) fn task_list(ids: &[Bytes32]) -> String {
    ids.iter().map(Bytes32::to_string).collect::<Vec<_>>().join(",")
}

/// The form of errors under a path.
fn form_of(path: &str) -> Form {
    if path == "/v2" || path.starts_with("/v2/") {
        Form::KServe
    } else {
        Form::Problem
    }
}

/// Answers where there is no route.
pub(crate) async fn no_such_path(uri: Uri) -> Response {
    Refusal::NoPath.answer(form_of(uri.path()))
}

/// Answers where a route does not take the method.
pub(crate) async fn no_such_method(_method: Method, uri: Uri) -> Response {
    Refusal::NoMethod.answer(form_of(uri.path()))
}
