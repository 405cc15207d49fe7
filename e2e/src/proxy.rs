//! A JSON-RPC endpoint that stands between the services and the chain and makes faults on request.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use dn_devnet::Options;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{json, Value};

/// What becomes of a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is answered with an error of the node, which says nothing about the call.
    Error(&'static str),
    /// The connection is closed; the chain hears nothing.
    Drop,
    /// The chain hears it, and the connection is closed: the outcome is unknown.
    Lose,
    /// The chain hears it so much later.
    Delay(Duration),
    /// It is answered with this result; the chain hears nothing.
    Answer(Value),
    /// It is answered as a node would that is so many blocks behind.
    Lag(u64),
}

/// A fault with the calls that it befalls.
#[derive(Debug)]
struct Rule {
    method: Option<&'static str>,
    fault: Fault,
    left: Option<u32>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    http: reqwest::Client,
    rules: Mutex<Vec<Rule>>,
    hits: Mutex<HashMap<String, u64>>,
}

/// The endpoint. Clones are the same one; it lives as long as its runtime.
#[derive(Clone, Debug)]
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Stands before the chain of a network that is about to start.
    ///
    /// # Errors
    /// When no port is free or the state folder cannot be written.
    pub fn before(options: &mut Options) -> Result<Self> {
        let chain = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
        let port = chain.local_addr()?.port();
        drop(chain);
        std::fs::write(options.state.join("chain.port"), port.to_string())
            .context("choose the chain's port")?;
        let proxy = Self::start(&format!("http://127.0.0.1:{port}"))?;
        options.rpc_url_for_services = Some(proxy.url.clone());
        Ok(proxy)
    }

    fn start(upstream: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
        let url = format!("http://{}", listener.local_addr()?);
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (upstream, http) = (upstream.to_owned(), reqwest::Client::new());
        let (rules, hits) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { upstream, http, rules, hits });
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(&shared, request));
                    // A connection that ends by a fault has ended as it should.
                    let _ =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { url, shared })
    }

    /// Makes a fault of every call of these methods, of all where none is named, until it is lifted.
    pub fn fault(&self, methods: &[&'static str], fault: &Fault) {
        let rule = |method| Rule { method, fault: fault.clone(), left: None };
        let mut rules = lock(&self.shared.rules);
        if methods.is_empty() {
            rules.push(rule(None));
        }
        rules.extend(methods.iter().map(|m| rule(Some(*m))));
    }

    /// Makes a fault of the next `times` calls of a method.
    pub fn fault_times(&self, method: &'static str, fault: Fault, times: u32) {
        let rule = Rule { method: Some(method), fault, left: Some(times) };
        lock(&self.shared.rules).push(rule);
    }

    /// Ends every fault.
    pub fn lift(&self) {
        lock(&self.shared.rules).clear();
    }

    /// How many calls of a method have met a fault.
    #[must_use]
    pub fn hits(&self, method: &str) -> u64 {
        lock(&self.shared.hits).get(method).copied().unwrap_or(0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The fault of the next call of a method.
    fn next(&self, method: &str) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let at = rules.iter().position(|r| r.method.is_none_or(|m| m == method))?;
        let rule = &mut rules[at];
        let fault = rule.fault.clone();
        if let Some(left) = &mut rule.left {
            *left -= 1;
            if *left == 0 {
                rules.remove(at);
            }
        }
        drop(rules);
        *lock(&self.hits).entry(method.to_owned()).or_default() += 1;
        Some(fault)
    }

    async fn forward(&self, body: Vec<u8>) -> io::Result<Bytes> {
        let request = self.http.post(&self.upstream).header("content-type", "application/json");
        let answer = request.body(body).send().await.map_err(io::Error::other)?;
        answer.bytes().await.map_err(io::Error::other)
    }

    async fn ask(&self, call: &Value) -> io::Result<Bytes> {
        self.forward(call.to_string().into_bytes()).await
    }

    /// Asks as of the block that a node which is `blocks` behind takes for the last one.
    async fn lag(&self, mut call: Value, blocks: u64) -> io::Result<Bytes> {
        let question = json!({"jsonrpc": "2.0", "id": 0, "method": "eth_blockNumber"});
        let head: Value = serde_json::from_slice(&self.ask(&question).await?)?;
        let head = head["result"].as_str().and_then(|hex| hex.strip_prefix("0x"));
        let head = head.and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
        let seen = json!(format!("0x{:x}", head.saturating_sub(blocks)));
        if call["method"] == "eth_blockNumber" {
            return Ok(reply(&call, "result", seen));
        }
        for param in call["params"].as_array_mut().into_iter().flatten() {
            if *param == "latest" || *param == "pending" {
                *param = seen.clone();
            }
        }
        self.ask(&call).await
    }
}

fn reply(call: &Value, kind: &str, value: Value) -> Bytes {
    let mut answer = json!({"jsonrpc": "2.0", "id": call["id"]});
    answer[kind] = value;
    answer.to_string().into()
}

fn closed() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionAborted)
}

/// Answers a call; an error closes the connection.
async fn answer(shared: &Shared, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let call: Value = serde_json::from_slice(&body)?;
    let fault = call["method"].as_str().and_then(|method| shared.next(method));
    let answer = match fault {
        None => shared.forward(body.to_vec()).await?,
        Some(Fault::Error(message)) => {
            reply(&call, "error", json!({"code": -32603, "message": message}))
        }
        Some(Fault::Drop) => return Err(closed()),
        Some(Fault::Lose) => {
            shared.forward(body.to_vec()).await?;
            return Err(closed());
        }
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            shared.forward(body.to_vec()).await?
        }
        Some(Fault::Answer(result)) => reply(&call, "result", result),
        Some(Fault::Lag(blocks)) => shared.lag(call, blocks).await?,
    };
    let mut response = Response::new(Full::new(answer));
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    Ok(response)
}
