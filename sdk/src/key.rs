//! Keys in files: 64 hex digits, readable by their owner alone.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use alloy::hex;
use alloy::signers::local::PrivateKeySigner;
use thiserror::Error;

/// Why a key file is of no use.
#[derive(Debug, Error)]
pub enum KeyError {
    /// It cannot be read or created.
    #[error("open the key file {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It does not hold a key.
    #[error("{} does not hold a private key of 64 hex digits", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a key.
///
/// # Errors
/// When the file cannot be read or holds no key.
pub fn read_key(path: &Path) -> Result<PrivateKeySigner, KeyError> {
    let open = |source| KeyError::Open { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(open)?;
    text.trim().parse().map_err(|_| KeyError::Malformed { path: path.to_owned() })
}

/// Reads the key of a file, or draws one and creates the file with it.
///
/// # Errors
/// As [`read_key`], and when the file cannot be created.
pub fn read_or_create_key(path: &Path) -> Result<PrivateKeySigner, KeyError> {
    let open = |source| KeyError::Open { path: path.to_owned(), source };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let signer = PrivateKeySigner::random();
            writeln!(file, "{}", hex::encode(signer.to_bytes())).map_err(open)?;
            file.sync_all().map_err(open)?;
            Ok(signer)
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => read_key(path),
        Err(source) => Err(open(source)),
    }
}
