//! What a package of either kind is to a proof: its extents, its batches and its keys.

use std::path::Path;

use dn_circuits::estimate::{self, Estimate};
use dn_circuits::{Frame, Plan};
use dn_core::statement::Form;
use dn_core::{Scheme, Scoring, Width};
use dn_import::Stored;
use dn_prover::{ProveError, Prover};

use crate::args::Global;
use crate::error::Failure;
use crate::output;

/// A package with the id that its bytes have.
pub(super) struct Provable {
    pub(super) stored: Stored,
    pub(super) id: [u8; 32],
}

impl Provable {
    /// Reads a package.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let (stored, id) = Stored::read(path)?;
        Ok(Self { stored, id })
    }

    /// int8 values of an input.
    pub(super) fn input_len(&self) -> usize {
        match &self.stored {
            Stored::Graph(package) => package.graph.input_len(),
            Stored::Sequence(package) => package.model.tokens,
        }
    }

    /// A batch of so many slots. Models of sequences have one layout and merged openings alone.
    pub(super) fn frame(&self, slots: usize, form: Form) -> Frame {
        let frame = match &self.stored {
            Stored::Graph(package) => super::frame(package, slots),
            Stored::Sequence(_) => {
                Frame::new(slots, Width::Sequence).scored(Scoring::None).opened(Scheme::Merged)
            }
        };
        frame.with(form)
    }

    /// What a proof of a batch takes.
    pub(super) fn estimate(&self, frame: Frame) -> Result<Estimate, Failure> {
        let found = match &self.stored {
            Stored::Graph(package) => estimate::estimate(&package.graph, frame),
            Stored::Sequence(package) => Plan::of_sequence(&package.model, frame)
                .map(|plan| estimate::of_sequence(&package.model, &plan)),
        };
        Ok(found.map_err(ProveError::from)?)
    }

    /// A prover with the keys of a batch.
    pub(super) fn prover(&self, frame: Frame, global: &Global) -> Result<Prover, Failure> {
        let (name, data, ptau) = (hex::encode(self.id), &global.data_dir, global.srs.as_deref());
        if ptau.is_none() {
            output::warn("the reference string is the development one: its secret is public, so anyone can forge proofs");
        }
        let prover = match &self.stored {
            Stored::Graph(package) => Prover::new(package.graph.clone(), frame, data, &name, ptau),
            Stored::Sequence(package) => {
                Prover::of_sequence(package.model.clone(), frame, data, &name, ptau)
            }
        };
        Ok(prover?)
    }
}
