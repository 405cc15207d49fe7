//! Typed client of the sequencer's HTTP interface.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::primitives::keccak256;
use alloy::signers::local::PrivateKeySigner;
use dn_core::api::{
    BatchView, Beat, Bytes, Bytes32, ChainView, LeaseRequest, LeasedTask, ModelView, NodeView,
    Problem, ProofJob, ProofResult, ProofView, Register, Role, Session, SubmitTask, TaskResult,
    TaskView,
};
use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde::Serialize;
use thiserror::Error;

use crate::{domain, sign, wire};

/// Longest wait for an answer; above the longest long poll.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Attempts to deliver a result, with pauses that double: half a minute in all.
const DELIVERIES: u32 = 8;
/// The first of these pauses.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Why a request has no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The sequencer cannot be reached or does not answer in its format.
    #[error("reach the sequencer")]
    Transport(#[from] reqwest::Error),
    /// The sequencer refuses the request.
    #[error("{}: {} ({})", .0.code, .0.detail, .0.hint)]
    Refused(Box<Problem>),
    /// The sequencer answered with an error of another format.
    #[error("the sequencer answered {0}")]
    Status(StatusCode),
    /// What was served is not what was asked for.
    #[error("the package does not hash to the model's id")]
    WrongPackage,
    /// The key cannot sign.
    #[error("sign the request")]
    Sign(#[from] alloy::signers::Error),
}

impl ClientError {
    /// The stable code of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(&problem.code),
            _ => None,
        }
    }
}

/// A pool of connections.
fn connections() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).build()
}

/// A connection to a sequencer.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<Bytes32>,
}

