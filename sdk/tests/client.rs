//! The client against a sequencer that answers by script.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use dn_core::api::{Beat, Bytes, Bytes32, ChainView, OrderView, Role, SubmitTask};
use dn_sdk::{Client, ClientError, Heart, Held, Node};
use serde_json::{json, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request as the script sees it.
struct Asked {
    path: String,
    token: Option<String>,
    body: Value,
}

/// Status, further header lines, body.
type Answer = (u16, &'static str, Value);

/// Serves connections, one request each, and notes the paths. Returns the URL.
async fn scripted(
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let paths = Arc::new(Mutex::new(Vec::new()));
    let (answer, noted) = (Arc::new(answer), paths.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answer, noted) = (answer.clone(), noted.clone());
            tokio::spawn(async move {
                let _ = one(stream, &*answer, &noted).await;
            });
        }
    });
    (url, paths)
}

async fn one(
    mut stream: TcpStream,
    answer: &(dyn Fn(&Asked) -> Answer + Send + Sync),
    noted: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let field = |name: &str| {
        let line = head.lines().find(|l| l.to_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|l| l.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let length = field("content-length").map_or(0, |l| l.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let asked = Asked {
        path: head.split(' ').nth(1).unwrap().to_owned(),
        token: field("authorization").map(|t| t.trim_start_matches("Bearer ").to_owned()),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    noted.lock().unwrap().push(asked.path.split('?').next().unwrap().to_owned());
    let (status, lines, body) = answer(&asked);
    let body = body.to_string();
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} Told\r\n{lines}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

fn problem(status: u16, code: &str) -> Value {
    let (kind, text) = ("about:blank", "as the script says");
    json!({ "type": kind, "title": text, "status": status, "code": code, "detail": text, "hint": text })
}

fn chain() -> ChainView {
    let a = Default::default();
    ChainView { chain_id: 1, rollup: a, token: a, staking: a, registry: a, sequencer: a }
}

/// Sessions are numbered. The script refuses all but the last one, and forgets it when asked to.
struct Sessions(Mutex<u8>);

impl Sessions {
    fn token(n: u8) -> Bytes32 {
        Bytes32([n; 32])
    }

    fn forget(&self) {
        *self.0.lock().unwrap() += 1;
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let mut last = self.0.lock().unwrap();
        match asked.path.split('?').next().unwrap() {
            "/v1/chain" => (200, "", json!(chain())),
            "/v1/node/challenge" => {
                assert!(asked.path.contains("&role=worker"), "{}", asked.path);
                (200, "", json!({ "challenge": Bytes32([*last; 32]) }))
            }
            "/v1/node/register" => {
                assert_eq!(asked.body["challenge"], json!(Bytes32([*last; 32])));
                *last += 1;
                let token = Self::token(*last);
                let rollup = chain().rollup;
                let every = 100;
                (
                    200,
                    "",
                    json!({ "token": token, "chain_id": 1, "rollup": rollup, "heartbeat_ms": every }),
                )
            }
            path if asked.token.as_deref() == Some(&Self::token(*last).to_string()) => {
                (200, "", if path == "/v1/node/lease" { json!([]) } else { json!(null) })
            }
            _ => (401, "", problem(401, "unauthorized")),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_ended_is_renewed_once_for_all_clones() {
    let sessions = Arc::new(Sessions(Mutex::new(1)));
    let script = sessions.clone();
    let (url, paths) = scripted(move |asked| script.answer(asked)).await;
    let mut client = Client::new(&url).unwrap();
    client.register(Role::Worker, &PrivateKeySigner::random()).await.unwrap();
    let other = client.with_own_connections().unwrap();
    sessions.forget();
    let count = |path: &str| paths.lock().unwrap().iter().filter(|p| *p == path).count();
    let (a, b) = tokio::join!(client.lease(1, Duration::ZERO), other.lease(1, Duration::ZERO));
    assert!(a.unwrap().is_empty() && b.unwrap().is_empty());
    assert_eq!(count("/v1/node/register"), 2);
    other.heartbeat(&Beat::default()).await.unwrap();
    assert_eq!(count("/v1/node/register"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heart_renews_the_session_of_its_node() {
    let sessions = Arc::new(Sessions(Mutex::new(1)));
    let script = sessions.clone();
    let (url, paths) = scripted(move |asked| script.answer(asked)).await;
    let node = Node::register(&url, Role::Worker, &PrivateKeySigner::random()).await.unwrap();
    let _second = Heart::start(&node.client, Held::default(), Duration::from_secs(60)).unwrap();
    sessions.forget();
    let registered = || paths.lock().unwrap().iter().filter(|p| *p == "/v1/node/register").count();
    let deadline = Instant::now() + Duration::from_secs(10);
    while registered() < 2 {
        assert!(Instant::now() < deadline, "the heart does not register again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    node.client.lease(1, Duration::ZERO).await.unwrap();
    assert_eq!(registered(), 2);
}

#[tokio::test]
async fn a_refusal_that_stays_is_told() {
    let (url, paths) = scripted(|asked| match asked.path.split('?').next().unwrap() {
        "/v1/chain" => (200, "", json!(chain())),
        "/v1/node/challenge" => (200, "", json!({ "challenge": Bytes32([1; 32]) })),
        _ => (403, "", problem(403, "not_staked")),
    })
    .await;
    let error = Node::register(&url, Role::Prover, &PrivateKeySigner::random()).await.unwrap_err();
    assert!(format!("{error:?}").contains("not_staked"), "{error:?}");
    assert_eq!(paths.lock().unwrap().len(), 3);
}

fn task() -> SubmitTask {
    let (user, hash) = (Default::default(), Bytes32::default());
    let order = OrderView {
        user,
        model_id: hash,
        input_hash: hash,
        max_fee: dn_core::api::Amount(1),
        deadline: 1,
        nonce: 1,
        tag: hash,
    };
    SubmitTask {
        input: vec![1],
        salt: hash,
        order,
        signature: Bytes(vec![0; 65]),
        bundle: None,
        label: None,
    }
}

#[tokio::test]
async fn a_task_under_a_key_is_repeated_while_the_sequencer_is_busy() {
    let answers = Mutex::new(vec![
        (409, "", problem(409, "conflict")),
        (429, "retry-after: 1\r\n", problem(429, "too_many_requests")),
        (503, "", json!("not a problem")),
    ]);
    let (url, paths) = scripted(move |_| answers.lock().unwrap().pop().unwrap()).await;
    let client = Client::new(&url).unwrap();
    let start = Instant::now();
    let error = client.submit(&task(), Some("key")).await.unwrap_err();
    assert_eq!(error.code(), Some("conflict"));
    assert_eq!(paths.lock().unwrap().len(), 3);
    assert!(start.elapsed() >= Duration::from_millis(1250), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_task_without_a_key_is_sent_once() {
    let (url, paths) = scripted(|_| (503, "", problem(503, "busy"))).await;
    let error = Client::new(&url).unwrap().submit(&task(), None).await.unwrap_err();
    assert!(error.is_temporary());
    assert_eq!(paths.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_user_s_client_shows_who_asks() {
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let seen = tokens.clone();
    let (url, _) = scripted(move |asked| {
        seen.lock().unwrap().push(asked.token.clone());
        (404, "", problem(404, "task_not_found"))
    })
    .await;
    let signer = PrivateKeySigner::random();
    let anybody = Client::new(&url).unwrap();
    let user = anybody.for_user(signer.clone(), &chain());
    for client in [&anybody, &user] {
        let error = client.task(Bytes32(B256::ZERO.0), Duration::ZERO).await.unwrap_err();
        assert!(matches!(error, ClientError::Refused(_)));
    }
    let tokens = tokens.lock().unwrap();
    assert_eq!(tokens[0], None);
    let address = format!("{:#x}.", signer.address());
    assert!(tokens[1].as_ref().unwrap().starts_with(&address), "{:?}", tokens[1]);
}
