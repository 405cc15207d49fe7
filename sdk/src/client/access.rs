//! A user's leave to read what is theirs.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::Eip712Domain;
use dn_core::api::Bytes;

use crate::{sign, wire, Access};

/// How long a signature is good for.
const LIFE: Duration = Duration::from_secs(3600);
/// A signature with less left than this is made anew, so that it outlives the request.
const LEAST_LEFT: Duration = Duration::from_secs(300);

/// Signs `Access(address user,uint64 expiresAt)` and keeps the signature while it is good.
pub(super) struct Pass {
    signer: PrivateKeySigner,
    domain: Eip712Domain,
    last: Mutex<Option<Signed>>,
}

struct Signed {
    expires_at: u64,
    token: String,
}

impl Pass {
    pub(super) fn new(signer: PrivateKeySigner, domain: Eip712Domain) -> Self {
        Self { signer, domain, last: Mutex::default() }
    }

    /// `USER.EXPIRES_AT.SIGNATURE`, which bears the user's leave.
    pub(super) fn token(&self) -> Result<String, alloy::signers::Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.token_at(now)
    }

    fn token_at(&self, now: u64) -> Result<String, alloy::signers::Error> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signed) = last.as_ref().filter(|s| s.expires_at >= now + LEAST_LEFT.as_secs()) {
            return Ok(signed.token.clone());
        }
        let (user, expires_at) = (self.signer.address(), now + LIFE.as_secs());
        let signature = sign(&Access { user, expiresAt: expires_at }, &self.domain, &self.signer)?;
        let token = format!("{}.{expires_at}.{}", wire::api_address(user), Bytes(signature));
        *last = Some(Signed { expires_at, token: token.clone() });
        Ok(token)
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").field("user", &self.signer.address()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;
    use crate::{domain, recover};

    #[test]
    fn a_signature_is_kept_until_little_is_left() {
        let (signer, domain) = (PrivateKeySigner::random(), domain(31337, Address::ZERO));
        let pass = Pass::new(signer.clone(), domain.clone());
        let first = pass.token_at(1_000).unwrap();
        assert_eq!(pass.token_at(1_000 + 3_300).unwrap(), first);
        let second = pass.token_at(1_000 + 3_301).unwrap();
        assert_ne!(second, first);

        let parts: Vec<&str> = second.split('.').collect();
        assert_eq!(parts[0], wire::api_address(signer.address()).to_string());
        assert_eq!(parts[1], (1_000 + 3_301 + 3_600).to_string());
        let signature: Bytes = parts[2].parse().unwrap();
        let message = Access { user: signer.address(), expiresAt: 7_901 };
        assert_eq!(recover(&message, &domain, &signature.0), Some(signer.address()));
    }
}
