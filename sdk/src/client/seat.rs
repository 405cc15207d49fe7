//! A node's place at the sequencer: who it is, and the session that it has at the moment.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use alloy::signers::local::PrivateKeySigner;
use dn_core::api::{Bytes, Bytes32, ChainView, Challenge, Register, Role, Session};
use reqwest::{RequestBuilder, Response};

use super::error::Failed;
use super::{Client, ClientError};
use crate::{domain, sign, wire};

/// Shared by the clones of a node's client, so that a session which one of them renews is the
/// session of all.
pub(super) struct Seat {
    role: Role,
    signer: PrivateKeySigner,
    token: Arc<RwLock<Option<Bytes32>>>,
    renewal: tokio::sync::Mutex<()>,
}

impl Seat {
    pub(super) fn new(role: Role, signer: PrivateKeySigner) -> Self {
        Self { role, signer, token: Arc::default(), renewal: tokio::sync::Mutex::default() }
    }

    fn token(&self) -> Option<Bytes32> {
        *self.token.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers with the sequencer; the session replaces the one before.
    pub(super) async fn register(&self, client: &Client) -> Result<Session, ClientError> {
        let ChainView { chain_id, rollup, .. } = client.chain().await?;
        let (node, role) = (wire::api_address(self.signer.address()), self.role);
        let name = match role {
            Role::Worker => "worker",
            Role::Prover => "prover",
        };
        let asked = format!("/v1/node/challenge?node={node}&role={name}");
        let Challenge { challenge } = client.get(&asked).await?;
        let message = wire::register(node, role, challenge);
        let signature = sign(&message, &domain(chain_id, wire::address(rollup)), &self.signer)?;
        let body = Register { node, role, challenge, signature: Bytes(signature) };
        let request = client.http.post(client.url("/v1/node/register")).json(&body);
        let session: Session = client.send(request).await?.json().await?;
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = Some(session.token);
        Ok(session)
    }

    /// Sends a request of the node. When its session has ended, it registers again and repeats the
    /// request once.
    pub(super) async fn send(
        &self,
        client: &Client,
        request: RequestBuilder,
    ) -> Result<Response, Failed> {
        let again = request.try_clone();
        let before = self.token();
        let failed = match client.send(bearing(request, before)).await {
            Err(failed) if failed.error.code() == Some("unauthorized") => failed,
            answered => return answered,
        };
        let Some(again) = again else { return Err(failed) };
        self.renew(client, before).await?;
        client.send(bearing(again, self.token())).await
    }

    /// Registers again, unless another request has done so since `before` was the session.
    async fn renew(&self, client: &Client, before: Option<Bytes32>) -> Result<(), ClientError> {
        let _turn = self.renewal.lock().await;
        if self.token() == before {
            self.register(client).await?;
        }
        Ok(())
    }
}

fn bearing(request: RequestBuilder, token: Option<Bytes32>) -> RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.signer.address();
        f.debug_struct("Seat")
            .field("role", &self.role)
            .field("node", &node)
            .finish_non_exhaustive()
    }
}
