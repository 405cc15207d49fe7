//! Zero-knowledge for lookup helpers whose gate has no selector, when halo2's own prover runs.
//!
//! `h A B - q (A + B) = 0` must hold on halo2's blinding rows too. There `q = 0` while `hi`, `lo`,
//! `out` are random, so `h` has to be zero: the random number generator given to `create_proof`
//! returns zeros while the helpers' blinding rows are drawn. Their randomness comes instead from
//! as many usable rows behind the last active one, where every cell of the gate is zero and `h` is
//! free: the same number of uniform field elements per column as stock blinding.
//! [`crate::assignment`] places them directly.
//!
//! The order of draws is that of halo2-axiom 0.5.3, which is pinned: after the second phase's
//! assignment, column by column, eight words per element, helpers first. A wrong order breaks the
//! helper gate, so the prover's check of its own proof fails.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use rand_core::{CryptoRng, Error, RngCore};

use crate::plan::BLINDING_ROWS;

/// 64-bit words that one random field element consumes.
const WORDS_PER_ELEMENT: u64 = 8;

/// Words that the blinding rows of one helper consume.
const HELPER_WORDS: u64 = BLINDING_ROWS as u64 * WORDS_PER_ELEMENT;

/// Counts the words that have to be zero. Shared by a circuit and its generator.
#[derive(Clone, Debug, Default)]
pub struct ZeroWords(Arc<AtomicU64>);

impl ZeroWords {
    pub(crate) fn arm(&self, helpers: usize) {
        self.0.store(helpers as u64 * HELPER_WORDS, Ordering::SeqCst);
    }

    /// Words that have not been drawn: zero after a proof.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
    }
}

/// A generator that yields zeros where its [`ZeroWords`] say so, and `R`'s words elsewhere.
#[derive(Debug)]
pub struct BlindingRng<R> {
    inner: R,
    zeros: ZeroWords,
}

impl<R: RngCore + CryptoRng> BlindingRng<R> {
    /// Wraps a cryptographic generator.
    pub fn new(inner: R, zeros: ZeroWords) -> Self {
        Self { inner, zeros }
    }
}

impl<R: RngCore> RngCore for BlindingRng<R> {
    fn next_u32(&mut self) -> u32 {
        self.inner.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        if self.zeros.take() {
            0
        } else {
            self.inner.next_u64()
        }
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.inner.fill_bytes(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.inner.try_fill_bytes(dest)
    }
}

impl<R: CryptoRng> CryptoRng for BlindingRng<R> {}
