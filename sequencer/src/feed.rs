//! State changes as they become durable, for all who wait for them.
//!
//! One task reads the log when something was written; everybody else hears of it from memory. So a
//! change costs one question, however many wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::body::Bytes;
use dn_core::api::{Bytes32, Event};
use tokio::sync::{broadcast, Notify};

use crate::app::App;
use crate::store::{events, Dialect};

/// Events that are read at once.
const PAGE: u32 = 1_024;
/// Pages that a slow listener may be behind before it has to read the log itself.
const BACKLOG: usize = 256;
/// Pause between two looks when other processes write too.
const SHARED_POLL: Duration = Duration::from_millis(50);
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
}

impl Default for Feed {
    fn default() -> Self {
        Self { pages: broadcast::Sender::new(BACKLOG), tasks: Arc::default() }
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

    fn publish(&self, events: &[Event]) {
        {
            let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            for event in events {
                if let Some(notify) = tasks.get(&event.task_id) {
                    notify.notify_waiters();
                }
            }
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
#[derive(Debug)]
pub(crate) struct Tail {
    position: Option<u64>,
}

impl Tail {
    pub(crate) fn new() -> Self {
        Self { position: None }
    }

    /// Publishes what is new; waits for it when nothing is.
    pub(crate) async fn step(&mut self, app: &App) -> Result<bool> {
        let position = match self.position {
            Some(position) => position,
            None => *self.position.insert(events::last(&app.store).await?),
        };
        let poll = match app.store.dialect {
            Dialect::Sqlite => OWN_POLL,
            Dialect::Postgres => SHARED_POLL,
        };
        let changed = app.store.writer.changed();
        tokio::pin!(changed);
        // Registered before the look, so that what is written meanwhile is not missed.
        changed.as_mut().enable();
        let page = events::after(&app.store, position, PAGE).await?;
        let Some(last) = page.last() else {
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
}
