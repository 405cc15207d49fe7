//! Forgets inputs, salts and outputs of tasks that have ended for a while, and claims that are settled.

use anyhow::Result;

use crate::app::App;
use crate::clock::millis;
use crate::store::{invoices, tasks};

/// Forgets some. True when there may be more.
pub(crate) async fn step(app: &App) -> Result<bool> {
    let before_ms = app.now_ms().saturating_sub(millis(app.limits.retention));
    let forgotten = app.write(move |tx| Box::pin(tasks::forget(tx, before_ms))).await?;
    app.write(move |tx| Box::pin(invoices::forget(tx))).await?;
    if forgotten > 0 {
        tracing::info!(tasks = forgotten, "inputs and outputs forgotten");
    }
    Ok(forgotten > 0)
}
