//! Leases and orders that have ended.

use anyhow::Result;
use dn_core::task::{Reason, TaskEvent};

use crate::app::App;
use crate::rules::form::COMMIT_MARGIN_S;
use crate::store::task::Life;
use crate::store::tasks;
use crate::work;

/// Ends leases whose workers are silent or hold on too long, and orders that can no longer be
/// committed in time. True when there may be more.
pub(crate) async fn step(app: &App) -> Result<bool> {
    let now_ms = app.now_ms();
    let terms = app.limits.lease;
    let latest_ms = now_ms.saturating_add(terms.silence_ms.max(terms.hold_ms));
    // Before the chain was heard, nobody knows what time it is there.
    let ends_s = app.world.chain_time_s(now_ms).map(|now_s| now_s + COMMIT_MARGIN_S);
    let done = app.write(move |tx| {
        Box::pin(async move {
            let overdue = tasks::overdue_leases(tx, now_ms, latest_ms).await?;
            for task in &overdue {
                let Life::Assigned(lease) = task.life else { continue };
                if terms.has_ended(lease.ends_ms, now_ms) {
                    work::end_lease(tx, task, lease.worker, now_ms).await?;
                }
            }
            let mut ended = 0;
            if let Some(ends_s) = ends_s {
                for task in tasks::expired(tx, ends_s).await? {
                    tracing::info!(task_id = %task.id, "order expired");
                    let reason = Some(Reason::OrderExpired);
                    tasks::transition(tx, &task, TaskEvent::ExpireOrder, reason, now_ms).await?;
                    ended += 1;
                }
            }
            Ok(overdue.len() + ended)
        })
    });
    Ok(done.await? > 0)
}
