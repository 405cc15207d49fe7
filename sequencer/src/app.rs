//! What every part of the sequencer shares.

use std::sync::Arc;
use std::time::Duration;

use crate::admission::Door;
use crate::chain::Chain;
use crate::clock::{millis, Clock};
use crate::feed::Feed;
use crate::models::Models;
use crate::rules::lease::Terms;
use crate::store::{Changing, Store, StoreError, Write};
use crate::work::Desk;
use crate::world::World;

/// Limits and time limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Tasks that have not ended, of all users and of one.
    pub(crate) open: crate::rules::admit::Limits,
    /// How long leases last.
    pub(crate) lease: Terms,
    /// A node's session ends so long after its registration.
    pub(crate) session: Duration,
    /// A batch is closed when its oldest task has waited this long, full or not.
    pub(crate) batch_wait: Duration,
    /// From commitment to the last moment to prove.
    pub(crate) proving_window: Duration,
    /// A batch that its prover has left alone for so long is offered to others.
    pub(crate) orphan_after: Duration,
    /// Confirmations after which a block counts.
    pub(crate) confirmations: u64,
    /// Events are read from this block on.
    pub(crate) first_block: u64,
    /// A transaction that is in no block after so long is sent for a higher fee.
    pub(crate) bump_after: Duration,
    /// Most wei per gas.
    pub(crate) max_fee: u128,
    /// Inputs and outputs are forgotten so long after their task has ended.
    pub(crate) retention: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open: crate::rules::admit::Limits { open: 100_000, open_of_user: 20_000 },
            lease: Terms { silence_ms: 15_000, hold_ms: 30_000 },
            session: Duration::from_secs(24 * 3_600),
            batch_wait: Duration::from_secs(5),
            proving_window: Duration::from_secs(3_600),
            orphan_after: Duration::from_secs(20),
            confirmations: 1,
            first_block: 0,
            bump_after: Duration::from_secs(30),
            max_fee: 500_000_000_000,
            retention: Duration::from_secs(24 * 3_600),
        }
    }
}

/// Shared state. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) chain: Arc<dyn Chain>,
    pub(crate) models: Arc<Models>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) world: Arc<World>,
    pub(crate) feed: Feed,
    pub(crate) desk: Desk,
    pub(crate) door: Door,
    /// When the process started.
    pub(crate) started_ms: u64,
}

impl App {
    /// Shared state over a database, a chain and the models of that chain.
    #[must_use]
    pub(crate) fn new(
        store: Store,
        chain: Arc<dyn Chain>,
        models: Models,
        limits: Limits,
        clock: Clock,
    ) -> Self {
        let (world, feed, desk, door) = <(Arc<World>, Feed, Desk, Door)>::default();
        let started_ms = clock.now_ms();
        world.hear(started_ms);
        Self {
            store,
            chain,
            models: Arc::new(models),
            limits,
            clock,
            world,
            feed,
            desk,
            door,
            started_ms,
        }
    }

    /// Makes a change; it is durable when this returns. The function may be run more than once.
    pub(crate) async fn write<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Write) -> Changing<'t, T> + Send + 'static,
    {
        self.store.writer.write(change).await
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Nodes heard from since then are alive.
    pub(crate) fn alive_since_ms(&self) -> u64 {
        self.now_ms().saturating_sub(self.limits.lease.silence_ms)
    }

    /// The chain's time; by this machine's clock while the chain was never heard.
    pub(crate) fn chain_time_s(&self) -> u64 {
        let now_ms = self.now_ms();
        self.world.chain_time_s(now_ms).unwrap_or(now_ms / 1_000)
    }

    /// From commitment to the last moment to prove.
    pub(crate) fn proving_window_s(&self) -> u64 {
        millis(self.limits.proving_window) / 1_000
    }
}
