// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Slots
/// @notice Reads tasks as `Chunk.slots` packs them: user 20, worker 1, maxFee 16, deadline 8, nonce 8, tag 32.
/// @dev A task is named by the place in the calldata where it begins; that it lies within the chunk is the caller's care.
library Slots {
    /// @notice Bytes of a task.
    uint256 internal constant BYTES = 85;

    /// @notice EIP-712 type hash of `Order`.
    bytes32 internal constant ORDER_TYPEHASH = keccak256(
        "Order(address user,bytes32 modelId,bytes32 inputHash,uint128 maxFee,uint64 deadline,uint64 nonce,bytes32 tag)"
    );

    /// @notice Where the first task begins; the others follow.
    function begin(bytes calldata slots) internal pure returns (uint256 task) {
        assembly ("memory-safe") {
            task := slots.offset
        }
    }

    function user(uint256 task) internal pure returns (address value) {
        assembly ("memory-safe") {
            value := shr(96, calldataload(task))
        }
    }

    /// @notice Index of the worker.
    function worker(uint256 task) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := byte(20, calldataload(task))
        }
    }

    function maxFee(uint256 task) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(128, calldataload(add(task, 21)))
        }
    }

    function deadline(uint256 task) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(192, calldataload(add(task, 37)))
        }
    }

    function nonce(uint256 task) internal pure returns (uint64 value) {
        assembly ("memory-safe") {
            value := shr(192, calldataload(add(task, 45)))
        }
    }

    function tag(uint256 task) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := calldataload(add(task, 53))
        }
    }

    /// @notice EIP-712 digest of the task's order.
    /// @dev keccak256(0x1901 . domain . keccak256(abi.encode(ORDER_TYPEHASH, order))), in memory that the next one uses again.
    function orderDigest(uint256 task, bytes32 domain, bytes32 modelId, uint256 input)
        internal
        pure
        returns (bytes32 digest)
    {
        bytes32 kind = ORDER_TYPEHASH;
        assembly ("memory-safe") {
            let order := mload(0x40)
            mstore(order, kind)
            mstore(add(order, 0x20), shr(96, calldataload(task)))
            mstore(add(order, 0x40), modelId)
            mstore(add(order, 0x60), input)
            mstore(add(order, 0x80), shr(128, calldataload(add(task, 21))))
            mstore(add(order, 0xa0), shr(192, calldataload(add(task, 37))))
            mstore(add(order, 0xc0), shr(192, calldataload(add(task, 45))))
            mstore(add(order, 0xe0), calldataload(add(task, 53)))
            let hash := keccak256(order, 0x100)
            mstore(order, shl(240, 0x1901))
            mstore(add(order, 0x02), domain)
            mstore(add(order, 0x22), hash)
            digest := keccak256(order, 0x42)
        }
    }
}
