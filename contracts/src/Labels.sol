// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Chunks} from "./Chunks.sol";
import {Slots} from "./Slots.sol";
import {Trees} from "./Trees.sol";
import {IInferenceRollup} from "./interfaces/IInferenceRollup.sol";

/// @title Labels
/// @notice Holds the labels of a chunk's statement against the tags that its users have signed.
library Labels {
    uint256 private constant LABEL_BITS = 16;

    /// @dev What is read in turn.
    struct Reader {
        uint256 task;
        uint256 salt;
        uint256 sibling;
        bytes32[] leaves;
    }

    /// @notice Checks that each label is the one that its order's tag binds; salts and siblings stand for them in turn.
    function check(IInferenceRollup.Chunk calldata chunk, uint256[] calldata words) internal pure {
        uint256 any;
        for (uint256 w; w < words.length; ++w) {
            any |= words[w];
            uint256 end = (w + 1) * Chunks.LABELS_PER_WORD;
            require(words[w] >> LABEL_BITS * Chunks.LABELS_PER_WORD == 0, IInferenceRollup.WrongLabel(end));
        }
        Reader memory r;
        bytes32[] calldata siblings = chunk.tagSiblings;
        uint256 begin;
        assembly ("memory-safe") {
            begin := siblings.offset
        }
        r.sibling = begin;
        if (any != 0) {
            r.leaves = new bytes32[](64);
            for (uint256 at; at < chunk.orders.length; at += Slots.BYTES) {
                _checkOrder(r, Slots.begin(chunk.orders) + at, chunk.salts, words);
            }
            for (uint256 i = r.task; i < words.length * Chunks.LABELS_PER_WORD; ++i) {
                require(_entry(words, i) == 0, IInferenceRollup.WrongLabel(i));
            }
        }
        require(r.salt == chunk.salts.length, IInferenceRollup.WrongLength(r.salt, chunk.salts.length));
        uint256 read = (r.sibling - begin) / 32;
        require(read == siblings.length, IInferenceRollup.WrongLength(read, siblings.length));
    }

    function _checkOrder(Reader memory r, uint256 order, bytes32[] calldata salts, uint256[] calldata words)
        private
        pure
    {
        bytes32[] memory leaves = r.leaves;
        (uint256 labelled, uint256 count, uint256 first) = (0, 0, r.task);
        for (uint256 rest = Slots.members(order); rest != 0; rest &= rest - 1) {
            uint256 entry = _entry(words, r.task++);
            if (entry == 0) continue;
            require(r.salt < salts.length, IInferenceRollup.WrongLabel(r.task - 1));
            leaves[count++] = Hashes.efficientKeccak256(bytes32(entry - 1), salts[r.salt++]);
            labelled |= rest & (~rest + 1);
        }
        if (labelled == 0) return;
        uint256 at;
        assembly ("memory-safe") {
            at := add(leaves, 0x20)
        }
        bytes32 root;
        (root, r.sibling) = Trees.root(at, labelled, Slots.size(order), r.sibling);
        require(root == Slots.tags(order), IInferenceRollup.WrongLabel(first));
    }

    function _entry(uint256[] calldata words, uint256 i) private pure returns (uint256) {
        uint256 word = i / Chunks.LABELS_PER_WORD;
        if (word >= words.length) return 0;
        return words[word] >> (LABEL_BITS * (i % Chunks.LABELS_PER_WORD)) & ((1 << LABEL_BITS) - 1);
    }
}
