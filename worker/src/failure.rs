//! Failures with a stable code and a hint, in the form that `deepnode` prints.

use std::error::Error;

use dn_import::npz::NpzError;
use dn_import::PackageError;
use dn_worker::backend::BackendError;

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Stable identifier.
    code: &'static str,
    /// What went wrong, cause by cause.
    message: String,
    /// What to do next.
    hint: &'static str,
}

impl Failure {
    fn of(code: &'static str, error: &dyn Error, hint: &'static str) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self { code, message, hint }
    }

    /// Writes the failure to stderr, and as JSON to stdout if asked for.
    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "the output of a command")]
    pub(crate) fn print(&self, json: bool) {
        let Self { code, message, hint } = self;
        if json {
            let error = serde_json::json!({ "code": code, "message": message, "hint": hint });
            println!("{}", serde_json::json!({ "error": error }));
        }
        eprintln!("error[{code}]: {message}\nhint: {hint}");
    }
}

impl From<PackageError> for Failure {
    fn from(e: PackageError) -> Self {
        Self::of(e.code(), &e, e.hint())
    }
}

impl From<NpzError> for Failure {
    fn from(e: NpzError) -> Self {
        Self::of(e.code(), &e, e.hint())
    }
}

impl From<BackendError> for Failure {
    fn from(e: BackendError) -> Self {
        Self::of(e.code(), &e, e.hint())
    }
}
