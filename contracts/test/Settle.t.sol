// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Chunks} from "../src/Chunks.sol";
import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev Chunks: each once, in any order, by its committed slots and its proven statement.
contract SettleTest is RollupFixture {
    function setUp() external {
        _deploySystem();
        _fund();
    }

    function _proven(uint256 count, uint32 slots) private returns (Bundle memory b) {
        b = _bundle(count, slots);
        _commit(b);
        _proveOnly(b);
    }

    function _paid(uint256 tasks) private view {
        eq(rollup.balanceOf(user), 1000 ether - tasks * PRICE, "user");
        eq(rollup.balanceOf(worker), tasks * WORKER_PAID, "worker");
        _isShare(rollup.balanceOf(PROVER), tasks, 5, "prover");
        _isShare(rollup.balanceOf(DEVELOPER), tasks, 15, "developer");
        _isShare(rollup.balanceOf(VALIDATORS), tasks, 10, "validators");
        _isShare(rollup.toBurn(), tasks, 5, "burned");
    }

    /// @dev Up to what is rounded off in each call.
    function _isShare(uint256 paid, uint256 tasks, uint256 percent, string memory what) private pure {
        uint256 exact = tasks * PRICE * percent / 100;
        require(paid <= exact && exact - paid < 10, what);
    }

    function testBatchesOfEverySize() external {
        uint8[6] memory sizes = [1, 4, 59, 60, 64, 65];
        for (uint256 i; i < sizes.length; ++i) {
            _all(_bundle(sizes[i], sizes[i]));
        }
        _paid(1 + 4 + 59 + 60 + 64 + 65);
    }

    function testChunksSettleInAnyOrder() external {
        uint8[3][6] memory orders = [
            [uint8(0), 1, 2],
            [uint8(0), 2, 1],
            [uint8(1), 0, 2],
            [uint8(1), 2, 0],
            [uint8(2), 0, 1],
            [uint8(2), 1, 0]
        ];
        for (uint256 i; i < orders.length; ++i) {
            Bundle memory b = _proven(130, 130);
            uint256 settled;
            for (uint256 c; c < 3; ++c) {
                eq(rollup.batch(b.header.batchId).settled, settled, "settled");
                _settle(b, orders[i][c]);
                settled |= 1 << orders[i][c];
            }
            eq(rollup.batch(b.header.batchId).settled, 7, "all");
        }
        _paid(6 * 130);
    }

    function testSomeChunksWithTheProofAndSomeLater() external {
        Bundle memory b = _bundle(130, 130);
        _commit(b);
        I.Chunk[] memory all = b.chunks;
        b.chunks = new I.Chunk[](1);
        b.chunks[0] = all[1];
        _prove(b);
        eq(rollup.batch(0).settled, 2, "the middle one");
        _paid(60);
        b.chunks = all;
        _settle(b, 2);
        _settle(b, 0);
        _paid(130);
    }

    function testAFullBatchOf1024() external {
        _deposit(user, 1000 ether);
        Bundle memory b = _proven(1024, 1024);
        for (uint256 c = 17; c != 0; --c) {
            _settle(b, c - 1);
        }
        eq(rollup.balanceOf(user), 2000 ether - 1024 * uint256(PRICE), "user");
        eq(rollup.batch(0).settled, (1 << 17) - 1, "all");
        require(rollup.isProven(0, 16, _opening(b, 16)), "still proven");
    }

    function testPartlyFilledBatches() external {
        uint8[5] memory counts = [1, 59, 61, 100, 129];
        uint256 sum;
        for (uint256 i; i < counts.length; ++i) {
            Bundle memory b = _proven(counts[i], 130);
            eq(b.chunks.length, uint256(counts[i] - 1) / 60 + 1, "chunks in use");
            for (uint256 c; c < b.chunks.length; ++c) {
                _settle(b, c);
            }
            sum += counts[i];
        }
        _paid(sum);
    }

    function testSeveralChunksInOneCall() external {
        for (uint256 from; from < 3; ++from) {
            Bundle memory b = _proven(130, 130);
            _settleSome(b, from, 3, _openingOf(b, from, 3));
            if (from != 0) _settleSome(b, 0, from, _openingOf(b, 0, from));
            eq(rollup.batch(b.header.batchId).settled, 7, "all");
        }
        _paid(3 * 130);
    }

    /// @dev Its workers stand in another order in each chunk, and one of them not in all.
    function testAWorkerOfSeveralChunksIsPaidForAll() external {
        Bundle memory b = _draft(130, 130);
        b.workers = new address[](3);
        (b.workers[0], b.workers[1], b.workers[2]) = (worker, otherWorker, worker);
        for (uint256 i; i < 130; ++i) {
            b.executors[i] = i < 60 ? uint8(i % 3) : 2;
        }
        _seal(b);
        _commit(b);
        _proveOnly(b);
        vm.expectCall(address(epochs), abi.encodeWithSelector(epochs.recordWork.selector), 1);
        _settleSome(b, 0, 3, _openingOf(b, 0, 3));
        eq(rollup.balanceOf(worker), 110 * WORKER_PAID, "worker");
        eq(rollup.balanceOf(otherWorker), 20 * WORKER_PAID, "the other one");
        eq(epochs.workOf(worker, 0).fees, 110 * uint256(PRICE) / epochs.UNIT(), "recorded");
        eq(epochs.workOf(otherWorker, 0).fees, 20 * uint256(PRICE) / epochs.UNIT(), "recorded");
    }

    /// @dev Two calls in one transaction: what the first one noted of workers is not the second one's.
    function testTwoCallsInOneTransaction() external {
        Bundle memory first = _proven(130, 130);
        Bundle memory b = _draft(130, 130);
        b.workers = new address[](2);
        (b.workers[0], b.workers[1]) = (otherWorker, worker);
        for (uint256 i; i < 130; ++i) {
            b.executors[i] = uint8(i % 2);
        }
        _seal(b);
        _commit(b);
        _proveOnly(b);
        _settleSome(first, 0, 3, _openingOf(first, 0, 3));
        _settleSome(b, 0, 3, _openingOf(b, 0, 3));
        eq(rollup.balanceOf(worker), 195 * WORKER_PAID, "worker");
        eq(rollup.balanceOf(otherWorker), 65 * WORKER_PAID, "the other one");
    }

    function testAChunkThatIsGivenTwiceIsPaidOnce() external {
        Bundle memory b = _proven(130, 130);
        I.Chunk[] memory twice = _some(b, 0, 2);
        twice[1] = twice[0];
        I.Opening memory o = _openingOf(b, 0, 1);
        o.statement = _twice(o.statement);
        vm.prank(SEQUENCER);
        rollup.settleChunks(b.header, twice, o);
        eq(rollup.batch(0).settled, 1, "one");
        _paid(60);
    }

    /// @dev A stranger is in front with one of the chunks, whichever it is.
    function testAStrangerInFrontHoldsUpNoOtherChunk() external {
        for (uint256 c; c < 3; ++c) {
            Bundle memory b = _proven(130, 130);
            I.Opening memory one = _opening(b, c);
            vm.prank(STRANGER);
            rollup.settleChunks(b.header, _only(b.chunks[c]), one);
            _settleSome(b, 0, 3, _openingOf(b, 0, 3));
            eq(rollup.batch(b.header.batchId).settled, 7, "all");
            _paid((c + 1) * 130);
        }
    }

    /// @dev Nothing of a chunk that is passed over is paid, recorded or told again.
    function testWhatIsPassedOverDoesNothing() external {
        Bundle memory b = _proven(130, 130);
        _settleSome(b, 0, 2, _openingOf(b, 0, 2));
        vm.recordLogs();
        vm.expectCall(address(epochs), abi.encodeWithSelector(epochs.recordWork.selector), 1);
        _settleSome(b, 0, 3, _openingOf(b, 0, 3));
        eq(vm.getRecordedLogs().length, 2, "one chunk, and the work of its worker");
        eq(epochs.workOf(worker, 0).fees, 130 * uint256(PRICE) / epochs.UNIT(), "recorded");
        _paid(130);
    }

    /// @dev What stands in the place of a settled chunk's statement, slots or signatures is read by nobody.
    function testWhatIsPassedOverIsNotRead() external {
        Bundle memory b = _proven(130, 130);
        _settle(b, 0);
        I.Opening memory o = _openingOf(b, 0, 2);
        I.Chunk[] memory chunks = _some(b, 0, 2);
        o.statement[0] ^= 1;
        (chunks[0].orders, chunks[0].executors, chunks[0].signatures) = (hex"01", new bytes(300), "");
        chunks[0].workers = new address[](65);
        vm.prank(STRANGER);
        rollup.settleChunks(b.header, chunks, o);
        _paid(120);
    }

    /// @dev The statement of a settled chunk in the place of one that is not, and the other way round.
    function testAPassedOverChunkLendsItsPlaceToNobody() external {
        Bundle memory b = _proven(130, 130);
        _settle(b, 0);
        I.Opening memory o = _openingOf(b, 0, 1);
        o.statement = _twice(o.statement);
        bytes memory reason = abi.encodeWithSelector(I.WrongStatement.selector, 0);
        I.Chunk[] memory chunks = _some(b, 0, 2);
        vm.prank(SEQUENCER);
        vm.expectRevert(reason);
        rollup.settleChunks(b.header, chunks, o);
        // A settled chunk's number with slots that are still to be settled.
        chunks = _only(b.chunks[1]);
        chunks[0].index = 0;
        o = _opening(b, 1);
        vm.prank(SEQUENCER);
        vm.expectRevert(abi.encodeWithSelector(I.NothingToSettle.selector, 0));
        rollup.settleChunks(b.header, chunks, o);
        _paid(60);
    }

    function testRejectsACallOfNothing() external {
        Bundle memory b = _proven(130, 130);
        I.Opening memory o = _opening(b, 0);
        o.statement = new uint256[](0);
        vm.prank(SEQUENCER);
        vm.expectRevert(abi.encodeWithSelector(I.NothingToSettle.selector, 0));
        rollup.settleChunks(b.header, new I.Chunk[](0), o);
        _settleSome(b, 0, 3, _openingOf(b, 0, 3));
        o = _openingOf(b, 0, 3);
        I.Chunk[] memory all = _some(b, 0, 3);
        vm.prank(SEQUENCER);
        vm.expectRevert(abi.encodeWithSelector(I.NothingToSettle.selector, 0));
        rollup.settleChunks(b.header, all, o);
        _paid(130);
    }

    function _twice(uint256[] memory words) private pure returns (uint256[] memory both) {
        both = new uint256[](2 * words.length);
        for (uint256 i; i < both.length; ++i) {
            both[i] = words[i % words.length];
        }
    }

    function testTheStatementsAreThoseOfTheChunksAndNoMore() external {
        Bundle memory b = _proven(130, 130);
        bytes memory reason = abi.encodeWithSelector(I.WrongStatement.selector, 0);
        I.Chunk[] memory chunks = _some(b, 0, 2);
        I.Opening[3] memory wrong = [_openingOf(b, 0, 3), _opening(b, 0), _openingOf(b, 1, 3)];
        for (uint256 i; i < wrong.length; ++i) {
            vm.prank(SEQUENCER);
            vm.expectRevert(reason);
            rollup.settleChunks(b.header, chunks, wrong[i]);
        }
        eq(rollup.batch(0).settled, 0, "none");
        _settleSome(b, 0, 2, _openingOf(b, 0, 2));
        _paid(120);
    }

    function testAChunkWithoutTasksNeverSettles() external {
        Bundle memory b = _proven(60, 130);
        I.Opening memory o = _opening(b, 1);
        I.Chunk memory none;
        none.index = 1;
        bytes32 hash = _slotsHash(none);
        vm.prank(SEQUENCER);
        vm.expectRevert(abi.encodeWithSelector(I.WrongSlots.selector, bytes32(0), hash));
        rollup.settleChunks(b.header, _only(none), o);
    }

    function testAChunkOfNothingIsNoChunk() external {
        Bundle memory b = _bundle(1);
        (b.chunks[0].orders, b.chunks[0].executors) = ("", "");
        b.slotHashes[0] = _slotsHash(b.chunks[0]);
        b.header.slotsHash = keccak256(abi.encodePacked(b.slotHashes));
        _bind(b);
        _reprove(b);
        _commit(b);
        _proveReverts(b, abi.encodeWithSelector(I.TaskCountOutOfRange.selector, 0, SLOTS));
    }

    function testRejectsMoreTasksThanTheChunkHasSlots() external {
        Bundle memory b = _bundle(4);
        b.chunks[0].executors = new bytes(5);
        b.slotHashes[0] = _slotsHash(b.chunks[0]);
        b.header.slotsHash = keccak256(abi.encodePacked(b.slotHashes));
        _bind(b);
        _reprove(b);
        _commit(b);
        _proveReverts(b, abi.encodeWithSelector(I.TaskCountOutOfRange.selector, 5, SLOTS));
    }

    /// @dev The numbers before a hash's orders and tasks have a byte each.
    function testRejectsNumbersThatAByteDoesNotHold() external {
        Bundle memory b = _bundle(4);
        b.chunks[0].executors = new bytes(256);
        b.slotHashes[0] = _slotsHash(b.chunks[0]);
        b.header.slotsHash = keccak256(abi.encodePacked(b.slotHashes));
        _bind(b);
        _reprove(b);
        _commit(b);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, 255, 4 | 256));
    }

    function testRejectsAChunkTwice() external {
        Bundle memory b = _proven(130, 130);
        _settle(b, 1);
        _settleReverts(b, 1, abi.encodeWithSelector(I.NothingToSettle.selector, 0));
        _paid(60);
    }

    function testAChunkThatIsGivenTwiceWithTheProofIsPaidOnce() external {
        Bundle memory b = _bundle(130, 130);
        _commit(b);
        b.chunks[2] = b.chunks[0];
        _prove(b);
        eq(rollup.batch(0).settled, 3, "the two that were there");
        _paid(120);
    }

    function testRejectsChunksBeforeTheProof() external {
        Bundle memory b = _bundle(1);
        _commit(b);
        _settleReverts(b, 0, abi.encodeWithSelector(I.BatchNotProven.selector, 0, I.BatchStatus.Committed));
    }

    function testRejectsChunksThatTheBatchHasNot() external {
        Bundle memory b = _proven(130, 130);
        b.chunks[0].index = 3;
        I.Opening memory o = _opening(b, 0);
        vm.prank(SEQUENCER);
        vm.expectRevert(abi.encodeWithSelector(I.NoSuchChunk.selector, 0, 3));
        rollup.settleChunks(b.header, _only(b.chunks[0]), o);

        // A header may commit to more chunks than the model has.
        b = _bundle(1);
        b.slotHashes = _append(b.slotHashes, b.slotHashes[1]);
        b.slotHashes[1] = b.slotHashes[0];
        b.header.slotsHash = keccak256(abi.encodePacked(b.slotHashes));
        _bind(b);
        _reprove(b);
        _commit(b);
        uint256[4] memory none = [uint256(1), 2, 3, type(uint256).max];
        for (uint256 i; i < none.length; ++i) {
            b.chunks[0].index = none[i];
            _proveReverts(b, abi.encodeWithSelector(I.NoSuchChunk.selector, b.header.batchId, none[i]));
        }
    }

    function testRejectsAnotherChunksSlots() external {
        Bundle memory b = _proven(130, 130);
        I.Chunk memory other = b.chunks[1];
        other.index = 0;
        b.chunks[0] = other;
        _settleReverts(b, 0, abi.encodeWithSelector(I.WrongSlots.selector, b.slotHashes[0], b.slotHashes[1]));
    }

    function testRejectsChangedSlotsAndWorkers() external {
        Bundle memory b = _proven(2, SLOTS);
        bytes memory orders = b.chunks[0].orders;
        for (uint256 at; at < orders.length; at += 7) {
            orders[at] ^= 0x01;
            _slotsRevert(b);
            orders[at] ^= 0x01;
        }
        b.chunks[0].executors[1] ^= 0x01;
        _slotsRevert(b);
        b.chunks[0].executors[1] ^= 0x01;
        b.chunks[0].workers = new address[](1);
        b.chunks[0].workers[0] = otherWorker;
        _slotsRevert(b);
    }

    function _slotsRevert(Bundle memory b) private {
        bytes32 got = _slotsHash(b.chunks[0]);
        _settleReverts(b, 0, abi.encodeWithSelector(I.WrongSlots.selector, b.slotHashes[0], got));
    }

    function testRejectsOtherSlotHashes() external {
        Bundle memory b = _proven(1, SLOTS);
        I.Opening memory o = _opening(b, 0);
        o.slotHashes = _append(b.slotHashes, 0);
        (bytes32 all, bytes32 got) = (b.header.slotsHash, keccak256(abi.encodePacked(o.slotHashes)));
        vm.prank(SEQUENCER);
        vm.expectRevert(abi.encodeWithSelector(I.WrongSlots.selector, all, got));
        rollup.settleChunks(b.header, _only(b.chunks[0]), o);
    }

    function testRejectsAnotherStatement() external {
        Bundle memory b = _proven(2, SLOTS);
        I.Opening memory o = _opening(b, 0);
        for (uint256 i; i < o.statement.length; ++i) {
            o.statement[i] ^= 1;
            vm.prank(SEQUENCER);
            vm.expectRevert(abi.encodeWithSelector(I.WrongStatement.selector, 0));
            rollup.settleChunks(b.header, _only(b.chunks[0]), o);
            o.statement[i] ^= 1;
        }
        o.prover = STRANGER;
        vm.prank(SEQUENCER);
        vm.expectRevert(abi.encodeWithSelector(I.WrongStatement.selector, 0));
        rollup.settleChunks(b.header, _only(b.chunks[0]), o);
    }

    function testRejectsAnotherHeader() external {
        Bundle memory b = _proven(1, SLOTS);
        bytes32 expected = keccak256(abi.encode(b.header));
        ++b.header.openedAt;
        bytes32 got = keccak256(abi.encode(b.header));
        _settleReverts(b, 0, abi.encodeWithSelector(I.WrongHeader.selector, 0, expected, got));
    }

    function testRejectsWrongLengths() external {
        Bundle memory b = _proven(2, SLOTS);
        b.chunks[0].signatures = new bytes(127);
        _settleReverts(b, 0, abi.encodeWithSelector(I.WrongLength.selector, 128, 127));
        b.chunks[0].signatures = new bytes(192);
        _settleReverts(b, 0, abi.encodeWithSelector(I.WrongLength.selector, 128, 192));

        b = _bundle(2);
        b.chunks[0].orders = bytes.concat(b.chunks[0].orders, hex"00");
        b.slotHashes[0] = _slotsHash(b.chunks[0]);
        b.header.slotsHash = keccak256(abi.encodePacked(b.slotHashes));
        _bind(b);
        _reprove(b);
        _commit(b);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, 186, 187));
    }

    /// @dev Chunks are those of the model's slots: the last of 64 has them all.
    function testTheLastChunkHasUpTo64() external {
        Bundle memory b = _proven(124, 124);
        eq(Chunks.count(124), 2, "chunks");
        eq(b.chunks[1].executors.length, 64, "the last one's slots");
        _settle(b, 1);
        _paid(64);
        _settle(b, 0);
        _paid(124);
    }
}
