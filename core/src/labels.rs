//! Labels: the classes that some tasks of a batch should have, as public inputs; and the tags that hide them.
//!
//! A label is told when a batch is proven, not before: an order carries a [`tag`], which binds its user to one label
//! and tells nobody which tasks have one. In the statement a word holds fifteen labels,
//!
//! ```text
//! word_j = sum over i < 15 of 2^(16 i) entry_(15 j + i)         entry = 0 without a label, else class + 1
//! ```
//!
//! Entries are below `2^16` and a word below `2^240`, so it is one field element and has one reading.

use ark_bn254::Fr;
use ark_ff::BigInteger256;
use sha3::{Digest as _, Keccak256};

use crate::protocol::Word;

/// Bits of one label in a word.
pub const LABEL_BITS: usize = 16;
/// Labels in one word.
pub const LABELS_PER_WORD: usize = 15;
/// Most classes of a model: numbers of classes fit an entry, and the tables of a proof hold them.
pub const MAX_CLASSES: usize = 4096;

/// Bytes of one label.
const LABEL_BYTES: usize = LABEL_BITS / 8;

/// Words for the labels of `slots`.
#[must_use]
pub const fn words(slots: usize) -> usize {
    slots.div_ceil(LABELS_PER_WORD)
}

/// What stands for a label: 0 for none, else the class and one.
#[must_use]
pub fn entry(label: Option<u16>) -> u16 {
    label.map_or(0, |class| class.saturating_add(1))
}

/// The words of labels, one per slot.
#[must_use]
pub fn pack(labels: &[Option<u16>]) -> Vec<Fr> {
    labels
        .chunks(LABELS_PER_WORD)
        .map(|labels| {
            let mut limbs = [0u64; 4];
            for (i, label) in labels.iter().enumerate() {
                let bit = i * LABEL_BITS;
                limbs[bit / 64] |= u64::from(entry(*label)) << (bit % 64);
            }
            Fr::from(BigInteger256::new(limbs))
        })
        .collect()
}

/// The entries of a word, the first slot's first; `None` when it is not below `2^240`.
#[must_use]
pub fn unpack(word: &Word) -> Option<[u16; LABELS_PER_WORD]> {
    let (high, labels) = word.split_at(word.len() - LABELS_PER_WORD * LABEL_BYTES);
    let (pairs, _) = labels.as_chunks::<LABEL_BYTES>();
    let mut entries = [0; LABELS_PER_WORD];
    entries
        .iter_mut()
        .zip(pairs.iter().rev())
        .for_each(|(to, pair)| *to = u16::from_be_bytes(*pair));
    high.iter().all(|byte| *byte == 0).then_some(entries)
}

/// The tag of an order whose task has a label: keccak256 of the label and a random salt, a word each. Any other
/// number is the tag of an order without one, and looks the same.
#[must_use]
pub fn tag(label: u16, salt: &[u8; 32]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    hasher.update([0; 30]);
    hasher.update(label.to_be_bytes());
    hasher.update(salt);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commitment::to_bytes;

    #[test]
    fn words_have_one_reading() {
        let labels: Vec<Option<u16>> =
            (0..40).map(|i| (i % 3 != 0).then_some(i * 1600 + 3)).collect();
        let packed = pack(&labels);
        assert_eq!(packed.len(), words(labels.len()));
        let entries = packed.iter().flat_map(|word| unpack(&to_bytes(*word)).unwrap());
        let expected: Vec<u16> = labels.iter().map(|label| entry(*label)).collect();
        assert!(entries.clone().take(40).eq(expected));
        assert!(entries.skip(40).all(|entry| entry == 0));
    }

    #[test]
    fn words_of_more_than_fifteen_labels_are_none() {
        let mut word = [0xff; 32];
        word[..2].fill(0);
        assert_eq!(unpack(&word), Some([u16::MAX; LABELS_PER_WORD]));
        for byte in [0, 1] {
            let mut larger = word;
            larger[byte] = 1;
            assert_eq!(unpack(&larger), None);
        }
    }

    #[test]
    fn a_tag_binds_label_and_salt() {
        let base = tag(3, &[7; 32]);
        assert_ne!(base, tag(4, &[7; 32]));
        assert_ne!(base, tag(3, &[8; 32]));
    }
}
