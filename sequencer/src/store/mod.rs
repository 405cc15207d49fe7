//! Durable state: SQL only, no rules.
//!
//! Every change of a task's state goes through [`tasks::transition`], which asks the state machine
//! in `dn_core::task` and writes the event in the same transaction. Writers take one
//! lock at the start, so that nobody reads a row, decides and then loses the race.

pub(crate) mod batches;
pub(crate) mod blocks;
#[cfg(test)]
mod conformance;
pub(crate) mod events;
pub(crate) mod nodes;
pub(crate) mod outbox;
pub(crate) mod tasks;

use dn_core::api::{Address, Bytes32};
use dn_core::task::IllegalTransition;
use sqlx::any::AnyPoolOptions;
use sqlx::{Any, AnyPool, Executor as _, Transaction};
use thiserror::Error;

/// Scheme of the embedded database.
const SQLITE: &str = "sqlite://";
/// A committed transaction survives a loss of power; writers wait ten seconds for each other.
const SQLITE_SETTINGS: &str = "pragma journal_mode = wal; pragma synchronous = full;
    pragma foreign_keys = on; pragma busy_timeout = 10000;";
/// Key of the advisory lock that makes writers take turns, as SQLite's own lock does.
const WRITE_LOCK: i64 = 0x6465_6570_6e6f_6465;
/// Connections of the pool.
const MAX_CONNECTIONS: u32 = 8;

/// A write transaction.
pub(crate) type Write = Transaction<'static, Any>;

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
}

/// Opens the database at `url`, `sqlite://PATH` or `postgres://…`, and brings its schema up to
/// date. A missing SQLite file is created.
///
/// # Errors
/// When the database cannot be used.
pub(crate) async fn open(url: &str) -> Result<AnyPool, StoreError> {
    sqlx::any::install_default_drivers();
    let is_sqlite = url.starts_with(SQLITE);
    let url = if is_sqlite { format!("{url}?mode=rwc") } else { url.to_owned() };
    let options = AnyPoolOptions::new().max_connections(MAX_CONNECTIONS);
    let options = options.after_connect(move |connection, _| {
        Box::pin(async move {
            if is_sqlite {
                connection.execute(SQLITE_SETTINGS).await?;
            }
            Ok(())
        })
    });
    let pool = options.connect(&url).await?;
    let migrations = if is_sqlite {
        sqlx::migrate!("migrations/sqlite")
    } else {
        sqlx::migrate!("migrations/postgres")
    };
    migrations.run(&pool).await?;
    Ok(pool)
}

/// Begins a transaction that holds the write lock of the whole store.
pub(crate) async fn write(db: &AnyPool) -> Result<Write, StoreError> {
    if db.connect_options().database_url.scheme() == "sqlite" {
        return Ok(db.begin_with("begin immediate").await?);
    }
    let mut tx = db.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(WRITE_LOCK).execute(&mut *tx).await?;
    Ok(tx)
}

pub(crate) fn b32(column: &'static str, bytes: &[u8]) -> Result<Bytes32, StoreError> {
    Bytes32::try_from(bytes).map_err(|_| StoreError::Corrupt(column))
}

pub(crate) fn address(column: &'static str, bytes: &[u8]) -> Result<Address, StoreError> {
    Address::try_from(bytes).map_err(|_| StoreError::Corrupt(column))
}

pub(crate) fn maybe_b32(
    column: &'static str,
    bytes: Option<&Vec<u8>>,
) -> Result<Option<Bytes32>, StoreError> {
    bytes.map(|b| b32(column, b)).transpose()
}

/// A stored number that is never negative.
pub(crate) fn unsigned(column: &'static str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt(column))
}

/// A number for storage; clamps what no clock or counter reaches.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// int8 values as bytes.
pub(crate) fn to_blob(values: &[i8]) -> Vec<u8> {
    values.iter().map(|v| v.to_le_bytes()[0]).collect()
}

/// Bytes as int8 values.
pub(crate) fn from_blob(bytes: &[u8]) -> Vec<i8> {
    bytes.iter().map(|b| i8::from_le_bytes([*b])).collect()
}
