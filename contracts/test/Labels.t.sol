// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev Labels that tags bind, and those that they do not.
contract LabelsTest is RollupFixture {
    uint256 private constant WORDS_AT = 3 + 64;

    function setUp() external {
        _deploySystem();
        _fund();
    }

    /// @dev A committed batch in which every third task has a label.
    function _labelled(uint256 count, uint32 slots) private returns (Bundle memory b) {
        b = _draft(count, slots);
        for (uint256 i; i < count; i += 3) {
            (b.labels[i], b.salts[i]) = (8 + i, keccak256(abi.encode(i)));
        }
        _seal(b);
        _commit(b);
    }

    function _labelReverts(Bundle memory b, uint256 index) private {
        _reprove(b);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLabel.selector, index));
    }

    function testLabelsThatTagsBind() external {
        Bundle memory b = _labelled(61, 64);
        vm.expectEmit(address(rollup));
        emit I.BatchProven(0, b.header.modelId, PROVER, 61, 21, 21, 255 * 21);
        _prove(b);
        eq(rollup.balanceOf(worker), 61 * WORKER_PAID, "worker");
    }

    function testLabelsInEveryChunk() external {
        Bundle memory b = _labelled(130, 130);
        _proveOnly(b);
        for (uint256 c; c < 3; ++c) {
            _settle(b, c);
        }
        eq(rollup.balanceOf(worker), 130 * WORKER_PAID, "worker");
    }

    function testTheLargestLabelInTheLastPlaces() external {
        Bundle memory b = _draft(64, 64);
        (b.labels[14], b.labels[59], b.labels[63]) = (type(uint16).max, type(uint16).max, 1);
        _seal(b);
        _all(b);
        eq(rollup.balanceOf(worker), 64 * WORKER_PAID, "worker");
    }

    function testTagsMayStayClosed() external {
        Bundle memory b = _labelled(40, 64);
        for (uint256 i; i < 3; ++i) {
            b.proof.instances[WORDS_AT + i] = 0;
        }
        b.chunks[0].salts = new bytes32[](0);
        _reprove(b);
        _prove(b);
        eq(rollup.balanceOf(worker), 40 * WORKER_PAID, "worker");
    }

    function testRejectsALabelThatItsTagDoesNotBind() external {
        Bundle memory b = _labelled(40, 64);
        uint256 word = b.proof.instances[WORDS_AT + 1];
        // Another class, another slot, a label without a tag, an entry behind the fifteenth.
        b.proof.instances[WORDS_AT + 1] = word + 1;
        _labelReverts(b, 15);
        b.proof.instances[WORDS_AT + 1] = word << 16;
        _labelReverts(b, 16);
        b.proof.instances[WORDS_AT + 1] = word + (1 << 16);
        _labelReverts(b, 16);
        b.proof.instances[WORDS_AT + 1] = word | 1 << 240;
        _labelReverts(b, 30);
        b.proof.instances[WORDS_AT + 1] = word;
        b.chunks[0].salts[4] = 0;
        _labelReverts(b, 12);
    }

    function testRejectsALabelOfASlotWithoutATask() external {
        Bundle memory b = _labelled(40, 64);
        b.proof.instances[WORDS_AT + 2] |= 1 << (16 * 10);
        _labelReverts(b, 40);
        b.proof.instances[WORDS_AT + 2] &= (1 << 160) - 1;
        b.proof.instances[WORDS_AT + 4] = 1;
        _labelReverts(b, 60);
    }

    function testRejectsMoreAndFewerSaltsThanLabels() external {
        Bundle memory b = _labelled(40, 64);
        bytes32[] memory salts = b.chunks[0].salts;
        b.chunks[0].salts = _append(salts, 0);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, salts.length, salts.length + 1));
        b.chunks[0].salts = new bytes32[](salts.length - 1);
        for (uint256 i; i + 1 < salts.length; ++i) {
            b.chunks[0].salts[i] = salts[i];
        }
        _labelReverts(b, 39);
    }

    function testRejectsSaltsOfAnotherChunk() external {
        Bundle memory b = _labelled(130, 130);
        _proveOnly(b);
        b.chunks[1].salts = b.chunks[0].salts;
        _settleReverts(b, 1, abi.encodeWithSelector(I.WrongLabel.selector, 0));
    }

    /// @dev A stranger's proof could have labels that no tag binds, and its chunks would never settle.
    function testLabelsOfChunksThatWaitAreTheSequencersAlone() external {
        Bundle memory b = _labelled(130, 130);
        bytes memory refused = abi.encodeWithSelector(I.OnlySequencer.selector, STRANGER);
        vm.prank(STRANGER);
        vm.expectRevert(refused);
        rollup.proveBatch(b.header, b.proof, b.slotHashes, _two(b));

        // Without labels in the chunk that is left, or with that chunk.
        Bundle memory c = _labelled(130, 130);
        c.proof.instances[3 + 130 + 8] = 0;
        _reprove(c);
        vm.prank(STRANGER);
        rollup.proveBatch(c.header, c.proof, c.slotHashes, _two(c));
        vm.prank(STRANGER);
        rollup.proveBatch(b.header, b.proof, b.slotHashes, b.chunks);
        eq(rollup.batch(0).settled, 7, "all");
        eq(rollup.batch(1).settled, 3, "two");
    }

    function _two(Bundle memory b) private pure returns (I.Chunk[] memory chunks) {
        chunks = new I.Chunk[](2);
        (chunks[0], chunks[1]) = (b.chunks[0], b.chunks[1]);
    }

    /// forge-config: default.fuzz.runs = 24
    function testFuzzOneLabel(uint256 at, uint16 label, bytes32 salt) external {
        Bundle memory b = _draft(130, 130);
        at = bound(at, 0, 129);
        (b.labels[at], b.salts[at]) = (bound(label, 1, type(uint16).max), salt);
        _seal(b);
        _commit(b);
        _proveOnly(b);
        uint256 chunk = at < 120 ? at / 60 : 2;
        _settle(b, chunk);
        eq(rollup.batch(0).settled, 1 << chunk, "settled");
    }
}
