//! The time that leases and waits are measured by.
//!
//! It starts at the database's clock and goes on with the machine's monotonic one, so a clock that
//! is set forward or back while the program runs changes nothing. Deadlines of orders are not
//! measured by it: they are the chain's.

use std::time::{Duration, Instant};

use crate::store::{Store, StoreError};

/// Unix milliseconds that never jump. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    base_ms: u64,
    start: Instant,
    #[cfg(test)]
    set: Option<std::sync::Arc<std::sync::atomic::AtomicU64>>,
}

impl Clock {
    /// Starts at the database's time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn start(store: &Store) -> Result<Self, StoreError> {
        let base_ms = store.now_ms().await?;
        Ok(Self {
            base_ms,
            start: Instant::now(),
            #[cfg(test)]
            set: None,
        })
    }

    /// The time.
    pub(crate) fn now_ms(&self) -> u64 {
        #[cfg(test)]
        if let Some(set) = &self.set {
            return set.load(std::sync::atomic::Ordering::Relaxed);
        }
        self.base_ms.saturating_add(millis(self.start.elapsed()))
    }
}

#[cfg(test)]
impl Clock {
    /// A clock that somebody else sets.
    pub(crate) fn set_by(set: std::sync::Arc<std::sync::atomic::AtomicU64>) -> Self {
        Self { base_ms: 0, start: Instant::now(), set: Some(set) }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
