// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Stake-weighted medians.
/// @dev Equal to `core::economy::median` of the Rust code by the traces in core/testdata/economy.json.
library Medians {
    /// @dev Bits of a weight.
    uint256 private constant WEIGHT_BITS = 96;

    /// @notice A value with its weight, ordered by value.
    function pack(uint32 value, uint96 weight) internal pure returns (uint256) {
        return uint256(value) << WEIGHT_BITS | weight;
    }

    /// @notice The smallest value up to which at least half of all weight lies; zero of nothing.
    /// @dev Sorts `packed` by insertion. With less than half of the weight nobody moves the median out of the range of
    /// the others' values.
    function weighted(uint256[] memory packed) internal pure returns (uint256) {
        uint256 total = _sort(packed);
        uint256 below;
        for (uint256 i; i < packed.length; ++i) {
            below += uint96(packed[i]);
            if (2 * below >= total) return packed[i] >> WEIGHT_BITS;
        }
        return 0;
    }

    function _sort(uint256[] memory packed) private pure returns (uint256 total) {
        for (uint256 i; i < packed.length; ++i) {
            uint256 x = packed[i];
            total += uint96(x);
            uint256 j = i;
            for (; j > 0 && packed[j - 1] > x; --j) {
                packed[j] = packed[j - 1];
            }
            packed[j] = x;
        }
    }
}
