//! The structured reference string (powers of tau over BN254).

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use halo2_proofs::halo2curves::bn256::Bn256;
use halo2_proofs::poly::commitment::Params as _;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::SerdeFormat;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use thiserror::Error;

/// Seed of the development string. Everyone knows its secret, so everyone can forge proofs.
const DEV_SEED: u64 = 0x0064_6e2d_6465_7600;

/// Why a reference string cannot be used.
#[derive(Debug, Error)]
pub enum SrsError {
    /// The file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The powers-of-tau file is not usable.
    #[error("read the powers of tau in {}", path.display())]
    Ptau {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: crate::ptau::PtauError,
    },
    /// The string is shorter than the circuit.
    #[error("the reference string has 2^{available} powers, the circuit needs 2^{needed}")]
    TooSmall {
        /// What the string has.
        available: u32,
        /// What the circuit needs.
        needed: u32,
    },
}

/// Where reference strings come from.
#[derive(Clone, Debug)]
pub enum Srs {
    /// A generated string with a public secret, kept in a folder. **Unsafe**: development only.
    UnsafeDev {
        /// Folder of the cached files.
        cache: PathBuf,
    },
    /// A snarkjs `.ptau` file of a ceremony.
    Ptau {
        /// The file.
        path: PathBuf,
    },
}

impl Srs {
    /// The string for circuits of `2^k` rows.
    ///
    /// # Errors
    /// When the cached file cannot be read or written, or is too short.
    pub fn load(&self, k: u32) -> Result<ParamsKZG<Bn256>, SrsError> {
        let cache = match self {
            Self::UnsafeDev { cache } => cache,
            Self::Ptau { path } => return load_ptau(path, k),
        };
        let path = cache.join(format!("unsafe-dev-{k}.srs"));
        let params = match read(&path) {
            Some(params) => params,
            None => generate(&path, k)?,
        };
        if params.k() != k {
            return Err(SrsError::TooSmall { available: params.k(), needed: k });
        }
        Ok(params)
    }
}

fn load_ptau(path: &Path, k: u32) -> Result<ParamsKZG<Bn256>, SrsError> {
    let bytes =
        fs::read(path).map_err(|source| SrsError::Io { path: path.to_path_buf(), source })?;
    crate::ptau::read_ptau(&bytes, k)
        .map_err(|source| SrsError::Ptau { path: path.to_path_buf(), source })
}

/// A cached string; anything unreadable counts as absent and is generated again.
fn read(path: &Path) -> Option<ParamsKZG<Bn256>> {
    let file = fs::File::open(path).ok()?;
    ParamsKZG::read_custom(&mut BufReader::new(file), SerdeFormat::RawBytes).ok()
}

fn generate(path: &Path, k: u32) -> Result<ParamsKZG<Bn256>, SrsError> {
    let params = ParamsKZG::setup(k, ChaCha20Rng::seed_from_u64(DEV_SEED));
    let mut bytes = Vec::new();
    let io = |source| SrsError::Io { path: path.to_path_buf(), source };
    params.write_custom(&mut bytes, SerdeFormat::RawBytes).map_err(io)?;
    crate::file::write_whole(path, &bytes).map_err(io)?;
    Ok(params)
}
