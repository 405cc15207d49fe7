// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {NarrowVerifier} from "../src/generated/NarrowVerifier.sol";
import {TestBase} from "./base/TestBase.sol";

/// @dev Shows what a verifier asks of public inputs before it looks at a proof.
contract Asked is NarrowVerifier {
    function isPossible(uint256[] calldata instances) external pure returns (bool) {
        return _isPossible(instances);
    }
}

/// @dev Public inputs that no honest batch has are refused whatever the proof: each bound by itself, the others kept.
contract ClaimsTest is TestBase {
    uint256 private constant LISTED = 0x646e2d626174636803;
    uint256 private constant SLOTS = 24;
    uint256 private constant TASKS = 20;
    /// @dev Two words of labels.
    uint256 private constant LABELS_AT = 3 + SLOTS;
    uint256 private constant SCORE_AT = LABELS_AT + 2;
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    Asked private asked = new Asked();

    /// @dev Twenty tasks of 24 slots; those of slots 0, 14 and 19 have a label, two of them are right by 510 in all.
    function _honest() private pure returns (uint256[] memory x) {
        x = new uint256[](8 + 2 * SLOTS);
        (x[0], x[1], x[2]) = (LISTED, 9, TASKS);
        (x[LABELS_AT], x[LABELS_AT + 1]) = (7 | 0xffff << 224, 9 << 64);
        (x[SCORE_AT], x[SCORE_AT + 1], x[SCORE_AT + 2]) = (3, 2, 510);
    }

    function _with(uint256 at, uint256 value) private pure returns (uint256[] memory x) {
        x = _honest();
        x[at] = value;
    }

    function testHonestStatementsArePossible() external view {
        require(asked.isPossible(_honest()), "listed");
        require(asked.isPossible(_with(2, SLOTS)), "a full batch");
        uint256[] memory none = _honest();
        (none[LABELS_AT], none[LABELS_AT + 1]) = (0, 0);
        (none[SCORE_AT], none[SCORE_AT + 1], none[SCORE_AT + 2]) = (0, 0, 0);
        require(asked.isPossible(none), "no probe");
        uint256[] memory digest = new uint256[](4);
        (digest[0], digest[2]) = (LISTED + 1, TASKS);
        require(asked.isPossible(digest), "a digest");
    }

    function testOtherVersionsAndCountsAreNot() external view {
        require(!asked.isPossible(_with(0, LISTED + 1)), "a digest's version");
        require(!asked.isPossible(_with(0, LISTED + 2)), "no version");
        require(!asked.isPossible(_with(2, 0)), "no task");
        require(!asked.isPossible(_with(2, SLOTS + 1)), "more tasks than slots");
        require(!asked.isPossible(_with(2, type(uint256).max)), "a huge count");
    }

    function testOtherLengthsAreNot() external view {
        uint256[] memory all = _honest();
        for (uint256 length; length < 8; ++length) {
            uint256[] memory part = new uint256[](length);
            for (uint256 i; i < length; ++i) {
                part[i] = all[i];
            }
            require(!asked.isPossible(part), "too short");
        }
        // 24 slots have 56 public inputs and 25 have 58. Thirty have 68, and no number of slots has 69.
        for (uint256 length = 57; length < 70; length += 12) {
            uint256[] memory other = new uint256[](length);
            (other[0], other[2]) = (LISTED, 1);
            require(!asked.isPossible(other), "a length of no batch");
        }
        for (uint256 slots = 1; slots < 70; ++slots) {
            uint256[] memory other = new uint256[](6 + 2 * slots + (slots + 14) / 15);
            (other[0], other[2]) = (LISTED, slots);
            require(asked.isPossible(other), "a full batch of any size");
            other[2] = slots + 1;
            require(!asked.isPossible(other), "one task too many");
        }
        for (uint256 length = 3; length < 6; ++length) {
            uint256[] memory digest = new uint256[](length);
            (digest[0], digest[2]) = (LISTED + 1, TASKS);
            require(asked.isPossible(digest) == (length == 4), "a digest's length");
        }
        uint256[] memory counted = new uint256[](4);
        (counted[0], counted[2]) = (LISTED + 1, (1 << 32) - 1);
        require(asked.isPossible(counted), "a digest's count is its reader's");
        counted[2] = 1 << 32;
        require(!asked.isPossible(counted), "a count above 32 bits");
    }

    function testLabelsOfNoTaskAreNot() external view {
        for (uint256 slot = TASKS - 15; slot < 16; ++slot) {
            require(!asked.isPossible(_with(LABELS_AT + 1, 1 << (16 * slot))), "a label behind the tasks");
        }
        require(!asked.isPossible(_with(LABELS_AT, 1 << 240)), "a sixteenth label");
        require(!asked.isPossible(_with(LABELS_AT, R - 1)), "a word of field size");
        uint256[] memory few = _with(2, 15);
        require(!asked.isPossible(few), "fewer tasks");
        few[LABELS_AT + 1] = 0;
        require(asked.isPossible(few), "fewer tasks, and none of the others has a label");
        few[2] = 14;
        require(!asked.isPossible(few), "the last of a word");
    }

    function testScoresOfNoBatchAreNot() external view {
        require(!asked.isPossible(_with(SCORE_AT, TASKS + 1)), "more probes than tasks");
        require(!asked.isPossible(_with(SCORE_AT + 1, 4)), "more right than probes");
        require(!asked.isPossible(_with(SCORE_AT + 2, 511)), "a larger margin");
        // The circuit binds probes + 2^16 correct + 2^32 margin mod r: with one more right, this margin has the sum
        // of the honest three, and every other bound holds.
        uint256 inverse = _inverse(1 << 32);
        uint256 margin = addmod(510, R - mulmod(1 << 16, inverse, R), R);
        uint256 sum = addmod(3, addmod(2 << 16, 510 << 32, R), R);
        require(addmod(3, addmod(3 << 16, mulmod(margin, 1 << 32, R), R), R) == sum, "the same sum");
        uint256[] memory forged = _with(SCORE_AT + 1, 3);
        forged[SCORE_AT + 2] = margin;
        require(!asked.isPossible(forged), "a margin of field size");
    }

    /// @dev x^(r-2).
    function _inverse(uint256 x) private pure returns (uint256 y) {
        y = 1;
        for (uint256 e = R - 2; e != 0; e >>= 1) {
            if (e & 1 == 1) y = mulmod(y, x, R);
            x = mulmod(x, x, R);
        }
    }
}
