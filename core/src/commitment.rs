//! Salted Poseidon commitments to a task's input and output.
//!
//! circomlib's Poseidon over BN254 with five inputs (state width 6), so that users can hash in
//! JavaScript (`poseidon5` of `poseidon-lite`). A message is the sequence
//!
//! ```text
//! tag, salt, word_0, word_1, ...        word_i = sum over k < 31 of q[31 i + k] * 256^k   (mod r)
//! tag = domain + length * 2^32
//! ```
//!
//! absorbed five elements at first, then four at a time behind the running hash, zero-padded at
//! the end: `h = P(e0..e4); h = P(h, e5..e8); ...`. `length` is the number of int8 values, so the
//! padding is unambiguous. Values are signed and words balanced: every digit lies in
//! `[-128, 127]`, hence a word determines its digits. The output of a task is committed to with the
//! input's salt, so it is a function of the input alone.

pub use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField, Zero};

use crate::poseidon;

/// Domain of input commitments.
pub const DOMAIN_INPUT: u64 = 1;
/// Domain of output commitments.
pub const DOMAIN_OUTPUT: u64 = 2;
/// int8 values in one word.
pub const WORD_BYTES: usize = 31;
/// Elements absorbed by the first permutation.
pub const FIRST_RATE: usize = poseidon::ARITY;
/// Elements absorbed by each later permutation.
pub const NEXT_RATE: usize = poseidon::ARITY - 1;

/// Number of words for `len` int8 values.
#[must_use]
pub fn word_count(len: usize) -> usize {
    len.div_ceil(WORD_BYTES)
}

/// Number of permutations that a message of `len` int8 values takes.
#[must_use]
pub fn permutation_count(len: usize) -> usize {
    1 + (2 + word_count(len)).saturating_sub(FIRST_RATE).div_ceil(NEXT_RATE)
}

/// Packs int8 values into words of 31 balanced digits, least significant first.
#[must_use]
pub fn words(values: &[i8]) -> Vec<Fr> {
    let base = Fr::from(256u32);
    values
        .chunks(WORD_BYTES)
        .map(|c| c.iter().rev().fold(Fr::zero(), |w, v| w * base + Fr::from(i32::from(*v))))
        .collect()
}

/// The tag of a message.
#[must_use]
pub fn tag(domain: u64, len: usize) -> Fr {
    Fr::from(u128::from(domain) + ((len as u128) << 32))
}

fn padded(tag: Fr, salt: Fr, values: &[i8]) -> Vec<Fr> {
    let mut elements = vec![tag, salt];
    elements.extend(words(values));
    let padded = FIRST_RATE + (permutation_count(values.len()) - 1) * NEXT_RATE;
    elements.resize(padded, Fr::zero());
    elements
}

/// The elements absorbed by each permutation, padded: five in the first block, four in the others.
#[must_use]
pub fn blocks(tag: Fr, salt: Fr, values: &[i8]) -> Vec<Vec<Fr>> {
    let elements = padded(tag, salt, values);
    let mut blocks = vec![elements[..FIRST_RATE].to_vec()];
    blocks.extend(elements[FIRST_RATE..].chunks(NEXT_RATE).map(<[Fr]>::to_vec));
    blocks
}

/// Commits to an input.
#[must_use]
pub fn input(values: &[i8], salt: Fr) -> Fr {
    hash(tag(DOMAIN_INPUT, values.len()), salt, values)
}

/// Input commitment of a slot without a task: zeros under the salt 0.
#[must_use]
pub fn null_input(len: usize) -> Fr {
    input(&vec![0; len], Fr::zero())
}

/// Commits to an output.
#[must_use]
pub fn output(values: &[i8], salt: Fr) -> Fr {
    hash(tag(DOMAIN_OUTPUT, values.len()), salt, values)
}

fn hash(tag: Fr, salt: Fr, values: &[i8]) -> Fr {
    let elements = padded(tag, salt, values);
    let (first, rest) = elements.split_first_chunk().expect("there is always a first block");
    let (blocks, _) = rest.as_chunks::<NEXT_RATE>();
    blocks.iter().fold(poseidon::hash(first), |h, x| poseidon::hash(&[h, x[0], x[1], x[2], x[3]]))
}

/// Big-endian bytes of a field element, as contracts read it.
#[must_use]
pub fn to_bytes(x: Fr) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(&x.into_bigint().to_bytes_be());
    out
}

/// Reads 32 big-endian bytes; `None` when the number is not below the field's order.
#[must_use]
pub fn from_bytes(bytes: &[u8; 32]) -> Option<Fr> {
    let x = Fr::from_be_bytes_mod_order(bytes);
    (to_bytes(x) == *bytes).then_some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_salt_and_domain_separate() {
        let salt = Fr::from(7u8);
        let base = input(&[1, 2], salt);
        assert_ne!(base, input(&[1, 2, 0], salt));
        assert_ne!(base, input(&[1, 2], Fr::from(8u8)));
        assert_ne!(base, output(&[1, 2], salt));
        assert_ne!(input(&[], salt), input(&[0], salt));
    }

    #[test]
    fn long_messages_chain() {
        assert_eq!(permutation_count(64), 1);
        assert_eq!(permutation_count(93), 1);
        assert_eq!(permutation_count(94), 2);
        assert_eq!(permutation_count(784), 7);
        assert_ne!(input(&[0; 784], Fr::zero()), input(&[0; 783], Fr::zero()));
    }

    #[test]
    fn bytes_are_canonical() {
        assert_eq!(from_bytes(&to_bytes(Fr::from(-1i32))), Some(Fr::from(-1i32)));
        assert_eq!(from_bytes(&[0xff; 32]), None);
    }

    #[derive(serde::Deserialize)]
    struct Vector {
        values: Vec<i8>,
        salt: crate::api::Bytes32,
        input: crate::api::Bytes32,
        output: crate::api::Bytes32,
    }

    /// The vectors were made with `poseidon-lite` by `sdk/js/vectors.js`.
    #[test]
    fn commitments_are_those_of_javascript() {
        let text = include_str!("../testdata/commitment.json");
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        let vectors: Vec<Vector> = serde_json::from_value(file["commitments"].clone()).unwrap();
        assert!(vectors.len() >= 10);
        for v in vectors {
            let salt = from_bytes(&v.salt.0).unwrap();
            assert_eq!(to_bytes(input(&v.values, salt)), v.input.0);
            assert_eq!(to_bytes(output(&v.values, salt)), v.output.0);
        }
    }
}
