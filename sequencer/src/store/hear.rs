//! Several processes on one Postgres hear at once what the others wrote. It wakes and never decides:
//! whoever is woken looks at the tables, and looks now and then when nothing is heard.

use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::Executor as _;
use tokio::task::AbortHandle;

use super::{StoreError, Write, Writer};

/// The channel that they talk on.
const CHANNEL: &str = "deepnode_events";
/// What is said on it.
const NOTIFY: &str = "notify deepnode_events";
/// Pause before the next try to listen.
const AGAIN: Duration = Duration::from_secs(1);

/// Tells all processes, once the transaction is durable, that events were written.
pub(super) async fn tell(tx: &mut Write) -> Result<(), StoreError> {
    tx.db.execute(NOTIFY).await?;
    Ok(())
}

/// Wakes those who wait for changes, whenever any process has written events.
pub(super) fn listen(url: String, writer: Writer) -> AbortHandle {
    let listening = tokio::spawn(async move {
        loop {
            let Err(error) = hear(&url, &writer).await;
            tracing::debug!(%error, "not listening for other processes");
            tokio::time::sleep(AGAIN).await;
        }
    });
    listening.abort_handle()
}

async fn hear(url: &str, writer: &Writer) -> Result<std::convert::Infallible, sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // What was said while the connection was lost is found by looking.
        writer.wake();
        listener.recv().await?;
    }
}
