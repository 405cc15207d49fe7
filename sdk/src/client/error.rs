//! Why a request has no answer.

use std::time::Duration;

use dn_core::api::Problem;
use reqwest::StatusCode;
use thiserror::Error;

/// Why a request has no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The sequencer cannot be reached or does not answer in its format.
    #[error("reach the sequencer")]
    Transport(#[from] reqwest::Error),
    /// The sequencer refuses the request.
    #[error("{}: {} ({})", .0.code, .0.detail, .0.hint)]
    Refused(Box<Problem>),
    /// The sequencer answered with an error of another format.
    #[error("the sequencer answered {0}")]
    Status(StatusCode),
    /// What was served is not what was asked for.
    #[error("the package does not hash to the model's id")]
    WrongPackage,
    /// The key cannot sign.
    #[error("sign the request")]
    Sign(#[from] alloy::signers::Error),
}

impl ClientError {
    /// The stable code of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(&problem.code),
            _ => None,
        }
    }

    /// Whether the request may have been carried out although no answer came.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Transport(error) => !error.is_builder() && !error.is_connect(),
            Self::Status(status) => matches!(status.as_u16(), 502 | 504),
            Self::Refused(_) | Self::WrongPackage | Self::Sign(_) => false,
        }
    }

    /// Whether the same request may be answered later: the sequencer was not reached or is busy.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        let is_busy = |status: u16| matches!(status, 429 | 502 | 503 | 504);
        match self {
            Self::Transport(error) => !error.is_builder() && !error.is_decode(),
            Self::Refused(problem) => is_busy(problem.status),
            Self::Status(status) => is_busy(status.as_u16()),
            Self::WrongPackage | Self::Sign(_) => false,
        }
    }
}

/// An error with the sequencer's word on when to ask again.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: ClientError,
    pub(super) after: Option<Duration>,
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Self {
        Self { error, after: None }
    }
}

impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Self {
        ClientError::from(error).into()
    }
}

impl From<Failed> for ClientError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}
