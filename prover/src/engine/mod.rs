//! Creates proofs for circuits without permutations, library lookups and selectors: the protocol of
//! `docs/book/protocol.md`.
//!
//! The transcript of plain openings is that of halo2's `create_proof`, message by message. What differs is how
//! commitments are computed ([`dn_vector::msm`], all in Lagrange bases), that gates run as the exported program
//! ([`gates`]), that columns come from the witness without a synthesis pass, and that arithmetic is done
//! eight elements at a time ([`dn_vector`]).
//!
//! [`circuit`] has what proofs of a key share, [`plain`] and [`merged`] how columns are committed to and opened.

pub(crate) mod arithmetic;
pub(crate) mod bases;
pub(crate) mod circuit;
#[cfg(test)]
mod forged;
mod gates;
pub(crate) mod grid;
mod group_opening;
pub(crate) mod merged;
mod opening;
#[cfg(test)]
mod pinned;
pub(crate) mod plain;
mod scheme;

use dn_circuits::assignment::{first_phase, second_phase};
use dn_circuits::columns::CHALLENGES;
use dn_circuits::field::from_core;
use dn_circuits::{Plan, Witness};
use dn_vector::column::pack;
use dn_vector::Column;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::transcript::{Transcript as _, TranscriptWriterBuffer as _};
use rand_chacha::ChaCha20Rng;
use rayon::prelude::*;

use crate::error::ProveError;
use crate::phase::Phase;
use arithmetic::Arithmetic;
use circuit::{draw, write_points, Circuit, Writer};
use scheme::{Openings, Polynomials};

/// Makes the proofs of one key.
pub(crate) trait Prove: std::fmt::Debug + Send + Sync {
    /// [`Arithmetic::NAME`].
    fn arithmetic(&self) -> &'static str;

    /// Memory that the fixed columns take.
    fn fixed_bytes(&self) -> u64;

    /// The transcript of a proof that is blinded by `rng`. A wrong witness gives a wrong proof: the caller
    /// verifies it.
    fn prove(
        &self,
        plan: &Plan,
        witness: Witness,
        rng: ChaCha20Rng,
        begin: &mut dyn FnMut(Phase) -> Result<(), ProveError>,
    ) -> Result<Vec<u8>, ProveError>;
}

/// A key's circuit, and what its columns are committed to by.
#[derive(Debug)]
pub(crate) struct Engine<A: Arithmetic, O> {
    circuit: Circuit<A>,
    openings: O,
}

impl<A: Arithmetic, O: Openings<A>> Engine<A, O> {
    pub(crate) fn new(circuit: Circuit<A>, openings: O) -> Self {
        Self { circuit, openings }
    }
}

impl<A: Arithmetic, O: Openings<A>> Prove for Engine<A, O> {
    fn arithmetic(&self) -> &'static str {
        A::NAME
    }

    fn fixed_bytes(&self) -> u64 {
        self.circuit.fixed_bytes()
    }

    fn prove(
        &self,
        plan: &Plan,
        witness: Witness,
        mut rng: ChaCha20Rng,
        begin: &mut dyn FnMut(Phase) -> Result<(), ProveError>,
    ) -> Result<Vec<u8>, ProveError> {
        let Self { circuit, openings } = self;
        let mut transcript = Writer::init(Vec::new());
        let instances: Vec<Fr> = witness.statement.instances().into_iter().map(from_core).collect();
        transcript.common_scalar(circuit.digest)?;
        instances.iter().try_for_each(|x| transcript.common_scalar(*x))?;

        begin(Phase::CommitTrace)?;
        let mut advice = first_phase(plan, &witness, &mut rng);
        write_points(&mut transcript, &openings.commit_first(&advice))?;
        let challenges: [Fr; CHALLENGES] = std::array::from_fn(|_| draw(&mut transcript));
        begin(Phase::Fold)?;
        let second = second_phase(plan, &witness, challenges, &mut rng);
        drop(witness);
        begin(Phase::CommitFolds)?;
        write_points(&mut transcript, &openings.commit_second(&second))?;
        advice.extend(second.into_columns());
        let masks = openings.mask(circuit, &mut rng, &mut transcript)?;
        let y = draw(&mut transcript);

        begin(Phase::Transform)?;
        let mut instance = instances;
        instance.resize(circuit.rows(), Fr::ZERO);
        advice.push(instance);
        let transform = |column: Vec<Fr>| circuit.domain.interpolate(&pack::<A::Fr>(&column));
        let advice: Vec<Column<A::Fr>> = advice.into_par_iter().map(transform).collect();
        let masks: Vec<Column<A::Fr>> = masks.into_par_iter().map(transform).collect();
        begin(Phase::Quotient)?;
        let pieces = circuit.quotient(&advice, &challenges, y);
        begin(Phase::CommitQuotient)?;
        let pieces = openings.send_quotient(circuit, pieces, &mut rng, &mut transcript)?;
        begin(Phase::Open)?;
        let polynomials = Polynomials { advice: &advice, pieces: &pieces, masks: &masks };
        openings.open(circuit, plan, &polynomials, &mut transcript)?;
        Ok(transcript.finalize())
    }
}
