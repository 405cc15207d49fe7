//! Typed client of the sequencer's HTTP interface.

mod access;
mod error;
mod member;
mod public;
mod retry;
mod seat;

use std::sync::Arc;
use std::time::Duration;

use dn_core::api::Problem;
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;

use access::Pass;
pub use error::ClientError;
use error::Failed;
use seat::Seat;

/// Longest wait for an answer, where a request says nothing else.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What an answer may take beyond the time for which the sequencer was asked to wait.
const MARGIN: Duration = Duration::from_secs(10);

/// A connection to a sequencer. Clones share connections and session.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    caller: Caller,
}

/// On whose behalf requests are made.
#[derive(Clone, Debug)]
enum Caller {
    Nobody,
    User(Arc<Pass>),
    Node(Arc<Seat>),
}

/// A pool of connections.
fn connections() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).build()
}

impl Client {
    /// A client of the sequencer at `url`.
    ///
    /// # Errors
    /// When the TLS backend is not available.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let base = url.trim_end_matches('/').to_owned();
        Ok(Self { http: connections()?, base, caller: Caller::Nobody })
    }

    /// The same client, with the same session, over connections that no other client uses: for
    /// another runtime, because a connection is driven by the runtime that opened it.
    ///
    /// # Errors
    /// When the TLS backend is not available.
    pub fn with_own_connections(&self) -> Result<Self, ClientError> {
        Ok(Self { http: connections()?, ..self.clone() })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends a request once; as nobody when nothing is said about the caller.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Failed> {
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let after = retry::retry_after(response.headers());
        let error = match response.json::<Problem>().await {
            Ok(problem) => ClientError::Refused(Box::new(problem)),
            Err(_) => ClientError::Status(status),
        };
        Err(Failed { error, after })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        Ok(self.send(self.http.get(self.url(path))).await?.json().await?)
    }
}
