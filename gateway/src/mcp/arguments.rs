//! What the tools are told.

use rmcp::schemars;
use serde::Deserialize;

/// A model and how many rows.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct Quote {
    /// Name, service or id of the model.
    pub(super) model: String,
    /// How many rows are to be answered, 1 to 64.
    #[serde(default = "one")]
    pub(super) rows: u32,
}

fn one() -> u32 {
    1
}

/// A model and its inputs.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct Infer {
    /// Name, service or id of the model.
    pub(super) model: String,
    /// One list of numbers for each row, 1 to 64 rows, each as long as list_models says, row-major.
    pub(super) inputs: Vec<Vec<f64>>,
}

/// A task, and how long to wait.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct GetProof {
    /// Id of the task, as infer tells it.
    pub(super) task_id: String,
    /// Seconds to wait for the proof, at most 60.
    #[serde(default)]
    pub(super) wait_s: u64,
}

/// A task, and the answer that is to be held to its proof.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct Verify {
    /// Id of the task, as infer tells it.
    pub(super) task_id: String,
    /// The answer's codes, as infer tells them. Not needed in the session that asked.
    pub(super) codes: Option<Vec<i8>>,
    /// The answer's salt, as infer tells it. Not needed in the session that asked.
    pub(super) salt: Option<String>,
    /// Seconds to wait for the proof, at most 60.
    #[serde(default)]
    pub(super) wait_s: u64,
}
