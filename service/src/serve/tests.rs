//! Clients of every kind against a real socket.

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use clap::Parser;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::*;
use crate::Stop;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(600)).await;
    "late"
}

async fn endless() -> Body {
    Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>())
}

async fn who(ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
    peer.ip().to_string()
}

async fn started(serving: Serving) -> (SocketAddr, Stop, JoinHandle<Result<()>>) {
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/", get(who))
        .route("/slow", get(slow))
        .route("/endless", get(endless));
    let (stop, shutdown) = Shutdown::channel();
    let running = tokio::spawn(async move { serve(listener, router, &serving, shutdown).await });
    (address, stop, running)
}

async fn asked(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn connected(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

#[tokio::test]
async fn slow_heads_are_closed_and_others_are_served() {
    let serving = Serving { header_timeout: Duration::from_millis(400), ..Serving::default() };
    let (address, _stop, _running) = started(serving).await;
    let start = Instant::now();
    let slow_heads = (0..50).map(|_| async move {
        let mut stream = connected(address).await;
        let mut answer = [0; 1];
        loop {
            tokio::select! {
                read = stream.read(&mut answer) => return read.unwrap_or(0),
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
            // One that is closed cannot be written to; the read tells.
            let _ = stream.write_all(b"G").await;
        }
    });
    let slow_heads: Vec<JoinHandle<usize>> = slow_heads.map(tokio::spawn).collect();
    let silent = connected(address).await;
    assert!(asked(connected(address).await, GET).await.ends_with("127.0.0.1"));
    for head in slow_heads {
        assert_eq!(head.await.unwrap(), 0, "closed without an answer");
    }
    assert_eq!({ silent }.read(&mut [0]).await.unwrap(), 0);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn idle_connections_are_closed_and_busy_ones_are_not() {
    let timeout = Duration::from_millis(200);
    let serving = Serving { header_timeout: timeout, idle_timeout: timeout, ..Serving::default() };
    let (address, _stop, _running) = started(serving).await;
    let busy = asked(connected(address).await, b"GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert!(busy.starts_with("HTTP/1.1 200") && busy.ends_with("late"), "{busy}");
    assert!(busy.contains("content-length: 4"), "{busy}");
}

#[tokio::test]
async fn connections_above_a_limit_are_told() {
    for (most, per_address, status) in [(2, 9, "503"), (9, 2, "429")] {
        let serving = Serving {
            max_connections: most,
            max_connections_per_address: per_address,
            ..Serving::default()
        };
        let (address, _stop, _running) = started(serving).await;
        let held = [connected(address).await, connected(address).await];
        let refused = asked(connected(address).await, GET).await;
        assert!(refused.starts_with(&format!("HTTP/1.1 {status} ")), "{refused}");
        assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
        assert!(refused.contains("application/problem+json"), "{refused}");
        assert!(refused.contains("\"code\":\"too_many_connections\""), "{refused}");
        drop(held);
        let deadline = Instant::now() + Duration::from_secs(5);
        while !asked(connected(address).await, GET).await.starts_with("HTTP/1.1 200") {
            assert!(Instant::now() < deadline, "no place came free");
        }
    }
}

#[tokio::test]
async fn shutdown_finishes_requests_and_cuts_streams() {
    let drain = Duration::from_millis(1500);
    let (address, stop, running) = started(Serving { drain, ..Serving::default() }).await;
    let late = b"GET /slow HTTP/1.1\r\nhost: test\r\n\r\n";
    let open = tokio::spawn(async move { asked(connected(address).await, late).await });
    let mut stream = connected(address).await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let start = Instant::now();
    stop.request();
    assert!(open.await.unwrap().ends_with("late"));
    assert!(start.elapsed() < drain);
    running.await.unwrap().unwrap();
    assert!(start.elapsed() >= drain && start.elapsed() < 3 * drain);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn shutdown_waits_for_nobody_when_nothing_is_open() {
    let (address, stop, running) = started(Serving::default()).await;
    let idle = connected(address).await;
    let start = Instant::now();
    stop.request();
    running.await.unwrap().unwrap();
    assert!(start.elapsed() < DRAIN, "an idle connection is closed at once");
    drop(idle);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let error = bind(taken.local_addr().unwrap()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<Failure>().unwrap().code, "port_taken");
}

#[tokio::test]
async fn requests_come_over_tls() {
    let folder = std::env::temp_dir().join(format!("dn-tls-{}", std::process::id()));
    crate::file::private_folder(&folder).unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let tls = Tls { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&tls.cert, made.cert.pem()).unwrap();
    std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
    let header_timeout = Duration::from_millis(300);
    let serving = Serving { tls: Some(tls), header_timeout, ..Serving::default() };
    let (address, _stop, _running) = started(serving).await;

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, connected(address).await).await.unwrap();
    assert!(asked(stream, GET).await.ends_with("127.0.0.1"));
    // A handshake that is never made is given up.
    assert_eq!(connected(address).await.read(&mut [0]).await.unwrap(), 0);

    let nowhere = Tls { cert: folder.join("none.pem"), key: folder.join("none.pem") };
    let error = tls::acceptor(&nowhere).err().unwrap();
    assert_eq!(error.downcast_ref::<Failure>().unwrap().code, "tls");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    serving: Serving,
}

#[test]
fn flags_have_the_defaults_and_tls_wants_both_files() {
    let plain = Line::try_parse_from(["test", "--header-timeout-s", "3"]).unwrap().serving;
    assert_eq!(plain.header_timeout, Duration::from_secs(3));
    assert_eq!((plain.max_connections, plain.idle_timeout), (4096, IDLE));
    assert!(plain.tls.is_none());
    let both = ["test", "--tls-cert", "a.pem", "--tls-key", "b.pem"];
    let tls = Line::try_parse_from(both).unwrap().serving.tls.unwrap();
    assert_eq!((tls.cert, tls.key), ("a.pem".into(), "b.pem".into()));
    assert!(Line::try_parse_from(&both[..3]).is_err());
    assert!(Line::try_parse_from(["test", "--header-timeout-s", "0"]).is_err());
}
