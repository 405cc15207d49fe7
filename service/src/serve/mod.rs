//! The port of a server: connections within limits, each with its time.
//!
//! A connection above a limit is told so and closed; one that does not finish the head of a request
//! in time, or does nothing for long, is closed. None of them holds up the others.

mod activity;
mod answer;
mod connection;
mod limits;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use clap::Args;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::{metrics, trace, Failure, Shutdown};
use limits::Limits;

/// Pause after a connection that the system could not hand over: it may be short of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How a server treats its connections.
#[derive(Args, Clone, Debug)]
pub struct Serving {
    /// Most connections at once.
    #[arg(long, env = "DN_MAX_CONNECTIONS", default_value_t = 4096)]
    pub max_connections: usize,
    /// Most connections at once from one address.
    #[arg(long, env = "DN_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 2048)]
    pub max_connections_per_address: usize,
    /// Seconds that a client has for a TLS handshake and for the head of a request.
    #[arg(long = "header-timeout-s", env = "DN_HEADER_TIMEOUT_S", default_value = "10", value_parser = seconds)]
    pub header_timeout: Duration,
    /// Time that a connection without a request is kept.
    #[arg(skip = IDLE)]
    pub idle_timeout: Duration,
    /// Open streams are cut this long after shutdown was requested.
    #[arg(skip = DRAIN)]
    pub drain: Duration,
    /// Serves TLS.
    #[command(flatten)]
    pub tls: Option<Tls>,
}

/// Key and certificates of a server.
#[derive(Args, Clone, Debug)]
pub struct Tls {
    /// PEM file of the server's certificate and those that lead to its root. Serves TLS.
    #[arg(long = "tls-cert", env = "DN_TLS_CERT", requires = "key", required = false)]
    pub cert: PathBuf,
    /// PEM file of the certificate's private key.
    #[arg(long = "tls-key", env = "DN_TLS_KEY", requires = "cert", required = false)]
    pub key: PathBuf,
}

const IDLE: Duration = Duration::from_secs(75);
const DRAIN: Duration = Duration::from_secs(2);

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err("expected a positive number of seconds".into()),
    }
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_connections_per_address: 2048,
            header_timeout: Duration::from_secs(10),
            idle_timeout: IDLE,
            drain: DRAIN,
            tls: None,
        }
    }
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
/// a while. The log line with the address tells which port the system chose. Handlers find the
/// client's address in `ConnectInfo<SocketAddr>`.
///
/// # Errors
/// `tls` when certificate or key cannot be used.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    serving: &Serving,
    mut shutdown: Shutdown,
) -> Result<()> {
    let server = Arc::new(Server {
        router: router
            .layer(axum::middleware::from_fn(trace::spanned))
            .layer(axum::middleware::from_fn(metrics::timed)),
        serving: serving.clone(),
        tls: serving.tls.as_ref().map(tls::acceptor).transpose()?,
        limits: Limits::of(serving),
        shutdown: shutdown.clone(),
    });
    let address = listener.local_addr().context("read the bound address")?;
    tracing::info!(%address, pid = std::process::id(), "listening");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.requested() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => admit(&server, &mut connections, stream, peer),
                Err(error) => {
                    metrics::counter!(metrics::ACCEPT_FAILURES).increment(1);
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Those that are left are cut when their tasks are dropped.
    let _ = tokio::time::timeout(serving.drain, ended).await;
    Ok(())
}

/// What the connections of a server share.
struct Server {
    router: Router,
    serving: Serving,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    shutdown: Shutdown,
}

/// Starts to serve a connection, or tells it that there are too many.
fn admit(server: &Arc<Server>, connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr) {
    let server = server.clone();
    match server.limits.admit(peer.ip()) {
        Ok(place) => connections.spawn(async move {
            connection::serve(&server, stream, peer).await;
            drop(place);
        }),
        Err(refusal) => {
            metrics::counter!(metrics::CONNECTIONS_REFUSED, "limit" => refusal.limit())
                .increment(1);
            let Some(turn) = server.limits.turn_to_refuse() else { return };
            let is_plain = server.tls.is_none();
            connections.spawn(async move {
                if is_plain {
                    refusal.tell(stream).await;
                }
                drop(turn);
            })
        }
    };
}

#[cfg(test)]
mod tests;
