//! The verifying key as the content of a data contract, for the Solidity verifier.
//!
//! ```text
//! 0x00                 so that the contract cannot be called
//! layout               hash of the layout, which the verifier's code must have been made for
//! k, omega, 1/omega, 1/n
//! digest
//! public inputs
//! G1                   x, y
//! G2, tau G2           x.c1, x.c0, y.c1, y.c0 each
//! fixed commitments    x, y each, of columns or groups; zeros stand for the point at infinity
//! ```
//!
//! All but the first byte are words. What models share is in the verifier's code: [`crate::system`].

use ark_bn254::Fr;
use ark_ff::{BigInteger, Field, PrimeField};
use sha3::{Digest as _, Keccak256};
use thiserror::Error;

use crate::groups::groups;
use crate::protocol::{Protocol, Word};
use crate::scheme::Scheme;
use crate::system::{System, SystemError};

/// EIP-170's limit on a contract's code.
const MAX_CODE: usize = 24_576;
/// Words before the fixed commitments.
pub const HEAD_WORDS: usize = 17;

/// Why a protocol has no data contract.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VkDataError {
    /// The contract would be too large.
    #[error("{got} bytes; a contract holds at most {MAX_CODE}")]
    Size {
        /// Bytes needed.
        got: usize,
    },
    /// The Solidity verifier does not know this layout.
    #[error("no Solidity verifier for this layout")]
    System(#[from] SystemError),
    /// The generator of the domain, or its size, has no inverse.
    #[error("the domain is invalid")]
    Domain,
}

fn number(n: usize) -> Word {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&(n as u64).to_be_bytes());
    word
}

fn word(x: Fr) -> Word {
    let mut word = [0; 32];
    word.copy_from_slice(&x.into_bigint().to_bytes_be());
    word
}

/// The code of the data contract.
///
/// # Errors
/// When the protocol has a shape that the Solidity verifier does not know, or is too large.
pub fn vk_data(p: &Protocol) -> Result<Vec<u8>, VkDataError> {
    let layout = System::of(p)?;
    if p.scheme() == Scheme::Merged {
        groups(p)?;
    }
    let invert = |x: Fr| x.inverse().ok_or(VkDataError::Domain);
    let omega = Fr::from_be_bytes_mod_order(&p.omega);
    let mut words = vec![
        layout.hash,
        number(p.k as usize),
        p.omega,
        word(invert(omega)?),
        word(invert(Fr::from(1u64 << p.k))?),
        p.digest,
        number(p.instances as usize),
    ];
    words.extend(p.g1);
    words.extend(swapped(&p.g2));
    words.extend(swapped(&p.s_g2));
    debug_assert_eq!(words.len(), HEAD_WORDS);
    words.extend(p.fixed.iter().flatten());
    let mut code = vec![0u8];
    code.extend(words.iter().flatten());
    if code.len() > MAX_CODE {
        return Err(VkDataError::Size { got: code.len() });
    }
    Ok(code)
}

/// The hash by which a verifier's router knows its reference string: keccak256 of G1, G2 and tau G2 as
/// a data contract has them.
#[must_use]
pub fn reference_string(g1: &[Word; 2], g2: &[Word; 4], s_g2: &[Word; 4]) -> Word {
    let mut hasher = Keccak256::new();
    for word in g1.iter().chain(&swapped(g2)).chain(&swapped(s_g2)) {
        hasher.update(word);
    }
    hasher.finalize().into()
}

impl Protocol {
    /// [`reference_string`] of the key.
    #[must_use]
    pub fn reference_string(&self) -> Word {
        reference_string(&self.g1, &self.g2, &self.s_g2)
    }
}

/// The EVM's order of a coordinate's two parts.
fn swapped(w: &[Word; 4]) -> [Word; 4] {
    [w[1], w[0], w[3], w[2]]
}

/// Creation code that deploys `code` as it is.
#[must_use]
pub fn creation_code(code: &[u8]) -> Vec<u8> {
    // PUSH2 len, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN (one byte of padding before it)
    let len = u16::try_from(code.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut init = vec![0x61, len[0], len[1], 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3];
    init.extend(code);
    init
}
