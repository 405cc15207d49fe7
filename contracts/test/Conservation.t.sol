// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev Drives the whole system through random legal steps.
contract SystemHandler is RollupFixture {
    I.Order[] private _provenOrders;
    bytes32[] private _holdings;
    uint256 public provenBatches;
    uint256 public slashes;

    constructor() {
        _deploySystem();
    }

    function deposit(uint256 who, uint256 amount) external {
        _deposit(who % 2 == 0 ? user : otherUser, bound(amount, 1, 20 ether));
    }

    function withdraw(uint256 who, uint256 amount) external {
        address account = accounts()[who % accounts().length];
        uint256 balance = rollup.balanceOf(account);
        if (balance == 0) return;
        vm.prank(account);
        rollup.withdraw(bound(amount, 1, balance));
    }

    function settle(uint256 count, uint256 payers) external {
        Bundle memory b = _bundle(bound(count, 1, SLOTS));
        for (uint256 i; i < b.orders.length; ++i) {
            if (payers >> i & 1 == 1) b.orders[i].user = otherUser;
        }
        _seal(b, SLOTS);
        _commit(b);
        _prove(b);
        _provenOrders.push(b.orders[0]);
        ++provenBatches;
    }

    function expire(uint256 count) external {
        Bundle memory b = _bundle(bound(count, 1, SLOTS));
        _commit(b);
        vm.warp(b.header.deadline + 1);
        rollup.refundBatch(b.header.batchId);
    }

    function stake(uint256 amount) external {
        _stake(IStaking.Role.Worker, worker, bound(amount, MINIMUM_STAKE, 10 * MINIMUM_STAKE));
    }

    function unbond() external {
        uint256 bonded = staking.stakeOf(IStaking.Role.Worker, worker).bonded;
        if (bonded == 0) return;
        vm.prank(worker);
        staking.unbond(IStaking.Role.Worker, bonded);
    }

    function withdrawStake() external {
        IStaking.Stake memory s = staking.stakeOf(IStaking.Role.Worker, worker);
        if (s.unbonding == 0) return;
        if (block.timestamp < s.releaseAt) vm.warp(s.releaseAt);
        vm.prank(worker);
        staking.withdraw(IStaking.Role.Worker);
    }

    function slash(uint256 which) external {
        if (_provenOrders.length == 0) return;
        Bundle memory b;
        b.orders = new I.Order[](1);
        b.orders[0] = _provenOrders[which % _provenOrders.length];
        b.slots = new I.Slot[](1);
        b.slots[0] = I.Slot(rollup.orderDigest(b.orders[0]), worker);
        if (rollup.isSlashed(b.slots[0].taskId, worker)) return;
        if (staking.slashableOf(IStaking.Role.Worker, worker) == 0) return;
        (I.Receipt memory r, bytes memory signature) = _receipt(b, 0, 7);
        rollup.slashReceipt(b.orders[0], r, signature);
        _holdings.push(staking.holdingId(address(rollup), IStaking.Role.Worker, worker, r.taskId));
        ++slashes;
    }

    function payOut(uint256 which) external {
        if (_holdings.length == 0) return;
        bytes32 id = _holdings[which % _holdings.length];
        IStaking.Holding memory h = staking.holdingOf(id);
        if (h.amount == 0) return;
        if (block.timestamp < h.releaseAt) vm.warp(h.releaseAt);
        staking.payOut(id);
    }

    /// @dev Everybody who can hold a balance in the rollup.
    function accounts() public view returns (address[] memory all) {
        all = new address[](8);
        (all[0], all[1], all[2], all[3]) = (user, otherUser, worker, DEVELOPER);
        (all[4], all[5], all[6], all[7]) = (VALIDATORS, PROVER, TREASURY, address(this));
    }

    function sums() external view returns (uint256 credits, uint256 stakes, uint256 wallets) {
        address[] memory all = accounts();
        for (uint256 i; i < all.length; ++i) {
            credits += rollup.balanceOf(all[i]);
            stakes += staking.slashableOf(IStaking.Role.Worker, all[i]);
            wallets += token.balanceOf(all[i]);
        }
        stakes += staking.held();
    }

    function held() external view returns (uint256 inRollup, uint256 inStaking, uint256 supply) {
        return (token.balanceOf(address(rollup)), token.balanceOf(address(staking)), token.totalSupply());
    }
}

/// @dev Escrow, credits and stakes are backed to the wei, and every token is somewhere.
contract ConservationTest is RollupFixture {
    SystemHandler private handler;

    function setUp() external {
        handler = new SystemHandler();
    }

    // forge asks which contracts to call.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariantEveryTokenIsAccountedFor() external view {
        (uint256 credits, uint256 stakes, uint256 wallets) = handler.sums();
        (uint256 inRollup, uint256 inStaking, uint256 supply) = handler.held();
        eq(inRollup, credits, "escrow and credits");
        eq(inStaking, stakes, "stakes");
        eq(wallets + credits + stakes, supply, "supply after burning");
    }

    /// @dev The handler reaches settlement and slashing: the invariant is not vacuous.
    function testHandlerReachesEveryStep() external {
        handler.deposit(0, 20 ether - 1);
        handler.stake(0);
        handler.settle(2, 2);
        handler.slash(0);
        handler.payOut(0);
        handler.expire(1);
        handler.unbond();
        handler.withdrawStake();
        handler.withdraw(2, 0);
        eq(handler.provenBatches(), 1, "batches");
        eq(handler.slashes(), 1, "slashes");
        this.invariantEveryTokenIsAccountedFor();
    }
}
