//! Which blocks are read next, and where a reorganisation began.

use dn_core::api::Bytes32;

/// Most blocks that are read at once.
const MAX_BLOCKS: u64 = 1_000;

/// A block that has been read.
pub(crate) type Position = (u64, Bytes32);

/// The next blocks to read, `from..=to`: those behind the position that have `confirmations`, the
/// block itself included. `None` when there are none.
pub(crate) fn range(
    position: Option<u64>,
    first: u64,
    head: u64,
    confirmations: u64,
) -> Option<(u64, u64)> {
    let safe = head.saturating_add(1).checked_sub(confirmations.max(1))?;
    let from = position.map_or(first, |number| number + 1);
    (from <= safe).then(|| (from, safe.min(from.saturating_add(MAX_BLOCKS - 1))))
}

/// Where the chain and what was read part: the last remembered position, newest first, that the
/// chain still has. `None` when it has none of them, and everything is read again.
pub(crate) fn fork(remembered: &[Position], has: impl Fn(Position) -> bool) -> Option<Position> {
    remembered.iter().copied().find(|p| has(*p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_once_they_are_deep_enough() {
        assert_eq!(range(None, 5, 9, 1), Some((5, 9)));
        assert_eq!(range(Some(9), 5, 9, 1), None);
        assert_eq!(range(Some(7), 5, 9, 2), Some((8, 8)));
        assert_eq!(range(Some(9), 5, 3, 1), None, "a chain that is shorter than it was");
        assert_eq!(range(None, 0, 3, 6), None);
        assert_eq!(range(None, 0, 5_000, 0), Some((0, 999)));
    }

    #[test]
    fn a_fork_is_the_newest_common_block() {
        let hash = |i: u8| Bytes32([i; 32]);
        let remembered = [(9, hash(9)), (7, hash(7)), (4, hash(4))];
        assert_eq!(fork(&remembered, |p| p.0 <= 7), Some((7, hash(7))));
        assert_eq!(fork(&remembered, |_| false), None);
    }
}
