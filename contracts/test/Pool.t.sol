// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IEpochs} from "../src/interfaces/IEpochs.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev The part of workers' fees that goes through the epochs' pool, from settlement to claim, with a real rollup.
contract PoolTest is RollupFixture {
    function setUp() external {
        _deploySystem();
        _fund();
        epochs.seat(worker, 0);
    }

    function _units(uint256 tasks) private view returns (uint256) {
        return tasks * POOL_SHARE / epochs.UNIT();
    }

    function _advance() private {
        vm.warp(epochs.startedAt() + EPOCH);
        epochs.advance();
    }

    /// @dev Closes the last epoch with nothing attested.
    function _close() private returns (uint256 pool, uint256 minted) {
        uint32 epoch = epochs.closed();
        if (block.timestamp < epochs.startedAt() + EPOCH / 2) vm.warp(epochs.startedAt() + EPOCH / 2);
        epochs.close(0, new IEpochs.Page[](0));
        (pool, minted,) = epochs.resultOf(epoch);
    }

    function testAnEpochsFeesAreItsPool() external {
        _all(_bundle(3));
        _advance();
        eq(token.balanceOf(address(epochs)), 3 * POOL_SHARE, "sent when it ends");
        eq(epochs.gathered(), _units(3), "gathered");
        _all(_bundle(2));
        (uint256 pool, uint256 minted) = _close();
        eq(
            minted,
            3 * uint256(PRICE) * 5 * 9 / 1000 / epochs.UNIT(),
            "what burned comes back, but for a tenth"
        );
        eq(pool, _units(3) + minted, "pool");
        eq(rollup.toPool(), 2 * POOL_SHARE, "the next one's");
        _advance();
        eq(epochs.gathered(), _units(2), "and there it is");
    }

    function _minted(uint256 tasks) private view returns (uint256) {
        return tasks * uint256(PRICE) * 5 * 9 / 1000 / epochs.UNIT();
    }

    /// @dev Somebody waits a week with the closure, and sends all that has come since into the pool and the fire: of the
    /// old epoch's small work the bound would burn what it is paid and minted for.
    function testALateClosureTakesNothingFromTheNextEpoch() external {
        _all(_bundle(1));
        _advance();
        _all(_bundle(130, 130));
        vm.warp(block.timestamp + 7 days);
        vm.prank(STRANGER);
        rollup.passOn();
        (uint256 pool, uint256 minted) = _close();
        eq(minted, _minted(1), "minted for one task");
        eq(pool, _units(1) + minted, "one task's pool");
        _advance();
        eq(epochs.gathered(), _units(131) - _units(1), "the others' are the next one's");
        (pool, minted) = _close();
        eq(minted, _minted(130), "minted for the others");
        eq(pool, _units(131) - _units(1) + minted, "and its pool's");
    }

    /// @dev What the bound leaves over burns, and no epoch mints for it.
    function testWhatTheBoundBurnsIsNeverMinted() external {
        _all(_bundle(1));
        token.transfer(address(epochs), 50 ether);
        _advance();
        _close();
        vm.prank(worker);
        epochs.claim();
        uint256 surplus = epochs.surplus();
        require(surplus > 49e6, "nearly all of it");
        _all(_bundle(2));
        _advance();
        (, uint256 minted) = _close();
        eq(epochs.surplus(), 0, "burned");
        eq(minted, _minted(2), "for two tasks");
        _advance();
        (, minted) = _close();
        eq(minted, 0, "for nothing");
    }

    /// @dev A pool for which nobody has a score is the next epoch's.
    function testAPoolWithoutAScoreIsLeft() external {
        Bundle memory b = _draft(3, SLOTS);
        b.workers[0] = otherWorker;
        _seal(b);
        _all(b);
        _advance();
        _close();
        eq(epochs.reserved(), 0, "nobody's");
        _advance();
        require(epochs.gathered() >= _units(3), "left");
    }

    /// @dev Everybody who is paid for an order is the one who ordered.
    function testOrdersToOneselfLose() external {
        address[7] memory own = [user, otherUser, worker, DEVELOPER, VALIDATORS, PROVER, TREASURY];
        for (uint256 i; i < 3; ++i) {
            _all(_bundle(130, 130));
        }
        _advance();
        _close();
        vm.prank(worker);
        uint256 sum = epochs.claim();
        for (uint256 i; i < own.length; ++i) {
            sum += rollup.balanceOf(own[i]);
        }
        uint256 fees = 390 * uint256(PRICE);
        require(sum + fees * 5 / 1000 <= 2000 ether, "half a percent is lost");
        require(sum + fees * 6 / 1000 >= 2000 ether, "and hardly more");
    }

    /// @dev Nothing is lost between settlement and claim: every token that exists is somewhere.
    function testFuzzConservesThroughAnEpoch(uint256 count, bool signed, uint128 price) external {
        price = uint128(bound(price, 1, 200 ether));
        Bundle memory b = _draft(bound(count, 1, SLOTS), SLOTS);
        b.header.modelId = _model(SLOTS, price);
        for (uint256 i; i < b.orders.length; ++i) {
            b.orders[i].modelId = b.header.modelId;
            b.orders[i].maxFee = price;
        }
        _seal(b);
        if (!signed) _putInvoice(b.chunks[0], 0, "");
        _all(b);
        _advance();
        _close();
        uint256 claimed;
        if (epochs.claimableWei(worker) != 0) {
            vm.prank(worker);
            claimed = epochs.claim();
        }
        address[6] memory all = [user, otherUser, worker, DEVELOPER, VALIDATORS, PROVER];
        uint256 sum = rollup.balanceOf(TREASURY);
        for (uint256 i; i < all.length; ++i) {
            sum += rollup.balanceOf(all[i]);
        }
        eq(sum, token.balanceOf(address(rollup)), "the rollup holds what it owes");
        eq(token.balanceOf(worker), claimed, "paid");
        uint256 held = sum + claimed + token.balanceOf(address(epochs)) + token.balanceOf(address(staking));
        eq(held + token.balanceOf(address(this)), token.totalSupply(), "all of it");
        require(claimed <= b.orders.length * uint256(price) * 175 / 1000, "within the bound");
    }
}
