//! What workers and provers have in common: a session with the sequencer that stays alive.

use std::sync::mpsc::{channel, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use dn_core::api::{Beat, Role, Session};

use crate::{Client, ClientError};

/// Longest time for a beat, unless beats are further apart.
const LEAST_BEAT: Duration = Duration::from_secs(5);

/// What a node is working on. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<Mutex<Beat>>);

impl Held {
    /// Names the work whose leases shall be extended from here on, in place of what was named.
    pub fn set(&self, work: Beat) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = work;
    }

    fn get(&self) -> Beat {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sends heartbeats from a thread of its own, so that a busy node is not taken for a dead one.
/// Dropping it ends the thread.
#[derive(Debug)]
pub struct Heart {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heart {
    /// Sends a heartbeat of the client's node, naming what it holds, every so often. A beat that fails or takes long is
    /// left out: the next one makes up for it. A session that has ended is renewed for the node's other requests too.
    ///
    /// The thread has connections of its own: one that it shared with the node's other requests would be driven only
    /// while it beats.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(client: &Client, held: Held, every: Duration) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = client.with_own_connections().map_err(std::io::Error::other)?;
        let thread = std::thread::Builder::new().name("heartbeat".into()).spawn(move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let _ = runtime.block_on(async {
                    tokio::time::timeout(every.max(LEAST_BEAT), client.heartbeat(&held.get())).await
                });
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; there is nothing else to do about it.
            let _ = thread.join();
        }
    }
}

/// A node that is registered with a sequencer.
#[derive(Debug)]
pub struct Node {
    /// Requests of this client are the node's. It registers again by itself when its session has ended.
    pub client: Client,
    /// What the sequencer said at the start.
    pub session: Session,
    /// What it is working on.
    pub held: Held,
    _heart: Heart,
}

/// Why a node has no session.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The sequencer does not take it.
    #[error("register with the sequencer")]
    Register(#[from] ClientError),
    /// The heartbeat's thread cannot be started.
    #[error("start the heartbeat")]
    Heart(#[from] std::io::Error),
}

/// How long a program that starts waits for a sequencer that starts, too.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(250);

/// Asks a sequencer that may just be starting: again while it does not answer, for ten seconds.
///
/// # Errors
/// A refusal at once, any other error when there was time enough.
pub async fn patiently<T>(
    mut ask: impl AsyncFnMut() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Err(error) if error.is_temporary() && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(AGAIN).await;
            }
            answer => return answer,
        }
    }
}

impl Node {
    /// Registers a node and keeps its session alive. A sequencer that is starting is waited for.
    ///
    /// # Errors
    /// When the sequencer cannot be reached or refuses.
    pub async fn register(
        url: &str,
        role: Role,
        signer: &PrivateKeySigner,
    ) -> Result<Self, NodeError> {
        let mut client = Client::new(url)?;
        let session = patiently(async || client.register(role, signer).await).await?;
        let every = Duration::from_millis(session.heartbeat_ms.max(100));
        let held = Held::default();
        let heart = Heart::start(&client, held.clone(), every)?;
        Ok(Self { client, session, held, _heart: heart })
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sequencer_that_starts_is_waited_for_and_a_refusal_is_not() {
        let mut asked = 0;
        let answer = patiently(async || {
            asked += 1;
            if asked < 5 {
                Err(ClientError::Status(StatusCode::SERVICE_UNAVAILABLE))
            } else {
                Ok(asked)
            }
        });
        assert_eq!(answer.await.ok(), Some(5));

        let mut asked = 0;
        let refused: Result<(), ClientError> = patiently(async || {
            asked += 1;
            Err(ClientError::Status(StatusCode::FORBIDDEN))
        })
        .await;
        assert!(refused.is_err() && asked == 1);

        let start = tokio::time::Instant::now();
        let silent: Result<(), ClientError> =
            patiently(async || Err(ClientError::Status(StatusCode::BAD_GATEWAY))).await;
        assert!(silent.is_err() && start.elapsed() >= PATIENCE);
    }
}
