//! What every part of the sequencer shares.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::AnyPool;
use tokio::sync::watch;

use crate::chain::Chain;
use crate::models::Models;

/// Limits and time limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Tasks that have not ended, of all users.
    pub(crate) max_open_tasks: u64,
    /// A lease of a task or batch ends this long after its node was last heard from.
    pub(crate) lease: Duration,
    /// Leases after which a task is given up.
    pub(crate) max_attempts: i64,
    /// A batch is closed when its oldest task has waited this long, full or not.
    pub(crate) batch_wait: Duration,
    /// From commitment to the last moment to prove.
    pub(crate) proving_window: Duration,
    /// A batch that its prover has left alone for so long is offered to others.
    pub(crate) orphan_after: Duration,
    /// Confirmations after which a transaction counts.
    pub(crate) confirmations: u64,
    /// Events are read from this block on.
    pub(crate) first_block: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_open_tasks: 100_000,
            lease: Duration::from_secs(30),
            max_attempts: 3,
            batch_wait: Duration::from_secs(5),
            proving_window: Duration::from_secs(3600),
            orphan_after: Duration::from_secs(60),
            confirmations: 1,
            first_block: 0,
        }
    }
}

/// Shared state. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) db: AnyPool,
    pub(crate) chain: Chain,
    pub(crate) models: Arc<Models>,
    pub(crate) limits: Limits,
    changed: watch::Sender<()>,
}

impl App {
    /// Shared state over a database, a chain and the models of that chain.
    #[must_use]
    pub(crate) fn new(db: AnyPool, chain: Chain, models: Models, limits: Limits) -> Self {
        Self { db, chain, models: Arc::new(models), limits, changed: watch::Sender::new(()) }
    }

    /// Wakes everybody who waits for a change of state.
    pub(crate) fn notify(&self) {
        self.changed.send_replace(());
    }

    /// Receives [`Self::notify`]. Subscribe before reading what may change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Nodes heard from since then are alive.
    pub(crate) fn alive_since_ms(&self) -> u64 {
        now_ms().saturating_sub(millis(self.limits.lease))
    }

    /// When a lease that is given or extended at this moment ends.
    pub(crate) fn lease_end_ms(&self) -> u64 {
        now_ms().saturating_add(millis(self.limits.lease))
    }
}

/// Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
