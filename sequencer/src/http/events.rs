//! State changes as server-sent events: fanned out from memory, read from the log only by who asks
//! for the past or falls behind.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use dn_core::api::{Bytes32, Event, Problem};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::Receiver;

use super::error::ApiError;
use super::extract::{ApiPath, ApiQuery};
use crate::app::App;
use crate::feed::{Page, Watch};
use crate::store::{events, tasks, StoreError};

/// Events that are read at once.
const PAGE: u32 = 256;
/// A stream of all events sends at most so often: thousands of listeners cost little.
const PACE: Duration = Duration::from_millis(100);
/// Between two comments on a silent stream, so that a client that has gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where to begin.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct From {
    /// Only events after this position. The `Last-Event-ID` header does the same.
    after: Option<u64>,
}

impl From {
    fn position(&self, headers: &HeaderMap) -> Option<u64> {
        let last = headers.get("last-event-id").and_then(|h| h.to_str().ok());
        last.and_then(|id| id.parse().ok()).or(self.after)
    }
}

/// Every change of every task from here on, or from a position.
#[utoipa::path(get, path = "/v1/events", params(("after" = Option<u64>, Query)),
    responses((status = 200, content_type = "text/event-stream", body = Event),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn all(
    State(app): State<App>,
    headers: HeaderMap,
    ApiQuery(from): ApiQuery<From>,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, ApiError> {
    let pages = app.feed.all();
    let last = events::last(&app.store).await?;
    let after = from.position(&headers).unwrap_or(last);
    let cursor = All { app, pages, after, is_behind: after < last, ready: VecDeque::new() };
    Ok(serve(stream::unfold(cursor, |mut cursor| async move {
        let page = cursor.next().await.inspect_err(|error| tracing::error!(%error, "read events"));
        page.ok().flatten().map(|page| (page, cursor))
    })))
}

/// Every change of one task, from its beginning.
#[utoipa::path(get, path = "/v1/tasks/{id}/events",
    params(("id" = String, Path), ("after" = Option<u64>, Query)),
    responses((status = 200, content_type = "text/event-stream", body = Event),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn of_task(
    State(app): State<App>,
    headers: HeaderMap,
    ApiPath(id): ApiPath<Bytes32>,
    ApiQuery(from): ApiQuery<From>,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, ApiError> {
    tasks::get(&app.store, id).await?.ok_or(ApiError::NotFound("task"))?;
    let after = from.position(&headers).unwrap_or(0);
    let cursor = One { watch: app.feed.task(id), app, id, after };
    Ok(serve(stream::unfold(cursor, |mut cursor| async move {
        let page = cursor.next().await.inspect_err(|error| tracing::error!(%error, "read events"));
        page.ok().map(|page| (page, cursor))
    })))
}

fn serve(
    pages: impl Stream<Item = Vec<Event>> + Send + 'static,
) -> Sse<impl Stream<Item = Result<Sent, Infallible>>> {
    let sent = pages.flat_map(stream::iter).map(|event| {
        let id = event.seq.to_string();
        // An event is plain data; were it not to serialise, the client would see its id alone.
        Ok(Sent::default().id(&id).json_data(&event).unwrap_or_else(|_| Sent::default().id(&id)))
    });
    Sse::new(sent).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// A listener to all tasks.
struct All {
    app: App,
    pages: Receiver<Page>,
    after: u64,
    /// Whether the log has to be read before memory is enough again.
    is_behind: bool,
    ready: VecDeque<Page>,
}

impl All {
    /// Waits for the next events; `None` when the sequencer ends.
    async fn next(&mut self) -> Result<Option<Vec<Event>>, StoreError> {
        loop {
            if self.is_behind {
                let page = events::after(&self.app.store, self.after, PAGE).await?;
                self.is_behind = page.len() == PAGE as usize;
                if let Some(last) = page.last() {
                    self.after = last.seq;
                    return Ok(Some(page));
                }
            }
            match self.pages.recv().await {
                Ok(page) => self.ready.push_back(page),
                Err(RecvError::Lagged(_)) => {
                    self.is_behind = true;
                    continue;
                }
                Err(RecvError::Closed) => return Ok(None),
            }
            tokio::time::sleep(PACE).await;
            while let Ok(page) = self.pages.try_recv() {
                self.ready.push_back(page);
            }
            let after = self.after;
            let fresh = self.ready.drain(..).flat_map(|page| page.to_vec());
            let fresh: Vec<Event> = fresh.filter(|e| e.seq > after).collect();
            if let Some(last) = fresh.last() {
                self.after = last.seq;
                return Ok(Some(fresh));
            }
        }
    }
}

/// A listener to one task.
struct One {
    app: App,
    watch: Watch,
    id: Bytes32,
    after: u64,
}

impl One {
    /// Waits for the next events.
    async fn next(&mut self) -> Result<Vec<Event>, StoreError> {
        loop {
            let changed = self.watch.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let page = events::of_task(&self.app.store, self.id, self.after, PAGE).await?;
            if let Some(last) = page.last() {
                self.after = last.seq;
                return Ok(page);
            }
            changed.await;
        }
    }
}
