//! What the sequencer does by itself: each duty is a loop of its own, so that none waits for another
//! and each survives every error. They look at the database and the chain, ask the rules, and
//! carry out what these say.

mod adopt;
pub(crate) mod distrust;
pub(crate) mod expire;
pub(crate) mod follow;
pub(crate) mod forget;
pub(crate) mod form;
pub(crate) mod head;
pub(crate) mod observe;
pub(crate) mod reconcile;
pub(crate) mod send;
pub(crate) mod settle;
pub(crate) mod watch;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use dn_service::{repeat, Shutdown};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::app::App;
use crate::feed::Tail;
use crate::store::SettlerLock;

/// Pause between two looks for leases and orders that have ended.
const EXPIRE: Duration = Duration::from_millis(500);
/// Pause between two comparisons of database and contract.
const RECONCILE: Duration = Duration::from_secs(30);
/// Pause between two looks for what may be forgotten.
const FORGET: Duration = Duration::from_secs(600);
/// Pause between two beats of the settler.
const BEAT: Duration = Duration::from_secs(5);

/// A duty's next step.
type Step = Pin<Box<dyn Future<Output = Result<bool>> + Send>>;

/// Starts a duty: `$step` makes its next step.
macro_rules! start {
    ($duties:expr, $shutdown:expr, $name:literal, $pause:expr, $step:expr) => {
        $duties.spawn(repeat($shutdown.clone(), $name, $pause, $step))
    };
}

/// Starts a duty that remembers nothing.
macro_rules! duty {
    ($duties:expr, $shutdown:expr, $app:expr, $name:literal, $pause:expr, $step:path) => {{
        let app = $app.clone();
        start!($duties, $shutdown, $name, $pause, move || -> Step {
            let app = app.clone();
            Box::pin(async move { $step(&app).await })
        });
    }};
}

/// Starts a duty that only the holder of the settler's lock may do.
macro_rules! settler {
    ($duties:expr, $shutdown:expr, $app:expr, $name:literal, $pause:expr, $step:path) => {{
        let app = $app.clone();
        start!($duties, $shutdown, $name, $pause, move || -> Step {
            let app = app.clone();
            Box::pin(async move {
                let may = app.world.may_settle.load(std::sync::atomic::Ordering::Relaxed);
                Ok(may && $step(&app).await?)
            })
        });
    }};
}

/// Starts what every process does: it hears of changes, deals out work, and knows the chain's time.
pub(crate) fn serve(duties: &mut JoinSet<()>, app: &App, poll: Duration, shutdown: &Shutdown) {
    let (own, tail) = (app.clone(), Arc::new(Mutex::new(Tail::default())));
    start!(duties, shutdown, "feed", Duration::ZERO, move || -> Step {
        let (app, tail) = (own.clone(), tail.clone());
        Box::pin(async move { tail.lock().await.step(&app).await })
    });
    duty!(duties, shutdown, app, "take", Duration::ZERO, crate::admission::take);
    duty!(duties, shutdown, app, "deal", Duration::ZERO, crate::work::deal);
    duty!(duties, shutdown, app, "head", poll, head::step);
}

/// Starts what only the settler does.
pub(crate) fn settle(
    duties: &mut JoinSet<()>,
    app: &App,
    lock: SettlerLock,
    poll: Duration,
    shutdown: &Shutdown,
) {
    app.world.may_settle.store(true, std::sync::atomic::Ordering::Relaxed);
    let (own, lock) = (app.clone(), Arc::new(Mutex::new(lock)));
    start!(duties, shutdown, "beat", BEAT, move || -> Step {
        let (app, lock) = (own.clone(), lock.clone());
        Box::pin(async move { watch::beat(&app, &mut *lock.lock().await).await })
    });
    let window = Duration::from_millis(crate::rules::observe::WINDOW_MS);
    settler!(duties, shutdown, app, "expire", EXPIRE, expire::step);
    settler!(duties, shutdown, app, "follow", poll, follow::step);
    settler!(duties, shutdown, app, "form", poll, form::step);
    settler!(duties, shutdown, app, "settle", poll, settle::step);
    settler!(duties, shutdown, app, "send", poll, send::step);
    settler!(duties, shutdown, app, "reconcile", RECONCILE, reconcile::step);
    settler!(duties, shutdown, app, "observe", window, observe::step);
    settler!(duties, shutdown, app, "forget", FORGET, forget::step);
}
