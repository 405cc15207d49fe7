//! The public inputs of a batch proof, in order.
//!
//! ```text
//! 0            version            VERSION
//! 1            header             keccak256 of the batch header, reduced mod r by clearing the top 3 bits
//! 2            count              real tasks; slots from `count` on are padding
//! 3 .. 3+B     input commitments  one per slot
//! 3+B          labels             W words of fifteen, W = ceil(B / 15) ([`crate::labels`])
//! 3+B+W        probe_count        slots that have a label
//! 4+B+W        probe_correct      of these, slots whose arg-max is the label (a tie is not)
//! 5+B+W        margin_sum         over probes: max(0, out[label] - max of the others)
//! 6+B+W ..     output commitments one per slot
//! ```
//!
//! A batch that is verified and not settled may state one digest of commitments, labels and score instead, the
//! root of their [`Tree`]:
//!
//! ```text
//! 0            version            DIGEST_VERSION
//! 1, 2         header, count      as above
//! 3            digest
//! ```
//!
//! The circuit ties everything but `version`, `header` and `count` to the witness; those three are
//! bound by the transcript alone, and the contract checks them.

use ark_bn254::Fr;

use crate::digest::{label_leaves, Tree};
use crate::labels;

/// Identifies this statement: the ASCII bytes of `dn-batch` followed by version 3.
pub const VERSION: u128 = 0x64_6e2d_6261_7463_6803;
/// Identifies the statement of a digest: the same followed by version 4.
pub const DIGEST_VERSION: u128 = VERSION + 1;

/// Index of the digest.
pub const DIGEST_AT: usize = 3;

/// How public inputs name the commitments of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// One by one, as settlement needs them.
    #[default]
    Listed,
    /// By one digest.
    Digest,
}

impl Form {
    /// Number of public inputs for a batch of `slots`.
    #[must_use]
    pub fn instances(self, slots: usize) -> usize {
        match self {
            Self::Listed => len(slots),
            Self::Digest => DIGEST_AT + 1,
        }
    }

    /// The first public input.
    #[must_use]
    pub fn version(self) -> u128 {
        match self {
            Self::Listed => VERSION,
            Self::Digest => DIGEST_VERSION,
        }
    }
}

/// Index of the first input commitment.
pub const INPUTS_AT: usize = 3;

/// Number of public inputs for a batch of `slots`.
#[must_use]
pub fn len(slots: usize) -> usize {
    outputs_at(slots) + slots
}

/// Slots of a batch with `len` public inputs, if there is such a batch.
#[must_use]
pub fn slots(len: usize) -> Option<usize> {
    // Fifteen slots take 31 words; the last ones take two each, and one.
    let words = len.checked_sub(self::len(0))?;
    let slots = words / 31 * 15 + words % 31 / 2;
    (self::len(slots) == len).then_some(slots)
}

/// Index of the first word of labels.
#[must_use]
pub fn labels_at(slots: usize) -> usize {
    INPUTS_AT + slots
}

/// Index of `probe_count`.
#[must_use]
pub fn score_at(slots: usize) -> usize {
    labels_at(slots) + labels::words(slots)
}

/// Index of the first output commitment.
#[must_use]
pub fn outputs_at(slots: usize) -> usize {
    score_at(slots) + 3
}

/// Quality of a batch, summed over its probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Slots that carry a label.
    pub probe_count: u32,
    /// Probes answered correctly.
    pub probe_correct: u32,
    /// Sum of winning margins, in int8 steps.
    pub margin_sum: u32,
}

impl Score {
    /// Whether a batch of `count` tasks can have this score. The circuit binds one packed sum of the three; the
    /// bounds make it unique, so whoever relies on a score must ask.
    #[must_use]
    pub fn is_possible(self, count: u32) -> bool {
        let most = u64::from(self.probe_correct) * 255;
        self.probe_count <= count
            && self.probe_correct <= self.probe_count
            && u64::from(self.margin_sum) <= most
    }

    /// The score as one number, `probe_count + 2^16 probe_correct + 2^32 margin_sum`: a leaf of a digest.
    #[must_use]
    pub fn packed(self) -> Fr {
        let [count, correct, margin] =
            [self.probe_count, self.probe_correct, self.margin_sum].map(u128::from);
        Fr::from(count + (correct << 16) + (margin << 32))
    }

    /// Adds one answer. `label` is `None` for an ordinary task.
    pub fn add(&mut self, output: &[i8], label: Option<u16>) {
        let Some(label) = label.map(usize::from) else { return };
        self.probe_count += 1;
        let Some(&value) = output.get(label) else { return };
        let others = output.iter().enumerate().filter(|(i, _)| *i != label).map(|(_, v)| *v);
        let Some(best) = others.max() else { return };
        let margin = i32::from(value) - i32::from(best);
        if margin > 0 {
            self.probe_correct += 1;
            self.margin_sum += margin.unsigned_abs();
        }
    }
}

/// One batch's public inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Hash of the header, already a canonical field element.
    pub header: Fr,
    /// Real tasks in the batch.
    pub count: u32,
    /// Input commitment of every slot, padding included.
    pub inputs: Vec<Fr>,
    /// Label of every slot, if it has one.
    pub labels: Vec<Option<u16>>,
    /// Quality sums.
    pub score: Score,
    /// Output commitment of every slot, padding included.
    pub outputs: Vec<Fr>,
    /// The digest of the four above, where it stands for them.
    pub digest: Option<Fr>,
}

impl Statement {
    /// What is tied to the witness, as leaves of a tree.
    #[must_use]
    pub fn leaves(&self) -> Vec<Fr> {
        let mut leaves = self.inputs.clone();
        leaves.extend(labels::pack(&self.labels));
        leaves.resize(self.inputs.len() + label_leaves(self.inputs.len()), Fr::from(0u8));
        leaves.push(self.score.packed());
        leaves.extend(&self.outputs);
        leaves
    }

    /// The tree of the digest; none when the number of slots is not even.
    #[must_use]
    pub fn tree(&self) -> Option<Tree> {
        Tree::new(&self.leaves())
    }

    /// Whether commitments are listed or digested.
    #[must_use]
    pub fn form(&self) -> Form {
        if self.digest.is_some() {
            Form::Digest
        } else {
            Form::Listed
        }
    }

    /// The public inputs in order.
    #[must_use]
    pub fn instances(&self) -> Vec<Fr> {
        let version = Fr::from(self.form().version());
        let mut all = vec![version, self.header, Fr::from(self.count)];
        if let Some(digest) = self.digest {
            all.push(digest);
            return all;
        }
        all.extend(&self.inputs);
        all.extend(labels::pack(&self.labels));
        let s = self.score;
        all.extend([s.probe_count, s.probe_correct, s.margin_sum].map(Fr::from));
        all.extend(&self.outputs);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_says_how_many_slots_there_are() {
        let lengths: Vec<usize> = (0..400).map(len).collect();
        for of in 0..lengths[lengths.len() - 1] {
            assert_eq!(slots(of), lengths.iter().position(|len| *len == of), "{of}");
        }
    }
}
