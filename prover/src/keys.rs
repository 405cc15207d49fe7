//! Keys of a model at a batch size, with a disk cache.
//!
//! The verifying key is the commitments to the fixed columns. Everything else that a prover needs
//! follows from the plan, so the verifying key is all that the cache holds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dn_circuits::protocol::{self, Generators};
use dn_circuits::{BatchCircuit, Plan, Scheme, Width};
use dn_core::groups::groups;
use dn_core::protocol::Protocol;
use halo2_proofs::halo2curves::bn256::{Bn256, G1Affine};
use halo2_proofs::plonk::VerifyingKey;
use halo2_proofs::poly::commitment::ParamsProver as _;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::{SerdeCurveAffine, SerdeFormat};

use crate::bases;
use crate::engine::arithmetic::{Arithmetic, Plain};
use crate::engine::bases::Bases;
use crate::engine::circuit::Circuit;
use crate::engine::merged::Merged;
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
    /// Making the bases of merged commitments. Zero when they came from the cache, or are not needed.
    pub bases: Usage,
    /// Bytes of the bases of merged commitments.
    pub bases_bytes: u64,
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
    /// Cost and sizes.
    pub stats: KeyStats,
    protocol: Protocol,
    library: Option<Library>,
    pub(crate) engine: Box<dyn Prove>,
}

/// What halo2's own prover and verifier take: they know plain openings.
#[derive(Debug)]
pub struct Library {
    /// The reference string.
    pub params: ParamsKZG<Bn256>,
    /// The verifying key.
    pub vk: VerifyingKey<G1Affine>,
}

/// Where keys come from.
struct Source<'a> {
    plan: &'a Plan,
    srs: &'a Srs,
    /// Folder of what all models share.
    shared: PathBuf,
    /// Folder of the keys, and the file's name without what tells reference strings apart.
    keys: PathBuf,
    name: String,
}

/// Keys, not yet known whether from a file.
struct Loaded {
    protocol: Protocol,
    library: Option<Library>,
    engine: Box<dyn Prove>,
    /// The file's content.
    bytes: Vec<u8>,
    path: PathBuf,
    stats: KeyStats,
}

impl Keys {
    /// Loads the keys of `plan` from the folder `data`, or generates them and stores them there. `name`
    /// identifies the model for people; the file's name holds the layout's digest too.
    ///
    /// A cached key is trusted like the program itself: whoever can write the folder can already
    /// change what this prover does, and a wrong key only makes its proofs fail.
    ///
    /// # Errors
    /// When the reference string is not available, key generation fails or the cache cannot be
    /// written.
    pub fn load(plan: Plan, srs: &Srs, data: &Path, name: &str) -> Result<Self, ProveError> {
        let plan = Arc::new(plan);
        let name = format!("{name}-{}-{}", plan.slots, hex::encode(&plan.digest()[..8]));
        let (shared, keys) = (data.join("srs"), data.join("keys"));
        let (loaded, usage) = Usage::of(|| load(&Source { plan: &plan, srs, shared, keys, name }));
        let Loaded { protocol, library, engine, bytes, path, stats } = loaded?;
        if !stats.cached {
            let source = |source| ProveError::Cache { path: path.clone(), source };
            write_whole(&path, &bytes).map_err(source)?;
        }
        let own = Usage {
            cpu_s: usage.cpu_s - stats.bases.cpu_s,
            wall_s: usage.wall_s - stats.bases.wall_s,
        };
        let stats = KeyStats {
            keygen: if stats.cached { Usage::default() } else { own },
            pk_bytes: bytes.len() as u64,
            vk_bytes: bytes.len() as u64,
            resident_bytes: engine.fixed_bytes(),
            arithmetic: engine.arithmetic(),
            ..stats
        };
        Ok(Self { plan, stats, protocol, library, engine })
    }

    /// The verifying key as verifiers read it.
    #[must_use]
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// The key as halo2 has it, where openings are plain.
    #[must_use]
    pub fn library(&self) -> Option<&Library> {
        self.library.as_ref()
    }
}

const FORMAT: SerdeFormat = SerdeFormat::RawBytes;

