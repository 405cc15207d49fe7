//! Whether settlement moves: for `/readyz`, for alarms, and for whoever wants to settle instead.

use std::sync::atomic::Ordering;

use anyhow::{ensure, Result};
use dn_service::metrics;

use crate::app::App;
use crate::clock::millis;
use crate::rules::watch::{troubles, Facts, Trouble};
use crate::store::{batches, SettlerLock};

/// What does not move at this moment.
pub(crate) async fn look(app: &App) -> Result<Vec<Trouble>> {
    let now_ms = app.now_ms();
    let age = |since_ms: u64| now_ms.saturating_sub(since_ms);
    let open = batches::open(&app.store).await?;
    let facts = Facts {
        batches: open.iter().map(|b| (b.state, age(b.updated_at_ms))).collect(),
        proving_window_ms: millis(app.limits.proving_window),
        silent_ms: age(app.world.heard_ms()),
        behind_ms: if app.world.has_followed() { age(app.world.followed_ms()) } else { 0 },
        settler_ms: age(SettlerLock::last_beat_ms(&app.store).await?.max(app.started_ms)),
        at_cap: app.world.at_cap.load(Ordering::Relaxed),
        unmended: app.world.unmended.load(Ordering::Relaxed),
    };
    let found = troubles(&facts);
    for trouble in Trouble::ALL {
        let value = if found.contains(&trouble) { 1.0 } else { 0.0 };
        metrics::gauge!(metrics::TROUBLE, "kind" => trouble.as_str()).set(value);
    }
    metrics::gauge!(metrics::OPEN_TASKS).set(app.world.open() as f64);
    metrics::gauge!(metrics::OPEN_BATCHES).set(open.len() as f64);
    Ok(found)
}

/// Says that the settler lives. Without the lock nothing is settled.
pub(crate) async fn beat(app: &App, lock: &mut SettlerLock) -> Result<bool> {
    let is_held = lock.hold(&app.store).await;
    app.world.may_settle.store(matches!(is_held, Ok(true)), Ordering::Relaxed);
    ensure!(is_held?, "another process has the settler's lock");
    let holder = format!("pid {}", std::process::id());
    SettlerLock::beat(&app.store, holder, app.now_ms()).await?;
    for trouble in look(app).await? {
        tracing::error!(trouble = trouble.as_str(), "settlement does not move");
    }
    Ok(false)
}
