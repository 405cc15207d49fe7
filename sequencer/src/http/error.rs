//! Errors on the wire: RFC 9457 with stable codes.

use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::http::{header, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::Json;
use dn_core::api::{Address, Amount, Problem};
use thiserror::Error;

use crate::chain::ChainError;
use crate::proof::ProofError;
use crate::store::StoreError;

/// Why a request is refused. The message is the problem's `detail`.
#[derive(Debug, Error)]
pub(crate) enum ApiError {
    #[error("the body is not the expected JSON: {0}")]
    MalformedJson(#[source] serde_json::Error),
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("{0}")]
    MalformedPath(String),
    #[error("{0}")]
    MalformedQuery(String),
    #[error("the Idempotency-Key must have 1 to 128 visible ASCII characters")]
    MalformedKey,
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("this sequencer does not serve the model")]
    ModelNotFound,
    #[error("the input has {got} values, the model takes {expected}")]
    InputShape { got: usize, expected: usize },
    #[error("the salt is not below the field's order")]
    SaltRange,
    #[error("the order's input hash is not the commitment to input and salt")]
    InputHashMismatch,
    #[error("the signature is not the user's, or not in the form that the contract accepts")]
    BadSignature,
    #[error("the order allows {max_fee}, the model costs {price}")]
    FeeBelowPrice { max_fee: Amount, price: Amount },
    #[error("the order's deadline is less than {margin_s} seconds away")]
    OrderExpired { margin_s: u64 },
    #[error("the escrow holds {balance}, open tasks and this one cost {needed}")]
    InsufficientEscrow { balance: String, needed: String },
    #[error("the task has been proven and paid before")]
    TaskAlreadyProven,
    #[error("the key stands for another task")]
    IdempotencyConflict,
    #[error("too many tasks are open")]
    QueueFull,
    #[error("the chain does not answer")]
    ChainUnavailable(#[source] ChainError),
    #[error("no valid session token")]
    Unauthorized,
    #[error("the clock is more than {limit_s} seconds off")]
    ClockSkew { limit_s: u64 },
    #[error("{0} has no active stake as a worker")]
    NotStaked(Address),
    #[error("the role of this node does not allow it")]
    WrongRole,
    #[error("the lease is no longer this node's")]
    LeaseLost,
    #[error("the receipt does not fit the task: {0}")]
    ReceiptMismatch(&'static str),
    #[error("the proof is rejected: {0}")]
    ProofRejected(#[source] ProofError),
    #[error("the sequencer failed")]
    Internal(#[source] anyhow::Error),
}

/// Status, code, title and hint.
type Parts = (StatusCode, &'static str, &'static str, &'static str);

impl ApiError {
    fn parts(&self) -> Parts {
        use StatusCode as S;
        match self {
            Self::MalformedJson(_) => (
                S::BAD_REQUEST,
                "malformed_json",
                "Malformed JSON",
                "compare the body with the schema in /openapi.json",
            ),
            Self::BodyTooLarge { .. } => (
                S::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "Body too large",
                "send one task per request",
            ),
            Self::MalformedPath(_) => {
                (S::BAD_REQUEST, "malformed_path", "Malformed path", "ids are 0x and 64 hex digits")
            }
            Self::MalformedQuery(_) => {
                (S::BAD_REQUEST, "malformed_query", "Malformed query", "see /openapi.json")
            }
            Self::MalformedKey => (
                S::BAD_REQUEST,
                "malformed_idempotency_key",
                "Malformed idempotency key",
                "use a random UUID",
            ),
            Self::NotFound("proof") => (
                S::NOT_FOUND,
                "proof_not_found",
                "No proof",
                "ask again when the batch is proof_ready or proven",
            ),
            Self::NotFound(_) => (S::NOT_FOUND, "not_found", "Not found", "check the id"),
            Self::ModelNotFound => {
                (S::NOT_FOUND, "model_not_found", "Model not found", "GET /v1/models lists them")
            }
            Self::InputShape { .. } => (
                S::UNPROCESSABLE_ENTITY,
                "input_shape",
                "Wrong input length",
                "GET /v1/models tells input_len",
            ),
            Self::SaltRange => (
                S::UNPROCESSABLE_ENTITY,
                "salt_range",
                "Salt out of range",
                "draw 32 random bytes and clear the top three bits",
            ),
            Self::InputHashMismatch => (
                S::UNPROCESSABLE_ENTITY,
                "input_hash_mismatch",
                "Input hash mismatch",
                "commit to input and salt with poseidon5 before signing the order",
            ),
            Self::FeeBelowPrice { .. } => (
                S::UNPROCESSABLE_ENTITY,
                "fee_below_price",
                "Fee below price",
                "sign an order with a larger maxFee",
            ),
            Self::OrderExpired { .. } => (
                S::UNPROCESSABLE_ENTITY,
                "order_expired",
                "Order expired",
                "sign an order with a later deadline",
            ),
            Self::InsufficientEscrow { .. } => (
                S::PAYMENT_REQUIRED,
                "insufficient_escrow",
                "Insufficient escrow",
                "deposit DN into the rollup contract",
            ),
            Self::TaskAlreadyProven => (
                S::CONFLICT,
                "task_already_proven",
                "Task already proven",
                "sign an order with another nonce",
            ),
            Self::IdempotencyConflict => (
                S::CONFLICT,
                "idempotency_conflict",
                "Idempotency conflict",
                "use another key for another task",
            ),
            Self::ProofRejected(_) => (
                S::UNPROCESSABLE_ENTITY,
                "proof_rejected",
                "Proof rejected",
                "the prover's keys or witness are wrong; remove its key cache",
            ),
            other => other.node_parts(),
        }
    }

    /// Parts of what mostly nodes and operators see.
    fn node_parts(&self) -> Parts {
        use StatusCode as S;
        match self {
            Self::BadSignature => (
                S::UNAUTHORIZED,
                "bad_signature",
                "Bad signature",
                "sign by EIP-712 in the domain of /v1/chain; 65 bytes, v 27 or 28, low s",
            ),
            Self::QueueFull => {
                (S::SERVICE_UNAVAILABLE, "queue_full", "Queue full", "retry with a backoff")
            }
            Self::ChainUnavailable(_) => (
                S::SERVICE_UNAVAILABLE,
                "chain_unavailable",
                "Chain unavailable",
                "retry with a backoff",
            ),
            Self::Unauthorized => {
                (S::UNAUTHORIZED, "unauthorized", "Unauthorized", "POST /v1/node/register first")
            }
            Self::ClockSkew { .. } => {
                (S::UNPROCESSABLE_ENTITY, "clock_skew", "Clock skew", "synchronise the clock")
            }
            Self::NotStaked(_) => (
                S::FORBIDDEN,
                "not_staked",
                "No stake",
                "stake at least the minimum in the Staking contract",
            ),
            Self::WrongRole => {
                (S::FORBIDDEN, "wrong_role", "Wrong role", "register in the role that is needed")
            }
            Self::LeaseLost => (
                S::CONFLICT,
                "lease_lost",
                "Lease lost",
                "drop the work; send heartbeats while working",
            ),
            Self::ReceiptMismatch(_) => (
                S::UNPROCESSABLE_ENTITY,
                "receipt_mismatch",
                "Receipt mismatch",
                "sign what the lease says and the commitment to the output",
            ),
            _ => (
                S::INTERNAL_SERVER_ERROR,
                "internal",
                "Internal error",
                "retry; tell the operator if it stays",
            ),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, title, hint) = self.parts();
        if status.is_server_error() {
            let cause = anyhow::Error::new(self);
            tracing::error!(code, cause = format!("{cause:#}"), "request failed");
            return problem(status, code, title, title.to_owned(), hint);
        }
        problem(status, code, title, self.to_string(), hint)
    }
}

fn problem(status: StatusCode, code: &str, title: &str, detail: String, hint: &str) -> Response {
    let problem = Problem {
        kind: format!("urn:deepnode:problem:{code}"),
        title: title.into(),
        status: status.as_u16(),
        code: code.into(),
        detail,
        hint: hint.into(),
    };
    let mut response = (status, Json(problem)).into_response();
    let json = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing(what) => Self::NotFound(what),
            other => Self::Internal(other.into()),
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<ChainError> for ApiError {
    fn from(error: ChainError) -> Self {
        Self::ChainUnavailable(error)
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::MalformedPath(rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::MalformedQuery(rejection.body_text())
    }
}

impl ApiError {
    /// A body that cannot be read: too large, or the connection broke.
    pub(crate) fn body(_: &BytesRejection, limit: usize) -> Self {
        Self::BodyTooLarge { limit }
    }
}
