// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Medians} from "../src/Medians.sol";
import {Powr} from "../src/Powr.sol";
import {IEpochs as I} from "../src/interfaces/IEpochs.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {IValidators} from "../src/interfaces/IValidators.sol";
import {EpochsFixture} from "./base/EpochsFixture.sol";

/// @dev What validators attest: medians, commitments, reveals, and what breaking them costs.
contract MetricsTest is EpochsFixture {
    address private constant A = address(0xA0);
    uint32 private constant ONE = uint32(Powr.ONE);

    function setUp() external {
        _setUpEpochs();
        _addWorker(A, 1000 ether);
    }

    function _three() private {
        for (uint256 i; i < 3; ++i) {
            _addValidator(i, 1000 ether);
        }
        _advance();
    }

    function testFuzzTheMedianIsTheHonestOnes(uint32[5] memory honest, uint32[4] memory liars, uint96 stake)
        external
        pure
    {
        stake = uint96(bound(stake, 1, type(uint96).max >> 4));
        uint256[] memory packed = new uint256[](9);
        (uint256 low, uint256 high) = (Powr.ONE, 0);
        for (uint256 i; i < 5; ++i) {
            packed[i] = Medians.pack(honest[i], stake);
            if (honest[i] < low) low = honest[i];
            if (honest[i] > high) high = honest[i];
        }
        for (uint256 i; i < 4; ++i) {
            packed[5 + i] = Medians.pack(liars[i], stake);
        }
        uint256 median = Medians.weighted(packed);
        require(median >= low && median <= high, "below half of the stake nobody moves it out");
        eq(Medians.weighted(new uint256[](0)), 0, "of nothing");
    }

    function testAThirdThatLiesMovesNothing() external {
        _three();
        bytes[] memory tables = new bytes[](3);
        tables[0] = _table(0, 0, 0);
        tables[1] = _table(ONE, ONE, ONE);
        tables[2] = _table(ONE, ONE, ONE);
        _closeWith(tables);
        eq(epochs.trustOf(A).uptime, Powr.observe(Powr.INITIAL, Powr.ONE, Powr.SLOW_FALL), "the honest ones");
    }

    function testWithoutAQuorumNothingIsAttested() external {
        _three();
        bytes memory table = _table(0, 0, 0);
        _commitTable(0, table);
        _quarter(1);
        _reveal(0, table);
        _quarter(2);
        I.Page[] memory reports = new I.Page[](1);
        reports[0] = _report(table, 0);
        vm.expectRevert(abi.encodeWithSelector(I.WrongReports.selector, 0, 1));
        epochs.close(0, reports);
        epochs.close(0, new I.Page[](0));
        eq(epochs.trustOf(A).uptime, Powr.INITIAL, "one of three does not speak for all");
    }

    function testAClosureTakesEveryReportAsItWasRevealed() external {
        _three();
        bytes memory table = _table(ONE, ONE, ONE);
        for (uint256 i; i < 3; ++i) {
            _commitTable(i, table);
        }
        _quarter(1);
        for (uint256 i; i < 3; ++i) {
            _reveal(i, table);
        }
        _quarter(2);
        I.Page[] memory reports = new I.Page[](2);
        (reports[0], reports[1]) = (_report(table, 0), _report(table, 0));
        vm.expectRevert(abi.encodeWithSelector(I.WrongReports.selector, 3, 2));
        epochs.close(0, reports);
        reports = new I.Page[](4);
        for (uint256 i; i < 4; ++i) {
            reports[i] = _report(table, 0);
        }
        vm.expectRevert(abi.encodeWithSelector(I.WrongReports.selector, 3, 4));
        epochs.close(0, reports);
        reports = new I.Page[](3);
        for (uint256 i; i < 3; ++i) {
            reports[i] = _report(i == 1 ? _table(0, 0, 0) : table, 0);
        }
        vm.expectRevert(abi.encodeWithSelector(I.WrongReport.selector, _validator(1)));
        epochs.close(0, reports);
        reports[1] = _report(table, 0);
        reports[1].page = _table(0, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(I.WrongReport.selector, _validator(1)));
        epochs.close(0, reports);
    }

    function testManyPages() external {
        _addValidator(0, 1000 ether);
        for (uint256 i; i < 70; ++i) {
            _addWorker(address(uint160(0x1000 + i)), 1000 ether);
        }
        _record(address(0x1000 + 69), 1, 1 ether);
        token.transfer(address(epochs), 1 ether);
        _advance();
        bytes[] memory tables = new bytes[](1);
        tables[0] = _table(ONE, 0, ONE);
        _closeWith(tables);
        eq(epochs.closed(), 1, "closed");
        eq(epochs.claimableWei(address(0x1000 + 69)), 0.175 ether, "on the last page");
        eq(epochs.trustOf(address(0x1000)).uptime, Powr.observe(Powr.INITIAL, 0, Powr.SLOW_FALL), "first");
    }

    function testPhasesHoldCommitmentsAndReveals() external {
        _addValidator(0, 1000 ether);
        address v = _validator(0);
        bytes memory signature = _sign(VALIDATOR_KEY, epochs.metricsDigest(0, "c"));
        vm.expectRevert(abi.encodeWithSelector(I.NothingToClose.selector, 0));
        epochs.commitMetrics(v, "c", signature);
        _advance();
        bytes memory foreign = _sign(0xC2, epochs.metricsDigest(0, "c"));
        vm.expectRevert(abi.encodeWithSelector(I.WrongSigner.selector, v, vm.addr(0xC2)));
        epochs.commitMetrics(v, "c", foreign);
        vm.expectRevert(abi.encodeWithSelector(I.NotAValidator.selector, vm.addr(0xC2)));
        epochs.commitMetrics(vm.addr(0xC2), "c", signature);
        bytes memory table = _table(1, 2, 3);
        bytes32 commitment = _commitment(0, table, SALT);
        vm.expectEmit(address(epochs));
        emit I.MetricsCommitted(0, v, commitment, 1000 ether);
        _commitTable(0, table);
        vm.expectRevert(abi.encodeWithSelector(I.AlreadyCommitted.selector, 0, v));
        epochs.commitMetrics(v, "c", signature);
        (uint256 start, uint256 quarter) = (epochs.startedAt(), EPOCH / 4);
        vm.prank(v);
        vm.expectRevert(abi.encodeWithSelector(I.NotThePhase.selector, start + quarter, start + 2 * quarter));
        epochs.revealMetrics(table, SALT);
        _quarter(1);
        vm.expectRevert(abi.encodeWithSelector(I.NotThePhase.selector, start, start + quarter));
        epochs.commitMetrics(v, "c", signature);
        vm.startPrank(v);
        vm.expectRevert(abi.encodeWithSelector(I.WrongTableLength.selector, 12, 0));
        epochs.revealMetrics("", SALT);
        bytes32 other = _commitment(0, table, "other");
        vm.expectRevert(abi.encodeWithSelector(I.WrongCommitment.selector, commitment, other));
        epochs.revealMetrics(table, "other");
        epochs.revealMetrics(table, SALT);
        vm.expectRevert(abi.encodeWithSelector(I.NothingCommitted.selector, 0, v));
        epochs.revealMetrics(table, SALT);
        vm.stopPrank();
    }

    function testAMissedRevealIsSlashedOnce() external {
        _addValidator(0, 1000 ether);
        _advance();
        _commitTable(0, _table(1, 2, 3));
        address v = _validator(0);
        _quarter(1);
        vm.expectRevert(abi.encodeWithSelector(I.NotMissed.selector, v));
        epochs.slashMissedReveal(v);
        _quarter(2);
        vm.expectEmit(address(epochs));
        emit I.RevealMissed(0, v, 20 ether);
        epochs.slashMissedReveal(v);
        vm.expectRevert(abi.encodeWithSelector(I.NotMissed.selector, v));
        epochs.slashMissedReveal(v);
        eq(staking.bondedOf(IStaking.Role.Validator, v), 980 ether, "two percent");
    }

    /// @dev Who commits again is slashed for what it owes, if nobody has done it.
    function testTheNextCommitmentRemembersTheMissedReveal() external {
        _addValidator(0, 1000 ether);
        _advance();
        _commitTable(0, _table(1, 2, 3));
        _quarter(2);
        epochs.close(0, new I.Page[](0));
        _advance();
        _commitTable(0, _table(1, 2, 3));
        eq(staking.bondedOf(IStaking.Role.Validator, _validator(0)), 980 ether, "slashed");
    }

    function testFuzzEquivocationIsSlashed(bytes32 first, bytes32 second, uint32 epoch) external {
        _addValidator(0, 1000 ether);
        if (first == second) return;
        if (first > second) (first, second) = (second, first);
        (bytes memory a, bytes memory b) = (_signed(0, epoch, first), _signed(0, epoch, second));
        vm.expectRevert(abi.encodeWithSelector(I.NotEquivocal.selector, second, first));
        epochs.slashEquivocation(epoch, second, b, first, a);
        bytes memory foreign = _signed(1, epoch, second);
        vm.expectRevert(abi.encodeWithSelector(I.WrongSigner.selector, _validator(0), _validator(1)));
        epochs.slashEquivocation(epoch, first, a, second, foreign);
        bytes32 evidence = keccak256(abi.encode(a, b));
        staking.announce(keccak256(abi.encode(address(this), evidence, SALT)));
        vm.roll(block.number + 1);
        vm.expectEmit(address(epochs));
        emit I.Equivocated(epoch, _validator(0), 300 ether);
        epochs.slashEquivocation(epoch, first, a, second, b);
        bytes32 id = keccak256(abi.encode("equivocation", epoch));
        id = staking.holdingId(address(epochs), IStaking.Role.Validator, _validator(0), id);
        vm.expectRevert(abi.encodeWithSelector(IStaking.AlreadySlashed.selector, id));
        epochs.slashEquivocation(epoch, first, a, second, b);
        staking.claimReward(id, SALT);
    }
}

