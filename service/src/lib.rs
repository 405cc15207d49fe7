//! What every service does in the same way: logging, listening, shutdown, reports,
//! last words.

mod failure;
mod report;
mod shutdown;

use std::future::IntoFuture as _;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

pub use failure::{exit_code, Failure};
pub use report::Report;
pub use shutdown::{Shutdown, Stop};

/// Open streams are cut this long after shutdown was requested.
const GRACE: Duration = Duration::from_secs(2);

/// Logs to stderr, `info` and above unless `RUST_LOG` says otherwise.
///
/// # Errors
/// When logging has been set up before.
pub fn init_tracing() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init()
        .map_err(|e| anyhow::anyhow!("set up logging: {e}"))
}

/// Binds a listening socket.
///
/// # Errors
/// `port_taken` when another program listens there, `bind` on any other refusal.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|error| {
        let failure = if error.kind() == std::io::ErrorKind::AddrInUse {
            let hint = "choose another port, or 0 for any free one";
            Failure::new("port_taken", format!("{listen} is taken"), hint)
        } else {
            let hint = "the address must be one of this machine's";
            Failure::new("bind", format!("cannot listen on {listen}: {error}"), hint)
        };
        failure.into()
    })
}

/// Serves `router` until shutdown is requested. Open requests are finished, streams are cut after
/// a while. The log line with the address tells which port the system chose.
///
/// # Errors
/// When the server fails.
pub async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) -> Result<()> {
    let address = listener.local_addr().context("read the bound address")?;
    tracing::info!(%address, pid = std::process::id(), "listening");
    let mut stop = shutdown.clone();
    let server = axum::serve(listener, router);
    let server = server.with_graceful_shutdown(async move { stop.requested().await });
    let mut cut = shutdown;
    tokio::select! {
        done = server.into_future() => done.context("serve HTTP"),
        () = async { cut.requested().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn shutdown_ends_the_server() {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let (stop, shutdown) = Shutdown::channel();
        let server = tokio::spawn(serve(listener, Router::new(), shutdown));
        stop.request();
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let taken = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let error = bind(taken.local_addr().unwrap()).await.unwrap_err();
        assert_eq!(error.downcast_ref::<Failure>().unwrap().code, "port_taken");
    }
}
