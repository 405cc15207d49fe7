//! Sessions of nodes: a challenge that is good once, signed by the node's key, opens one.

use alloy::primitives::keccak256;
use axum::extract::State;
use axum::Json;
use dn_core::api::{Address, Bytes32, Challenge, Problem, Register, Role, Session};
use rand::Rng as _;
use serde::Deserialize;

use super::error::ApiError;
use super::extract::{ApiJson, ApiQuery};
use crate::app::App;
use crate::clock::millis;
use crate::store::{nodes, settings};

/// Heartbeats in the time after which a silent node's leases end.
const BEATS_PER_LEASE: u64 = 4;

/// Hash under which a session token is stored.
pub(crate) fn token_hash(token: Bytes32) -> [u8; 32] {
    keccak256(token.0).0
}

/// Who wants to register.
#[derive(Debug, Deserialize)]
pub(crate) struct Who {
    node: Address,
    role: Role,
}

/// What a node signs to register. It changes with each registration, so a signature is good once.
#[utoipa::path(get, path = "/v1/node/challenge",
    params(("node" = String, Query), ("role" = Role, Query)),
    responses((status = 200, body = Challenge),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn challenge(
    State(app): State<App>,
    ApiQuery(Who { node, role }): ApiQuery<Who>,
) -> Result<Json<Challenge>, ApiError> {
    let number = nodes::session(&app.store, node, role).await?;
    Ok(Json(Challenge { challenge: make(&app, node, role, number).await? }))
}

async fn make(app: &App, node: Address, role: Role, number: u64) -> Result<Bytes32, ApiError> {
    let secret = settings::challenge_secret(&app.store).await?;
    let role = [u8::from(role == Role::Prover)];
    let parts = [&secret[..], &node.0, &role, &number.to_be_bytes()].concat();
    Ok(Bytes32(keccak256(parts).0))
}

/// Opens a session for a node that holds its key and has an active stake.
#[utoipa::path(post, path = "/v1/node/register", request_body = Register,
    responses((status = 200, body = Session),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn register(
    State(app): State<App>,
    ApiJson(request): ApiJson<Register>,
) -> Result<Json<Session>, ApiError> {
    let Register { node, role, challenge, signature } = request;
    let (domain, now_ms) = (app.chain.domain(), app.now_ms());
    let message = dn_sdk::wire::register(node, role, challenge);
    if dn_sdk::recover(&message, &domain.eip712(), &signature.0) != Some(message.node) {
        return Err(ApiError::BadSignature);
    }
    let number = nodes::session(&app.store, node, role).await?;
    if make(&app, node, role, number).await? != challenge {
        return Err(ApiError::StaleChallenge);
    }
    if !app.world.is_staked(&*app.chain, role, node, now_ms).await? {
        return Err(ApiError::NotStaked(node));
    }
    let token = Bytes32(rand::thread_rng().gen());
    let (token_hash, ends_ms) = (token_hash(token), now_ms + millis(app.limits.session));
    let session = nodes::Session { node, role, token_hash, ends_ms };
    let opened = app.write(move |tx| Box::pin(nodes::register(tx, session, number, now_ms)));
    if !opened.await? {
        return Err(ApiError::StaleChallenge);
    }
    tracing::info!(%node, ?role, "node registered");
    Ok(Json(Session {
        token,
        chain_id: domain.chain_id,
        rollup: domain.rollup,
        heartbeat_ms: (app.limits.lease.silence_ms / BEATS_PER_LEASE).max(1),
    }))
}
