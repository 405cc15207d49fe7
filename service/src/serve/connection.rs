//! One connection from its first byte to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::activity::{Activity, Open, Watched};
use super::answer::Answer;
use super::Server;

/// Between two questions whether an HTTP/2 client is still there, and the wait for its answer.
const PING: Duration = Duration::from_secs(20);
/// Most requests that an HTTP/2 client has open at once.
const STREAMS: u32 = 256;

/// Serves a connection until either side ends it, it takes too long, or shutdown is requested.
pub(super) async fn serve(server: &Server, stream: TcpStream, peer: SocketAddr) {
    // Answers are small: waiting for more bytes to send would only delay them.
    let _ = stream.set_nodelay(true);
    match &server.tls {
        None => drive(server, stream, peer).await,
        Some(tls) => match timeout(server.serving.header_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => drive(server, stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
            Err(_) => tracing::debug!(%peer, "the TLS handshake takes too long"),
        },
    }
}

async fn drive<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    server: &Server,
    stream: S,
    peer: SocketAddr,
) {
    let activity = Activity::new();
    let (router, begun) = (server.router.clone(), activity.clone());
    let service = service_fn(move |request| answer(router.clone(), begun.begin(), peer, request));
    let builder = builder();
    let stream = TokioIo::new(Watched { stream, activity: activity.clone() });
    let mut connection = pin!(builder.serve_connection(stream, service));
    let mut shutdown = server.shutdown.clone();
    let mut is_ending = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "connection ended");
                }
                return;
            }
            () = activity.overdue(&server.serving) => return,
            () = shutdown.requested(), if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // The activity of the connection has this limit for both versions.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(STREAMS);
    builder
}

async fn answer(
    router: Router,
    open: Open,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = router.oneshot(request).await?;
    Ok(response.map(|body| Answer { body, _open: open }))
}
