//! What became of a task, and its proof.

use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use dn_core::api::{Bytes, Bytes32, TaskView};
use dn_core::task::TaskState;
use dn_sdk::User;
use serde::{Deserialize, Serialize};

use crate::access::payer;
use crate::app::App;
use crate::refusal::Refusal;

/// Longest wait for a proof.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The paths of this file.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/v1/tasks/{id}", get(task)).route("/v1/tasks/{id}/proof", get(proof))
}

#[derive(Debug, Deserialize)]
struct Wait {
    #[serde(default)]
    wait_ms: u64,
}

/// A proven task's proof. It covers the whole batch; `slot` is the task's place in it.
#[derive(Debug, Serialize)]
pub(crate) struct TaskProof {
    task_id: Bytes32,
    /// The sequencer's number of the batch.
    batch_id: u64,
    /// Place of the task in it.
    slot: usize,
    /// The commitment to the output that is proven.
    output_hash: Option<Bytes32>,
    /// The transaction that proved the batch.
    tx_hash: Option<Bytes32>,
    /// Public inputs in the order of the statement.
    instances: Vec<Bytes32>,
    /// The transcript.
    proof: Bytes,
}

async fn task(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<TaskView>, Refusal> {
    let user = payer(&headers, &app)?;
    Ok(Json(own_task(&user, &id?, Duration::ZERO).await?))
}

async fn proof(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
    wait: Result<Query<Wait>, QueryRejection>,
) -> Result<Json<TaskProof>, Refusal> {
    let user = payer(&headers, &app)?;
    let (Path(id), Query(Wait { wait_ms })) = (id?, wait?);
    let wait = Duration::from_millis(wait_ms).min(MAX_WAIT);
    proof_of(&user, own_task(&user, &id, wait).await?).await.map(Json)
}

/// A task of this user, after waiting for its end for a while.
pub(crate) async fn own_task(user: &User, id: &str, wait: Duration) -> Result<TaskView, Refusal> {
    let id: Bytes32 = id.parse().map_err(|_| Refusal::NoTask)?;
    let task = match user.ended(id, wait).await.map_err(Refusal::from) {
        Err(Refusal::Sequencer(problem)) if problem.status == 404 => Err(Refusal::NoTask),
        asked => asked,
    }?;
    match task.user == user.address() {
        true if task.task_id == id => Ok(task),
        true => Err(Refusal::Internal(anyhow::anyhow!("the sequencer tells of another task"))),
        false => Err(Refusal::NoTask),
    }
}

/// The proof of a task.
async fn proof_of(user: &User, task: TaskView) -> Result<TaskProof, Refusal> {
    let (TaskState::Proven, Some(batch_id)) = (task.state, task.batch_id) else {
        return Err(Refusal::NoProof(task.state));
    };
    let batch = user.client().batch(batch_id).await?;
    let proof = user.client().proof(batch_id).await?;
    let slot = batch.slots.iter().position(|s| s.task_id == task.task_id);
    let slot = slot.ok_or_else(|| {
        Refusal::Internal(anyhow::anyhow!("batch {batch_id} does not hold its task"))
    })?;
    Ok(TaskProof {
        task_id: task.task_id,
        batch_id,
        slot,
        output_hash: task.proven_output_hash,
        tx_hash: task.tx_hash,
        instances: proof.instances,
        proof: proof.proof,
    })
}
