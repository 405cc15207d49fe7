//! What differs between opening schemes.

use std::io;

use dn_circuits::assignment::SecondPhase;
use dn_circuits::Plan;
use dn_vector::Column;
use halo2_proofs::halo2curves::bn256::{Fr, G1};
use rand_chacha::ChaCha20Rng;

use super::arithmetic::Arithmetic;
use super::circuit::{Circuit, Writer};

/// Commits to columns and opens them. Columns are values on the rows, polynomials coefficients.
pub(crate) trait Openings<A: Arithmetic>: std::fmt::Debug + Send + Sync {
    /// Commitments to the columns of phase 1.
    fn commit_first(&self, columns: &[Vec<Fr>]) -> Vec<G1>;

    /// Commitments to the columns of phase 2.
    fn commit_second(&self, columns: &SecondPhase) -> Vec<G1>;

    /// What is sent before the challenge that separates the gates: commitments to polynomials, which are
    /// returned as values, to be opened too.
    fn mask(
        &self,
        circuit: &Circuit<A>,
        rng: &mut ChaCha20Rng,
        transcript: &mut Writer,
    ) -> io::Result<Vec<Vec<Fr>>>;

    /// Sends commitments to the quotient, which comes in pieces of `n` coefficients; returns the pieces that were
    /// committed to.
    fn send_quotient(
        &self,
        circuit: &Circuit<A>,
        pieces: Vec<Column<A::Fr>>,
        rng: &mut ChaCha20Rng,
        transcript: &mut Writer,
    ) -> io::Result<Vec<Column<A::Fr>>>;

    /// Sends values and their opening.
    fn open(
        &self,
        circuit: &Circuit<A>,
        plan: &Plan,
        polynomials: &Polynomials<'_, A>,
        transcript: &mut Writer,
    ) -> io::Result<()>;
}

/// What is opened besides the fixed columns.
pub(crate) struct Polynomials<'a, A: Arithmetic> {
    /// Of the advice columns, the instance behind them.
    pub(super) advice: &'a [Column<A::Fr>],
    /// Of the quotient.
    pub(super) pieces: &'a [Column<A::Fr>],
    /// Of [`Openings::mask`].
    pub(super) masks: &'a [Column<A::Fr>],
}
