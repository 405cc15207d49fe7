//! The structured reference string (powers of tau over BN254).

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use dn_circuits::protocol::Generators;
use ff::Field as _;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::group::Curve as _;
use halo2_proofs::poly::commitment::Params as _;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::SerdeFormat;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use thiserror::Error;

use crate::ptau::{self, PtauError};

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
        source: PtauError,
    },
    /// Bases that are kept in a file are not those of the string.
    #[error("{} does not hold the bases of this reference string: delete it, and they are made again", path.display())]
    Bases {
        /// The file.
        path: PathBuf,
    },
    /// The secret is a number that nobody draws.
    #[error("the secret of the reference string is a root of unity")]
    Degenerate,
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

/// What powers are made from.
pub(crate) enum Tau {
    /// The secret itself, which everyone knows.
    Public(Fr),
    /// Its powers in G1.
    Secret(Vec<G1Affine>),
}

impl Srs {
    /// The points that verifiers need.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn generators(&self) -> Result<Generators, SrsError> {
        match self {
            Self::UnsafeDev { .. } => {
                let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
                Ok(Generators { g1, g2, s_g2: (g2 * development_secret()).to_affine() })
            }
            Self::Ptau { path } => {
                let (g, [g2, s_g2]) = ptau(path, |bytes| ptau::read_powers(bytes, 2))?;
                Ok(Generators { g1: g[0], g2, s_g2 })
            }
        }
    }

    /// The first powers of tau, or tau.
    ///
    /// # Errors
    /// When the file cannot be read or has too few.
    pub(crate) fn tau(&self, powers: usize) -> Result<Tau, SrsError> {
        match self {
            Self::UnsafeDev { .. } => Ok(Tau::Public(development_secret())),
            Self::Ptau { path } => {
                let (g, _) = ptau(path, |bytes| ptau::read_powers(bytes, powers))?;
                Ok(Tau::Secret(g))
            }
        }
    }

    /// The string for circuits of `2^k` rows.
    ///
    /// # Errors
    /// When the cached file cannot be read or written, or is too short.
    pub fn load(&self, k: u32) -> Result<ParamsKZG<Bn256>, SrsError> {
        let cache = match self {
            Self::UnsafeDev { cache } => cache,
            Self::Ptau { path } => return ptau(path, |bytes| ptau::read_ptau(bytes, k)),
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

fn ptau<T>(path: &Path, read: impl FnOnce(&[u8]) -> Result<T, PtauError>) -> Result<T, SrsError> {
    let bytes =
        fs::read(path).map_err(|source| SrsError::Io { path: path.to_path_buf(), source })?;
    read(&bytes).map_err(|source| SrsError::Ptau { path: path.to_path_buf(), source })
}

/// The secret of the development string, which the library's setup draws first.
pub(crate) fn development_secret() -> Fr {
    Fr::random(ChaCha20Rng::seed_from_u64(DEV_SEED))
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

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::poly::commitment::ParamsProver as _;

    #[test]
    fn both_schemes_have_one_development_string() {
        let folder = std::env::temp_dir().join(format!("dn-srs-{}", std::process::id()));
        let srs = Srs::UnsafeDev { cache: folder.clone() };
        let (params, string) = (srs.load(4).unwrap(), srs.generators().unwrap());
        assert_eq!(
            (params.get_g()[0], params.g2(), params.s_g2()),
            (string.g1, string.g2, string.s_g2)
        );
        assert_eq!((params.get_g()[1]), (string.g1 * development_secret()).to_affine());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
