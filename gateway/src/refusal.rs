//! Why a request is refused, and how each protocol says so.

use std::marker::PhantomData;

use axum::extract::rejection::{PathRejection, QueryRejection};
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
    #[error("there is no room for the body: others are being read")]
    Busy,
    #[error("the input is text: {model} takes {expected} numbers and is no language model")]
    Text { model: String, expected: usize },
    #[error("{model} takes {inputs} numbers and gives {outputs}: no registered model does what {endpoint} asks for")]
    OtherShape { endpoint: &'static str, model: String, inputs: usize, outputs: usize },
    #[error("there is nothing at this path")]
    NoPath,
    #[error("the path does not take this method")]
    NoMethod,
    #[error("{}", .0.detail)]
    Sequencer(Box<Problem>),
    #[error("the sequencer does not answer")]
    Unreachable(#[source] ClientError),
    #[error("the sequencer does not answer")]
    Silent,
    #[error("some tasks are not answered within {limit_s} seconds")]
    Late { limit_s: u64, tasks: Vec<Bytes32> },
    #[error("a task ended as {}{}", .state.as_str(), .reason.map_or(String::new(), |r| format!(" ({})", r.as_str())))]
    Ended { state: TaskState, reason: Option<Reason>, tasks: Vec<Bytes32> },
    #[error("{} of the rows were ordered, the others refused: {source}", .tasks.len())]
    Partly { tasks: Vec<Bytes32>, source: Box<Refusal> },
    #[error("the tasks are ordered, or may be, and their answers could not be fetched: {source}")]
    Unfetched { tasks: Vec<Bytes32>, source: Box<Refusal> },
    #[error("it costs {needed} DN and the session has {left} DN left")]
    Budget { needed: String, left: String },
    #[error("the gateway is not connected to the chain")]
    NoChain,
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
    /// `{"error": {"message", "type", "param", "code"}}`.
    OpenAi,
}

/// A protocol, by how it says errors.
pub(crate) trait Protocol {
    /// How they look.
    const FORM: Form;
}

/// A refusal as a protocol says it.
#[derive(Debug)]
pub(crate) struct Told<P>(Refusal, PhantomData<P>);

impl<P, R: Into<Refusal>> From<R> for Told<P> {
    fn from(refusal: R) -> Self {
        Self(refusal.into(), PhantomData)
    }
}

impl<P: Protocol> IntoResponse for Told<P> {
    fn into_response(self) -> Response {
        self.0.answer(P::FORM)
    }
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

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self::Malformed(rejection.body_text())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self::Malformed(rejection.body_text())
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
            Self::Busy => {
                (S::SERVICE_UNAVAILABLE, "busy", "retry with a backoff, or with fewer rows")
            }
            Self::Text { .. } => {
                (S::BAD_REQUEST, "input_is_text", "send a list of numbers, or a list of such lists")
            }
            Self::OtherShape { .. } => (
                S::BAD_REQUEST,
                "unsupported_model",
                "use POST /v1/embeddings, or POST /v2/models/NAME/infer",
            ),
            Self::NoPath => (S::NOT_FOUND, "not_found", "docs/book/gateway.md lists the paths"),
            Self::NoMethod => {
                (S::METHOD_NOT_ALLOWED, "method_not_allowed", "the Allow header lists the methods")
            }
            Self::Sequencer(problem) => {
                let status = S::from_u16(problem.status).unwrap_or(S::BAD_GATEWAY);
                (status, &problem.code, &problem.hint)
            }
            Self::Unreachable(_) | Self::Silent => {
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
            Self::Partly { source, .. } | Self::Unfetched { source, .. } => source.entry(),
            Self::Budget { .. } => (
                S::PAYMENT_REQUIRED,
                "session_budget",
                "ask for fewer rows, or begin a session with a larger budget",
            ),
            Self::NoChain => (S::NOT_IMPLEMENTED, "no_chain", "the operator has to give --rpc-url"),
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
    pub(crate) fn tasks(&self) -> &[Bytes32] {
        match self {
            Self::Late { tasks, .. }
            | Self::Ended { tasks, .. }
            | Self::Partly { tasks, .. }
            | Self::Unfetched { tasks, .. } => tasks,
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
            // OpenAI's clients would order and pay again by themselves.
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
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
            Form::OpenAi => json!({ "error": {
                "message": format!("{message}; {hint}"),
                "type": self.openai_type(status),
                "param": self.openai_param(),
                "code": code,
            }}),
            Form::KServe => json!({ "error": message, "code": code, "hint": hint }),
        }
    }
}

impl Refusal {
    /// What a tool of an agent says.
    pub(crate) fn told(&self) -> Value {
        let (_, code, hint) = self.entry();
        json!({ "error": self.to_string(), "code": code, "hint": hint, "tasks": self.tasks() })
    }

    fn openai_type(&self, status: StatusCode) -> &'static str {
        match status {
            StatusCode::PAYMENT_REQUIRED => "insufficient_quota",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// The field of a request that is wrong.
    fn openai_param(&self) -> Option<&'static str> {
        match self {
            Self::NoModel { .. } | Self::OtherShape { .. } => Some("model"),
            Self::Tensor(_) | Self::Text { .. } => Some("input"),
            _ => None,
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
    } else if path.starts_with("/v1/") && !path.starts_with("/v1/tasks") {
        Form::OpenAi
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(response: Response) -> Value {
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    #[tokio::test]
    async fn each_protocol_is_told_in_its_form() {
        let refusal = Refusal::NoModel { name: "x".into(), known: "a, b".into() };
        let message = "no model is called x; there are: a, b";
        let kserve = body(refusal.answer(Form::KServe)).await;
        assert_eq!(kserve["error"], message);
        assert_eq!(kserve["code"], "model_not_found");
        let openai = body(refusal.answer(Form::OpenAi)).await;
        assert!(openai["error"]["message"].as_str().is_some_and(|m| m.starts_with(message)));
        assert_eq!(openai["error"]["type"], "invalid_request_error");
        assert_eq!(openai["error"]["param"], "model");
        let problem = refusal.answer(Form::Problem);
        assert_eq!(problem.headers()[header::CONTENT_TYPE], "application/problem+json");
        let problem = body(problem).await;
        assert_eq!((&problem["status"], &problem["detail"]), (&json!(404), &json!(message)));
        assert!(serde_json::from_value::<Problem>(problem).is_ok());
    }

    #[test]
    fn what_was_ordered_is_named_and_not_sent_again() {
        let tasks = vec![Bytes32([1; 32]), Bytes32([2; 32])];
        let late = Refusal::Late { limit_s: 60, tasks: tasks.clone() }.answer(Form::OpenAi);
        assert_eq!(late.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(late.headers()[TASK_HEADER], task_list(&tasks));
        assert_eq!(late.headers()["x-should-retry"], "false");
        let key = Refusal::UnknownKey.answer(Form::OpenAi);
        assert_eq!(key.headers()[header::WWW_AUTHENTICATE], "Bearer");
        assert!(!key.headers().contains_key(TASK_HEADER));
    }

    #[test]
    fn the_book_lists_every_code() {
        let book = include_str!("../../docs/book/gateway.md");
        let source = include_str!("refusal.rs");
        let (_, entries) = source.split_once("fn entry(&self)").expect("the table");
        let (entries, _) = entries.split_once("\n    }\n").expect("its end");
        let words = entries.split('"').skip(1).step_by(2);
        let codes: Vec<&str> = words
            .filter(|w| w.contains('_') || *w == "internal")
            .filter(|w| w.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
            .collect();
        assert!(codes.len() > 15, "{codes:?}");
        for code in codes {
            assert!(book.contains(&format!("`{code}`")), "docs/book/gateway.md lacks {code}");
        }
    }
}
