//! The chain's head: its time, and the price of gas.

use anyhow::{Context as _, Result};

use crate::app::App;
use crate::store::tasks;

/// Looks at the head between two questions for the gas price and the queue's length.
const EVERY: u64 = 5;

/// Looks at the head.
pub(crate) async fn step(app: &App) -> Result<bool> {
    if app.world.count_look().is_multiple_of(EVERY) {
        app.world.set_open(tasks::open_count(&app.store).await.context("count open tasks")?);
        if let Ok(fee) = app.chain.market().await {
            app.world.see_gas(fee.max);
        }
    }
    let head = app.chain.head().await.context("ask for the head")?;
    app.world.set_chain_time(head.time_s, app.now_ms());
    Ok(false)
}
