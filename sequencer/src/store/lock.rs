//! One settler for a database and a key: it holds a lock of the operating system or of Postgres for
//! as long as it lives, and beats in a row that people can read.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{flock, FlockOperation};
use sqlx::AnyConnection;

use super::columns::signed;
use super::{connect, Dialect, Store, StoreError};

/// Key of the advisory lock.
const SETTLER: i64 = 0x6465_6570_6e6f_6465;

/// What makes a process the settler. Dropping it lets another one take over.
#[derive(Debug)]
pub(crate) struct SettlerLock {
    url: String,
    connection: Option<AnyConnection>,
    _files: Vec<File>,
}

impl SettlerLock {
    /// Takes the locks of a database and of a key file. `None` when another process has one.
    ///
    /// # Errors
    /// When a file cannot be opened or the database fails.
    pub(crate) async fn take(
        url: &str,
        store: &Store,
        key_file: &Path,
    ) -> Result<Option<Self>, StoreError> {
        let mut files = Vec::new();
        let file = url.strip_prefix("sqlite://").map(|path| format!("{path}.settler"));
        let key = format!("{}.lock", key_file.display());
        for path in file.into_iter().chain([key]) {
            let mut options = OpenOptions::new();
            options.create(true).append(true).mode(0o600);
            let opened = options.open(&path).map_err(sqlx::Error::Io)?;
            if flock(&opened, FlockOperation::NonBlockingLockExclusive).is_err() {
                return Ok(None);
            }
            files.push(opened);
        }
        let mut lock = Self { url: store.dialect.url(url), connection: None, _files: files };
        Ok(lock.hold(store).await?.then_some(lock))
    }

    /// Whether the lock is held. A Postgres that was started again has forgotten it: it is taken
    /// again, unless somebody else was faster.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn hold(&mut self, store: &Store) -> Result<bool, StoreError> {
        if store.dialect == Dialect::Sqlite {
            return Ok(true);
        }
        if let Some(connection) = &mut self.connection {
            if sqlx::query("select 1").execute(connection).await.is_ok() {
                return Ok(true);
            }
            self.connection = None;
        }
        let mut connection = connect(&self.url, store.dialect).await?;
        let query = sqlx::query_as("select pg_try_advisory_lock($1)").bind(SETTLER);
        let (is_ours,): (bool,) = query.fetch_one(&mut connection).await?;
        self.connection = is_ours.then_some(connection);
        Ok(is_ours)
    }

    /// When a settler said last that it lives; 0 if none ever did.
    pub(crate) async fn last_beat_ms(store: &Store) -> Result<u64, StoreError> {
        let query = sqlx::query_as("select beat_ms from settler where id = 1");
        let row: Option<(i64,)> = query.fetch_optional(&store.pool).await?;
        super::columns::unsigned("beat_ms", row.map_or(0, |(ms,)| ms))
    }

    /// Notes who the settler is and that it lives.
    pub(crate) async fn beat(store: &Store, holder: String, now_ms: u64) -> Result<(), StoreError> {
        let beaten = store.writer.write(move |tx| {
            let holder = holder.clone();
            Box::pin(async move {
                sqlx::query(
                    "insert into settler (id, holder, beat_ms) values (1, $1, $2)
                     on conflict (id) do update set holder = excluded.holder,
                         beat_ms = excluded.beat_ms",
                )
                .bind(holder)
                .bind(signed(now_ms))
                .execute(&mut tx.db)
                .await?;
                Ok(())
            })
        });
        beaten.await
    }
}
