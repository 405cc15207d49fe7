//! State changes as they become durable, for all who wait for them.
//!
//! One task reads the log when something was written; everybody else hears of it from memory. So a
//! change costs one question, however many wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::body::Bytes;
use dn_core::api::{Bytes32, Event};
use tokio::sync::{broadcast, Notify};

use crate::app::App;
use crate::store::events::{self, Running};
use crate::store::Dialect;

/// Events that are read at once.
const PAGE: u32 = 1_024;
/// Pages that a slow listener may be behind before it has to read the log itself.
const BACKLOG: usize = 256;
/// Pause between two looks when other processes write too and nothing was heard of them.
const SHARED_POLL: Duration = Duration::from_secs(1);
/// Pause between two looks at a gap.
const GAP_POLL: Duration = Duration::from_millis(5);
/// Pause between two looks when nobody else writes.
const OWN_POLL: Duration = Duration::from_secs(5);

/// Events in order.
pub(crate) type Page = Arc<Events>;

/// Events, and what a stream sends of them: made once, however many listen.
#[derive(Debug)]
pub(crate) struct Events {
    first: u64,
    last: u64,
    text: Bytes,
}

impl Events {
    /// Events in order; there is at least one.
    pub(crate) fn new(events: &[Event]) -> Self {
        let mut text = String::new();
        for event in events {
            // An event is plain data; were it not to serialise, the client would see its id alone.
            let data = serde_json::to_string(event).unwrap_or_default();
            text.push_str(&format!("id: {}\ndata: {data}\n\n", event.seq));
        }
        let seq = |event: Option<&Event>| event.map_or(0, |e| e.seq);
        Self { first: seq(events.first()), last: seq(events.last()), text: text.into() }
    }

    /// Position of the last event.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Whether none of them lies at or before a position.
    pub(crate) fn is_behind(&self, position: u64) -> bool {
        self.first > position
    }

    /// The events as a stream sends them.
    pub(crate) fn text(&self) -> Bytes {
        self.text.clone()
    }
}

/// Who waits for what. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pages: broadcast::Sender<Page>,
    tasks: Arc<Mutex<HashMap<Bytes32, Arc<Notify>>>>,
    position: Arc<AtomicU64>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            pages: broadcast::Sender::new(BACKLOG),
            tasks: Arc::default(),
            position: Arc::default(),
        }
    }
}

impl Feed {
    /// Every event from here on.
    pub(crate) fn all(&self) -> broadcast::Receiver<Page> {
        self.pages.subscribe()
    }

    /// Is told when something happens to a task. Subscribe before reading what may change.
    pub(crate) fn task(&self, id: Bytes32) -> Watch {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let notify = tasks.entry(id).or_default().clone();
        Watch { feed: self.clone(), id, notify }
    }

    /// Position of the newest event that was told. Everything up to it is in the log.
    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    fn publish(&self, events: &[Event]) {
        {
            let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            for event in events {
                if let Some(notify) = tasks.get(&event.task_id) {
                    notify.notify_waiters();
                }
            }
        }
        if let Some(last) = events.last() {
            self.position.store(last.seq, Ordering::Release);
        }
        // Nobody may listen; then nobody misses it.
        if self.pages.receiver_count() > 0 {
            let _ = self.pages.send(Arc::new(Events::new(events)));
        }
    }
}

/// A wait for changes of one task.
#[derive(Debug)]
pub(crate) struct Watch {
    feed: Feed,
    id: Bytes32,
    notify: Arc<Notify>,
}

impl Watch {
    /// Resolves at the next change after this call.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut tasks = self.feed.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // One in the map, one here: nobody else waits for this task.
        if Arc::strong_count(&self.notify) <= 2 {
            tasks.remove(&self.id);
        }
    }
}

/// Reads the log from a position on.
///
/// Numbers are given to events before their transactions end. So where several processes write, a
/// higher number can be seen before a lower one: at a gap the reader waits until every transaction
/// has ended that ran when it saw the gap. What is missing then was rolled back.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    position: Option<u64>,
    /// The position before a gap, and the transactions that could still fill it: those below.
    gap: Option<(u64, u64)>,
}

impl Tail {
    /// Publishes what is new; waits for it when nothing is.
    pub(crate) async fn step(&mut self, app: &App) -> Result<bool> {
        let position = match self.position {
            Some(position) => position,
            None => {
                let last = events::last(&app.store).await?;
                app.feed.position.store(last, Ordering::Release);
                *self.position.insert(last)
            }
        };
        let poll = match app.store.dialect {
            Dialect::Sqlite => OWN_POLL,
            Dialect::Postgres => SHARED_POLL,
        };
        let changed = app.store.writer.changed();
        tokio::pin!(changed);
        // Registered before the look, so that what is written meanwhile is not missed.
        changed.as_mut().enable();
        // Asked first: whatever runs later has higher numbers than what is read below.
        let running = events::running(&app.store).await?;
        let found = events::between(&app.store, position, u64::MAX, PAGE).await?;
        let page = self.whole(position, found, running);
        let Some(last) = page.last() else {
            let poll = if self.gap.is_some() { GAP_POLL } else { poll };
            let _ = tokio::time::timeout(poll, changed).await;
            return Ok(true);
        };
        self.position = Some(last.seq);
        if app.store.dialect == Dialect::Postgres
            && page.iter().any(|e| e.state == dn_core::task::TaskState::Queued)
        {
            app.desk.wake();
        }
        app.feed.publish(&page);
        Ok(true)
    }

    /// The events up to the first gap that can still be filled.
    fn whole(&mut self, position: u64, found: Vec<Event>, running: Running) -> Vec<Event> {
        let mut at = position;
        let mut whole = Vec::with_capacity(found.len());
        for event in found {
            if event.seq != at + 1 {
                match self.gap {
                    Some((before, below)) if before == at && running.lowest >= below => {}
                    Some((before, _)) if before == at => break,
                    _ => {
                        self.gap = Some((at, running.next));
                        if running.lowest < running.next {
                            break;
                        }
                    }
                }
            }
            at = event.seq;
            whole.push(event);
        }
        if self.gap.is_some_and(|(before, _)| before < at) {
            self.gap = None;
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use dn_core::task::TaskState;

    use super::*;

    fn events(numbers: &[u64]) -> Vec<Event> {
        let event = |seq: &u64| Event {
            seq: *seq,
            task_id: Bytes32([1; 32]),
            state: TaskState::Queued,
            reason: None,
            batch_id: None,
            at_ms: 0,
        };
        numbers.iter().map(event).collect()
    }

    fn whole(tail: &mut Tail, at: u64, numbers: &[u64], lowest: u64, next: u64) -> Vec<u64> {
        let running = Running { lowest, next };
        tail.whole(at, events(numbers), running).iter().map(|e| e.seq).collect()
    }

    #[test]
    fn a_gap_is_waited_for_while_it_can_be_filled() {
        let mut tail = Tail::default();
        assert_eq!(whole(&mut tail, 3, &[4, 5, 7], 10, 12), [4, 5]);
        assert_eq!(whole(&mut tail, 5, &[7, 8], 11, 20), [0u64; 0], "11 still runs");
        assert_eq!(whole(&mut tail, 5, &[6, 7, 8], 12, 20), [6, 7, 8], "it was filled");
        assert_eq!(whole(&mut tail, 8, &[10], 15, 21), [0u64; 0]);
        assert_eq!(whole(&mut tail, 8, &[10], 21, 30), [10], "it was rolled back");
        assert_eq!(whole(&mut tail, 10, &[13, 14], 0, 0), [13, 14], "nobody else writes");
    }
}
