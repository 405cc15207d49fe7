//! What nodes ask. A request whose session has ended registers the node again by itself.

use std::sync::Arc;
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use dn_core::api::{
    BatchView, Beat, InvoiceJob, Invoices, LeaseRequest, LeasedTask, ProofJob, ProofResult, Role,
    Session, SignedInvoice, TaskResult, TaskView,
};
use reqwest::Response;
use serde::de::DeserializeOwned;
use serde::Serialize;

use super::error::Failed;
use super::retry::until_answered;
use super::seat::Seat;
use super::{Caller, Client, ClientError, MARGIN};

/// Longest wait for the answer to a node's request.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Client {
    /// Registers a node; later requests of this client and of its clones are that node's, for as
    /// long as they are made.
    ///
    /// # Errors
    /// As every request.
    pub async fn register(
        &mut self,
        role: Role,
        signer: &PrivateKeySigner,
    ) -> Result<Session, ClientError> {
        let seat = Seat::new(role, signer.clone());
        let session = seat.register(self).await?;
        self.caller = Caller::Node(Arc::new(seat));
        Ok(session)
    }

    async fn post_within(
        &self,
        path: &str,
        body: &impl Serialize,
        timeout: Duration,
    ) -> Result<Response, Failed> {
        let request = self.http.post(self.url(path)).timeout(timeout).json(body);
        match &self.caller {
            Caller::Node(seat) => seat.send(self, request).await,
            Caller::Nobody | Caller::User(_) => self.send(request).await,
        }
    }

    /// Delivers what does no harm twice.
    async fn deliver<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let send = || async { Ok(self.post_within(path, body, TIMEOUT).await?.json().await?) };
        until_answered(send).await
    }

    /// Leases up to `limit` tasks of one model.
    ///
    /// # Errors
    /// As every request.
    pub async fn lease(&self, limit: u32, wait: Duration) -> Result<Vec<LeasedTask>, ClientError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let asked = LeaseRequest { limit, wait_ms };
        Ok(self.post_within("/v1/node/lease", &asked, wait + MARGIN).await?.json().await?)
    }

    /// Extends the leases that are named.
    ///
    /// # Errors
    /// As every request.
    pub async fn heartbeat(&self, beat: &Beat) -> Result<(), ClientError> {
        self.post_within("/v1/node/heartbeat", beat, TIMEOUT).await?;
        Ok(())
    }

    /// Delivers an answer.
    ///
    /// # Errors
    /// As every request; `lease_lost` when the lease is no longer this node's.
    pub async fn result(&self, result: &TaskResult) -> Result<TaskView, ClientError> {
        self.deliver("/v1/node/result", result).await
    }

    /// Brings signed invoices, and asks for more to sign.
    ///
    /// # Errors
    /// As every request.
    pub async fn invoices(
        &self,
        signed: Vec<SignedInvoice>,
        wait: Duration,
    ) -> Result<Vec<InvoiceJob>, ClientError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let asked = Invoices { signed, wait_ms };
        Ok(self.post_within("/v1/node/invoices", &asked, wait + MARGIN).await?.json().await?)
    }

    /// Leases a batch to prove, if there is one.
    ///
    /// # Errors
    /// As every request.
    pub async fn proof_job(&self) -> Result<Option<ProofJob>, ClientError> {
        Ok(self.post_within("/v1/node/proof-job", &(), TIMEOUT).await?.json().await?)
    }

    /// Delivers a proof.
    ///
    /// # Errors
    /// As every request; `proof_rejected` when it does not verify.
    pub async fn proof_result(&self, result: &ProofResult) -> Result<BatchView, ClientError> {
        self.deliver("/v1/node/proof-result", result).await
    }
}
