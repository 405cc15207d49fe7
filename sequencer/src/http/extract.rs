//! Request parts with our errors.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use dn_core::api::{Address, Bytes32, Role};
use dn_sdk::wire;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ApiError;
use super::MAX_BODY_BYTES;
use crate::app::App;
use crate::store::nodes;

/// Longest time for a body.
const BODY_LIMIT: Duration = Duration::from_secs(15);
/// Longest life of an access token, ahead of the chain's time.
const MAX_ACCESS_S: u64 = 24 * 3_600;

/// A JSON body, whatever the content type says.
#[derive(Debug)]
pub(crate) struct ApiJson<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let body = tokio::time::timeout(BODY_LIMIT, Bytes::from_request(request, app)).await;
        let body = body.map_err(|_| ApiError::BodyTimeout { limit_s: BODY_LIMIT.as_secs() })?;
        // The only other way to fail is a broken connection, on which nobody reads the answer.
        let body = body.map_err(|_| ApiError::BodyTooLarge { limit: MAX_BODY_BYTES })?;
        parse(&body).map(Self).map_err(ApiError::MalformedJson)
    }
}

/// Reads JSON. To JSON Schema, and so to clients made from our document, `1.0` is an integer.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(body).or_else(|error| {
        let mut value: Value = serde_json::from_slice(body)?;
        make_integers(&mut value);
        // The first error has the place in the text.
        serde_json::from_value(value).map_err(|_| error)
    })
}

/// Numbers without a fraction that a float holds exactly become integers.
fn make_integers(value: &mut Value) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Array(items) => items.iter_mut().for_each(make_integers),
        Value::Object(fields) => fields.values_mut().for_each(make_integers),
        Value::Number(number) => {
            let float = number.as_f64().filter(|x| number.is_f64() && x.abs() < EXACT);
            if let Some(integer) = float.filter(|x| x.fract() == 0.0) {
                *value = Value::from(integer as i64);
            }
        }
        _ => {}
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

fn bearer(parts: &Parts) -> Option<&str> {
    parts.headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// The node that holds the request's token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) address: Address,
    pub(crate) role: Role,
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
        let token: Option<Bytes32> = bearer(parts).and_then(|t| t.parse().ok());
        let hash = super::sessions::token_hash(token.ok_or(ApiError::Unauthorized)?);
        let node = nodes::by_token(&app.store, hash, app.now_ms()).await?;
        let (address, role) = node.ok_or(ApiError::Unauthorized)?;
        Ok(Self { address, role })
    }
}

/// The user who bears an access token, if the request has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader(pub(crate) Option<Address>);

impl FromRequestParts<App> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Some(token) = bearer(parts) else { return Ok(Self(None)) };
        access(app, token).map(|user| Self(Some(user))).ok_or(ApiError::BadAccess)
    }
}

/// Whose access token it is: `user.expiresAt.signature`.
fn access(app: &App, token: &str) -> Option<Address> {
    let mut parts = token.split('.');
    let (user, expires, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let user: Address = user.parse().ok()?;
    let expires_at: u64 = expires.parse().ok()?;
    let signature: dn_core::api::Bytes = signature.parse().ok()?;
    let now_s = app.now_ms() / 1_000;
    if parts.next().is_some() || expires_at < now_s || expires_at > now_s + MAX_ACCESS_S {
        return None;
    }
    let access = dn_sdk::Access { user: wire::address(user), expiresAt: expires_at };
    let signer = dn_sdk::recover(&access, &app.chain.domain().eip712(), &signature.0);
    (signer == Some(wire::address(user))).then_some(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_a_fraction_are_integers() {
        assert_eq!(parse::<Vec<u64>>(b"[1.0, 2, 3e2]").unwrap(), [1, 2, 300]);
        assert!(parse::<Vec<u64>>(b"[1.5]").is_err());
        assert!(parse::<Vec<u64>>(b"[-1.0]").is_err());
        assert!(parse::<Vec<u64>>(b"[1e300]").is_err());
        assert!(parse::<Vec<u64>>(b"[").is_err());
    }
}
