//! The loop of every daemon: one step again and again, whatever becomes of it.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use anyhow::{anyhow, Result};
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use crate::{metrics, Shutdown};

/// The pause after a first failure. Each further one in a row doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Repeats `step` until shutdown is requested. After `Ok(true)` the next one begins at once, after
/// `Ok(false)` it waits for `poll`. A step that fails or panics is logged and counted under `name`,
/// and the next one waits longer and longer until one succeeds.
///
/// A shutdown drops a step where it waits: what a step must finish belongs into a task of its own.
pub async fn repeat(
    mut shutdown: Shutdown,
    name: &'static str,
    poll: Duration,
    mut step: impl AsyncFnMut() -> Result<bool>,
) {
    let mut pauses = pauses();
    let span = tracing::info_span!("step", name);
    while !shutdown.is_requested() {
        let done = tokio::select! {
            () = shutdown.requested() => return,
            done = AssertUnwindSafe(step().instrument(span.clone())).catch_unwind() => done.unwrap_or_else(|p| Err(panicked(&*p))),
        };
        let pause = match done {
            Ok(goes_on) => {
                pauses = self::pauses();
                if goes_on {
                    // A step that is always ready must not keep its thread from others.
                    tokio::task::yield_now().await;
                    continue;
                }
                poll
            }
            Err(error) => {
                metrics::counter!(metrics::STEP_FAILURES, "step" => name).increment(1);
                let pause = pauses.next().unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
                tracing::warn!(
                    step = name,
                    error = format!("{error:#}"),
                    ?pause,
                    "step failed; trying again"
                );
                pause
            }
        };
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        // Jitter adds up to as much again.
        .with_max_delay(LONGEST_PAUSE / 2)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}

fn panicked(payload: &(dyn Any + Send)) -> anyhow::Error {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    anyhow!("the step panicked: {}", text.unwrap_or("no message"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;

    const POLL: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn failures_and_panics_do_not_end_the_loop() {
        let (stop, shutdown) = Shutdown::channel();
        let mut steps = 0;
        repeat(shutdown, "test", POLL, async || {
            steps += 1;
            match steps {
                1 => anyhow::bail!("down"),
                2 => panic!("a bug"),
                3 => Ok(true),
                4 => Ok(false),
                _ => {
                    stop.request();
                    Ok(true)
                }
            }
        })
        .await;
        assert_eq!(steps, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest_and_start_anew() {
        let (stop, shutdown) = Shutdown::channel();
        let mut at = Vec::new();
        repeat(shutdown, "test", POLL, async || {
            at.push(Instant::now());
            match at.len() {
                12 => Ok(false),
                14 => {
                    stop.request();
                    Ok(true)
                }
                _ => anyhow::bail!("down"),
            }
        })
        .await;
        let pauses: Vec<Duration> = at.windows(2).map(|w| w[1] - w[0]).collect();
        for (i, pause) in pauses[..11].iter().enumerate() {
            let least = (FIRST_PAUSE * 2u32.pow(i as u32)).min(LONGEST_PAUSE / 2);
            assert!(*pause >= least, "pause {i} is {pause:?}");
            assert!(*pause <= LONGEST_PAUSE + Duration::from_millis(2), "pause {i} is {pause:?}");
        }
        assert!(pauses[11] >= POLL && pauses[11] < 2 * POLL);
        assert!(pauses[12] <= 3 * FIRST_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_waits_for_no_step_and_no_pause() {
        for step_waits in [true, false] {
            let (stop, shutdown) = Shutdown::channel();
            let steps = Arc::new(AtomicU32::new(0));
            let counted = steps.clone();
            let running = tokio::spawn(repeat(shutdown, "test", POLL * 1000, async move || {
                counted.fetch_add(1, Ordering::Relaxed);
                if step_waits {
                    std::future::pending::<()>().await;
                }
                Ok(false)
            }));
            tokio::time::sleep(POLL).await;
            let asked = Instant::now();
            stop.request();
            running.await.unwrap();
            assert_eq!(
                (Instant::now() - asked, steps.load(Ordering::Relaxed)),
                (Duration::ZERO, 1)
            );
        }
    }
}
