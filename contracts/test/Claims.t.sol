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
    uint256 private constant LISTED = 0x646e2d626174636801;
    uint256 private constant SLOTS = 8;
    uint256 private constant TASKS = 5;
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    Asked private asked = new Asked();

    /// @dev Five tasks of eight slots, three probes, two of them right by 510 in all.
    function _honest() private pure returns (uint256[] memory x) {
        x = new uint256[](6 + 2 * SLOTS);
        (x[0], x[1], x[2]) = (LISTED, 9, TASKS);
        (x[3 + SLOTS], x[4 + SLOTS], x[5 + SLOTS]) = (3, 2, 510);
    }

    function _with(uint256 at, uint256 value) private pure returns (uint256[] memory x) {
        x = _honest();
        x[at] = value;
    }

    function testHonestStatementsArePossible() external view {
        require(asked.isPossible(_honest()), "listed");
        require(asked.isPossible(_with(2, SLOTS)), "a full batch");
        uint256[] memory none = _honest();
        (none[3 + SLOTS], none[4 + SLOTS], none[5 + SLOTS]) = (0, 0, 0);
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
        uint256[] memory odd = new uint256[](all.length + 1);
        for (uint256 i; i < all.length; ++i) {
            odd[i] = all[i];
        }
        require(!asked.isPossible(odd), "odd");
        for (uint256 length = 3; length < 6; ++length) {
            uint256[] memory digest = new uint256[](length);
            (digest[0], digest[2]) = (LISTED + 1, TASKS);
            require(asked.isPossible(digest) == (length == 4), "a digest's length");
        }
    }

    function testScoresOfNoBatchAreNot() external view {
        require(!asked.isPossible(_with(3 + SLOTS, TASKS + 1)), "more probes than tasks");
        require(!asked.isPossible(_with(4 + SLOTS, 4)), "more right than probes");
        require(!asked.isPossible(_with(5 + SLOTS, 511)), "a larger margin");
        // The circuit binds probes + 2^16 correct + 2^32 margin mod r: with one more right, this margin has the sum
        // of the honest three, and every other bound holds.
        uint256 inverse = _inverse(1 << 32);
        uint256 margin = addmod(510, R - mulmod(1 << 16, inverse, R), R);
        uint256 sum = addmod(3, addmod(2 << 16, 510 << 32, R), R);
        require(addmod(3, addmod(3 << 16, mulmod(margin, 1 << 32, R), R), R) == sum, "the same sum");
        uint256[] memory forged = _with(4 + SLOTS, 3);
        forged[5 + SLOTS] = margin;
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