fn decode(bytes: &[u8], width: Width) -> Option<VerifyingKey<G1Affine>> {
    VerifyingKey::from_bytes::<BatchCircuit>(bytes, FORMAT, width).ok()
}

/// With the fastest arithmetic that this machine has.
fn load(source: &Source<'_>) -> Result<Loaded, ProveError> {
    #[cfg(target_arch = "x86_64")]
    if dn_vector::uses_ifma() {
        return load_with::<crate::engine::arithmetic::Avx512>(source);
    }
    load_with::<Plain>(source)
}

fn load_with<A: Arithmetic>(source: &Source<'_>) -> Result<Loaded, ProveError> {
    match source.plan.scheme {
        Scheme::Plain => load_plain::<A>(source),
        Scheme::Merged => load_merged::<A>(source),
    }
}

fn load_plain<A: Arithmetic>(source: &Source<'_>) -> Result<Loaded, ProveError> {
    let Source { plan, srs, .. } = *source;
    let params = srs.load(plan.k)?;
    let (g1, g2, s_g2) = (params.get_g()[0], params.g2(), params.s_g2());
    let tag = bases::tag(&Generators { g1, g2, s_g2 });
    let path = source.keys.join(format!("{}{tag}.vk", source.name));
    let cached = fs::read(&path).ok().and_then(|bytes| decode(&bytes, plan.width));
    let stats = KeyStats { cached: cached.is_some(), ..KeyStats::default() };
    let openings = Bases::<A>::new(&params)?;
    let vk = match cached {
        Some(vk) => vk,
        None => verifying_key(plan, &openings.commit_fixed(plan))?,
    };
    let protocol = protocol::export(&vk, &params, plan.instances());
    let engine = Box::new(Engine::new(Circuit::new(plan, protocol.clone()), openings));
    let bytes = vk.to_bytes(FORMAT);
    Ok(Loaded { protocol, library: Some(Library { params, vk }), engine, bytes, path, stats })
}

fn load_merged<A: Arithmetic>(source: &Source<'_>) -> Result<Loaded, ProveError> {
    let Source { plan, srs, .. } = *source;
    let string = srs.generators()?;
    let path = source.keys.join(format!("{}{}.merged", source.name, bases::tag(&string)));
    let export = |fixed: &[G1Affine]| {
        protocol::export_merged((plan.width, plan.k, plan.instances()), &string, fixed)
    };
    let layout = protocol::layout(plan.width).merged()?;
    let places = layout.places.map_or(0, |t| t as usize);
    let made = bases::load::<A>(srs, &string, &source.shared, (plan.k, places))?;
    let stats = KeyStats { bases: made.made, bases_bytes: made.bytes, ..KeyStats::default() };
    let openings = Merged::new(made.grid, groups(&layout)?);
    let cached = fs::read(&path).ok().and_then(|bytes| Protocol::from_bytes(&bytes).ok());
    // Its commitments are all that a key has of its own.
    let empty = export(&vec![G1Affine::default(); layout.fixed.len()])?;
    let cached = cached.filter(|key| {
        let (digest, fixed) = (empty.digest, empty.fixed.clone());
        key.merged_digest().is_ok_and(|own| own == key.digest)
            && Protocol { digest, fixed, ..key.clone() } == empty
    });
    let stats = KeyStats { cached: cached.is_some(), ..stats };
    let protocol = match cached {
        Some(key) => key,
        None => export(&openings.commit_fixed(plan))?,
    };
    let engine = Box::new(Engine::new(Circuit::new(plan, protocol.clone()), openings));
    let bytes = protocol.to_bytes();
    Ok(Loaded { protocol, library: None, engine, bytes, path, stats })
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
        let Keys { plan, protocol, library, .. } = prover.keys();
        let params = &library.as_ref().expect("plain openings").params;
        let openings = Bases::<Plain>::new(params).expect("bases");
        let vk = verifying_key(plan, &openings.commit_fixed(plan)).expect("a key");
        assert_eq!(protocol::export(&vk, params, plan.instances()), *protocol);
        let engine = Engine::new(Circuit::<Plain>::new(plan, protocol.clone()), openings);
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
