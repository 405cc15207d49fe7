//! What users and onlookers ask.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use alloy::primitives::keccak256;
use alloy::signers::local::PrivateKeySigner;
use dn_core::api::{
    BatchView, Bytes32, ChainView, ModelView, NodeView, ProofView, SubmitTask, TaskView,
};

use reqwest::header::DATE;

use super::access::Pass;
use super::retry::until_answered;
use super::{Caller, Client, ClientError, MARGIN};
use crate::{domain, wire};

/// Longest time for a model's package.
const PACKAGE_TIMEOUT: Duration = Duration::from_secs(300);

impl Client {
    /// The same client for a user, whose signature shows the sequencer that the tasks are theirs.
    /// Answers are given to the user alone.
    #[must_use]
    pub fn for_user(&self, signer: PrivateKeySigner, chain: &ChainView) -> Self {
        let domain = domain(chain.chain_id, wire::address(chain.rollup));
        Self { caller: Caller::User(Arc::new(Pass::new(signer, domain))), ..self.clone() }
    }

    /// The rollup that the sequencer serves.
    ///
    /// # Errors
    /// As every request.
    pub async fn chain(&self) -> Result<ChainView, ClientError> {
        self.get("/v1/chain").await
    }

    /// The sequencer's clock, in whole seconds, where its answers tell the time.
    ///
    /// # Errors
    /// As every request.
    pub async fn clock(&self) -> Result<Option<SystemTime>, ClientError> {
        let response = self.send(self.http.get(self.url("/v1/chain"))).await?;
        let text = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        Ok(text.and_then(|text| httpdate::parse_http_date(text).ok()))
    }

    /// Submits a task. With a `key` it is repeated while the sequencer cannot be reached or is
    /// busy: under the same key the same task is taken once.
    ///
    /// # Errors
    /// As every request.
    pub async fn submit(
        &self,
        task: &SubmitTask,
        key: Option<&str>,
    ) -> Result<TaskView, ClientError> {
        let request = || self.http.post(self.url("/v1/tasks")).json(task);
        let Some(key) = key else { return Ok(self.send(request()).await?.json().await?) };
        until_answered(|| async {
            let request = request().header("idempotency-key", key);
            Ok(self.send(request).await?.json().await?)
        })
        .await
    }

    /// A task; waits up to `wait` for its answer, which only its user's client is told.
    ///
    /// # Errors
    /// As every request.
    pub async fn task(&self, id: Bytes32, wait: Duration) -> Result<TaskView, ClientError> {
        let path = format!("/v1/tasks/{id}?wait_ms={}", wait.as_millis());
        let mut request = self.http.get(self.url(&path)).timeout(wait + MARGIN);
        if let Caller::User(pass) = &self.caller {
            request = request.bearer_auth(pass.token()?);
        }
        Ok(self.send(request).await?.json().await?)
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
        let request = self.http.get(self.url(&format!("/v1/models/{model_id}/package")));
        let bytes = self.send(request.timeout(PACKAGE_TIMEOUT)).await?.bytes().await?;
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
        let request = self.http.get(self.url(&format!("/v1/models/{model_id}/protocol")));
        Ok(self.send(request).await?.bytes().await?.to_vec())
    }

    /// The nodes that the sequencer knows.
    ///
    /// # Errors
    /// As every request.
    pub async fn nodes(&self) -> Result<Vec<NodeView>, ClientError> {
        self.get("/v1/nodes").await
    }

    /// A page of batches whose `id` is at least `from`, without their slots, lowest first. The last
    /// page is empty.
    ///
    /// # Errors
    /// As every request.
    pub async fn batches(&self, from: u64) -> Result<Vec<BatchView>, ClientError> {
        self.get(&format!("/v1/batches?from={from}")).await
    }

    /// The batch that the sequencer calls `id`, with its slots.
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
}
