//! One digest of a batch: the root of a tree over its commitments, its labels and its score.
//!
//! The tree is a heap of circomlib's `poseidon5`: element 0 is the root, the children of element `i` are
//! elements `5 i + 1` to `5 i + 5`, and the elements of a batch with `B` slots are
//!
//! ```text
//! 0 .. N              branches                    N = B/2 + Q, poseidon5 of the five children
//! N .. N+B            input commitments           one per slot
//! N+B .. N+B+4Q       words of labels             ceil(B / 15) and zeros behind them, Q = ceil(B / 60)
//! N+B+4Q              score                       probe_count + 2^16 probe_correct + 2^32 margin_sum
//! N+B+4Q+1 ..         output commitments          one per slot
//! ```
//!
//! `B` is even, as the slots of every layout are, and words come in fours, so each branch has five children. Shape and places follow from `B`.
//! **A digest without its number of slots says nothing**: a commitment to a short message is a hash of five elements, as a
//! branch is, so under another `B` its salt would pass for a leaf, the score's among them. Take `B` from deriving the
//! package's key for it (`check-key --slots`), since the key itself does not say it, and the digest from a proof that it
//! accepts.

use ark_bn254::Fr;

use crate::labels::LABELS_PER_WORD;
use crate::poseidon;
/// Children of a branch.
pub use crate::poseidon::ARITY;

/// Branches for `slots`, an even number: the elements that have children.
#[must_use]
pub fn branches(slots: usize) -> usize {
    slots / 2 + fours(slots)
}

/// Words of labels, in fours.
fn fours(slots: usize) -> usize {
    slots.div_ceil(4 * LABELS_PER_WORD)
}

/// Leaves that hold labels, or the zeros behind them.
#[must_use]
pub fn label_leaves(slots: usize) -> usize {
    4 * fours(slots)
}

/// Number of the leaf that holds the score.
#[must_use]
pub fn score_leaf(slots: usize) -> usize {
    slots + label_leaves(slots)
}

/// Leaves of a batch of `slots`.
fn leaves(slots: usize) -> usize {
    score_leaf(slots) + 1 + slots
}

/// Slots of a batch with so many leaves: an even number, at least two.
#[must_use]
pub fn slots(leaves: usize) -> Option<usize> {
    // Sixty slots take 62 pairs of leaves.
    let pairs = leaves.checked_sub(1)? / 2;
    let slots = pairs.checked_sub(2 * pairs.div_ceil(62))?;
    (slots > 0 && slots.is_multiple_of(2) && self::leaves(slots) == leaves).then_some(slots)
}

/// The tree of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    elements: Vec<Fr>,
    branches: usize,
}

impl Tree {
    /// Over the leaves of a batch, in order: inputs, words of labels, the score, outputs. None when their number is
    /// not that of an even number of slots, at least two.
    #[must_use]
    pub fn new(leaves: &[Fr]) -> Option<Self> {
        let branches = branches(slots(leaves.len())?);
        let mut elements = vec![Fr::from(0u8); branches];
        elements.extend(leaves);
        for branch in (0..branches).rev() {
            elements[branch] = poseidon::hash(elements[ARITY * branch + 1..].first_chunk()?);
        }
        Some(Self { elements, branches })
    }

    /// All elements.
    #[must_use]
    pub fn elements(&self) -> &[Fr] {
        &self.elements
    }

    /// The digest.
    #[must_use]
    pub fn root(&self) -> Fr {
        self.elements[0]
    }

    /// What shows that `leaf`, counted from 0, has its value: from below, the other children of each branch
    /// above it.
    #[must_use]
    pub fn path(&self, leaf: usize) -> Option<Vec<[Fr; ARITY - 1]>> {
        let mut at = self.branches.checked_add(leaf)?;
        (at < self.elements.len()).then(|| {
            let mut path = Vec::new();
            while at > 0 {
                let (branch, child) = ((at - 1) / ARITY, (at - 1) % ARITY);
                let mut others = [Fr::from(0u8); ARITY - 1];
                let places = (0..ARITY).filter(|i| *i != child);
                for (other, i) in others.iter_mut().zip(places) {
                    *other = self.elements[ARITY * branch + 1 + i];
                }
                path.push(others);
                at = branch;
            }
            path
        })
    }
}

