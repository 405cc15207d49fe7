//! Keys of a model at a batch size, with a disk cache.
//!
//! The verifying key is the commitments to the fixed columns. Everything else that a prover needs
//! follows from the plan, so the verifying key is all that the cache holds.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use dn_circuits::{BatchCircuit, Plan, Width};
use halo2_proofs::halo2curves::bn256::{Bn256, G1Affine};
use halo2_proofs::plonk::VerifyingKey;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::{SerdeCurveAffine, SerdeFormat};
use sha3::{Digest, Keccak256};

use crate::engine::arithmetic::{Arithmetic, Plain};
use crate::engine::bases::Bases;
use crate::engine::{Engine, Prove};
use crate::error::ProveError;
use crate::file::write_whole;
use crate::srs::Srs;
use crate::usage::Usage;

/// What key generation cost and how big the keys are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KeyStats {
    /// Making the verifying key and preparing the prover. Zero when the key came from the cache.
    pub keygen: Usage,
    /// Bytes of what the cache holds for proving: the verifying key, since all else follows from the
    /// package.
    pub pk_bytes: u64,
    /// Bytes of the verifying key in the cache's format.
    pub vk_bytes: u64,
    /// Bytes of the fixed columns that the prover keeps in memory.
    pub resident_bytes: u64,
    /// Whether the keys came from the cache.
    pub cached: bool,
    /// What the prover computes with: `avx512-ifma` or `portable`.
    pub arithmetic: &'static str,
}

/// Everything a prover needs for one model and batch size.
#[derive(Debug)]
pub struct Keys {
    /// The laid-out model.
    pub plan: Arc<Plan>,
    /// The reference string.
    pub params: ParamsKZG<Bn256>,
    /// Cost and sizes.
    pub stats: KeyStats,
    vk: VerifyingKey<G1Affine>,
    pub(crate) engine: Box<dyn Prove>,
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
        let path = cache.join(format!("{name}-{}-{tags}.vk", plan.slots));
        let cached = fs::read(&path).ok().and_then(|bytes| decode(&bytes, plan.width));
        let (loaded, usage) = Usage::of(|| load(&plan, &params, cached.clone()));
        let (vk, engine) = loaded.map_err(ProveError::encode)?;
        let is_cached = cached.is_some();
        if !is_cached {
            let source = |source| ProveError::Cache { path: path.clone(), source };
            write_whole(&path, &vk.to_bytes(FORMAT)).map_err(source)?;
        }
        let stats = KeyStats {
            keygen: if is_cached { Usage::default() } else { usage },
            pk_bytes: vk.to_bytes(FORMAT).len() as u64,
            vk_bytes: vk.to_bytes(FORMAT).len() as u64,
            resident_bytes: engine.fixed_bytes(),
            cached: is_cached,
            arithmetic: engine.arithmetic(),
        };
        Ok(Self { plan, params, stats, vk, engine })
    }

    /// The verifying key.
    #[must_use]
    pub fn vk(&self) -> &VerifyingKey<G1Affine> {
        &self.vk
    }
}

const FORMAT: SerdeFormat = SerdeFormat::RawBytes;

fn decode(bytes: &[u8], width: Width) -> Option<VerifyingKey<G1Affine>> {
    VerifyingKey::from_bytes::<BatchCircuit>(bytes, FORMAT, width).ok()
}

type Loaded = (VerifyingKey<G1Affine>, Box<dyn Prove>);

/// With the fastest arithmetic that this machine has.
fn load(
    plan: &Plan,
    params: &ParamsKZG<Bn256>,
    cached: Option<VerifyingKey<G1Affine>>,
) -> io::Result<Loaded> {
    #[cfg(target_arch = "x86_64")]
    if dn_vector::uses_ifma() {
        return load_with::<crate::engine::arithmetic::Avx512>(plan, params, cached);
    }
    load_with::<Plain>(plan, params, cached)
}

fn load_with<A: Arithmetic>(
    plan: &Plan,
    params: &ParamsKZG<Bn256>,
    cached: Option<VerifyingKey<G1Affine>>,
) -> io::Result<Loaded> {
    let bases = Bases::<A>::new(params)?;
    let vk = match cached {
        Some(vk) => vk,
        None => verifying_key(plan, &bases.commit_fixed(plan))?,
    };
    let engine = Engine::new(plan, params, bases, &vk);
    Ok((vk, Box::new(engine)))
}

/// A verifying key of these commitments, by way of halo2's encoding, which is its constructor: a
/// version, log2 of the rows, whether selectors are merged, the commitments.
fn verifying_key(plan: &Plan, commitments: &[G1Affine]) -> io::Result<VerifyingKey<G1Affine>> {
    let mut bytes = vec![2];
    bytes.extend(plan.k.to_le_bytes());
    bytes.push(1);
    bytes.extend((commitments.len() as u32).to_le_bytes());
    commitments.iter().try_for_each(|c| c.write(&mut bytes, FORMAT))?;
    VerifyingKey::from_bytes::<BatchCircuit>(&bytes, FORMAT, plan.width)
}

/// Names a reference string: keys made with another one must not be mistaken for its keys.
fn srs_tag(params: &ParamsKZG<Bn256>) -> String {
    let point = format!("{:?}", params.s_g2());
    hex::encode(&Keccak256::digest(point)[..4])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Prover;
    use dn_circuits::field::{from_core, CoreFr};
    use dn_circuits::{Slot, Witness};
    use dn_core::quant::{Activation, Graph, Node, Shape};
    use halo2_proofs::halo2curves::bn256::Fr;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    /// Whatever machine the tests run on, the portable arithmetic's proofs verify.
    #[test]
    fn portable_proofs_verify() {
        let input = Shape::vector(4);
        let node = Node::dense(
            (0, input),
            vec![3, -1, 4, 1, -5, 9, 2, 6],
            vec![1, 2],
            4,
            Activation::relu(),
        );
        let graph = Graph { input, nodes: vec![node] };
        let data = std::env::temp_dir().join(format!("dn-portable-{}", std::process::id()));
        let prover = Prover::new(graph.clone(), 8, &data, "portable", None).expect("keys");
        let Keys { plan, params, vk, .. } = prover.keys();
        let (made, engine) = load_with::<Plain>(plan, params, None).expect("an engine");
        assert_eq!(made.fixed_commitments(), vk.fixed_commitments());
        assert_eq!(engine.arithmetic(), "portable");
        let task = Slot { input: vec![1, -2, 3, 100], salt: CoreFr::from(9u8), label: Some(1) };
        let witness = Witness::new(&graph, plan, &[task], CoreFr::from(5u8)).expect("a witness");
        let instances: Vec<Fr> = witness.statement.instances().into_iter().map(from_core).collect();
        let proof = engine
            .prove(plan, witness, ChaCha20Rng::from_entropy(), &mut |_| Ok(()))
            .expect("a proof");
        assert!(prover.verify(&instances, &proof));
        fs::remove_dir_all(&data).expect("remove the temporary folder");
    }
}
