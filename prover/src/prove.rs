//! One proof per batch.

use std::path::Path;

use dn_circuits::estimate::{estimate, of_sequence, Estimate};
use dn_circuits::field::{from_core, CoreFr};
use dn_circuits::transcript::KeccakRead;
use dn_circuits::{Frame, Plan, Slot, Witness};
use dn_core::quant::sequence::Sequence;
use dn_core::quant::Graph;
use dn_core::statement::Statement;
use ff::PrimeField as _;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr};
use halo2_proofs::plonk::verify_proof;
use halo2_proofs::poly::commitment::ParamsProver as _;
use halo2_proofs::poly::kzg::commitment::KZGCommitmentScheme;
use halo2_proofs::poly::kzg::multiopen::VerifierSHPLONK;
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use halo2_proofs::transcript::TranscriptReadBuffer;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::error::ProveError;
use crate::keys::Keys;
use crate::phase::{Observer, Phase};
use crate::srs::Srs;
use crate::usage::{available_mb, Usage};

/// A proof that has been verified by its prover.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The transcript.
    pub bytes: Vec<u8>,
    /// The public inputs.
    pub statement: Statement,
    /// Outputs of the real tasks.
    pub outputs: Vec<Vec<i8>>,
    /// Witness, proof and self-check.
    pub usage: Usage,
}

/// What is proven.
#[derive(Debug)]
enum Model {
    Graph(Graph),
    Sequence(Sequence),
}

/// A prover for one model and batch size, with resident keys.
#[derive(Debug)]
pub struct Prover {
    model: Model,
    keys: Keys,
}

impl Prover {
    /// Lays out a validated `graph` for batches of a size and loads or generates its keys under `data`.
    /// Without a `.ptau` file the reference string is the unsafe one for development.
    ///
    /// # Errors
    /// When the model does not fit or keys are not available.
    pub fn new(
        graph: Graph,
        frame: impl Into<Frame>,
        data: &Path,
        name: &str,
        ptau: Option<&Path>,
    ) -> Result<Self, ProveError> {
        let frame = frame.into();
        fits_memory(&estimate(&graph, frame)?)?;
        let keys = keys(Plan::new(&graph, frame)?, data, name, ptau)?;
        Ok(Self { model: Model::Graph(graph), keys })
    }

    /// The same of a validated sequence model, for a frame of the layout of sequences.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_sequence(
        sequence: Sequence,
        frame: Frame,
        data: &Path,
        name: &str,
        ptau: Option<&Path>,
    ) -> Result<Self, ProveError> {
        let plan = Plan::of_sequence(&sequence, frame)?;
        fits_memory(&of_sequence(&sequence, &plan))?;
        let keys = keys(plan, data, name, ptau)?;
        Ok(Self { model: Model::Sequence(sequence), keys })
    }

    /// The keys in use.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Proves one batch and verifies the proof. `header` is the hash of the batch's header.
    ///
    /// # Errors
    /// When the batch does not fit the model, or the proof fails its own check.
    pub fn prove(&self, tasks: &[Slot], header: CoreFr) -> Result<Proof, ProveError> {
        self.prove_observed(tasks, header, &mut |_| true)
    }

    /// The same, telling `observer` of each phase before it begins.
    ///
    /// # Errors
    /// As [`Self::prove`], and [`ProveError::Cancelled`] when the observer wants no more.
    pub fn prove_observed(
        &self,
        tasks: &[Slot],
        header: CoreFr,
        observer: &mut impl Observer,
    ) -> Result<Proof, ProveError> {
        let (proof, usage) = Usage::of(|| self.prove_batch(tasks, header, observer));
        Ok(Proof { usage, ..proof? })
    }

    /// A proof whose usage is not filled in.
    fn prove_batch(
        &self,
        tasks: &[Slot],
        header: CoreFr,
        observer: &mut impl Observer,
    ) -> Result<Proof, ProveError> {
        let Keys { plan, engine, .. } = &self.keys;
        let mut begin = |phase| {
            if observer.begins(phase) {
                Ok(())
            } else {
                Err(ProveError::Cancelled(phase))
            }
        };
        begin(Phase::Witness)?;
        let witness = match &self.model {
            Model::Graph(graph) => Witness::new(graph, plan, tasks, header)?,
            Model::Sequence(sequence) => Witness::of_sequence(sequence, plan, tasks, header)?,
        };
        let (statement, outputs) = (witness.statement.clone(), witness.outputs.clone());
        let instances: Vec<Fr> = statement.instances().into_iter().map(from_core).collect();
        let bytes = engine.prove(plan, witness, ChaCha20Rng::from_entropy(), &mut begin)?;
        begin(Phase::Check)?;
        if !self.verify(&instances, &bytes) {
            return Err(ProveError::SelfCheck);
        }
        Ok(Proof { bytes, statement, outputs, usage: Usage::default() })
    }

    /// Proves a witness as it is: nothing says that an honest prover would have it, and the proof is
    /// not checked.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn prove_witness(&self, witness: Witness) -> Result<Vec<u8>, ProveError> {
        self.keys
            .engine
            .prove(&self.keys.plan, witness, ChaCha20Rng::from_entropy(), &mut |_| Ok(()))
    }

    /// The verdict on a proof: halo2's own, or that of [`dn_verifier`] on merged openings, which halo2 does not
    /// know.
    #[must_use]
    pub fn verify(&self, instances: &[Fr], proof: &[u8]) -> bool {
        let Some(library) = self.keys.library() else {
            let word = |x: &Fr| {
                let mut word = x.to_repr();
                word.reverse();
                word
            };
            let instances: Vec<_> = instances.iter().map(word).collect();
            return dn_verifier::verify(self.keys.protocol(), &instances, proof).is_ok();
        };
        let params = library.params.verifier_params();
        let mut transcript = KeccakRead::init(proof);
        verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, _>, _, _, _>(
            params,
            &library.vk,
            SingleStrategy::new(params),
            &[&[instances]],
            &mut transcript,
        )
        .is_ok()
    }
}

/// Refuses what needs more memory than there is.
fn fits_memory(estimate: &Estimate) -> Result<(), ProveError> {
    let needed_mb = estimate.memory_mb as u64;
    match available_mb().filter(|available| *available < needed_mb) {
        Some(available_mb) => Err(ProveError::Memory { needed_mb, available_mb }),
        None => Ok(()),
    }
}

fn keys(plan: Plan, data: &Path, name: &str, ptau: Option<&Path>) -> Result<Keys, ProveError> {
    let srs = match ptau {
        Some(path) => Srs::Ptau { path: path.to_path_buf() },
        None => Srs::UnsafeDev { cache: data.join("srs") },
    };
    Keys::load(plan, &srs, data, name)
}
