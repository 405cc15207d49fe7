//! Group commit: one task makes all changes of a process, as many at a time as wait.
//!
//! A commit to disk takes milliseconds, a change microseconds. So changes queue up while one group
//! is made durable, and all that wait form the next group: one transaction, one commit. A change is
//! a function that can be run again: when the database refuses a group, each of its changes is
//! run alone, so that only the one at fault fails. A connection that has seen an error is thrown
//! away: whatever state it is in, the next one is clean.
//!
//! It has a thread of its own: among all requests it would wait for its turn between any two
//! statements, and everybody who waits for the group with it.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use sqlx::{Connection as _, Executor as _};
use tokio::sync::{mpsc, oneshot, Notify};

use super::{connect, hear, nodes, Dialect, Seal, StoreError, Write};

/// Changes that may wait.
const MAX_WAITING: usize = 4_096;
/// Most changes of a group.
const MAX_GROUP: usize = 256;
/// Times that a group is run while it conflicts with another process.
const CONFLICTS: u32 = 4;
/// Longest time for a group: a database that does not answer is no longer waited for.
const LIMIT: Duration = Duration::from_secs(30);

/// The future of a change.
pub(crate) type Changing<'t, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 't>>;

/// A change that waits, whatever it returns.
trait Change: Send {
    /// Makes the change inside a transaction, and keeps what it returned.
    fn run<'t>(&'t mut self, tx: &'t mut Write) -> Changing<'t, ()>;
    /// Hands the kept result over: it is durable.
    fn done(self: Box<Self>);
    /// Hands an error over.
    fn failed(self: Box<Self>, error: StoreError);
}

struct Waiting<T, F> {
    change: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Change for Waiting<T, F>
where
    T: Send,
    F: for<'t> Fn(&'t mut Write) -> Changing<'t, T> + Send,
{
    fn run<'t>(&'t mut self, tx: &'t mut Write) -> Changing<'t, ()> {
        Box::pin(async move {
            self.result = None;
            self.result = Some((self.change)(tx).await?);
            Ok(())
        })
    }

    fn done(self: Box<Self>) {
        // Whoever asked may have gone; the change is made all the same.
        let _ = self.reply.send(self.result.ok_or(StoreError::Busy));
    }

    fn failed(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}

/// Told after each group: what it changed is durable.
#[derive(Debug, Default)]
struct Written {
    /// Something changed.
    changed: Notify,
    /// A task was queued.
    queued: Notify,
}

/// Makes changes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Writer {
    changes: mpsc::Sender<Box<dyn Change>>,
    written: Arc<Written>,
    thread: Arc<Mutex<Option<Thread>>>,
}

/// The thread that makes changes.
#[derive(Debug)]
struct Thread {
    /// Ends it at its next pause.
    end: Arc<Notify>,
    ended: oneshot::Receiver<()>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("free", &self.changes.capacity()).finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives none.
    pub(super) fn start(
        url: String,
        dialect: Dialect,
        seal: Seal,
        voice: hear::Voice,
    ) -> std::io::Result<Self> {
        let (changes, waiting) = mpsc::channel(MAX_WAITING);
        let written = Arc::<Written>::default();
        let group = Group { url, dialect, seal, voice, open: None, written: written.clone() };
        let (end, (over, ended)) = (Arc::<Notify>::default(), oneshot::channel());
        let thread = Thread { end: end.clone(), ended };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("writer".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = group.serve_always(waiting) => {}
                    () = end.notified() => {}
                }
            });
            // Nobody may wait for the end.
            let _ = over.send(());
        })?;
        Ok(Self { changes, written, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Wakes those who wait for changes.
    pub(super) fn wake(&self) {
        self.written.changed.notify_waiters();
    }

    /// Resolves when the next group is durable.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.written.changed.notified()
    }

    /// Resolves when a task was queued.
    pub(crate) fn queued(&self) -> tokio::sync::futures::Notified<'_> {
        self.written.queued.notified()
    }

    /// Makes a change; it is durable when this returns. The function may be run more than once, and
    /// only its last run counts.
    ///
    /// # Errors
    /// Those of the change, and [`StoreError::Busy`] when too many wait.
    pub(crate) async fn write<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Write) -> Changing<'t, T> + Send + 'static,
    {
        let (reply, replied) = oneshot::channel();
        let waiting = Box::new(Waiting { change, result: None, reply });
        self.changes.try_send(waiting).map_err(|_| StoreError::Busy)?;
        replied.await.map_err(|_| StoreError::Busy)?
    }

    /// Makes what waits and ends.
    pub(super) async fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The last change in the queue is this one, which waits for room: what came before it
            // is durable.
            let (reply, replied) = oneshot::channel();
            let last = Box::new(Waiting { change: nothing, result: None, reply });
            if self.changes.send(last).await.is_ok() {
                // Done or failed: what waited has been tried.
                let _ = replied.await;
            }
            thread.end.notify_one();
            let _ = thread.ended.await;
        }
    }
}

