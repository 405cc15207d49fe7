//! Errors on the wire: RFC 9457 with stable codes.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{header, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::Json;
use dn_core::api::{Address, Amount, Problem};
use thiserror::Error;

use super::codes::{Entry, ALL};
use crate::admission::AdmissionError;
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
    #[error("the body did not arrive within {limit_s} seconds")]
    BodyTimeout { limit_s: u64 },
    #[error("{0}")]
    MalformedPath(String),
    #[error("{0}")]
    MalformedQuery(String),
    #[error("the Idempotency-Key must have 1 to 128 visible ASCII characters")]
    MalformedKey,
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("this path does not take the method")]
    MethodNotAllowed,
    #[error("this sequencer does not serve the model")]
    ModelNotFound,
    #[error("the input has {got} values, the model takes {expected}")]
    InputShape { got: usize, expected: usize },
    #[error("the salt is not below the field's order")]
    SaltRange,
    #[error("the order's input hash is not the commitment to input and salt")]
    InputHashMismatch,
    #[error("the label does not open the order's tag, or is no class of the model")]
    LabelMismatch,
    #[error("the signature is not the user's, or not in the form that the contract accepts")]
    BadSignature,
    #[error("the order allows {max_fee}, the model costs {price}")]
    FeeBelowPrice { max_fee: Amount, price: Amount },
    #[error("by the chain's time, the order's deadline is less than {margin_s} seconds away")]
    OrderExpired { margin_s: u64 },
    #[error("the escrow holds {balance}, open tasks and this one cost {needed}")]
    InsufficientEscrow { balance: String, needed: String },
    #[error("earlier answers were proven and not paid; tasks are taken again in {wait_s} seconds")]
    UnpaidHistory { wait_s: u64 },
    #[error("the nonce stands for another order of this user")]
    NonceUsed,
    #[error("the key stands for another task")]
    IdempotencyConflict,
    #[error("too many requests from this {0}")]
    TooManyRequests(&'static str),
    #[error("{limit} tasks of this user are open")]
    UserQueueFull { limit: u64 },
    #[error("too many tasks are open")]
    QueueFull,
    #[error("the sequencer has not read the chain yet")]
    CatchingUp,
    #[error("the chain does not answer")]
    ChainUnavailable(#[source] ChainError),
    #[error("the database takes no changes at the moment")]
    StorageUnavailable(#[source] StoreError),
    #[error("settlement does not move: {0}")]
    NotReady(String),
    #[error("no valid session token")]
    Unauthorized,
    #[error("the access token is malformed, has expired, or is not signed by its user")]
    BadAccess,
    #[error("the challenge is not the one that this node was given last")]
    StaleChallenge,
    #[error("{0} has no active stake in this role")]
    NotStaked(Address),
    #[error("{0} is given no more work: a proof contradicts one of its receipts")]
    Barred(Address),
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

impl ApiError {
    /// The stable code.
    fn code(&self) -> &'static str {
        match self {
            Self::MalformedJson(_) => "malformed_json",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyTimeout { .. } => "body_timeout",
            Self::MalformedPath(_) => "malformed_path",
            Self::MalformedQuery(_) => "malformed_query",
            Self::MalformedKey => "malformed_idempotency_key",
            Self::NotFound("proof") => "proof_not_found",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::ModelNotFound => "model_not_found",
            Self::InputShape { .. } => "input_shape",
            Self::SaltRange => "salt_range",
            Self::InputHashMismatch => "input_hash_mismatch",
            Self::LabelMismatch => "label_mismatch",
            Self::BadSignature => "bad_signature",
            Self::FeeBelowPrice { .. } => "fee_below_price",
            Self::OrderExpired { .. } => "order_expired",
            Self::InsufficientEscrow { .. } => "insufficient_escrow",
            Self::UnpaidHistory { .. } => "unpaid_history",
            Self::NonceUsed => "nonce_used",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::TooManyRequests(_) => "too_many_requests",
            Self::UserQueueFull { .. } => "user_queue_full",
            Self::QueueFull => "queue_full",
            Self::CatchingUp => "catching_up",
            Self::ChainUnavailable(_) => "chain_unavailable",
            Self::StorageUnavailable(_) => "storage_unavailable",
            Self::NotReady(_) => "not_ready",
            Self::Unauthorized => "unauthorized",
            Self::BadAccess => "bad_access",
            Self::StaleChallenge => "stale_challenge",
            Self::NotStaked(_) => "not_staked",
            Self::Barred(_) => "barred",
            Self::WrongRole => "wrong_role",
            Self::LeaseLost => "lease_lost",
            Self::ReceiptMismatch(_) => "receipt_mismatch",
            Self::ProofRejected(_) => "proof_rejected",
            Self::Internal(_) => "internal",
        }
    }

    fn entry(&self) -> &'static Entry {
        let code = self.code();
        ALL.iter().find(|e| e.code == code).expect("a test finds every code in the table")
    }

    /// When it makes sense to try again.
    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::UnpaidHistory { wait_s } => Some(*wait_s),
            Self::TooManyRequests(_) | Self::StorageUnavailable(_) => Some(1),
            Self::UserQueueFull { .. } | Self::QueueFull | Self::CatchingUp => Some(2),
            Self::ChainUnavailable(_) | Self::NotReady(_) => Some(5),
            _ => None,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (entry, retry) = (self.entry(), self.retry_after_s());
        let status =
            StatusCode::from_u16(entry.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let detail = match &self {
            // What failed inside is the operator's business.
            Self::Internal(_) => entry.title.to_owned(),
            other => other.to_string(),
        };
        if status.is_server_error() {
            let (code, who, cause) = (entry.code, entry.who, anyhow::Error::new(self));
            tracing::error!(code, who, cause = format!("{cause:#}"), "request failed");
        }
        let problem = Problem {
            kind: format!("urn:deepnode:problem:{}", entry.code),
            title: entry.title.into(),
            status: entry.status,
            code: entry.code.into(),
            detail,
            hint: entry.hint.into(),
        };
        let mut response = (status, Json(problem)).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if let Some(seconds) = retry {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing(what) => Self::NotFound(what),
            StoreError::Busy | StoreError::Silent | StoreError::Sql(_) => {
                Self::StorageUnavailable(error)
            }
            other => Self::Internal(other.into()),
        }
    }
}

impl From<AdmissionError> for ApiError {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::CatchingUp => Self::CatchingUp,
            AdmissionError::Chain(error) => error.into(),
            AdmissionError::Store(error) => error.into(),
        }
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
