// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Trees
/// @notice Roots over the orders of a bundle, from some of its leaves and the siblings that lead to the root.
/// @dev A level is hashed in pairs from the left; a last node without a partner goes up as it is. The number of leaves is
/// signed with the root, so a leaf can't be taken for an inner node. `core::bundle` says the same.
library Trees {
    /// @notice The root of a tree of `size` leaves.
    /// @param leaves Where the leaves that are there stand in memory, in order. They are overwritten.
    /// @param mask Bit `i`: leaf `i` is there. Not zero, and below `2^size`.
    /// @param sibling Where in the calldata the siblings begin: level by level, from the left.
    /// @return node The root.
    /// @return next Where the siblings end.
    function root(uint256 leaves, uint256 mask, uint256 size, uint256 sibling)
        internal
        pure
        returns (bytes32 node, uint256 next)
    {
        assembly ("memory-safe") {
            next := sibling
            for { let width := size } gt(width, 1) { width := shr(1, add(width, 1)) } {
                let from := leaves
                let to := leaves
                let above := 0
                let at := 0
                for { let rest := mask } rest { rest := shr(2, rest) } {
                    // Four whole pairs: most of a bundle that is all here.
                    if eq(and(rest, 0xff), 0xff) {
                        mstore(to, keccak256(from, 0x40))
                        mstore(add(to, 0x20), keccak256(add(from, 0x40), 0x40))
                        mstore(add(to, 0x40), keccak256(add(from, 0x80), 0x40))
                        mstore(add(to, 0x60), keccak256(add(from, 0xc0), 0x40))
                        from := add(from, 0x100)
                        to := add(to, 0x80)
                        above := or(above, shl(at, 0xf))
                        at := add(at, 4)
                        rest := shr(6, rest)
                        continue
                    }
                    switch and(rest, 3)
                    case 3 {
                        mstore(to, keccak256(from, 0x40))
                        from := add(from, 0x40)
                        to := add(to, 0x20)
                        above := or(above, shl(at, 1))
                    }
                    case 1 {
                        mstore(0, mload(from))
                        from := add(from, 0x20)
                        switch lt(add(add(at, at), 1), width)
                        case 1 {
                            mstore(0x20, calldataload(next))
                            next := add(next, 0x20)
                            mstore(to, keccak256(0, 0x40))
                        }
                        default { mstore(to, mload(0)) }
                        to := add(to, 0x20)
                        above := or(above, shl(at, 1))
                    }
                    case 2 {
                        mstore(0, calldataload(next))
                        next := add(next, 0x20)
                        mstore(0x20, mload(from))
                        from := add(from, 0x20)
                        mstore(to, keccak256(0, 0x40))
                        to := add(to, 0x20)
                        above := or(above, shl(at, 1))
                    }
                    at := add(at, 1)
                }
                mask := above
            }
            node := mload(leaves)
        }
    }
}
