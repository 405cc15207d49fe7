//! Request parts with our errors.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use dn_core::api::{Address, Bytes32, Role};
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::MAX_BODY_BYTES;
use crate::app::{now_ms, App};
use crate::store::nodes;

/// A JSON body, whatever the content type says.
#[derive(Debug)]
pub(crate) struct ApiJson<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, app).await;
        let body = body.map_err(|e| ApiError::body(&e, MAX_BODY_BYTES))?;
        serde_json::from_slice(&body).map(Self).map_err(ApiError::MalformedJson)
    }
}

/// A parameter in the path.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(crate) struct ApiPath<T>(pub(crate) T);

/// Parameters behind the question mark.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(crate) struct ApiQuery<T>(pub(crate) T);

/// The node that holds the request's token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) address: Address,
    role: Role,
}

impl Node {
    /// Refuses nodes of another role.
    pub(crate) fn require(self, role: Role) -> Result<Address, ApiError> {
        if self.role == role {
            Ok(self.address)
        } else {
            Err(ApiError::WrongRole)
        }
    }
}

impl FromRequestParts<App> for Node {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|h| h.to_str().ok());
        let token = header.and_then(|h| h.strip_prefix("Bearer "));
        let token: Option<Bytes32> = token.and_then(|t| t.parse().ok());
        let hash = super::nodes::token_hash(token.ok_or(ApiError::Unauthorized)?);
        let node = nodes::by_token(&app.db, hash, now_ms()).await?;
        let (address, role) = node.ok_or(ApiError::Unauthorized)?;
        Ok(Self { address, role })
    }
}
