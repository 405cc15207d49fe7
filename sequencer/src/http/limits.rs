//! How much one address and one user may ask for.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use clap::Args;
use dn_core::api::Address;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::error::ApiError;

/// Requests between two rounds that forget who has not asked for a while.
const SWEEP: u64 = 100_000;

/// How much one address and one user may ask for.
#[derive(Args, Clone, Copy, Debug)]
pub struct RateArgs {
    /// Requests per second from one address; 0 for no limit, as behind a proxy that limits.
    #[arg(long, env = "DN_RATE_PER_ADDRESS", default_value_t = 1_000)]
    pub rate_per_address: u32,
    /// Tasks per second of one user; 0 for no limit.
    #[arg(long, env = "DN_RATE_PER_USER", default_value_t = 200)]
    pub rate_per_user: u32,
}

/// Counts requests. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Rates(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    addresses: Option<DefaultKeyedRateLimiter<IpAddr>>,
    users: Option<DefaultKeyedRateLimiter<Address>>,
    requests: std::sync::atomic::AtomicU64,
}

impl Rates {
    pub(crate) fn new(args: RateArgs) -> Self {
        let quota = |per_second| NonZeroU32::new(per_second).map(Quota::per_second);
        Self(Arc::new(Counters {
            addresses: quota(args.rate_per_address).map(RateLimiter::keyed),
            users: quota(args.rate_per_user).map(RateLimiter::keyed),
            requests: std::sync::atomic::AtomicU64::new(0),
        }))
    }

    /// Counts one more task of a user.
    pub(crate) fn count_task(&self, user: Address) -> Result<(), ApiError> {
        let users = self.0.users.as_ref();
        if users.is_some_and(|users| users.check_key(&user).is_err()) {
            return Err(ApiError::TooManyRequests("user"));
        }
        Ok(())
    }

    fn count(&self, address: IpAddr) -> Result<(), ApiError> {
        let counted = self.0.requests.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let Some(addresses) = &self.0.addresses else { return Ok(()) };
        if counted % SWEEP == SWEEP - 1 {
            addresses.retain_recent();
            if let Some(users) = &self.0.users {
                users.retain_recent();
            }
        }
        addresses.check_key(&address).map_err(|_| ApiError::TooManyRequests("address"))
    }
}

/// Counts a request of an address; refuses it above the limit.
pub(crate) async fn by_address(
    State(rates): State<Rates>,
    request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
    match peer.map(|ip| rates.count(ip)) {
        Some(Err(refusal)) => refusal.into_response(),
        Some(Ok(())) | None => next.run(request).await,
    }
}
