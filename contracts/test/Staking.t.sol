// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {DnToken} from "../src/DnToken.sol";
import {Staking} from "../src/Staking.sol";
import {IStaking as I} from "../src/interfaces/IStaking.sol";
import {TestBase} from "./base/TestBase.sol";

contract StakingTest is TestBase {
    I.Role private constant ROLE = I.Role.Worker;
    uint256 private constant MINIMUM = 100 ether;
    bytes32 private constant EVIDENCE = keccak256("signature");
    address private constant VICTIM = address(0x71C);
    address private constant ROLLUP = address(0x7011);

    DnToken private token;
    Staking private staking;

    function setUp() external {
        vm.warp(1_800_000_000);
        token = new DnToken(address(1));
        address[] memory slashers = new address[](1);
        slashers[0] = ROLLUP;
        staking = new Staking(token, MINIMUM, slashers);
        token.approve(address(staking), type(uint256).max);
    }

    function testFuzzStakeUnbondWithdraw(uint256 amount, uint256 out) external {
        amount = bound(amount, 2 * MINIMUM, 1_000_000 ether);
        out = bound(out, 1, amount - MINIMUM);
        uint256 wallet = token.balanceOf(address(this));
        vm.expectEmit(address(staking));
        emit I.Staked(address(this), ROLE, amount);
        staking.stake(ROLE, amount);
        require(staking.isActive(ROLE, address(this)), "active");
        require(!staking.isActive(I.Role.Prover, address(this)), "roles are apart");
        uint64 releaseAt = uint64(block.timestamp) + staking.UNBONDING_DELAY();
        vm.expectEmit(address(staking));
        emit I.UnbondingStarted(address(this), ROLE, out, releaseAt);
        staking.unbond(ROLE, out);
        eq(staking.slashableOf(ROLE, address(this)), amount, "still slashable");
        vm.warp(releaseAt - 1);
        vm.expectRevert(abi.encodeWithSelector(I.StillUnbonding.selector, releaseAt));
        staking.withdraw(ROLE);
        vm.warp(releaseAt);
        vm.expectEmit(address(staking));
        emit I.StakeWithdrawn(address(this), ROLE, out);
        staking.withdraw(ROLE);
        eq(token.balanceOf(address(this)), wallet - amount + out, "wallet");
        eq(staking.stakeOf(ROLE, address(this)).bonded, amount - out, "bonded");
        vm.expectRevert(abi.encodeWithSelector(I.NothingToWithdraw.selector, address(this), ROLE));
        staking.withdraw(ROLE);
    }

    function _fault(uint256 percent) private view returns (I.Fault memory) {
        return I.Fault(ROLE, address(this), percent, "id", EVIDENCE, VICTIM, 1 ether);
    }

    function _slash(I.Fault memory fault) private returns (bytes32 id, uint256 slashed) {
        vm.prank(ROLLUP);
        slashed = staking.slash(fault);
        id = staking.holdingId(ROLLUP, fault.role, fault.account, fault.id);
    }

    function testFuzzSlashTakesAPartBondedFirst(uint256 amount, uint256 out, uint256 percent) external {
        amount = bound(amount, MINIMUM, 1_000_000 ether);
        percent = bound(percent, 1, 50);
        staking.stake(ROLE, amount);
        out = bound(out, 0, amount - MINIMUM);
        if (out != 0) staking.unbond(ROLE, out);
        uint256 expected = (amount * percent + 99) / 100;
        bytes32 id = staking.holdingId(ROLLUP, ROLE, address(this), "id");
        vm.expectEmit(address(staking));
        emit I.Slashed(address(this), ROLE, id, expected);
        (, uint256 slashed) = _slash(_fault(percent));
        eq(slashed, expected, "rounded up");
        uint256 bonded = amount - out;
        eq(staking.bondedOf(ROLE, address(this)), bonded > slashed ? bonded - slashed : 0, "bonded first");
        eq(staking.held(), slashed, "held");
        eq(token.balanceOf(address(staking)), staking.slashableOf(ROLE, address(this)) + slashed, "backed");
    }

    /// @dev Row 11: a slash by one's own hand is no way out that is faster than unbonding, and loses more than half.
    function testFuzzASlashIsHeldAndMoreBurnsThanIsRewarded(uint256 amount, uint256 refund, bool reports)
        external
    {
        amount = bound(amount, MINIMUM, 1_000_000 ether);
        staking.stake(ROLE, amount);
        if (reports) staking.announce(keccak256(abi.encode(address(this), EVIDENCE, bytes32("salt"))));
        vm.roll(block.number + 1);
        I.Fault memory fault = _fault(50);
        fault.refund = refund;
        (bytes32 id, uint256 slashed) = _slash(fault);
        if (reports) staking.claimReward(id, "salt");
        uint64 releaseAt = uint64(block.timestamp) + staking.UNBONDING_DELAY();
        vm.warp(releaseAt - 1);
        vm.expectRevert(abi.encodeWithSelector(I.StillHeld.selector, releaseAt));
        staking.payOut(id);
        vm.warp(releaseAt);

        (uint256 supply, uint256 wallet) = (token.totalSupply(), token.balanceOf(address(this)));
        uint256 refunded = refund < slashed / 2 ? refund : slashed / 2;
        uint256 rewarded = reports ? slashed / 5 : 0;
        vm.expectEmit(address(staking));
        emit I.HoldingPaid(id, refunded, rewarded, slashed - refunded - rewarded);
        staking.payOut(id);
        uint256 burned = supply - token.totalSupply();
        eq(token.balanceOf(VICTIM), refunded, "victim");
        eq(token.balanceOf(address(this)) - wallet, rewarded, "reporter");
        eq(burned, slashed - refunded - rewarded, "burned");
        require(burned > rewarded, "a lie never pays its teller");
        eq(staking.held(), 0, "nothing held");
        vm.expectRevert(abi.encodeWithSelector(I.UnknownHolding.selector, id));
        staking.payOut(id);
    }

    /// @dev Row 11: who copies a report out of the queue has announced nothing before it.
    function testTheFirstToAnnounceIsRewarded() external {
        staking.stake(ROLE, MINIMUM);
        address late = address(0x1A7E);
        address copier = address(0xC0);
        bytes32 first = keccak256(abi.encode(address(this), EVIDENCE, bytes32("a")));
        bytes32 second = keccak256(abi.encode(late, EVIDENCE, bytes32("b")));
        vm.expectEmit(address(staking));
        emit I.ReportAnnounced(first);
        staking.announce(first);
        vm.expectRevert(abi.encodeWithSelector(I.AlreadyAnnounced.selector, first));
        staking.announce(first);
        vm.roll(block.number + 1);
        staking.announce(second);
        vm.roll(block.number + 1);
        (bytes32 id,) = _slash(_fault(10));
        bytes32 third = keccak256(abi.encode(copier, EVIDENCE, bytes32("c")));
        vm.startPrank(copier);
        staking.announce(third);
        vm.expectRevert(abi.encodeWithSelector(I.NotAnnouncedBefore.selector, third, block.number));
        staking.claimReward(id, "c");
        vm.stopPrank();
        vm.prank(late);
        staking.claimReward(id, "b");
        vm.expectEmit(address(staking));
        emit I.RewardClaimed(id, address(this));
        staking.claimReward(id, "a");
        uint256 earlier = staking.holdingOf(id).announcedIn;
        vm.prank(late);
        vm.expectRevert(abi.encodeWithSelector(I.AnnouncedLater.selector, earlier + 1, earlier));
        staking.claimReward(id, "b");
        require(staking.holdingOf(id).reporter == address(this), "reporter");
    }

    function testNobodyIsRewardedWithoutEvidence() external {
        staking.stake(ROLE, MINIMUM);
        staking.announce(keccak256(abi.encode(address(this), bytes32(0), bytes32("a"))));
        vm.roll(block.number + 1);
        I.Fault memory fault = _fault(2);
        (fault.evidence, fault.victim) = (0, address(0));
        (bytes32 id,) = _slash(fault);
        eq(staking.holdingOf(id).refund, 0, "no victim");
        vm.expectRevert(abi.encodeWithSelector(I.UnknownHolding.selector, id));
        staking.claimReward(id, "a");
    }

    /// @dev Row 11: one fault is slashed once; another slasher's or another id is another fault.
    function testOneFaultIsSlashedOnce() external {
        staking.stake(ROLE, MINIMUM);
        (bytes32 id,) = _slash(_fault(10));
        vm.expectRevert(abi.encodeWithSelector(I.AlreadySlashed.selector, id));
        vm.prank(ROLLUP);
        staking.slash(_fault(10));
        I.Fault memory other = _fault(10);
        other.id = "other";
        (, uint256 slashed) = _slash(other);
        eq(slashed, 9 ether, "of what is left");
    }

    function testSlashOfNothingIsZeroAndMayBeRepeated() external {
        (bytes32 id, uint256 slashed) = _slash(_fault(10));
        eq(slashed + staking.holdingOf(id).releaseAt, 0, "nothing");
        staking.stake(ROLE, MINIMUM);
        (, slashed) = _slash(_fault(10));
        eq(slashed, MINIMUM / 10, "later");
    }

    function testOnlySlashersSlashWithinBounds() external {
        staking.stake(ROLE, MINIMUM);
        vm.expectRevert(abi.encodeWithSelector(I.OnlySlasher.selector, address(this)));
        staking.slash(_fault(10));
        require(staking.isSlasher(ROLLUP) && !staking.isSlasher(address(this)), "the set");
        uint8[2] memory wrong = [0, 51];
        for (uint256 i; i < 2; ++i) {
            vm.prank(ROLLUP);
            vm.expectRevert(abi.encodeWithSelector(I.PercentOutOfRange.selector, wrong[i]));
            staking.slash(_fault(wrong[i]));
        }
        vm.expectRevert(abi.encodeWithSelector(I.ZeroAddress.selector));
        new Staking(token, MINIMUM, new address[](1));
    }

    /// @dev Row 10: who lies in the last moment before it leaves is still bound when the lie can be proven.
    function testUnbondingOutlivesOrdersProofsAndChallenges() external view {
        eq(
            staking.UNBONDING_DELAY(),
            staking.ORDER_LIFE() + staking.PROVING_WINDOW() + staking.CHALLENGE_TIME(),
            "delay"
        );
        require(staking.CHALLENGE_TIME() >= 1 days, "time to challenge");
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
