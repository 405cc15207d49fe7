//! Failures of a program as an operator sees them: a stable code, a sentence, a hint.

use std::process::ExitCode;

use thiserror::Error;

/// A failure with a stable code and a hint. The cause, if any, is its source in the error chain.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct Failure {
    /// Stable identifier for programs.
    pub code: &'static str,
    /// What failed.
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
}

impl Failure {
    /// A failure.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>, hint: &'static str) -> Self {
        Self { code, message: message.into(), hint }
    }
}

/// Prints how the program ended, if it failed, and says so by its exit code.
#[must_use]
#[expect(clippy::print_stderr, reason = "the last words of a program")]
pub fn exit_code(result: &anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let failure = error.downcast_ref::<Failure>();
    eprintln!("error[{}]: {error:#}", failure.map_or("failed", |f| f.code));
    if let Some(failure) = failure {
        eprintln!("  hint: {}", failure.hint);
    }
    ExitCode::FAILURE
}
