// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Slots
/// @notice Reads signed orders as `Chunk.orders` packs them: user 20, size 1, members 8, maxFee 16, deadline 8, nonce 8,
/// tags 32.
/// @dev An order is named by the place in the calldata where it begins; that it lies within the chunk is the caller's
/// care.
library Slots {
    /// @notice Bytes of a signed order, of one task or of several.
    uint256 internal constant BYTES = 93;

    /// @notice EIP-712 type hash of `Order`.
    bytes32 internal constant ORDER_TYPEHASH = keccak256(
        "Order(address user,bytes32 modelId,bytes32 inputHash,uint128 maxFee,uint64 deadline,uint64 nonce,bytes32 tag)"
    );

    /// @notice EIP-712 type hash of `Bundle`.
    bytes32 internal constant BUNDLE_TYPEHASH = keccak256(
        "Bundle(address user,bytes32 modelId,bytes32 inputs,uint128 maxFee,uint64 deadline,uint64 nonce,bytes32 tags,uint8 size)"
    );

    /// @notice Where bytes begin.
    function begin(bytes calldata data) internal pure returns (uint256 at) {
        assembly ("memory-safe") {
            at := data.offset
        }
    }

    function user(uint256 order) internal pure returns (address value) {
        assembly ("memory-safe") {
            value := shr(96, calldataload(order))
        }
    }

    /// @notice Orders of the bundle; 1 for an order that is signed by itself.
    function size(uint256 order) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := byte(20, calldataload(order))
        }
    }

    /// @notice Bit `i`: the bundle's order `i` is in the chunk.
    function members(uint256 order) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(192, calldataload(add(order, 21)))
        }
    }

    function maxFee(uint256 order) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(128, calldataload(add(order, 29)))
        }
    }

    function deadline(uint256 order) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(192, calldataload(add(order, 45)))
        }
    }

    /// @notice That of the bundle's first order.
    function nonce(uint256 order) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(192, calldataload(add(order, 53)))
        }
    }

    /// @notice The order's tag, or the root over the bundle's.
    function tags(uint256 order) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := calldataload(add(order, 61))
        }
    }

    /// @notice How many bits of 64 are set.
    function count(uint256 mask) internal pure returns (uint256) {
        unchecked {
            mask -= mask >> 1 & 0x5555555555555555;
            mask = (mask & 0x3333333333333333) + (mask >> 2 & 0x3333333333333333);
            mask = mask + (mask >> 4) & 0x0f0f0f0f0f0f0f0f;
            return (mask * 0x0101010101010101) >> 56 & 0xff;
        }
    }

    /// @notice EIP-712 digest of what was signed: an order for `inputs`, or a bundle over them.
    /// @dev keccak256(0x1901 . domain . keccak256(abi.encode(type hash, fields))), in memory that the next one uses again.
    function digest(uint256 order, bytes32 domain, bytes32 modelId, bytes32 inputs)
        internal
        pure
        returns (bytes32 value)
    {
        (bytes32 kind, uint256 orders) = (ORDER_TYPEHASH, size(order));
        if (orders != 1) kind = BUNDLE_TYPEHASH;
        assembly ("memory-safe") {
            let fields := mload(0x40)
            mstore(fields, kind)
            mstore(add(fields, 0x20), shr(96, calldataload(order)))
            mstore(add(fields, 0x40), modelId)
            mstore(add(fields, 0x60), inputs)
            mstore(add(fields, 0x80), shr(128, calldataload(add(order, 29))))
            mstore(add(fields, 0xa0), shr(192, calldataload(add(order, 45))))
            mstore(add(fields, 0xc0), shr(192, calldataload(add(order, 53))))
            mstore(add(fields, 0xe0), calldataload(add(order, 61)))
            mstore(add(fields, 0x100), orders)
            let hash := keccak256(fields, sub(0x120, shl(5, eq(orders, 1))))
            mstore(fields, shl(240, 0x1901))
            mstore(add(fields, 0x02), domain)
            mstore(add(fields, 0x22), hash)
            value := keccak256(fields, 0x42)
        }
    }
}
