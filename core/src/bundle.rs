//! Orders of one user that are signed together: a tree over what makes each of them differ from the others.
//!
//! A bundle has up to 64 orders with consecutive nonces of one word of 64, which share model, fee and deadline. Two
//! trees of one shape stand for the rest, one over their inputs' commitments and one over their tags. A level is
//! hashed in pairs from the left, and a last node without a partner goes up as it is:
//!
//! ```text
//! parent(2 i, 2 i + 1) = keccak256(left . right)        1 leaf: the leaf is the root
//! ```
//!
//! The number of leaves is signed, so a leaf cannot be taken for an inner node. `contracts/src/Trees.sol` says the
//! same.

use sha3::{Digest as _, Keccak256};

/// Most orders of a bundle: the nonces of one word.
pub const MAX_SIZE: usize = 64;

/// A leaf or an inner node.
pub type Node = [u8; 32];

fn parent(left: &Node, right: &Node) -> Node {
    Keccak256::new().chain_update(left).chain_update(right).finalize().into()
}

fn above(level: &[Node]) -> Vec<Node> {
    level
        .chunks(2)
        .map(|pair| pair.get(1).map_or(pair[0], |right| parent(&pair[0], right)))
        .collect()
}

/// The root over so many leaves; zero over none.
#[must_use]
pub fn root(leaves: &[Node]) -> Node {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = above(&level);
    }
    level.first().copied().unwrap_or_default()
}

/// The partners on the way from a leaf to the root, the lowest first.
#[must_use]
pub fn path(leaves: &[Node], index: usize) -> Vec<Node> {
    let (mut level, mut at, mut path) = (leaves.to_vec(), index, Vec::new());
    while level.len() > 1 {
        path.extend(level.get(at ^ 1));
        (level, at) = (above(&level), at / 2);
    }
    path
}

/// The root that a leaf and its path lead to. `None` where no tree of this size has such a path.
#[must_use]
pub fn climb(leaf: Node, size: usize, index: usize, path: &[Node]) -> Option<Node> {
    if index >= size || size > MAX_SIZE {
        return None;
    }
    let (mut node, mut width, mut at, mut path) = (leaf, size, index, path.iter());
    while width > 1 {
        if at ^ 1 < width {
            let partner = path.next()?;
            node = if at & 1 == 0 { parent(&node, partner) } else { parent(partner, &node) };
        }
        (width, at) = (width.div_ceil(2), at / 2);
    }
    path.next().is_none().then_some(node)
}

/// What leads from several leaves of one tree to its root: level by level, from the left, the partners that are
/// neither among them nor above them. `members` are indices in rising order with their paths; `None` where a path
/// does not belong to a tree of this size.
#[must_use]
pub fn siblings(size: usize, members: &[(usize, &[Node])]) -> Option<Vec<Node>> {
    let mut level: Vec<(usize, std::slice::Iter<'_, Node>)> =
        members.iter().map(|(index, path)| (*index, path.iter())).collect();
    let (mut width, mut found) = (size, Vec::new());
    while width > 1 {
        let mut next: Vec<(usize, std::slice::Iter<'_, Node>)> = Vec::with_capacity(level.len());
        let mut nodes = level.into_iter().peekable();
        while let Some((at, mut path)) = nodes.next() {
            let partner = if at ^ 1 < width { Some(path.next()?) } else { None };
            let is_pair = at & 1 == 0 && nodes.peek().is_some_and(|(right, _)| *right == at + 1);
            if is_pair {
                nodes.next();
            } else {
                found.extend(partner);
            }
            next.push((at / 2, path));
        }
        (level, width) = (next, width.div_ceil(2));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u8) -> Vec<Node> {
        (1..=count).map(|i| [i; 32]).collect()
    }

    #[test]
    fn every_path_leads_to_the_root() {
        for size in [1, 2, 3, 5, 8, 13, 63, 64] {
            let leaves = leaves(size);
            let root = root(&leaves);
            for (i, leaf) in leaves.iter().enumerate() {
                let mut path = path(&leaves, i);
                assert_eq!(climb(*leaf, leaves.len(), i, &path), Some(root));
                assert_ne!(climb([99; 32], leaves.len(), i, &path), Some(root));
                path.push([0; 32]);
                assert_eq!(climb(*leaf, leaves.len(), i, &path), None, "longer");
                path.truncate(path.len().saturating_sub(2));
                assert!(size == 1 || climb(*leaf, leaves.len(), i, &path).is_none(), "shorter");
            }
            assert_eq!(climb(leaves[0], leaves.len(), leaves.len(), &[]), None);
        }
    }

    #[test]
    fn all_leaves_need_no_siblings_and_one_needs_its_path() {
        for size in [1, 3, 7, 64] {
            let leaves = leaves(size);
            let paths: Vec<Vec<Node>> = (0..leaves.len()).map(|i| path(&leaves, i)).collect();
            let all: Vec<(usize, &[Node])> =
                paths.iter().enumerate().map(|(i, path)| (i, &path[..])).collect();
            assert_eq!(siblings(leaves.len(), &all), Some(Vec::new()));
            for one in &all {
                assert_eq!(siblings(leaves.len(), &[*one]).unwrap(), one.1);
            }
        }
        assert_eq!(siblings(3, &[(0, &[])]), None);
    }

    /// `sdk/js/bundle.test.js` has the same vector.
    #[test]
    fn a_tree_is_that_of_javascript() {
        let hex: String = root(&leaves(5)).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "644baaabdf96074e4c3774fcd82cc717cd4d53c48da8ac1e3029ebe434c64996");
    }

    #[test]
    fn siblings_stand_level_by_level() {
        let leaves = leaves(5);
        let paths: Vec<Vec<Node>> = (0..5).map(|i| path(&leaves, i)).collect();
        let found = siblings(5, &[(0, &paths[0]), (3, &paths[3])]).unwrap();
        assert_eq!(found, [leaves[1], leaves[2], leaves[4]]);
    }
}
