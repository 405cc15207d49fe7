//! What a connection is doing, to tell whether it takes too long.
//!
//! ```text
//! fresh ---first byte---> head ---request---> busy ---all answered---> idle ---first byte---> head
//! ```
//!
//! A fresh connection and an unfinished head have the header timeout, an idle connection the idle
//! timeout, a busy one no limit: handlers have their own.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Serving;

/// The activity of one connection. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Requests without a whole answer.
    open: usize,
    /// Whether no request has been begun since the last one was answered.
    is_idle: bool,
    /// Since when that is so.
    since: Instant,
}

/// An open request. Dropping it says that it has been answered.
#[derive(Debug)]
pub(super) struct Open(Activity);

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { open: 0, is_idle: false, since: Instant::now() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has arrived.
    pub(super) fn begin(&self) -> Open {
        self.state().open += 1;
        Open(self.clone())
    }

    fn received(&self) {
        let mut state = self.state();
        if state.open == 0 && state.is_idle {
            (state.is_idle, state.since) = (false, Instant::now());
        }
    }

    /// When the connection has taken too long, as things stand.
    fn deadline(&self, serving: &Serving) -> Option<Instant> {
        let state = self.state();
        let limit = if state.is_idle { serving.idle_timeout } else { serving.header_timeout };
        (state.open == 0).then(|| state.since + limit)
    }

    /// Waits until the connection takes too long.
    pub(super) async fn overdue(&self, serving: &Serving) {
        // An idle connection that begins a head has a nearer deadline: none is slept through.
        let look = (serving.header_timeout / 4).max(Duration::from_millis(1));
        loop {
            let now = Instant::now();
            let pause = match self.deadline(serving) {
                Some(deadline) if deadline <= now => return,
                Some(deadline) => look.min(deadline - now),
                None => look,
            };
            tokio::time::sleep(pause).await;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.open -= 1;
        if state.open == 0 {
            (state.is_idle, state.since) = (true, Instant::now());
        }
    }
}

/// A stream that tells when bytes arrive.
#[derive(Debug)]
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) activity: Activity,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}