/// Changes nothing.
fn nothing(_: &mut Write) -> Changing<'_, ()> {
    Box::pin(async { Ok(()) })
}

/// The writing task.
struct Group {
    url: String,
    dialect: Dialect,
    seal: Seal,
    voice: hear::Voice,
    open: Option<Write>,
    written: Arc<Written>,
}

impl Group {
    /// Makes changes until nobody can ask for one, whatever happens: a group that panics is lost,
    /// and whoever waits for it is told that the store is busy.
    async fn serve_always(mut self, mut waiting: mpsc::Receiver<Box<dyn Change>>) {
        while AssertUnwindSafe(self.serve(&mut waiting)).catch_unwind().await.is_err() {
            tracing::error!("the writer panicked and starts again");
            self.open = None;
        }
    }

    async fn serve(&mut self, waiting: &mut mpsc::Receiver<Box<dyn Change>>) {
        let mut group = Vec::with_capacity(MAX_GROUP);
        while waiting.recv_many(&mut group, MAX_GROUP).await > 0 {
            let mut changes = std::mem::take(&mut group);
            metrics::histogram!(dn_service::metrics::STORE_GROUP).record(changes.len() as f64);
            match self.together(&mut changes).await {
                Ok(()) => changes.into_iter().for_each(Change::done),
                // Each alone would wait as long, and everybody behind it.
                Err(StoreError::Silent) => {
                    changes.into_iter().for_each(|change| change.failed(StoreError::Silent));
                }
                Err(error) => match (changes.pop(), changes.is_empty()) {
                    (Some(only), true) => only.failed(error),
                    (last, _) => {
                        changes.extend(last);
                        self.one_by_one(changes).await;
                    }
                },
            }
        }
    }

    /// Runs each change in a transaction of its own.
    async fn one_by_one(&mut self, changes: Vec<Box<dyn Change>>) {
        for change in changes {
            let mut alone = [change];
            let ran = self.together(&mut alone).await;
            let [change] = alone;
            match ran {
                Ok(()) => change.done(),
                Err(error) => change.failed(error),
            }
        }
    }

    /// Runs changes in one transaction. After an error nothing of them is there. A conflict with
    /// another process says nothing about the changes: they are run again.
    async fn together(&mut self, changes: &mut [Box<dyn Change>]) -> Result<(), StoreError> {
        for _ in 1..CONFLICTS {
            match self.once(changes).await {
                Err(error) if error.is_conflict() => tracing::debug!(%error, "run again"),
                done => return done,
            }
        }
        self.once(changes).await
    }

    async fn once(&mut self, changes: &mut [Box<dyn Change>]) -> Result<(), StoreError> {
        // A change that panics fails like one that the database refuses.
        let run = AssertUnwindSafe(self.transaction(changes)).catch_unwind();
        let ran = tokio::time::timeout(LIMIT, run).await;
        match ran.map_or(Err(StoreError::Silent), |ran| ran.unwrap_or(Err(StoreError::Busy))) {
            Ok(has_queued) => {
                self.written.changed.notify_waiters();
                if has_queued {
                    self.written.queued.notify_one();
                }
                Ok(())
            }
            Err(error) => {
                if let Some(tx) = self.open.take() {
                    // Closing rolls back; a connection that cannot be closed is dropped.
                    let _ = tokio::time::timeout(LIMIT, tx.db.close_hard()).await;
                }
                Err(error)
            }
        }
    }

    async fn transaction(&mut self, changes: &mut [Box<dyn Change>]) -> Result<bool, StoreError> {
        let (dialect, seal) = (self.dialect, self.seal.clone());
        let tx = match &mut self.open {
            Some(tx) => tx,
            none => {
                let db = connect(&self.url, dialect).await?;
                none.insert(Write {
                    db,
                    dialect,
                    seal,
                    has_queued: false,
                    has_event: false,
                    seen: Default::default(),
                })
            }
        };
        (tx.has_queued, tx.has_event) = (false, false);
        tx.seen.clear();
        tx.db.execute(dialect.begin()).await?;
        for change in changes {
            change.run(tx).await?;
        }
        nodes::store_seen(tx).await?;
        if tx.has_event && dialect == Dialect::Postgres {
            hear::tell(tx, self.voice).await?;
        }
        tx.db.execute("commit").await?;
        Ok(tx.has_queued)
    }
}
