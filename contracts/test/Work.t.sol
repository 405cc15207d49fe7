// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Powr} from "../src/Powr.sol";
import {IEpochs} from "../src/interfaces/IEpochs.sol";
import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev What settlements tell the epochs of work: what was paid for, and nothing else.
contract WorkTest is RollupFixture {
    uint64 private constant WORK_UNITS = 1000;

    function setUp() external {
        _deploySystem();
        _fund();
    }

    /// @dev The next steps record these shares, so many times each.
    function _expectShares(bytes32 modelId, IEpochs.Share[] memory shares, uint64 times) private {
        vm.expectCall(
            address(epochs), abi.encodeCall(epochs.recordWork, (modelId, WORK_UNITS, shares)), times
        );
    }

    function _expectCalls(uint64 times) private {
        vm.expectCall(address(epochs), abi.encodePacked(epochs.recordWork.selector), times);
    }

    function _share(address account, uint256 items) private pure returns (IEpochs.Share memory) {
        return IEpochs.Share(account, uint32(items), uint128(items * PRICE));
    }

    function _one(address account, uint256 items) private pure returns (IEpochs.Share[] memory shares) {
        shares = new IEpochs.Share[](1);
        shares[0] = _share(account, items);
    }

    /// @dev What the epoch knows is so many tasks, all charged.
    function _recorded(address account, uint32 epoch, uint256 items) private view {
        IEpochs.Work memory w = epochs.workOf(account, epoch);
        eq(w.fees, items * (PRICE / epochs.UNIT()), "fees");
        eq(w.units, items * WORK_UNITS, "units");
        eq(w.faults, 0, "faults");
        eq(w.epoch, epoch, "epoch");
    }

    /// @dev One worker has signed and the other one has not: users pay for both, and only the first has worked.
    function testRecordsTheSignedWorkerAlone() external {
        Bundle memory b = _mixed(4, SLOTS);
        _putInvoice(b.chunks[0], 1, "");
        _expectCalls(1);
        _expectShares(MODEL, _one(worker, 2), 1);
        _all(b);
        eq(rollup.balanceOf(otherUser), 1000 ether - 2 * (PRICE - WORKER_SHARE), "charged without the share");
        _recorded(worker, 0, 2);
        eq(epochs.workOf(worker, 0).work, Powr.mul(2 * WORK_UNITS, Powr.INITIAL), "work");
        _recorded(otherWorker, 0, 0);
        eq(epochs.workOf(otherWorker, 0).work, 0, "no work");
    }

    function testRecordsEveryWorkerThatIsPaid() external {
        Bundle memory b = _mixed(3, SLOTS);
        IEpochs.Share[] memory shares = new IEpochs.Share[](2);
        (shares[0], shares[1]) = (_share(worker, 2), _share(otherWorker, 1));
        _expectCalls(1);
        _expectShares(MODEL, shares, 1);
        _all(b);
        _recorded(worker, 0, 2);
        _recorded(otherWorker, 0, 1);
    }

    /// @dev A liar, one that has left, and a chunk of nothing but forged orders.
    function testRecordsNothingWhereNobodyIsPaid() external {
        _expectCalls(0);
        Bundle memory b = _bundle(2);
        _putInvoice(b.chunks[0], 0, "");
        _all(b);
        b = _bundle(2);
        for (uint256 i; i < 2; ++i) {
            b.chunks[0].signatures[64 * i] ^= 0x01;
        }
        _all(b);
        vm.prank(worker);
        staking.unbond(IStaking.Role.Worker, MINIMUM_STAKE);
        _all(_bundle(2));
        eq(rollup.batch(2).settled, 1, "settled");
        _recorded(worker, 0, 0);
    }

    /// @dev Of seven tasks that one worker has signed for, two are charged: orders that pay nothing are no work.
    function testRecordsChargedTasksAlone() external {
        Bundle memory b = _draft(7, 64);
        b.orders[1].user = _actor(0xA3);
        b.orders[2].nonce = b.orders[0].nonce;
        b.orders[3].deadline = 0;
        b.orders[4].maxFee = 0;
        _seal(b);
        b.chunks[0].signatures[5 * 64] ^= 0x01;
        I.Outcome[] memory outcomes = new I.Outcome[](7);
        (outcomes[0], outcomes[1], outcomes[2]) = (I.Outcome.Paid, I.Outcome.Short, I.Outcome.Used);
        (outcomes[3], outcomes[4], outcomes[5]) = (I.Outcome.Late, I.Outcome.Dear, I.Outcome.Forged);
        outcomes[6] = I.Outcome.Paid;
        _commit(b);
        _expectShares(b.header.modelId, _one(worker, 2), 1);
        _expectOutcomes(b, 0, outcomes);
        _prove(b);
        _recorded(worker, 0, 2);
    }

    /// @dev Three workers whose places change from chunk to chunk, one of them listed twice: each stands once in what is
    /// recorded, and is credited once.
    function testMergesAWorkersChunksOfACall() external {
        address third = _actor(0xB3);
        _stake(third, MINIMUM_STAKE);
        Bundle memory b = _draft(130, 130);
        b.workers = new address[](4);
        (b.workers[0], b.workers[1], b.workers[2], b.workers[3]) = (worker, otherWorker, worker, third);
        for (uint256 i; i < 130; ++i) {
            b.executors[i] = uint8(i < 60 ? i % 3 : i < 120 ? 3 - i % 2 : 1);
        }
        _seal(b);
        _commit(b);
        _proveOnly(b);
        IEpochs.Share[] memory shares = new IEpochs.Share[](3);
        (shares[0], shares[1], shares[2]) = (_share(worker, 70), _share(otherWorker, 30), _share(third, 30));
        _expectCalls(1);
        _expectShares(b.header.modelId, shares, 1);
        _settleSome(b, 0, 3, _openingOf(b, 0, 3));
        for (uint256 i; i < 3; ++i) {
            eq(rollup.balanceOf(shares[i].worker), shares[i].items * WORKER_PAID, "paid");
            _recorded(shares[i].worker, 0, shares[i].items);
        }
    }

    /// @dev Two calls in one transaction, of two batches: the places that the first one noted are none in the second,
    /// neither those behind its end nor those of somebody else.
    function testMergesNothingAcrossCalls() external {
        Bundle memory first = _mixed(130, 130);
        _commit(first);
        _proveOnly(first);
        Bundle memory b = _draft(130, 130);
        b.workers = new address[](1);
        b.workers[0] = otherWorker;
        _seal(b);
        _commit(b);
        _proveOnly(b);
        IEpochs.Share[] memory both = new IEpochs.Share[](2);
        (both[0], both[1]) = (_share(worker, 65), _share(otherWorker, 65));
        _expectShares(b.header.modelId, both, 1);
        _expectShares(b.header.modelId, _one(otherWorker, 130), 1);
        _settleSome(first, 0, 3, _openingOf(first, 0, 3));
        _settleSome(b, 0, 3, _openingOf(b, 0, 3));
        eq(rollup.balanceOf(otherWorker), 195 * WORKER_PAID, "paid");
    }

    function testRecordsEveryChunkOnce() external {
        Bundle memory b = _bundle(130, 130);
        _commit(b);
        _proveOnly(b);
        _recorded(worker, 0, 0);
        _expectCalls(3);
        _expectShares(b.header.modelId, _one(worker, 60), 2);
        _expectShares(b.header.modelId, _one(worker, 10), 1);
        uint256 sum;
        for (uint256 c = 3; c != 0; --c) {
            _settle(b, c - 1);
            sum += c == 3 ? 10 : 60;
            _recorded(worker, 0, sum);
        }
        _settleReverts(b, 0, abi.encodeWithSelector(I.NothingToSettle.selector, 0));
        _recorded(worker, 0, 130);
    }

    /// @dev Work counts in the epoch in which it is settled.
    function testRecordsInTheRunningEpoch() external {
        Bundle memory b = _bundle(130, 130);
        _commit(b);
        _proveOnly(b);
        _settle(b, 0);
        vm.warp(block.timestamp + EPOCH);
        epochs.advance();
        _settle(b, 2);
        _recorded(worker, 0, 60);
        _recorded(worker, 1, 10);
    }

    /// @dev More money than work: work is bounded by `workUnits`, fees are what was paid.
    function testRecordsWhatADearModelCosts() external {
        Bundle memory b = _draft(1, SLOTS);
        b.header.modelId = b.orders[0].modelId = _model(SLOTS, 200 ether);
        _seal(b);
        _all(b);
        IEpochs.Work memory w = epochs.workOf(worker, 0);
        eq(w.fees, 200e6, "fees");
        eq(w.units, WORK_UNITS, "units");
    }

    /// @dev More work than money: what costs nothing is no work.
    function testRecordsNoUnitsForAModelWithoutAPrice() external {
        Bundle memory b = _draft(1, SLOTS);
        b.header.modelId = b.orders[0].modelId = _model(SLOTS, 0);
        _seal(b);
        _all(b);
        IEpochs.Work memory w = epochs.workOf(worker, 0);
        eq(uint256(w.fees) + w.units + w.work, 0, "nothing");
    }

    /// @dev Neither who commits, nor who works, nor who deployed it.
    function testOnlyTheRollupRecords() external {
        require(epochs.rollup() == address(rollup), "the rollup");
        address[4] memory callers = [SEQUENCER, worker, STRANGER, address(this)];
        for (uint256 i; i < callers.length; ++i) {
            bytes memory reason = abi.encodeWithSelector(IEpochs.OnlyRollup.selector, callers[i]);
            vm.startPrank(callers[i]);
            vm.expectRevert(reason);
            epochs.recordWork(MODEL, WORK_UNITS, _one(worker, 1));
            vm.expectRevert(reason);
            epochs.recordFault(worker);
            vm.expectRevert(abi.encodeWithSelector(IEpochs.OnlyProbes.selector, callers[i]));
            epochs.recordQuality(MODEL, 1, 1, 1);
            vm.stopPrank();
        }
        _recorded(worker, 0, 0);
    }
}
