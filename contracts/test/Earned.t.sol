// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {Vm} from "./base/TestBase.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev Books of a chunk in which anything is wrong with anything: what is told of each task, what users are charged and
/// what workers get are the same, whether orders are charged whole or task by task.
contract EarnedTest is RollupFixture {
    uint32 private constant COUNT = 60;

    function setUp() external {
        _deploySystem();
        _deposit(user, 1000 ether);
        _stake(worker, MINIMUM_STAKE);
        _stake(otherWorker, MINIMUM_STAKE);
        _stake(_actor(0xB3), MINIMUM_STAKE);
    }

    function _dice(uint256 seed, string memory what, uint256 i) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, what, i)));
    }

    /// @dev Bundles of so many orders of two users, some late, some dear, some with the nonces of others.
    function _anything(uint256 seed, uint256 size) private returns (Bundle memory b) {
        b = _draft(COUNT, COUNT);
        b.workers = new address[](3);
        (b.workers[0], b.workers[1], b.workers[2]) = (worker, otherWorker, _actor(0xB3));
        for (uint256 i; i < COUNT; ++i) {
            uint256 dice = _dice(seed, "order", i / size);
            I.Order memory o = b.orders[i];
            if (dice & 1 == 1) o.user = otherUser;
            if (dice >> 8 & 7 == 0) o.deadline = b.header.openedAt - 1;
            if (dice >> 16 & 7 == 0) o.maxFee = PRICE - 1;
            o.nonce = uint64(64 * (dice >> 24 & 3) + (dice >> 32 & 31) + i % size);
            b.executors[i] = uint8(_dice(seed, "executor", i) % 3);
        }
        if (size > 1) _join(b, size);
        _seal(b);
        I.Chunk memory chunk = b.chunks[0];
        for (uint256 i; i < chunk.signatures.length / 64; ++i) {
            if (_dice(seed, "signature", i) & 7 == 0) chunk.signatures[64 * i] ^= 0x01;
        }
        for (uint256 w; w < 3; ++w) {
            if (_dice(seed, "invoice", w) & 3 == 0) _putInvoice(chunk, w, "");
        }
    }

    function _outcomes() private returns (uint256) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == I.ChunkSettled.selector) return abi.decode(logs[i].data, (uint256));
        }
        revert("settled");
    }

    function testFuzzWorkersArePaidForPaidTasksAlone(uint256 seed, uint256 size, uint256 affordable)
        external
    {
        uint256 had = bound(affordable, 0, 40) * PRICE;
        if (had != 0) _deposit(otherUser, had);
        Bundle memory b = _anything(seed, bound(size, 1, 8));
        vm.recordLogs();
        _all(b);
        uint256 outcomes = _outcomes();
        uint256[3] memory paid;
        uint256[2] memory charged;
        for (uint256 i; i < COUNT; ++i) {
            I.Outcome outcome = I.Outcome(outcomes >> 4 * i & 15);
            require(outcome != I.Outcome.None, "each has one");
            uint256 who = b.orders[i].user == user ? 0 : 1;
            if (outcome == I.Outcome.Paid) charged[who] += PRICE;
            if (outcome == I.Outcome.Unsigned) charged[who] += PRICE - WORKER_SHARE;
            if (outcome == I.Outcome.Paid) ++paid[b.executors[i]];
        }
        eq(rollup.balanceOf(user), 1000 ether - charged[0], "user");
        eq(rollup.balanceOf(otherUser), had - charged[1], "the other one");
        for (uint256 w; w < 3; ++w) {
            eq(rollup.balanceOf(b.workers[w]), paid[w] * WORKER_PAID, "worker");
            eq(epochs.workOf(b.workers[w], 0).fees, paid[w] * (PRICE / epochs.UNIT()), "recorded");
        }
        eq(rollup.toPool(), (paid[0] + paid[1] + paid[2]) * POOL_SHARE, "pool");
    }
}