/// Whether the batch of `slots` with digest `root` has `value` as its leaf number `leaf`. `slots` is that of
/// the verifying key, not of whoever shows the opening.
#[must_use]
pub fn opens(root: Fr, slots: usize, (leaf, value): (usize, Fr), path: &[[Fr; ARITY - 1]]) -> bool {
    // A quarter of the range, so that no index overflows.
    if !(2..usize::MAX / 4).contains(&slots) || !slots.is_multiple_of(2) || leaf >= leaves(slots) {
        return false;
    }
    let (mut at, mut value) = (branches(slots) + leaf, value);
    for others in path {
        if at == 0 {
            return false;
        }
        let child = (at - 1) % ARITY;
        let mut children = [value; ARITY];
        let places = (0..ARITY).filter(|i| *i != child);
        places.zip(others).for_each(|(i, other)| children[i] = *other);
        (at, value) = ((at - 1) / ARITY, poseidon::hash(&children));
    }
    at == 0 && value == root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(slots: usize) -> Vec<Fr> {
        (0..leaves(slots) as u64).map(|i| Fr::from(i * i + 7)).collect()
    }

    #[test]
    fn every_branch_has_five_children() {
        for slots in (2..400).step_by(2) {
            let tree = Tree::new(&some(slots)).unwrap();
            assert_eq!(super::slots(leaves(slots)), Some(slots));
            assert_eq!(tree.elements().len(), ARITY * branches(slots) + 1);
        }
        for leaves in (0..leaves(60)).filter(|n| *n < 9 || n % 4 != 1) {
            assert_eq!(Tree::new(&vec![Fr::from(1u8); leaves]), None);
        }
    }

    /// The vectors were made with `poseidon-lite` by `sdk/js/vectors.js`.
    #[test]
    fn digests_are_those_of_javascript() {
        let text = include_str!("../testdata/commitment.json");
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        let read = |value: &serde_json::Value| {
            let bytes: crate::api::Bytes32 = serde_json::from_value(value.clone()).unwrap();
            crate::commitment::from_bytes(&bytes.0).unwrap()
        };
        let leaves: Vec<Fr> =
            file["digest"]["leaves"].as_array().unwrap().iter().map(read).collect();
        assert_eq!(Tree::new(&leaves).unwrap().root(), read(&file["digest"]["root"]));
    }

    #[test]
    fn leaves_open_at_their_places_only() {
        let slots = 16;
        let leaves = some(slots);
        let tree = Tree::new(&leaves).unwrap();
        for (leaf, value) in leaves.iter().enumerate() {
            let path = tree.path(leaf).unwrap();
            let opens = |leaf, value, path: &[_]| opens(tree.root(), slots, (leaf, value), path);
            assert!(opens(leaf, *value, &path));
            assert!(!opens(leaf, *value + Fr::from(1u8), &path));
            assert!(!opens((leaf + 1) % leaves.len(), *value, &path));
            assert!(!opens(leaf, *value, &path[1..]));
            let mut longer = path.clone();
            longer.push(path[0]);
            assert!(!opens(leaf, *value, &longer));
        }
        assert_eq!(tree.path(leaves.len()), None);
        assert_eq!(tree.path(usize::MAX), None);
        let root = tree.root();
        for slots in [0, 1, 3, usize::MAX, usize::MAX - 1] {
            assert!(!opens(root, slots, (0, root), &[]));
            assert!(!opens(root, slots, (usize::MAX, root), &[]));
        }
        assert!(!opens(tree.root(), slots, (leaves.len(), leaves[0]), &tree.path(0).unwrap()));
    }
}