impl Client {
    /// A client of the sequencer at `url`.
    ///
    /// # Errors
    /// When the TLS backend is not available.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        Ok(Self { http: connections()?, base: url.trim_end_matches('/').to_owned(), token: None })
    }

    /// The same client over connections that no other client uses: for another runtime, because a
    /// connection is driven by the runtime that opened it.
    ///
    /// # Errors
    /// When the TLS backend is not available.
    pub fn with_own_connections(&self) -> Result<Self, ClientError> {
        Ok(Self { http: connections()?, ..self.clone() })
    }

    async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, ClientError> {
        let request = match self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        match response.json::<Problem>().await {
            Ok(problem) => Err(ClientError::Refused(Box::new(problem))),
            Err(_) => Err(ClientError::Status(status)),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let request = self.http.get(format!("{}{path}", self.base));
        Ok(self.send(request).await?.json().await?)
    }

    async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        Ok(self.send(request).await?.json().await?)
    }

    /// Repeats a request that does no harm twice while the sequencer cannot be reached.
    async fn post_until_answered<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..DELIVERIES {
            match self.post(path, body).await {
                Err(ClientError::Transport(_)) => tokio::time::sleep(pause).await,
                answered => return answered,
            }
            pause *= 2;
        }
        self.post(path, body).await
    }

    /// The rollup that the sequencer serves.
    ///
    /// # Errors
    /// As every request.
    pub async fn chain(&self) -> Result<ChainView, ClientError> {
        self.get("/v1/chain").await
    }

    /// Submits a task. With the same `key` and task it can be repeated without harm.
    ///
    /// # Errors
    /// As every request.
    pub async fn submit(
        &self,
        task: &SubmitTask,
        key: Option<&str>,
    ) -> Result<TaskView, ClientError> {
        let mut request = self.http.post(format!("{}/v1/tasks", self.base)).json(task);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        Ok(self.send(request).await?.json().await?)
    }

    /// A task; waits up to `wait` for its answer.
    ///
    /// # Errors
    /// As every request.
    pub async fn task(&self, id: Bytes32, wait: Duration) -> Result<TaskView, ClientError> {
        self.get(&format!("/v1/tasks/{id}?wait_ms={}", wait.as_millis())).await
    }

    /// The models that the sequencer serves.
    ///
    /// # Errors
    /// As every request.
    pub async fn models(&self) -> Result<Vec<ModelView>, ClientError> {
        self.get("/v1/models").await
    }

    /// A model's package, checked against its id.
    ///
    /// # Errors
    /// As every request, and [`ClientError::WrongPackage`].
    pub async fn package(&self, model_id: Bytes32) -> Result<Vec<u8>, ClientError> {
        let request = self.http.get(format!("{}/v1/models/{model_id}/package", self.base));
        let bytes = self.send(request).await?.bytes().await?;
        if keccak256(&bytes).0 != model_id.0 {
            return Err(ClientError::WrongPackage);
        }
        Ok(bytes.to_vec())
    }

    /// A model's verifying key as the sequencer has it. The caller compares it with the chain.
    ///
    /// # Errors
    /// As every request.
    pub async fn protocol(&self, model_id: Bytes32) -> Result<Vec<u8>, ClientError> {
        let request = self.http.get(format!("{}/v1/models/{model_id}/protocol", self.base));
        Ok(self.send(request).await?.bytes().await?.to_vec())
    }

    /// The nodes that the sequencer knows.
    ///
    /// # Errors
    /// As every request.
    pub async fn nodes(&self) -> Result<Vec<NodeView>, ClientError> {
        self.get("/v1/nodes").await
    }

    /// Batches from `from` on, without their slots, oldest first.
    ///
    /// # Errors
    /// As every request.
    pub async fn batches(&self, from: u64) -> Result<Vec<BatchView>, ClientError> {
        self.get(&format!("/v1/batches?from={from}")).await
    }

    /// A batch with its slots.
    ///
    /// # Errors
    /// As every request.
    pub async fn batch(&self, id: u64) -> Result<BatchView, ClientError> {
        self.get(&format!("/v1/batches/{id}")).await
    }

    /// The proof of a batch.
    ///
    /// # Errors
    /// As every request; `proof_not_found` while there is none.
    pub async fn proof(&self, id: u64) -> Result<ProofView, ClientError> {
        self.get(&format!("/v1/batches/{id}/proof")).await
    }

    /// Registers a node; later requests of this client are authenticated as that node.
    ///
    /// # Errors
    /// As every request.
    pub async fn register(
        &mut self,
        role: Role,
        signer: &PrivateKeySigner,
    ) -> Result<Session, ClientError> {
        let ChainView { chain_id, rollup, .. } = self.chain().await?;
        let node = wire::api_address(signer.address());
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        let message = wire::register(node, role, timestamp_ms);
        let signature = sign(&message, &domain(chain_id, wire::address(rollup)), signer)?;
        let body = Register { node, role, timestamp_ms, signature: Bytes(signature) };
        let session: Session = self.post("/v1/node/register", &body).await?;
        self.token = Some(session.token);
        Ok(session)
    }

    /// Leases up to `limit` tasks of one model.
    ///
    /// # Errors
    /// As every request.
    pub async fn lease(&self, limit: u32, wait: Duration) -> Result<Vec<LeasedTask>, ClientError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.post("/v1/node/lease", &LeaseRequest { limit, wait_ms }).await
    }

    /// Extends the leases that are named.
    ///
    /// # Errors
    /// As every request.
    pub async fn heartbeat(&self, beat: &Beat) -> Result<(), ClientError> {
        let request = self.http.post(format!("{}/v1/node/heartbeat", self.base)).json(beat);
        self.send(request).await.map(drop)
    }

    /// Delivers an answer.
    ///
    /// # Errors
    /// As every request; `lease_lost` when the lease is no longer this node's.
    pub async fn result(&self, result: &TaskResult) -> Result<TaskView, ClientError> {
        self.post_until_answered("/v1/node/result", result).await
    }

    /// Leases a batch to prove, if there is one.
    ///
    /// # Errors
    /// As every request.
    pub async fn proof_job(&self) -> Result<Option<ProofJob>, ClientError> {
        self.post("/v1/node/proof-job", &()).await
    }

    /// Delivers a proof.
    ///
    /// # Errors
    /// As every request; `proof_rejected` when it does not verify.
    pub async fn proof_result(&self, result: &ProofResult) -> Result<BatchView, ClientError> {
        self.post_until_answered("/v1/node/proof-result", result).await
    }
}
