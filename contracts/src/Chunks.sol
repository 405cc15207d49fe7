// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Chunks
/// @notice How the slots of a batch are divided for settlement: 60 to a chunk, four whole words of labels, and up to 64
/// in the last one. `core::chunks` says the same.
library Chunks {
    /// @notice Slots of every chunk but the last.
    uint256 internal constant SLOTS = 60;
    /// @notice Labels in one public input.
    uint256 internal constant LABELS_PER_WORD = 15;
    /// @dev The last chunk may have so many more.
    uint256 private constant MORE = 4;

    /// @notice Chunks of a batch with so many slots.
    function count(uint256 batchSlots) internal pure returns (uint256) {
        return batchSlots <= SLOTS + MORE ? 1 : (batchSlots - MORE + SLOTS - 1) / SLOTS;
    }

    /// @notice Slots of a chunk: from the first up to, not including, the second.
    function slots(uint256 batchSlots, uint256 chunk) internal pure returns (uint256 from, uint256 to) {
        from = chunk * SLOTS;
        to = chunk + 1 == count(batchSlots) ? batchSlots : from + SLOTS;
    }

    /// @notice Words of labels of a chunk: from the first up to, not including, the second.
    function words(uint256 batchSlots, uint256 chunk) internal pure returns (uint256 from, uint256 to) {
        (from, to) = slots(batchSlots, chunk);
        from /= LABELS_PER_WORD;
        to = (to + LABELS_PER_WORD - 1) / LABELS_PER_WORD;
    }

    /// @notice Numbers of slots and of words of labels of a chunk.
    function sizes(uint256 batchSlots, uint256 chunk) internal pure returns (uint256, uint256) {
        (uint256 from, uint256 to) = slots(batchSlots, chunk);
        (uint256 first, uint256 end) = words(batchSlots, chunk);
        return (to - from, end - first);
    }
}