/// @dev Registration, pools, draws, probes.
contract ValidatorsTest is EpochsFixture {
    function setUp() external {
        _setUpEpochs();
    }

    /// @dev Validator 0 commits a pool for epoch 1, which begins.
    function _pool() private {
        _addValidator(0, 1000 ether);
        eq(uint256(validators.poolOf(1, _validator(0))), 0, "no pool");
        vm.prank(_validator(0));
        vm.expectEmit(address(validators));
        emit IValidators.PoolCommitted(1, _validator(0), "root", 1000 ether);
        validators.commitPool("root");
        vm.prank(_validator(0));
        vm.expectRevert(abi.encodeWithSelector(IValidators.PoolAlreadyCommitted.selector, 1, _validator(0)));
        validators.commitPool("root");
        eq(uint256(validators.poolOf(1, _validator(0))), uint256(bytes32("root")), "the pool");
        _advance();
    }

    function testAllOfTheStakeIsDrawn() external {
        _pool();
        require(!validators.isDrawn(1, _validator(0)), "not drawn yet");
        vm.roll(validators.drawBlock() + 1);
        vm.setBlockhash(validators.drawBlock(), keccak256("block"));
        validators.draw();
        require(validators.isDrawn(1, _validator(0)), "for sure");
        require(!validators.isDrawn(1, _validator(1)), "who has no pool");
    }

    function testTheDrawComesFromALaterBlock() external {
        _pool();
        vm.expectRevert(abi.encodeWithSelector(IValidators.DrawNotOpen.selector, validators.drawBlock()));
        validators.draw();
        bytes32 seed = keccak256(abi.encode(address(validators), uint32(1), keccak256("block")));
        vm.roll(validators.drawBlock() + 1);
        vm.setBlockhash(validators.drawBlock(), keccak256("block"));
        vm.expectEmit(address(validators));
        emit IValidators.EpochDrawn(1, seed);
        validators.draw();
        vm.expectRevert(abi.encodeWithSelector(IValidators.AlreadyDrawn.selector, 1));
        validators.draw();
    }

    /// @dev Sixteen of equal stake: four are drawn on average.
    function testFourSeatsOnAverage() external {
        for (uint256 i; i < 16; ++i) {
            _addValidator(i, 1000 ether);
        }
        uint256 drawn;
        for (uint32 e = 1; e <= 40; ++e) {
            for (uint256 i; i < 16; ++i) {
                vm.prank(_validator(i));
                validators.commitPool("root");
            }
            _nextEpoch();
            vm.roll(validators.drawBlock() + 1);
            vm.setBlockhash(validators.drawBlock(), keccak256(abi.encode(e)));
            validators.draw();
            for (uint256 i; i < 16; ++i) {
                if (validators.isDrawn(e, _validator(i))) ++drawn;
            }
        }
        require(drawn > 130 && drawn < 190, "160 of 640");
    }

    function testRegistrationNeedsStakeAndMakesRoomByStake() external {
        vm.expectRevert(abi.encodeWithSelector(IValidators.NotStaked.selector, address(this)));
        validators.register(address(0));
        for (uint256 i; i < 16; ++i) {
            _addValidator(i, 100 ether + i);
        }
        eq(validators.count(), 16, "full");
        vm.prank(_validator(3));
        vm.expectRevert(abi.encodeWithSelector(IValidators.AlreadyRegistered.selector, _validator(3)));
        validators.register(address(0));
        address rich = _validator(20);
        _stake(IStaking.Role.Validator, rich, 205 ether);
        address rival = _validator(15);
        _stake(IStaking.Role.Validator, rival, 100 ether);
        vm.startPrank(rich);
        vm.expectRevert(
            abi.encodeWithSelector(IValidators.NoRoom.selector, rival, 205 ether, 2 * (200 ether + 15))
        );
        validators.register(rival);
        vm.expectRevert(abi.encodeWithSelector(IValidators.NotRegistered.selector, address(1)));
        validators.register(address(1));
        vm.expectEmit(address(validators));
        emit IValidators.ValidatorRemoved(_validator(0));
        vm.expectEmit(address(validators));
        emit IValidators.ValidatorRegistered(rich, 0);
        validators.register(_validator(0));
        vm.stopPrank();
        require(validators.isValidator(rich) && !validators.isValidator(_validator(0)), "replaced");
        eq(validators.all().length, 16, "still full");
    }

    function testLeavingAndRemoving() external {
        _addValidator(0, 100 ether);
        _addValidator(1, 100 ether);
        vm.expectRevert(abi.encodeWithSelector(IValidators.StillActive.selector, _validator(1)));
        validators.remove(_validator(1));
        vm.prank(_validator(1));
        staking.unbond(IStaking.Role.Validator, 100 ether);
        require(!validators.isValidator(_validator(1)), "without stake");
        validators.remove(_validator(1));
        vm.prank(_validator(0));
        validators.leave();
        eq(validators.count(), 0, "empty");
        vm.expectRevert(abi.encodeWithSelector(IValidators.NotRegistered.selector, _validator(0)));
        validators.registeredIn(_validator(0));
        vm.startPrank(_validator(0));
        vm.expectRevert(abi.encodeWithSelector(IValidators.NotRegistered.selector, _validator(0)));
        validators.commitPool("root");
        validators.register(address(0));
        vm.expectRevert(abi.encodeWithSelector(IValidators.EmptyRoot.selector));
        validators.commitPool(0);
        vm.stopPrank();
    }
}
