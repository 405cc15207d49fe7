//! The Fiat-Shamir transcript: keccak256 over 32-byte big-endian words, cheap in the EVM.
//!
//! ```text
//! absorb scalar    buffer ||= scalar                      absorb point    buffer ||= x || y
//! squeeze          state = keccak256(state || buffer)     buffer empty: keccak256(state || 0x01)
//!                  challenge = state mod r, buffer = empty
//! ```
//!
//! The state begins as 32 zero bytes. Reducing 256 uniform bits modulo `r` (about `2^253.6`) gives
//! each challenge a probability of at most `6 * 2^-256`, so an event of `d` field elements has
//! probability below `6 d / 2^256`: two bits less than with an unbiased draw.
//!
//! Proofs hold points uncompressed (64 bytes) and scalars (32 bytes). Points at infinity, off the
//! curve or with coordinates not below the field's order, and scalars not below `r`, are errors.

use std::io::{self, Read, Write};

use ff::PrimeField;
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine};
use halo2_proofs::halo2curves::CurveAffine;
use halo2_proofs::transcript::{
    EncodedChallenge, Transcript, TranscriptRead, TranscriptReadBuffer, TranscriptWrite,
    TranscriptWriterBuffer,
};
use sha3::{Digest, Keccak256};

use crate::field::{from_core, CoreFr};
use ark_ff::PrimeField as _;

/// A challenge: a hash reduced modulo the field's order.
#[derive(Clone, Copy, Debug)]
pub struct KeccakChallenge(Fr);

impl EncodedChallenge<G1Affine> for KeccakChallenge {
    type Input = [u8; 32];

    fn new(hash: &[u8; 32]) -> Self {
        Self(from_core(CoreFr::from_be_bytes_mod_order(hash)))
    }

    fn get_scalar(&self) -> Fr {
        self.0
    }
}

#[derive(Clone, Debug, Default)]
struct Sponge {
    state: [u8; 32],
    buffer: Vec<u8>,
}

impl Sponge {
    fn squeeze(&mut self) -> KeccakChallenge {
        if self.buffer.is_empty() {
            self.buffer.push(1);
        }
        self.state =
            Keccak256::new().chain_update(self.state).chain_update(&self.buffer).finalize().into();
        self.buffer.clear();
        KeccakChallenge::new(&self.state)
    }

    fn absorb(&mut self, words: &[u8]) {
        self.buffer.extend_from_slice(words);
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn big_endian<F: PrimeField<Repr = R>, R: AsRef<[u8]>>(x: F) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(x.to_repr().as_ref());
    bytes.reverse();
    bytes
}

fn point_bytes(point: G1Affine) -> io::Result<[u8; 64]> {
    let coordinates = Option::from(point.coordinates());
    let c: halo2_proofs::halo2curves::Coordinates<G1Affine> =
        coordinates.ok_or_else(|| invalid("a point at infinity"))?;
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&big_endian(*c.x()));
    bytes[32..].copy_from_slice(&big_endian(*c.y()));
    Ok(bytes)
}

macro_rules! sponge_transcript {
    ($name:ident<$io:ident: $bound:ident>) => {
        impl<$io: $bound> Transcript<G1Affine, KeccakChallenge> for $name<$io> {
            fn squeeze_challenge(&mut self) -> KeccakChallenge {
                self.sponge.squeeze()
            }

            fn common_point(&mut self, point: G1Affine) -> io::Result<()> {
                self.sponge.absorb(&point_bytes(point)?);
                Ok(())
            }

            fn common_scalar(&mut self, scalar: Fr) -> io::Result<()> {
                self.sponge.absorb(&big_endian(scalar));
                Ok(())
            }
        }
    };
}

/// The prover's side.
#[derive(Clone, Debug)]
pub struct KeccakWrite<W> {
    sponge: Sponge,
    writer: W,
}

/// The verifier's side.
#[derive(Clone, Debug)]
pub struct KeccakRead<R> {
    sponge: Sponge,
    reader: R,
}

sponge_transcript!(KeccakWrite<W: Write>);
sponge_transcript!(KeccakRead<R: Read>);

impl<W: Write> TranscriptWrite<G1Affine, KeccakChallenge> for KeccakWrite<W> {
    fn write_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.common_point(point)?;
        self.writer.write_all(&point_bytes(point)?)
    }

    fn write_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        self.common_scalar(scalar)?;
        self.writer.write_all(&big_endian(scalar))
    }
}

impl<W: Write> TranscriptWriterBuffer<W, G1Affine, KeccakChallenge> for KeccakWrite<W> {
    fn init(writer: W) -> Self {
        Self { sponge: Sponge::default(), writer }
    }

    fn finalize(self) -> W {
        self.writer
    }
}

impl<R: Read> KeccakRead<R> {
    fn word(&mut self) -> io::Result<[u8; 32]> {
        let mut word = [0; 32];
        self.reader.read_exact(&mut word)?;
        word.reverse();
        Ok(word)
    }
}

impl<R: Read> TranscriptRead<G1Affine, KeccakChallenge> for KeccakRead<R> {
    fn read_point(&mut self) -> io::Result<G1Affine> {
        let (x, y) = (Fq::from_repr(self.word()?), Fq::from_repr(self.word()?));
        let (x, y) = Option::zip(Option::from(x), Option::from(y))
            .ok_or_else(|| invalid("a coordinate above the field's order"))?;
        let point: Option<G1Affine> = G1Affine::from_xy(x, y).into();
        let point = point.ok_or_else(|| invalid("a point off the curve"))?;
        self.common_point(point)?;
        Ok(point)
    }

    fn read_scalar(&mut self) -> io::Result<Fr> {
        let scalar: Option<Fr> = Fr::from_repr(self.word()?).into();
        let scalar = scalar.ok_or_else(|| invalid("a scalar above the field's order"))?;
        self.common_scalar(scalar)?;
        Ok(scalar)
    }
}

impl<R: Read> TranscriptReadBuffer<R, G1Affine, KeccakChallenge> for KeccakRead<R> {
    fn init(reader: R) -> Self {
        Self { sponge: Sponge::default(), reader }
    }
}
