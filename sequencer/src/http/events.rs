//! State changes as server-sent events: fanned out from memory, read from the log only by who asks
//! for the past or falls behind.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use dn_core::api::{Bytes32, Event, Problem};
use futures_util::stream::{self, Stream, StreamExt as _};
use rand::Rng as _;
use serde::Deserialize;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;

use super::error::ApiError;
use super::extract::{ApiPath, ApiQuery};
use crate::app::App;
use crate::feed::{Events, Page, Watch};
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
) -> Result<Response, ApiError> {
    let pages = app.feed.all();
    let last = app.feed.position();
    let after = from.position(&headers).unwrap_or(last);
    let pace = PACE.mul_f64(rand::thread_rng().gen_range(1.0..2.0));
    let cursor = All { app, pages, after, is_behind: after < last, pace };
    Ok(serve(stream::unfold(cursor, |mut cursor| async move {
        let text = cursor.next().await.inspect_err(|error| tracing::error!(%error, "read events"));
        text.ok().flatten().map(|text| (text, cursor))
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
) -> Result<Response, ApiError> {
    tasks::get(&app.store, id).await?.ok_or(ApiError::NotFound("task"))?;
    let after = from.position(&headers).unwrap_or(0);
    let cursor = One { watch: app.feed.task(id), app, id, after };
    Ok(serve(stream::unfold(cursor, |mut cursor| async move {
        let text = cursor.next().await.inspect_err(|error| tracing::error!(%error, "read events"));
        text.ok().map(|text| (text, cursor))
    })))
}

/// A stream of server-sent events; a comment now and then while there are none.
fn serve(texts: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let comments = tokio::time::interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    let comments = stream::unfold(comments, |mut comments| async move {
        comments.tick().await;
        Some((Bytes::from_static(b":\n\n"), comments))
    });
    let ended = stream::once(async { None });
    let texts = texts.map(Some).chain(ended);
    let both = stream::select(texts, comments.map(Some));
    let both = both.take_while(|text| std::future::ready(text.is_some()));
    let body = Body::from_stream(both.map(|text| Ok::<_, Infallible>(text.unwrap_or_default())));
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    (headers, body).into_response()
}

/// A listener to all tasks.
struct All {
    app: App,
    pages: Receiver<Page>,
    after: u64,
    /// Whether the log has to be read before memory is enough again.
    is_behind: bool,
    pace: Duration,
}

impl All {
    /// Waits for the next events; `None` when the sequencer ends.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            if self.is_behind {
                let upto = self.app.feed.position();
                let page = events::between(&self.app.store, self.after, upto, PAGE).await?;
                self.is_behind = page.len() == PAGE as usize;
                if let Some(last) = page.last() {
                    self.after = last.seq;
                    return Ok(Some(Events::new(&page).text()));
                }
            }
            let first = match self.pages.recv().await {
                Ok(page) => page,
                Err(RecvError::Lagged(_)) => {
                    self.is_behind = true;
                    continue;
                }
                Err(RecvError::Closed) => return Ok(None),
            };
            tokio::time::sleep(self.pace).await;
            let mut text = Vec::new();
            let mut next = Some(first);
            while let Some(page) = next {
                if page.is_behind(self.after) {
                    self.after = page.last();
                    text.extend_from_slice(&page.text());
                } else if page.last() > self.after {
                    // Some of its events were read from the log already.
                    self.is_behind = true;
                }
                next = match self.pages.try_recv() {
                    Ok(page) => Some(page),
                    Err(TryRecvError::Lagged(_)) => {
                        self.is_behind = true;
                        None
                    }
                    Err(TryRecvError::Empty | TryRecvError::Closed) => None,
                };
            }
            if !text.is_empty() {
                return Ok(Some(text.into()));
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
    async fn next(&mut self) -> Result<Bytes, StoreError> {
        loop {
            let changed = self.watch.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let page = events::of_task(&self.app.store, self.id, self.after, PAGE).await?;
            if let Some(last) = page.last() {
                self.after = last.seq;
                return Ok(Events::new(&page).text());
            }
            changed.await;
        }
    }
}
