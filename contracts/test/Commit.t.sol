// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Rollup} from "./base/Rollup.sol";
import {IAccounts} from "../src/interfaces/IAccounts.sol";
import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev Batches on their way to a proof, and the sequencer's rights.
contract CommitTest is RollupFixture {
    function setUp() external {
        _deploySystem();
    }

    function _commitReverts(Bundle memory b, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(SEQUENCER);
        rollup.commitBatch(b.header);
    }

    function _expire(Bundle memory b) private {
        rollup.expireBatch(b.header);
    }

    function testCommits() external {
        Bundle memory b = _bundle(1);
        require(rollup.batch(0).status == I.BatchStatus.None, "none");
        bytes32 hash = keccak256(abi.encode(b.header));
        vm.expectEmit(address(rollup));
        emit I.BatchCommitted(0, MODEL, hash, b.header.openedAt, b.header.deadline);
        _commit(b);
        I.Batch memory batch = rollup.batch(0);
        require(batch.status == I.BatchStatus.Committed && batch.headerHash == hash, "committed");
        eq(batch.settled, 0, "no chunk");
        eq(rollup.nextBatchId(), 1, "next id");
    }

    function testOnlyTheSequencerCommits() external {
        Bundle memory b = _bundle(1);
        vm.expectRevert(abi.encodeWithSelector(I.OnlySequencer.selector, STRANGER));
        vm.prank(STRANGER);
        rollup.commitBatch(b.header);
    }

    function testCommitsInOrder() external {
        Bundle memory b = _bundle(1);
        b.header.batchId = 1;
        _commitReverts(b, abi.encodeWithSelector(I.WrongBatchId.selector, 0, 1));
        b.header.batchId = 0;
        _commit(b);
        _commitReverts(b, abi.encodeWithSelector(I.WrongBatchId.selector, 1, 0));
    }

    function testRejectsHeadersOfOtherPlaces() external {
        Bundle memory b = _bundle(1);
        b.header.chainId += 1;
        _commitReverts(b, abi.encodeWithSelector(I.WrongChain.selector, block.chainid, block.chainid + 1));
        b.header.chainId -= 1;
        b.header.rollup = address(1);
        _commitReverts(b, abi.encodeWithSelector(I.WrongRollup.selector, address(rollup), address(1)));
    }

    function testRejectsStoppedAndUnknownModels() external {
        Bundle memory b = _bundle(1);
        vm.prank(DEVELOPER);
        registry.setActive(MODEL, false);
        vm.warp(block.timestamp + registry.NOTICE());
        _commitReverts(b, abi.encodeWithSelector(I.ModelNotActive.selector, MODEL));
        b.header.modelId = keccak256("unknown");
        _commitReverts(b, abi.encodeWithSelector(I.ModelNotActive.selector, b.header.modelId));
    }

    /// @dev A developer's notice takes no batch away: not to its last second, nor one that is committed then.
    function testModelsStopAfterNotice() external {
        _fund();
        vm.prank(DEVELOPER);
        registry.setActive(MODEL, false);
        vm.warp(block.timestamp + registry.NOTICE() - 1);
        Bundle memory b = _bundle(2);
        _commit(b);
        vm.warp(block.timestamp + 1);
        _commitReverts(_bundle(1), abi.encodeWithSelector(I.ModelNotActive.selector, MODEL));
        _prove(b);
        eq(rollup.balanceOf(worker), 2 * WORKER_PAID, "settled");
    }

    function testOpeningIsAtMostTenMinutesAgo() external {
        Bundle memory b = _bundle(1);
        uint64 time = uint64(block.timestamp);
        bytes4 selector = I.OpeningOutOfRange.selector;
        b.header.openedAt = time + 1;
        _commitReverts(b, abi.encodeWithSelector(selector, time + 1, time - 10 minutes, time));
        b.header.openedAt = time - 10 minutes - 1;
        _commitReverts(b, abi.encodeWithSelector(selector, b.header.openedAt, time - 10 minutes, time));
        b.header.openedAt = time - 10 minutes;
        _commit(b);
        (b.header.batchId, b.header.openedAt) = (1, time);
        _commit(b);
    }

    function testDeadlinesAreWithinADayOfTheOpening() external {
        Bundle memory b = _bundle(1);
        uint64 time = uint64(block.timestamp);
        uint64 opened = time - 5 minutes;
        b.header.openedAt = opened;
        bytes4 selector = I.DeadlineOutOfRange.selector;
        b.header.deadline = time;
        _commitReverts(b, abi.encodeWithSelector(selector, time, time + 1, opened + 1 days));
        b.header.deadline = opened + 1 days + 1;
        _commitReverts(b, abi.encodeWithSelector(selector, opened + 1 days + 1, time + 1, opened + 1 days));
        b.header.deadline = type(uint64).max;
        _commitReverts(b, abi.encodeWithSelector(selector, type(uint64).max, time + 1, opened + 1 days));
        b.header.deadline = opened + 1 days;
        _commit(b);
        (b.header.batchId, b.header.deadline) = (1, time + 1);
        _commit(b);
    }

    function testExpires() external {
        Bundle memory b = _bundle(1);
        _commit(b);
        vm.warp(b.header.deadline);
        vm.expectRevert(abi.encodeWithSelector(I.BatchDeadlineNotPassed.selector, 0, b.header.deadline));
        _expire(b);
        vm.warp(b.header.deadline + 1);
        vm.expectEmit(address(rollup));
        emit I.BatchExpired(0);
        _expire(b);
        require(rollup.batch(0).status == I.BatchStatus.Expired, "expired");
        eq(rollup.batch(0).settled, 0, "no chunk");
        vm.expectRevert(abi.encodeWithSelector(I.BatchNotOpen.selector, 0, I.BatchStatus.Expired));
        _expire(b);
        _proveReverts(b, abi.encodeWithSelector(I.BatchNotOpen.selector, 0, I.BatchStatus.Expired));
        _settleReverts(b, 0, abi.encodeWithSelector(I.BatchNotProven.selector, 0, I.BatchStatus.Expired));
        require(!rollup.isProven(0, 0, _opening(b, 0)), "not proven");
    }

    function testAProvenBatchDoesNotExpire() external {
        _fund();
        Bundle memory b = _all(_bundle(1));
        vm.warp(b.header.deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(I.BatchNotOpen.selector, 0, I.BatchStatus.Proven));
        _expire(b);
    }

    function testExpiryNeedsTheCommittedHeader() external {
        Bundle memory b = _bundle(1);
        bytes32 hash = keccak256(abi.encode(b.header));
        vm.expectRevert(abi.encodeWithSelector(I.WrongHeader.selector, 0, bytes32(0), hash));
        _expire(b);
        _commit(b);
        b.header.deadline = 0;
        vm.expectRevert(
            abi.encodeWithSelector(I.WrongHeader.selector, 0, hash, keccak256(abi.encode(b.header)))
        );
        _expire(b);
    }

    function testTasksOfAnExpiredBatchSettleInAnother() external {
        _fund();
        Bundle memory b = _draft(2, SLOTS);
        b.orders[0].deadline = b.orders[1].deadline = uint64(block.timestamp + 1 days);
        _seal(b);
        _commit(b);
        vm.warp(b.header.deadline + 1);
        _expire(b);
        eq(rollup.balanceOf(user), 1000 ether, "nothing charged");
        (b.header.batchId, b.header.openedAt) = (1, uint64(block.timestamp));
        b.header.deadline = uint64(block.timestamp + 1 hours);
        _seal(b);
        _all(b);
        eq(rollup.balanceOf(user), 1000 ether - 2 * uint256(PRICE), "charged in the second batch");
    }

    function testSequencerHandsOver() external {
        vm.expectRevert(abi.encodeWithSelector(I.OnlySequencer.selector, address(this)));
        rollup.setSequencer(address(this));
        vm.prank(SEQUENCER);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.ZeroAddress.selector));
        rollup.setSequencer(address(0));
        vm.expectEmit(address(rollup));
        emit I.SequencerChanged(SEQUENCER, address(this));
        vm.prank(SEQUENCER);
        rollup.setSequencer(address(this));
        rollup.commitBatch(_bundle(1).header);
        vm.prank(SEQUENCER);
        vm.expectRevert(abi.encodeWithSelector(I.OnlySequencer.selector, SEQUENCER));
        rollup.setSequencer(SEQUENCER);
    }

    function testTheFirstSequencerIsAnnounced() external {
        Rollup.Config memory config = _config();
        vm.expectEmit();
        emit I.SequencerChanged(address(0), SEQUENCER);
        _newRollup(config);
    }

    /// @dev One second less, and who asks for an exit when its batch is opened is gone before the last second to settle it.
    function testRejectsAnExitDelayThatEndsBeforeSettlement() external {
        uint64 least = rollup.MAX_PROVING_WINDOW() + rollup.SETTLING_WINDOW();
        Rollup.Config memory config = _config();
        for (uint64 i = 1; i <= 2; ++i) {
            config.exitDelay = i == 1 ? least - 1 : 0;
            vm.expectRevert(abi.encodeWithSelector(I.ExitDelayTooShort.selector, least, config.exitDelay));
            _newRollup(config);
        }
        config.exitDelay = least;
        eq(_newRollup(config).exitDelay(), least, "the least");
    }

    function testRejectsZeroAddressesInTheConfiguration() external {
        for (uint256 i; i < 8; ++i) {
            Rollup.Config memory config = _config();
            assembly ("memory-safe") {
                mstore(add(config, mul(i, 0x20)), 0)
            }
            vm.expectRevert(abi.encodeWithSelector(IAccounts.ZeroAddress.selector));
            _newRollup(config);
        }
    }
}
