//! The tree of a pool: pairs are sorted before they are hashed, an odd node goes up as it is.

use alloy::primitives::{keccak256, B256};

fn above(level: &[B256]) -> Vec<B256> {
    let node = |pair: &[B256]| match *pair {
        [a, b] => keccak256(if a < b { [a.0, b.0] } else { [b.0, a.0] }.concat()),
        [single] => single,
        _ => B256::ZERO,
    };
    level.chunks(2).map(node).collect()
}

/// The root over leaves; zero when there is none.
pub(super) fn root(leaves: &[B256]) -> B256 {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = above(&level);
    }
    level.first().copied().unwrap_or_default()
}

/// What leads from a leaf to the root.
pub(super) fn path(leaves: &[B256], mut index: usize) -> Vec<B256> {
    let (mut level, mut path) = (leaves.to_vec(), Vec::new());
    while level.len() > 1 {
        path.extend(level.get(index ^ 1));
        level = above(&level);
        index /= 2;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_leads_to_the_root() {
        for count in [1u8, 2, 3, 5, 8, 13] {
            let leaves: Vec<B256> = (0..count).map(|i| keccak256([i])).collect();
            let climb = |node: B256, sibling: &B256| above(&[node, *sibling])[0];
            for (i, leaf) in leaves.iter().enumerate() {
                let top = path(&leaves, i).iter().fold(*leaf, climb);
                assert_eq!(top, root(&leaves));
            }
        }
    }
}
