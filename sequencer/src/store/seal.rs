//! Inputs, salts and outputs at rest: encrypted by XChaCha20-Poly1305 under a key that lies beside
//! the database or comes from the environment, bound to their task and column.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alloy::hex;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use dn_core::api::Bytes32;
use rand::RngCore as _;
use thiserror::Error;

/// Bytes of a nonce; drawn at random, so long that none comes twice.
const NONCE: usize = 24;

/// Why sealed data is of no use.
#[derive(Debug, Error)]
pub(crate) enum SealError {
    #[error("open the storage key {}", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the storage key must have 64 hex digits")]
    Malformed,
    #[error("the data was sealed under another storage key, or damaged")]
    Foreign,
}

/// The storage key. Cheap to clone; never printed.
#[derive(Clone)]
pub(crate) struct Seal(Arc<XChaCha20Poly1305>);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

/// Which column a value stands in; a value of one is of no use in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Input,
    Output,
    Check,
    Label,
}

impl Seal {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(Arc::new(XChaCha20Poly1305::new(&key.into())))
    }

    /// The key with these hex digits.
    pub(crate) fn parse(text: &str) -> Result<Self, SealError> {
        let bytes = hex::decode(text.trim()).map_err(|_| SealError::Malformed)?;
        Ok(Self::new(bytes.try_into().map_err(|_| SealError::Malformed)?))
    }

    /// Reads the key of a file, or draws one and creates the file with it.
    pub(crate) fn read_or_create(path: &Path) -> Result<Self, SealError> {
        let open = |source| SealError::Open { path: path.to_owned(), source };
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => {
                let mut key = [0; 32];
                rand::thread_rng().fill_bytes(&mut key);
                writeln!(file, "{}", hex::encode(key)).map_err(open)?;
                file.sync_all().map_err(open)?;
                Ok(Self::new(key))
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                Self::parse(&std::fs::read_to_string(path).map_err(open)?)
            }
            Err(source) => Err(open(source)),
        }
    }

    /// Seals a value of a task.
    pub(crate) fn close(&self, task: Bytes32, column: Column, plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        rand::thread_rng().fill_bytes(&mut nonce);
        let payload = Payload { msg: plain, aad: &bound(task, column) };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.expect("a value in memory is shorter than the cipher's 256 GiB");
        [&nonce[..], &sealed].concat()
    }

    /// Opens what [`Self::close`] made for the same task and column.
    pub(crate) fn open(
        &self,
        task: Bytes32,
        column: Column,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(SealError::Foreign)?;
        let payload = Payload { msg: sealed, aad: &bound(task, column) };
        self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Foreign)
    }
}

fn bound(task: Bytes32, column: Column) -> [u8; 33] {
    let mut bound = [0; 33];
    bound[..32].copy_from_slice(&task.0);
    bound[32] = column as u8;
    bound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_in_its_place() {
        let (seal, task) = (Seal::new([7; 32]), Bytes32([1; 32]));
        let sealed = seal.close(task, Column::Input, b"secret");
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
        assert_eq!(seal.open(task, Column::Input, &sealed).unwrap(), b"secret");
        assert!(seal.open(task, Column::Output, &sealed).is_err());
        assert!(seal.open(Bytes32([2; 32]), Column::Input, &sealed).is_err());
        assert!(Seal::new([8; 32]).open(task, Column::Input, &sealed).is_err());
        assert!(seal.open(task, Column::Input, &sealed[..20]).is_err());
        assert_ne!(sealed, seal.close(task, Column::Input, b"secret"), "each time differently");
    }

    #[test]
    fn a_key_file_is_made_once_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let path = std::env::temp_dir().join(format!("dn-seal-{}", std::process::id()));
        let first = Seal::read_or_create(&path).unwrap();
        let again = Seal::read_or_create(&path).unwrap();
        let sealed = first.close(Bytes32([1; 32]), Column::Check, b"x");
        assert!(again.open(Bytes32([1; 32]), Column::Check, &sealed).is_ok());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_file(path).unwrap();
    }
}
