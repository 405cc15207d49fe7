//! Several processes on one Postgres hear at once what the others wrote. It wakes and never decides:
//! whoever is woken looks at the tables, and looks now and then when nothing is heard.

use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{AssertSqlSafe, Executor as _};
use tokio::task::AbortHandle;

use super::{StoreError, Write, Writer};

/// The channel that they talk on.
const CHANNEL: &str = "deepnode_events";
/// Pause before the next try to listen.
const AGAIN: Duration = Duration::from_secs(1);

/// Who talks: drawn for each store that is opened, so that nobody listens to itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voice(u64);

impl Voice {
    pub(super) fn draw() -> Self {
        Self(rand::random())
    }
}

/// Tells all processes, once the transaction is durable, that events were written.
pub(super) async fn tell(tx: &mut Write, Voice(own): Voice) -> Result<(), StoreError> {
    tx.db.execute(AssertSqlSafe(format!("notify {CHANNEL}, '{own}'"))).await?;
    Ok(())
}

/// Wakes those who wait for changes, whenever any process has written events.
pub(super) fn listen(url: String, own: Voice, writer: Writer) -> AbortHandle {
    let listening = tokio::spawn(async move {
        loop {
            let Err(error) = hear(&url, own, &writer).await;
            tracing::debug!(%error, "not listening for other processes");
            tokio::time::sleep(AGAIN).await;
        }
    });
    listening.abort_handle()
}

async fn hear(
    url: &str,
    Voice(own): Voice,
    writer: &Writer,
) -> Result<std::convert::Infallible, sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    // What was said while nobody listened is found by looking.
    writer.wake();
    let own = own.to_string();
    loop {
        // None when the connection was lost meanwhile; it is open again.
        let heard = listener.try_recv().await?;
        if heard.is_none_or(|heard| heard.payload() != own) {
            writer.wake();
        }
    }
}
