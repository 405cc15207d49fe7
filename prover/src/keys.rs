//! Proving and verifying keys of a model at a batch size, with a disk cache.

use std::fs;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dn_circuits::{BatchCircuit, Plan};
use halo2_proofs::halo2curves::bn256::{Bn256, G1Affine};
use halo2_proofs::plonk::{keygen_pk, keygen_vk, ProvingKey, VerifyingKey};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::SerdeFormat;
use sha3::{Digest, Keccak256};

use crate::engine::Engine;
use crate::prove::ProveError;
use crate::srs::Srs;
use crate::usage::Usage;

/// What key generation cost and how big the keys are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KeyStats {
    /// Zero when the keys came from the cache.
    pub keygen: Usage,
    /// Bytes of the proving key in the cache's format.
    pub pk_bytes: u64,
    /// Bytes of the verifying key in the cache's format.
    pub vk_bytes: u64,
    /// Whether the keys came from the cache.
    pub cached: bool,
}

/// Everything a prover needs for one model and batch size.
#[derive(Debug)]
pub struct Keys {
    /// The laid-out model.
    pub plan: Arc<Plan>,
    /// The reference string.
    pub params: ParamsKZG<Bn256>,
    /// Proving key; holds the verifying key.
    pub pk: ProvingKey<G1Affine>,
    /// Cost and sizes.
    pub stats: KeyStats,
    pub(crate) engine: Engine,
}

impl Keys {
    /// Loads the keys of `plan` from `cache`, or generates them and stores them there. `name`
    /// identifies the model for people; the file's name holds the layout's digest too.
    ///
    /// A cached key is trusted like the program itself: whoever can write the folder can already
    /// change what this prover does, and a wrong key only makes its proofs fail.
    ///
    /// # Errors
    /// When the reference string is not available, key generation fails or the cache cannot be
    /// written.
    pub fn load(plan: Plan, srs: &Srs, cache: &Path, name: &str) -> Result<Self, ProveError> {
        let params = srs.load(plan.k)?;
        let plan = Arc::new(plan);
        let tags = hex::encode(&plan.digest()[..8]) + &srs_tag(&params);
        let path = cache.join(format!("{name}-{}-{tags}.pk", plan.slots));
        let mut stats = KeyStats { cached: true, ..KeyStats::default() };
        let pk = match read(&path) {
            Some(pk) => pk,
            None => {
                let (pk, keygen) = Usage::of(|| generate(&plan, &params));
                let pk = pk?;
                (stats.keygen, stats.cached) = (keygen, false);
                let source = |source| ProveError::Cache { path: path.clone(), source };
                write_key(&path, &pk).map_err(source)?;
                pk
            }
        };
        stats.pk_bytes = fs::metadata(&path).map_or(0, |m| m.len());
        stats.vk_bytes = pk.get_vk().to_bytes(SerdeFormat::Processed).len() as u64;
        let engine = Engine::new(&plan, &params, &pk).map_err(ProveError::encode)?;
        Ok(Self { plan, params, pk, stats, engine })
    }

    /// The verifying key.
    #[must_use]
    pub fn vk(&self) -> &VerifyingKey<G1Affine> {
        self.pk.get_vk()
    }
}

fn generate(
    plan: &Arc<Plan>,
    params: &ParamsKZG<Bn256>,
) -> Result<ProvingKey<G1Affine>, ProveError> {
    let circuit = BatchCircuit::for_keys(plan.clone());
    let vk = keygen_vk(params, &circuit)?;
    Ok(keygen_pk(params, vk, &circuit)?)
}

/// Names a reference string: keys made with another one must not be mistaken for its keys.
fn srs_tag(params: &ParamsKZG<Bn256>) -> String {
    let point = format!("{:?}", params.s_g2());
    hex::encode(&Keccak256::digest(point)[..4])
}

fn read(path: &PathBuf) -> Option<ProvingKey<G1Affine>> {
    let file = fs::File::open(path).ok()?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    ProvingKey::read::<_, BatchCircuit>(&mut reader, SerdeFormat::RawBytesUnchecked, ()).ok()
}

fn write_key(path: &Path, pk: &ProvingKey<G1Affine>) -> io::Result<()> {
    write_whole(path, &pk.to_bytes(SerdeFormat::RawBytesUnchecked))
}

/// Writes a file so that a reader sees all of it or none.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension(format!("partial-{}", std::process::id()));
    let mut file = fs::File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)
}
