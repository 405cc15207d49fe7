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
        let mut lock = Self { connection: None, _files: files };
        if store.dialect == Dialect::Postgres {
            let mut connection = connect(&store.dialect.url(url), store.dialect).await?;
            let query = sqlx::query_as("select pg_try_advisory_lock($1)").bind(SETTLER);
            let (is_ours,): (bool,) = query.fetch_one(&mut connection).await?;
            if !is_ours {
                return Ok(None);
            }
            lock.connection = Some(connection);
        }
        Ok(Some(lock))
    }

    /// Whether the lock is still held: a Postgres that was started again has forgotten it.
    pub(crate) async fn is_held(&mut self) -> bool {
        match &mut self.connection {
            None => true,
            Some(connection) => sqlx::query("select 1").execute(connection).await.is_ok(),
        }
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
