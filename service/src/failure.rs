//! Failures of a program as a person sees them: a stable code, a sentence, a hint.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use thiserror::Error;

use crate::plain;

/// A failure with a stable code and a hint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Failure {
    /// Stable identifier for programs.
    pub code: &'static str,
    /// What failed, cause by cause.
    pub message: String,
    /// What to do about it; empty when nothing is known to help.
    pub hint: &'static str,
}

impl Failure {
    /// A failure.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>, hint: &'static str) -> Self {
        Self { code, message: message.into(), hint }
    }

    /// A failure that an error explains, with the error's causes.
    #[must_use]
    pub fn of(code: &'static str, error: &dyn Error, hint: &'static str) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self::new(code, message, hint)
    }

    /// A file cannot be read or written.
    #[must_use]
    pub fn file(path: &Path, error: &std::io::Error) -> Self {
        let message = format!("{}: {error}", path.display());
        Self::new("file", message, "check the path and its permissions")
    }

    /// The failure that an error chain names, with everything that the chain says. A chain without
    /// one has the code `failed`.
    #[must_use]
    pub fn of_chain(error: &anyhow::Error) -> Self {
        let named = error.downcast_ref::<Self>();
        let (code, hint) = named.map_or(("failed", ""), |f| (f.code, f.hint));
        Self::new(code, format!("{error:#}"), hint)
    }

    /// Writes the failure to stderr, and as JSON to stdout if asked for.
    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "the last words of a program")]
    pub fn report(&self, json: bool) {
        let Self { code, message, hint } = self;
        if json {
            let error = serde_json::json!({ "code": code, "message": message, "hint": hint });
            println!("{}", serde_json::json!({ "error": error }));
        }
        eprintln!("error[{code}]: {}", plain(message));
        if !hint.is_empty() {
            eprintln!("hint: {hint}");
        }
    }
}

/// Prints how the program ended, if it failed, and says so by its exit code.
#[must_use]
pub fn exit_code(result: &anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    Failure::of_chain(error).report(false);
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_keeps_the_code_and_every_cause() {
        let cause = std::io::Error::other("no route");
        let failure = Failure::new("no_session", "no session", "check the address");
        let error = anyhow::Error::new(cause).context(failure);
        let told = Failure::of_chain(&error);
        assert_eq!((told.code, told.message.as_str()), ("no_session", "no session: no route"));
        assert_eq!(Failure::of_chain(&anyhow::anyhow!("lost")).code, "failed");
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let cause = std::io::Error::other(Failure::new("disk", "the disk is full", ""));
        let error = anyhow::Error::new(cause).context("write the key");
        assert_eq!(
            Failure::of("key", error.as_ref(), "").message,
            "write the key: the disk is full"
        );
    }
}
