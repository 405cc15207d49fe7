// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {DnToken} from "../src/DnToken.sol";
import {Staking} from "../src/Staking.sol";
import {IStaking as I} from "../src/interfaces/IStaking.sol";
import {TestBase} from "./base/TestBase.sol";

contract StakingTest is TestBase {
    I.Role private constant ROLE = I.Role.Worker;
    uint256 private constant MINIMUM = 100 ether;
    address private constant ROLLUP = address(0x7011);

    DnToken private token;
    Staking private staking;

    function setUp() external {
        vm.warp(1_800_000_000);
        token = new DnToken();
        staking = new Staking(token, MINIMUM);
        staking.setRollup(ROLLUP);
        token.approve(address(staking), type(uint256).max);
    }

    function testFuzzStakeUnbondWithdraw(uint256 amount, uint256 out) external {
        amount = bound(amount, 2 * MINIMUM, 1_000_000 ether);
        out = bound(out, 1, amount - MINIMUM);
        uint256 wallet = token.balanceOf(address(this));
        staking.stake(ROLE, amount);
        require(staking.isActive(ROLE, address(this)), "active");
        require(!staking.isActive(I.Role.Prover, address(this)), "roles are apart");
        staking.unbond(ROLE, out);
        uint64 releaseAt = uint64(block.timestamp) + staking.UNBONDING_DELAY();
        eq(staking.slashableOf(ROLE, address(this)), amount, "still slashable");
        vm.warp(releaseAt - 1);
        vm.expectRevert(abi.encodeWithSelector(I.StillUnbonding.selector, releaseAt));
        staking.withdraw(ROLE);
        vm.warp(releaseAt);
        staking.withdraw(ROLE);
        eq(token.balanceOf(address(this)), wallet - amount + out, "wallet");
        eq(staking.stakeOf(ROLE, address(this)).bonded, amount - out, "bonded");
        vm.expectRevert(abi.encodeWithSelector(I.NothingToWithdraw.selector, address(this), ROLE));
        staking.withdraw(ROLE);
    }

    function testFuzzSlashTakesHalfBondedFirst(uint256 amount, uint256 out) external {
        amount = bound(amount, MINIMUM, 1_000_000 ether);
        staking.stake(ROLE, amount);
        out = bound(out, 0, amount - MINIMUM);
        if (out != 0) staking.unbond(ROLE, out);
        vm.prank(ROLLUP);
        uint256 slashed = staking.slash(ROLE, address(this));
        eq(slashed, (amount + 1) / 2, "half, rounded up");
        eq(token.balanceOf(ROLLUP), slashed, "sent to the rollup");
        uint256 bonded = amount - out;
        eq(
            staking.stakeOf(ROLE, address(this)).bonded,
            bonded > slashed ? bonded - slashed : 0,
            "bonded first"
        );
        eq(token.balanceOf(address(staking)), staking.slashableOf(ROLE, address(this)), "backed");
    }

    function testSlashOfNothingIsZero() external {
        vm.prank(ROLLUP);
        eq(staking.slash(ROLE, address(1)), 0, "nothing");
    }

    function testOnlyTheRollupSlashes() external {
        staking.stake(ROLE, MINIMUM);
        vm.expectRevert(abi.encodeWithSelector(I.OnlyRollup.selector, address(this)));
        staking.slash(ROLE, address(this));
    }

    function testRollupIsSetOnceByTheDeployer() external {
        vm.expectRevert(abi.encodeWithSelector(I.RollupAlreadySet.selector, ROLLUP));
        staking.setRollup(address(2));
        vm.expectRevert(abi.encodeWithSelector(I.OnlyDeployer.selector, address(1)));
        vm.prank(address(1));
        staking.setRollup(address(2));
        Staking unset = new Staking(token, MINIMUM);
        vm.expectRevert(abi.encodeWithSelector(I.ZeroAddress.selector));
        unset.setRollup(address(0));
    }

    function testRejectsAmountsOutOfRange() external {
        vm.expectRevert(abi.encodeWithSelector(I.ZeroAmount.selector));
        staking.stake(ROLE, 0);
        vm.expectRevert(abi.encodeWithSelector(I.BelowMinimum.selector, MINIMUM - 1, MINIMUM));
        staking.stake(ROLE, MINIMUM - 1);
        staking.stake(ROLE, MINIMUM);
        vm.expectRevert(abi.encodeWithSelector(I.ZeroAmount.selector));
        staking.unbond(ROLE, 0);
        vm.expectRevert(abi.encodeWithSelector(I.BelowMinimum.selector, MINIMUM - 1, MINIMUM));
        staking.unbond(ROLE, 1);
        vm.expectRevert(abi.encodeWithSelector(I.InsufficientStake.selector, MINIMUM, MINIMUM + 1));
        staking.unbond(ROLE, MINIMUM + 1);
    }
}
