//! Repeating what does no harm twice.

use std::future::Future;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

use super::error::Failed;
use super::ClientError;

/// How long a request is repeated.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first pause. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause, whatever the sequencer says.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Repeats a request while the sequencer cannot be reached or is busy, as often as `PATIENCE` has
/// room for the pauses.
pub(super) async fn until_answered<T, F>(send: impl Fn() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, Failed>>,
{
    let deadline = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    loop {
        let Failed { error, after } = match send().await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let wait = after.unwrap_or(pause).min(LONGEST_PAUSE);
        if !error.is_temporary() || Instant::now() + wait > deadline {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// The pause that an answer asks for, where it gives seconds.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
