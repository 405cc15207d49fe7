//! The port: clients that hold on, and clients that ask too much, take nothing from others.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use dn_core::api::Problem;
use dn_e2e::Stage;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Connections of one address.
const SLOW: usize = 400;
/// Time for the head of a request.
const HEAD: Duration = Duration::from_secs(2);
/// Another address of this machine.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

#[tokio::test(flavor = "multi_thread")]
async fn row_09_the_port_is_guarded() {
    let change = |options: &mut dn_devnet::Options| {
        (options.running_workers, options.provers) = (0, 0);
        let head = HEAD.as_secs().to_string();
        let args = ["--header-timeout-s", &head, "--max-connections-per-address", "400"];
        let rate = ["--rate-per-address", "50"];
        options.sequencer_args = args.iter().chain(&rate).map(|s| (*s).to_owned()).collect();
    };
    let stage = Stage::start(super::root(), "network-port", change).await.unwrap();
    slow_connections_are_closed(&stage).await;
    an_address_that_asks_too_much_waits(&stage).await;
}

async fn connect(stage: &Stage) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((OTHER, 0).into()).unwrap();
    let address: SocketAddr = stage.devnet.url.trim_start_matches("http://").parse().unwrap();
    socket.connect(address).await.unwrap()
}

/// What the server says before it closes the connection.
async fn last_words(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    // A reset is a close like any other.
    let _ = stream.read_to_end(&mut said).await;
    String::from_utf8(said).unwrap()
}

async fn is_served(stage: &Stage) {
    let asked = Instant::now();
    let answer = reqwest::get(format!("{}/healthz", stage.devnet.url)).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert!(asked.elapsed() < Duration::from_secs(1), "others wait {:?}", asked.elapsed());
}

async fn slow_connections_are_closed(stage: &Stage) {
    let opened = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let mut stream = connect(stage).await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
        slow.push(stream);
    }
    let refused = last_words(connect(stage).await).await;
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    assert!(refused.contains("retry-after: "), "{refused}");
    for _ in 0..10 {
        is_served(stage).await;
    }
    join_all(slow.into_iter().map(last_words)).await;
    let took = opened.elapsed();
    assert!(took < HEAD + Duration::from_secs(4), "closed after {took:?}");
    let mut stream = connect(stage).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    assert!(last_words(stream).await.starts_with("HTTP/1.1 200"), "there is room again");
}

async fn an_address_that_asks_too_much_waits(stage: &Stage) {
    let http = reqwest::Client::builder().local_address(std::net::IpAddr::V4(OTHER)).build();
    let http = http.unwrap();
    let ask = || http.get(format!("{}/v1/chain", stage.devnet.url)).send();
    let asked = Instant::now();
    let answers = join_all((0..200).map(|_| ask())).await;
    let took = asked.elapsed();
    let mut refused = 0;
    for answer in answers {
        let answer = answer.unwrap();
        if answer.status().as_u16() == 200 {
            continue;
        }
        assert_eq!(answer.status().as_u16(), 429);
        assert_eq!(answer.headers()["retry-after"], "1");
        assert_eq!(answer.json::<Problem>().await.unwrap().code, "too_many_requests");
        refused += 1;
    }
    let served = 200 - refused;
    let most = 51.0 + 50.0 * took.as_secs_f64();
    assert!(served >= 25, "only {served} of 200 are served at 50 a second");
    assert!(f64::from(served) <= most, "{served} of 200 are served within {took:?} at 50 a second");
    is_served(stage).await;
}
