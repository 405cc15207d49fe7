// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAccounts} from "../src/interfaces/IAccounts.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev Money in and out.
contract AccountsTest is RollupFixture {
    uint256 private constant WALLET = 100 ether;

    function setUp() external {
        _deploySystem();
        token.transfer(user, WALLET);
    }

    function _approve(uint256 amount) private {
        vm.prank(user);
        token.approve(address(rollup), amount);
    }

    function _request(uint256 amount) private {
        vm.prank(user);
        rollup.requestExit(amount);
    }

    function _claim() private returns (uint256) {
        vm.prank(user);
        return rollup.claimExit();
    }

    function testFuzzDeposit(uint256 amount) external {
        amount = bound(amount, 1, WALLET);
        _approve(amount);
        vm.expectEmit(address(rollup));
        emit IAccounts.Deposited(user, user, amount);
        vm.prank(user);
        rollup.deposit(amount);
        eq(rollup.balanceOf(user), amount, "balance");
        eq(rollup.spendableOf(user), amount, "spendable");
        eq(token.balanceOf(user), WALLET - amount, "wallet");
        eq(token.balanceOf(address(rollup)), amount, "held");
    }

    function testAnybodyDepositsForAnother() external {
        _approve(3 ether);
        vm.expectEmit(address(rollup));
        emit IAccounts.Deposited(otherUser, user, 3 ether);
        vm.prank(user);
        rollup.depositFor(otherUser, 3 ether);
        eq(rollup.balanceOf(otherUser), 3 ether, "the named account");
        eq(rollup.balanceOf(user), 0, "not the payer");
    }

    function testRejectsDepositsOfNothingForNobodyAndOfWhatIsNotThere() external {
        vm.expectRevert(abi.encodeWithSelector(IAccounts.ZeroAmount.selector));
        rollup.deposit(0);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.ZeroAmount.selector));
        rollup.depositFor(user, 0);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.ZeroAddress.selector));
        rollup.depositFor(address(0), 1);
        _approve(WALLET + 1);
        vm.expectRevert();
        vm.prank(user);
        rollup.deposit(WALLET + 1);
        // 2^128 credits zero to the balance's lane: the transfer must stop it.
        _approve(type(uint256).max);
        vm.expectRevert();
        vm.prank(user);
        rollup.deposit(1 << 128);
    }

    function _permit(uint256 amount, uint256 deadline) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 hash = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                user,
                address(rollup),
                amount,
                token.nonces(user),
                deadline
            )
        );
        return vm.sign(keyOf[user], keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), hash)));
    }

    function testDepositsByPermit() external {
        (uint8 v, bytes32 r, bytes32 s) = _permit(5 ether, block.timestamp);
        vm.expectEmit(address(rollup));
        emit IAccounts.Deposited(user, user, 5 ether);
        vm.prank(user);
        rollup.depositWithPermit(5 ether, block.timestamp, v, r, s);
        eq(rollup.balanceOf(user), 5 ether, "balance");
    }

    function testAFrontRunPermitDoesNotStopTheDeposit() external {
        (uint8 v, bytes32 r, bytes32 s) = _permit(5 ether, block.timestamp);
        vm.prank(STRANGER);
        token.permit(user, address(rollup), 5 ether, block.timestamp, v, r, s);
        vm.prank(user);
        rollup.depositWithPermit(5 ether, block.timestamp, v, r, s);
        eq(rollup.balanceOf(user), 5 ether, "balance");
    }

    function testRejectsALapsedOrForeignPermit() external {
        (uint8 v, bytes32 r, bytes32 s) = _permit(5 ether, block.timestamp - 1);
        vm.expectRevert();
        vm.prank(user);
        rollup.depositWithPermit(5 ether, block.timestamp - 1, v, r, s);
        (v, r, s) = _permit(5 ether, block.timestamp);
        vm.expectRevert();
        vm.prank(STRANGER);
        rollup.depositWithPermit(5 ether, block.timestamp, v, r, s);
    }

    function testFuzzExits(uint256 balance, uint256 amount) external {
        balance = bound(balance, 1, WALLET);
        amount = bound(amount, 1, balance);
        _deposit(user, balance);
        uint64 readyAt = uint64(block.timestamp) + EXIT_DELAY;
        vm.expectEmit(address(rollup));
        emit IAccounts.ExitRequested(user, amount, readyAt);
        _request(amount);
        eq(rollup.balanceOf(user), balance, "still there");
        eq(rollup.spendableOf(user), balance - amount, "spendable");
        IAccounts.Exit memory exit = rollup.exitOf(user);
        require(exit.amount == amount && exit.readyAt == readyAt, "exit");

        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.ExitNotReady.selector, readyAt));
        _claim();
        vm.warp(readyAt);
        vm.expectEmit(address(rollup));
        emit IAccounts.ExitClaimed(user, amount);
        eq(_claim(), amount, "paid");
        eq(token.balanceOf(user), WALLET + amount, "wallet");
        eq(rollup.balanceOf(user), balance - amount, "rest");
        eq(rollup.spendableOf(user), balance - amount, "spendable again");

        vm.expectRevert(abi.encodeWithSelector(IAccounts.NoExit.selector, user));
        _claim();
    }

    function testRejectsExitsOfNothingAndOfTooMuch() external {
        _deposit(user, 5 ether);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.ZeroAmount.selector));
        _request(0);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.InsufficientBalance.selector, 5 ether, 5 ether + 1));
        _request(5 ether + 1);
        // 2^128 has no bit below: it is compared whole.
        vm.expectRevert(abi.encodeWithSelector(IAccounts.InsufficientBalance.selector, 5 ether, 1 << 128));
        _request(1 << 128);
    }

    function testASecondRequestReplacesTheFirstAndItsTime() external {
        _deposit(user, 5 ether);
        _request(5 ether);
        vm.warp(block.timestamp + EXIT_DELAY - 1);
        _request(2 ether);
        uint64 readyAt = uint64(block.timestamp) + EXIT_DELAY;
        vm.warp(block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.ExitNotReady.selector, readyAt));
        _claim();
        vm.warp(readyAt);
        eq(_claim(), 2 ether, "the second one");
    }

    function testARequestIsTakenBack() external {
        vm.expectRevert(abi.encodeWithSelector(IAccounts.NoExit.selector, user));
        vm.prank(user);
        rollup.cancelExit();
        _deposit(user, 5 ether);
        _request(5 ether);
        vm.expectEmit(address(rollup));
        emit IAccounts.ExitCancelled(user);
        vm.prank(user);
        rollup.cancelExit();
        eq(rollup.spendableOf(user), 5 ether, "spendable");
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.NoExit.selector, user));
        _claim();
    }

    function testARipeExitDoesNotGrowWithLaterDeposits() external {
        _deposit(user, 5 ether);
        _request(5 ether);
        vm.warp(block.timestamp + EXIT_DELAY);
        _deposit(user, 7 ether);
        eq(rollup.spendableOf(user), 7 ether, "spendable");
        eq(_claim(), 5 ether, "what was asked for");
        eq(rollup.balanceOf(user), 7 ether, "rest");
    }

    /// @dev Orders that were signed before are charged meanwhile; what the balance still has is paid.
    function testAnExitPaysWhatTheBalanceStillHas() external {
        _stake(worker, MINIMUM_STAKE);
        _deposit(user, 5 ether);
        Bundle memory b = _bundle(4);
        _request(5 ether);
        _all(b);
        uint256 rest = 5 ether - 4 * uint256(PRICE);
        eq(rollup.spendableOf(user), 0, "nothing for new orders");
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.expectEmit(address(rollup));
        emit IAccounts.ExitClaimed(user, rest);
        eq(_claim(), rest, "the rest");
        eq(rollup.balanceOf(user), 0, "empty");
    }

    function testAnExitOfASpentBalancePaysNothing() external {
        _stake(worker, MINIMUM_STAKE);
        _deposit(user, PRICE);
        _request(PRICE);
        _all(_bundle(1));
        vm.warp(block.timestamp + EXIT_DELAY);
        eq(_claim(), 0, "nothing");
    }

    function testEarningsLeaveTheSameWay() external {
        _fund();
        _all(_bundle(1));
        vm.prank(worker);
        rollup.requestExit(WORKER_PAID);
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(worker);
        eq(rollup.claimExit(), WORKER_PAID, "share");
    }
}
