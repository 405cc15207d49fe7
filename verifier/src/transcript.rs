//! The Keccak transcript, reading side. Specification: `docs/book/protocol.md`.

use ark_bn254::{Fr, G1Affine};
use ark_ff::PrimeField;
use dn_core::protocol::Word;
use sha3::{Digest, Keccak256};

use crate::error::VerifyError;
use crate::field;

/// Reads a proof and draws challenges from all that was read or absorbed before.
#[derive(Debug)]
pub(crate) struct Transcript<'a> {
    state: Word,
    buffer: Vec<u8>,
    proof: &'a [u8],
    at: usize,
}

impl<'a> Transcript<'a> {
    pub(crate) fn new(proof: &'a [u8]) -> Self {
        Self { state: [0; 32], buffer: Vec::new(), proof, at: 0 }
    }

    pub(crate) fn absorb(&mut self, word: &Word) {
        self.buffer.extend_from_slice(word);
    }

    pub(crate) fn challenge(&mut self) -> Fr {
        if self.buffer.is_empty() {
            self.buffer.push(1);
        }
        let hash = Keccak256::new().chain_update(self.state).chain_update(&self.buffer);
        self.state = hash.finalize().into();
        self.buffer.clear();
        Fr::from_be_bytes_mod_order(&self.state)
    }

    pub(crate) fn challenges(&mut self, n: usize) -> Vec<Fr> {
        (0..n).map(|_| self.challenge()).collect()
    }

    fn word(&mut self) -> Result<Word, VerifyError> {
        let mut word = [0; 32];
        let bytes = self.proof.get(self.at..self.at + 32).ok_or(VerifyError::ProofEnds)?;
        word.copy_from_slice(bytes);
        self.at += 32;
        self.absorb(&word);
        Ok(word)
    }

    pub(crate) fn point(&mut self) -> Result<G1Affine, VerifyError> {
        let offset = self.at;
        let (x, y) = (self.word()?, self.word()?);
        field::point(&x, &y).ok_or(VerifyError::Point { offset })
    }

    pub(crate) fn points(&mut self, n: usize) -> Result<Vec<G1Affine>, VerifyError> {
        (0..n).map(|_| self.point()).collect()
    }

    pub(crate) fn scalar(&mut self) -> Result<Fr, VerifyError> {
        let offset = self.at;
        field::scalar(&self.word()?).ok_or(VerifyError::Scalar { offset })
    }

    pub(crate) fn scalars(&mut self, n: usize) -> Result<Vec<Fr>, VerifyError> {
        (0..n).map(|_| self.scalar()).collect()
    }
}
