//! API keys without a database: each follows from one secret and a name, and so does the account that it spends.
//!
//! ```text
//! key     = dn-NAME-MAC      MAC = first 16 bytes of HMAC-SHA256(secret, "deepnode api key" 0 NAME), as hex
//! account = HMAC-SHA256(secret, "deepnode account" 0 BUDGET 0 counter), the first that is a private key
//! ```
//!
//! `BUDGET` is the name up to its first dot: the keys `acme`, `acme.2` and `acme.phone` spend one account. What an
//! account has in escrow is all that its keys can spend.

use std::path::Path;

use alloy::hex;
use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use thiserror::Error;

use crate::key::{read_key, read_or_create_key, KeyError};

/// What every key starts with.
const PREFIX: &str = "dn-";
/// Bytes of a key's code.
const MAC_BYTES: usize = 16;
/// Longest name.
const MAX_NAME: usize = 64;

/// Text that names no key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no name of a key: 1 to {MAX_NAME} of a-z, 0-9, dash, underscore and dot, a letter or digit first")]
pub struct NameError(String);

/// The secret from which a gateway's keys and accounts follow.
#[derive(Clone)]
pub struct KeyMaker([u8; 32]);

impl KeyMaker {
    /// Reads the secret of a file, 64 hex digits; draws one if the file is missing.
    ///
    /// # Errors
    /// When the file cannot be read or created, or holds no secret.
    pub fn read_or_create(path: &Path) -> Result<Self, KeyError> {
        Ok(Self(read_or_create_key(path)?.to_bytes().0))
    }

    /// Reads the secret of a file.
    ///
    /// # Errors
    /// When the file cannot be read or holds no secret.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        Ok(Self(read_key(path)?.to_bytes().0))
    }

    /// The key of this name.
    ///
    /// # Errors
    /// When that is no name.
    pub fn key(&self, name: &str) -> Result<String, NameError> {
        check_name(name)?;
        let mac = self.mac_of_key(name).finalize().into_bytes();
        Ok(format!("{PREFIX}{name}-{}", hex::encode(&mac[..MAC_BYTES])))
    }

    /// The account that the key of this name spends.
    ///
    /// # Errors
    /// When that is no name.
    pub fn account(&self, name: &str) -> Result<PrivateKeySigner, NameError> {
        check_name(name)?;
        let budget = name.split('.').next().unwrap_or(name);
        // All but one of 2^127 numbers are keys.
        let signer = (0..=u8::MAX).find_map(|counter| {
            let mut mac = self.mac(b"deepnode account");
            mac.update(budget.as_bytes());
            mac.update(&[0, counter]);
            let scalar: [u8; 32] = mac.finalize().into_bytes().into();
            PrivateKeySigner::from_bytes(&B256::from(scalar)).ok()
        });
        signer.ok_or_else(|| NameError(name.to_owned()))
    }

    /// The name of a key, if it is one of this secret's. The code is compared in constant time.
    #[must_use]
    pub fn name_of<'k>(&self, key: &'k str) -> Option<&'k str> {
        let (name, mac) = key.strip_prefix(PREFIX)?.rsplit_once('-')?;
        check_name(name).ok()?;
        let mac = hex::decode(mac).ok().filter(|mac| mac.len() == MAC_BYTES)?;
        self.mac_of_key(name).verify_truncated_left(&mac).ok()?;
        Some(name)
    }

    fn mac_of_key(&self, name: &str) -> Hmac<Sha256> {
        let mut mac = self.mac(b"deepnode api key");
        mac.update(name.as_bytes());
        mac
    }

    fn mac(&self, purpose: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any length");
        mac.update(purpose);
        mac.update(&[0]);
        mac
    }
}

impl std::fmt::Debug for KeyMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyMaker").finish_non_exhaustive()
    }
}

/// Whether a text can be the name of a key.
///
/// # Errors
/// When it is empty, too long or has other characters than lower case letters, digits, `-`, `_` and dots.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    let is_name = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(is_part)
        && name.as_bytes()[0].is_ascii_alphanumeric();
    is_name.then_some(()).ok_or_else(|| NameError(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_holder_and_no_other_text_does() {
        let maker = KeyMaker([7; 32]);
        let key = maker.key("acme-2").unwrap();
        assert_eq!(maker.name_of(&key), Some("acme-2"));
        assert_eq!(KeyMaker([8; 32]).name_of(&key), None);
        let mac = key.rsplit_once('-').unwrap().1;
        let wrong = [
            key.replace("acme", "acmf"),
            key[..key.len() - 2].to_owned(),
            format!("{key}00"),
            format!("dn-acme-2-{}", "00".repeat(16)),
            format!("dn--{mac}"),
            key[3..].to_owned(),
            "dn-acme-2-".to_owned(),
            String::new(),
        ];
        for text in wrong {
            assert_eq!(maker.name_of(&text), None, "{text}");
        }
    }

    #[test]
    fn keys_of_one_budget_share_an_account_that_no_key_tells() {
        let maker = KeyMaker([7; 32]);
        let account = |name| maker.account(name).unwrap().address();
        assert_eq!(account("acme"), account("acme.phone"));
        assert_ne!(account("acme"), account("acme2"));
        assert_ne!(maker.key("acme").unwrap(), maker.key("acme.phone").unwrap());
        let scalar = hex::encode(maker.account("acme").unwrap().to_bytes());
        assert!(!scalar.starts_with(maker.key("acme").unwrap().rsplit_once('-').unwrap().1));
    }

    #[test]
    fn names_are_plain() {
        for name in ["", "A", "a b", ".a", "a/b", "é", &"a".repeat(65)] {
            assert!(KeyMaker([7; 32]).key(name).is_err(), "{name}");
        }
    }
}
