//! State changes as server-sent events.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use dn_core::api::{Bytes32, Event};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::Deserialize;
use tokio::sync::watch;

use super::error::ApiError;
use super::extract::{ApiPath, ApiQuery};
use crate::app::App;
use crate::store::{events, tasks, StoreError};

/// Events that are read at once.
const PAGE: u32 = 256;

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
    responses((status = 200, content_type = "text/event-stream", body = Event)))]
pub(crate) async fn all(
    State(app): State<App>,
    headers: HeaderMap,
    ApiQuery(from): ApiQuery<From>,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, ApiError> {
    let after = match from.position(&headers) {
        Some(after) => after,
        None => events::last(&app.db).await?,
    };
    Ok(serve(app, None, after))
}

/// Every change of one task, from its beginning.
#[utoipa::path(get, path = "/v1/tasks/{id}/events",
    params(("id" = String, Path), ("after" = Option<u64>, Query)),
    responses((status = 200, content_type = "text/event-stream", body = Event)))]
pub(crate) async fn of_task(
    State(app): State<App>,
    headers: HeaderMap,
    ApiPath(id): ApiPath<Bytes32>,
    ApiQuery(from): ApiQuery<From>,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, ApiError> {
    tasks::get(&app.db, id).await?.ok_or(ApiError::NotFound("task"))?;
    let after = from.position(&headers).unwrap_or(0);
    Ok(serve(app, Some(id), after))
}

fn serve(
    app: App,
    task: Option<Bytes32>,
    after: u64,
) -> Sse<impl Stream<Item = Result<Sent, Infallible>>> {
    let cursor = Cursor { changes: app.changes(), app, task, after };
    let pages = stream::unfold(cursor, |mut cursor| async move {
        match cursor.next_page().await {
            Ok(page) => Some((page, cursor)),
            Err(error) => {
                tracing::error!(%error, "read events");
                None
            }
        }
    });
    let sent = pages.flat_map(stream::iter).map(|event| {
        let id = event.seq.to_string();
        // An event is plain data; were it not to serialise, the client would see its id alone.
        Ok(Sent::default().id(&id).json_data(&event).unwrap_or_else(|_| Sent::default().id(&id)))
    });
    Sse::new(sent).keep_alive(KeepAlive::default())
}

struct Cursor {
    app: App,
    changes: watch::Receiver<()>,
    task: Option<Bytes32>,
    after: u64,
}

impl Cursor {
    /// Waits for the next events.
    async fn next_page(&mut self) -> Result<Vec<Event>, StoreError> {
        loop {
            let page = events::after(&self.app.db, self.task, self.after, PAGE).await?;
            if let Some(last) = page.last() {
                self.after = last.seq;
                return Ok(page);
            }
            if self.changes.changed().await.is_err() {
                return Ok(Vec::new());
            }
        }
    }
}
