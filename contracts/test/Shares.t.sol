// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev Where a fee goes, to the wei.
contract SharesTest is RollupFixture {
    function setUp() external {
        _deploySystem();
        _fund();
    }

    function _held() private view returns (uint256 sum) {
        address[8] memory all =
            [user, otherUser, worker, otherWorker, DEVELOPER, VALIDATORS, PROVER, TREASURY];
        for (uint256 i; i < all.length; ++i) {
            sum += rollup.balanceOf(all[i]);
        }
        return sum + rollup.toBurn() + rollup.toPool();
    }

    function testPaysEveryShare() external {
        _all(_bundle(3));
        uint256 fees = 3 * uint256(PRICE);
        uint256 workers = 3 * WORKER_SHARE;
        eq(rollup.balanceOf(user), 1000 ether - fees, "user");
        eq(rollup.balanceOf(worker), workers - 3 * POOL_SHARE, "worker");
        // 15, 10, 5 and 5 percent of 3 ether and 21 wei: 3.15, 2.1 and 1.05 wei more.
        eq(rollup.balanceOf(DEVELOPER), 0.45 ether + 3, "developer");
        eq(rollup.balanceOf(VALIDATORS), 0.3 ether + 2, "validators");
        eq(rollup.balanceOf(PROVER), 0.15 ether + 1, "prover");
        eq(rollup.toBurn(), 0.15 ether + 1, "to burn");
        // 65 percent of 7 wei are 4.55, each time.
        eq(workers, 1.95 ether + 12, "each share is rounded down");
        eq(rollup.balanceOf(TREASURY), 21 - 3 - 2 - 1 - 1 - 12, "the rest");
        // A fifth of 0.65 ether and 4 wei, rounded down: 0.13 ether, each time.
        eq(rollup.toPool(), 0.39 ether, "the epochs' pool");
        eq(_held(), 2000 ether, "conserved");
    }

    function testPercentsSumToAHundred() external view {
        eq(
            rollup.WORKER_PERCENT() + rollup.DEVELOPER_PERCENT() + rollup.VALIDATORS_PERCENT()
                + rollup.PROVER_PERCENT() + rollup.BURN_PERCENT(),
            100,
            "percents"
        );
    }

    function testWorkersShareByTheirTasks() external {
        Bundle memory b = _draft(4, SLOTS);
        b.workers = new address[](2);
        (b.workers[0], b.workers[1]) = (worker, otherWorker);
        b.executors[3] = 1;
        _seal(b);
        _all(b);
        eq(rollup.balanceOf(worker), 3 * WORKER_PAID, "three tasks");
        eq(rollup.balanceOf(otherWorker), WORKER_PAID, "one task");
    }

    function testAWorkerListedTwiceGetsWhatItDid() external {
        Bundle memory b = _draft(4, SLOTS);
        b.workers = new address[](2);
        (b.workers[0], b.workers[1]) = (worker, worker);
        b.executors[3] = 1;
        _seal(b);
        _all(b);
        eq(rollup.balanceOf(worker), 4 * WORKER_PAID, "four tasks");
    }

    /// @dev A worker, prover, developer may also be a user: each of its roles counts.
    function testOneAccountInEveryRole() external {
        _deposit(worker, 10 ether);
        Bundle memory b = _draft(1, SLOTS);
        b.orders[0].user = worker;
        b.proof.prover = worker;
        _seal(b);
        _all(b);
        eq(rollup.balanceOf(worker), 10 ether - PRICE + WORKER_PAID + uint256(PRICE) * 5 / 100, "in and out");
    }

    function testUsersKeepTheShareThatNobodyClaims() external {
        Bundle memory b = _mixed(4, SLOTS);
        _putInvoice(b.chunks[0], 1, "");
        _all(b);
        eq(rollup.balanceOf(user), 1000 ether - 2 * uint256(PRICE), "paid");
        eq(rollup.balanceOf(otherUser), 1000 ether - 2 * (uint256(PRICE) - WORKER_SHARE), "unsigned");
        eq(rollup.balanceOf(worker), 2 * WORKER_PAID, "worker");
        eq(rollup.balanceOf(otherWorker), 0, "the other one");
        // The others' shares are those of whole fees.
        eq(rollup.balanceOf(DEVELOPER), 4 * uint256(PRICE) * 15 / 100, "developer");
        eq(rollup.balanceOf(PROVER), 4 * uint256(PRICE) * 5 / 100, "prover");
        eq(_held(), 2000 ether, "conserved");
    }

    function testFuzzConserves(uint128 price, uint256 count, uint256 users, uint256 executors, bool signed)
        external
    {
        price = uint128(bound(price, 0, 300 ether));
        Bundle memory b = _draft(bound(count, 1, SLOTS), SLOTS);
        b.header.modelId = _model(SLOTS, price);
        b.workers = new address[](2);
        (b.workers[0], b.workers[1]) = (worker, otherWorker);
        for (uint256 i; i < b.orders.length; ++i) {
            b.orders[i].modelId = b.header.modelId;
            if (users >> i & 1 == 1) b.orders[i].user = otherUser;
            b.executors[i] = uint8(executors >> i & 1);
        }
        _seal(b);
        if (!signed) _putInvoice(b.chunks[0], 1, "");
        _all(b);
        eq(_held(), 2000 ether, "conserved");
        eq(token.balanceOf(address(rollup)), 2000 ether, "held");
    }

    function testAFreeModelPaysNobody() external {
        Bundle memory b = _draft(2, SLOTS);
        b.header.modelId = _model(SLOTS, 0);
        (b.orders[0].modelId, b.orders[1].modelId) = (b.header.modelId, b.header.modelId);
        (b.orders[0].maxFee, b.orders[1].user) = (0, _actor(0xA3));
        _seal(b);
        _commit(b);
        I.Outcome[] memory outcomes = new I.Outcome[](2);
        (outcomes[0], outcomes[1]) = (I.Outcome.Paid, I.Outcome.Paid);
        _expectOutcomes(b, 0, outcomes);
        _prove(b);
        require(rollup.isUsed(user, b.orders[0].nonce), "nonces are used up all the same");
        eq(rollup.balanceOf(user), 1000 ether, "free");
    }

    function testAPriceOfOneWeiGoesToTheTreasury() external {
        Bundle memory b = _draft(1, SLOTS);
        b.header.modelId = b.orders[0].modelId = _model(SLOTS, 1);
        _seal(b);
        _all(b);
        eq(rollup.balanceOf(TREASURY), 1, "dust");
    }

    function testAnybodyPassesOn() external {
        _all(_bundle(3));
        (uint256 burned, uint256 pooled) = (3 * uint256(PRICE) * 5 / 100, 3 * POOL_SHARE);
        uint256 supply = token.totalSupply();
        vm.expectEmit(address(rollup));
        emit I.PassedOn(burned, pooled);
        vm.prank(STRANGER);
        (uint256 gone, uint256 sent) = rollup.passOn();
        require(gone == burned && sent == pooled, "what it says");
        eq(token.totalSupply(), supply - burned, "supply");
        eq(token.balanceOf(address(epochs)), pooled, "pool");
        eq(uint256(rollup.toBurn()) + rollup.toPool(), 0, "nothing left");
        eq(_held(), token.balanceOf(address(rollup)), "backed");
        vm.recordLogs();
        (gone, sent) = rollup.passOn();
        eq(gone + sent + vm.getRecordedLogs().length, 0, "nothing twice");
    }

    /// @dev Only what workers are paid has a part for the pool: users keep the share that nobody claims, whole.
    function testThePoolHasNoPartOfWhatUsersKeep() external {
        Bundle memory b = _mixed(4, SLOTS);
        _putInvoice(b.chunks[0], 1, "");
        _all(b);
        eq(rollup.toPool(), 2 * POOL_SHARE, "of two tasks");
        eq(rollup.balanceOf(otherUser), 1000 ether - 2 * (uint256(PRICE) - WORKER_SHARE), "whole");
    }

    /// @dev However a worker's tasks are divided into calls, it and the pool get the same.
    function testThePoolsPartIsRoundedTaskByTask() external {
        Bundle memory b = _bundle(130, 130);
        _commit(b);
        _proveOnly(b);
        _settle(b, 1);
        _settleSome(b, 0, 3, _openingOf(b, 0, 3));
        eq(rollup.toPool(), 130 * POOL_SHARE, "pool");
        eq(rollup.balanceOf(worker), 130 * WORKER_PAID, "worker");
    }
}
