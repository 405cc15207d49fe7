// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Chunks} from "../src/Chunks.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {TestBase} from "./base/TestBase.sol";

/// @dev How batches are divided.
contract ChunksTest is TestBase {
    function testCounts() external pure {
        uint16[10] memory slots = [1, 4, 60, 64, 65, 124, 125, 130, 184, 1024];
        uint8[10] memory counts = [1, 1, 1, 1, 2, 2, 3, 3, 3, 17];
        for (uint256 i; i < slots.length; ++i) {
            eq(Chunks.count(slots[i]), counts[i], "count");
        }
    }

    function testABatchOf130() external pure {
        uint16[2][3] memory slots = [[uint16(0), 60], [uint16(60), 120], [uint16(120), 130]];
        uint8[2][3] memory words = [[uint8(0), 4], [uint8(4), 8], [uint8(8), 9]];
        for (uint256 c; c < 3; ++c) {
            (uint256 from, uint256 to) = Chunks.slots(130, c);
            require(from == slots[c][0] && to == slots[c][1], "slots");
            (from, to) = Chunks.words(130, c);
            require(from == words[c][0] && to == words[c][1], "words");
        }
    }

    /// @dev Chunks cover slots and words, each once and in order, and none is empty or above 64 slots and 5 words.
    function testEverySizeIsCovered() external pure {
        for (uint256 batch = 1; batch <= 1024; ++batch) {
            uint256 chunks = Chunks.count(batch);
            (uint256 slot, uint256 word) = (0, 0);
            for (uint256 c; c < chunks; ++c) {
                (uint256 size, uint256 words) = Chunks.sizes(batch, c);
                (uint256 from, uint256 to) = Chunks.slots(batch, c);
                require(from == slot && to == from + size && size != 0 && size <= 64, "slots");
                (from, to) = Chunks.words(batch, c);
                require(from == word && to == from + words && words != 0 && words <= 5, "words");
                (slot, word) = (slot + size, word + words);
            }
            require(slot == batch && word == (batch + 14) / 15, "all");
        }
    }

    /// @dev A batch's word has twenty bits for settled chunks.
    function testEveryRegisteredBatchHasItsBits() external {
        require(Chunks.count(new ModelRegistry().MAX_BATCH_SLOTS()) <= 20, "chunks");
    }
}
