//! Errors on the wire.

use serde::{Deserialize, Serialize};

/// A problem after RFC 9457 with a stable code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Identifies the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line that is the same for every problem of its kind.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable identifier for programs.
    pub code: String,
    /// What is wrong with this request.
    pub detail: String,
    /// What to do about it.
    pub hint: String,
}
