//! A worker whose receipt a proof contradicts: it is given no more work, and what it has answered
//! is answered again by others.

use dn_core::api::{Address, Role};
use dn_core::task::{Reason, TaskEvent};

use crate::store::{nodes, tasks, StoreError, Write};

/// Bars a worker. Its answers that no batch has taken, and what it holds, go back to the queue.
pub(crate) async fn bar(tx: &mut Write, worker: Address, now_ms: u64) -> Result<(), StoreError> {
    if !nodes::bar(tx, worker, Role::Worker).await? {
        return Ok(());
    }
    let reason = Some(Reason::WorkerDistrusted);
    let answered = tasks::executed_by(tx, worker).await?;
    for task in &answered {
        tasks::transition(tx, task, TaskEvent::Distrust, reason, now_ms).await?;
    }
    let held = tasks::held(tx, worker).await?;
    for task in &held {
        tasks::transition(tx, task, TaskEvent::ExpireLease, reason, now_ms).await?;
    }
    let (answered, held) = (answered.len(), held.len());
    tracing::error!(%worker, answered, held, "a proof contradicts the worker's receipt: barred");
    Ok(())
}
