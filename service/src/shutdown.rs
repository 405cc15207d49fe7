//! Orderly shutdown: one request, seen by every part of a program.

use tokio::signal::unix::{signal, SignalKind};
use tokio::sync::watch;

/// Requests a shutdown.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

/// Tells that a shutdown has been requested. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Stop {
    /// Requests the shutdown. Dropping the requester does the same.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// A requester and what it is seen by.
    #[must_use]
    pub fn channel() -> (Stop, Self) {
        let (sender, receiver) = watch::channel(false);
        (Stop(sender), Self(receiver))
    }

    /// Requested by Ctrl-C or SIGTERM.
    ///
    /// # Errors
    /// When the signals cannot be listened for.
    pub fn on_signal() -> std::io::Result<Self> {
        let (stop, shutdown) = Self::channel();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("shutting down");
            stop.request();
        });
        Ok(shutdown)
    }

    /// Waits for the request.
    pub async fn requested(&mut self) {
        // An error means that the requester is gone, which is a request too.
        let _ = self.0.wait_for(|is_requested| *is_requested).await;
    }

    /// Whether the request has been made.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}
