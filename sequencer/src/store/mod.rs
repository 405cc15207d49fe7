//! Durable state: SQL only, no rules.
//!
//! Every change of a task's state goes through [`tasks::transition`], which asks the state machine
//! in `dn_core::task` and writes the event in the same transaction. Changes are grouped: the
//! [`writer`] takes all that wait and makes them durable together. Several processes can share a
//! Postgres: whoever decides by a row locks it first.

mod batch;
pub(crate) mod batches;
pub(crate) mod blocks;
pub(crate) mod columns;
pub(crate) mod events;
mod hear;
pub(crate) mod intake;
pub(crate) mod invoices;
pub(crate) mod labels;
mod lock;
pub(crate) mod nodes;
pub(crate) mod outbox;
pub(crate) mod payers;
mod schema;
mod seal;
pub(crate) mod settings;
pub(crate) mod settled;
pub(crate) mod task;
pub(crate) mod tasks;
mod writer;

use std::time::Duration;

use dn_core::task::IllegalTransition;
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Connection as _, Executor as _};
use thiserror::Error;
use tokio::task::AbortHandle;

pub(crate) use lock::SettlerLock;
pub(crate) use schema::Dialect;
pub(crate) use seal::{Seal, SealError};
pub(crate) use writer::{Changing, Writer};

/// Reading connections of the pool.
const MAX_CONNECTIONS: u32 = 8;
/// Longest wait for one of them.
const ACQUIRE: Duration = Duration::from_secs(5);

/// A connection inside a write transaction.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) db: AnyConnection,
    pub(crate) dialect: Dialect,
    pub(crate) seal: Seal,
    /// Whether a task was queued, so that workers are woken.
    pub(crate) has_queued: bool,
    /// Whether events were written, so that other processes are woken.
    pub(crate) has_event: bool,
    /// What was seen of nodes: stored at the end, in one order, so that groups of several processes
    /// do not wait for each other in a circle.
    pub(crate) seen: nodes::SeenNodes,
}

/// Why the store has no answer.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    /// The database failed.
    #[error("use the database")]
    Sql(#[from] sqlx::Error),
    /// The schema cannot be brought up to date.
    #[error("migrate the database")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A stored value is not what was written.
    #[error("column {0} holds an impossible value")]
    Corrupt(&'static str),
    /// The state machine forbids the change.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// There is no such row.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// The writer has stopped, or what waits for it is too much.
    #[error("the database takes no more changes at the moment")]
    Busy,
    /// The database has not answered for too long.
    #[error("the database does not answer")]
    Silent,
    /// The storage key cannot be used, or is another than the data's.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl StoreError {
    /// Whether another process stood in the way: a deadlock, or a change that came first.
    fn is_conflict(&self) -> bool {
        let Self::Sql(sqlx::Error::Database(error)) = self else { return false };
        let codes = ["40001", "40P01", "23505"];
        error.code().is_some_and(|code| codes.contains(&&*code))
    }
}

/// Durable state. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    /// For questions.
    pub(crate) pool: AnyPool,
    /// For changes.
    pub(crate) writer: Writer,
    /// Hears of other processes.
    others: Option<AbortHandle>,
    pub(crate) dialect: Dialect,
    pub(crate) seal: Seal,
}

impl Store {
    /// Opens the database at `url`, `sqlite://PATH` or `postgres://…`, and brings its schema up to
    /// date. A missing SQLite file is created, readable by its owner alone.
    ///
    /// # Errors
    /// When the database cannot be used, or its secrets were sealed under another key.
    pub(crate) async fn open(url: &str, seal: Seal) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let dialect = Dialect::of(url);
        dialect.prepare_file(url)?;
        let url = dialect.url(url);
        let options =
            AnyPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(ACQUIRE);
        let options = options.after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(dialect.session()).await?;
                Ok(())
            })
        });
        let pool = options.connect(&url).await?;
        schema::migrator(dialect).run(&pool).await?;
        settings::check_seal(&pool, &seal).await?;
        let voice = hear::Voice::draw();
        let writer = Writer::start(url.clone(), dialect, seal.clone(), voice);
        let writer = writer.map_err(sqlx::Error::Io)?;
        let others =
            (dialect == Dialect::Postgres).then(|| hear::listen(url, voice, writer.clone()));
        Ok(Self { pool, writer, others, dialect, seal })
    }

    /// Milliseconds by the database's clock: what several processes agree on.
    pub(crate) async fn now_ms(&self) -> Result<u64, StoreError> {
        let (now,): (i64,) =
            sqlx::query_as(AssertSqlSafe(self.dialect.now())).fetch_one(&self.pool).await?;
        columns::unsigned("now", now)
    }

    /// Makes what was changed durable and closes the connections.
    pub(crate) async fn close(&self) {
        if let Some(others) = &self.others {
            others.abort();
        }
        self.writer.stop().await;
        self.pool.close().await;
    }
}

/// Opens one more connection, outside the pool.
async fn connect(url: &str, dialect: Dialect) -> Result<AnyConnection, StoreError> {
    let mut connection = AnyConnection::connect(url).await?;
    connection.execute(dialect.session()).await?;
    Ok(connection)
}
