// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Epochs} from "../src/Epochs.sol";
import {Powr} from "../src/Powr.sol";
import {IEmission} from "../src/interfaces/IEmission.sol";
import {IEpochs as I} from "../src/interfaces/IEpochs.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {EpochsFixture} from "./base/EpochsFixture.sol";

contract EpochsTest is EpochsFixture {
    address private constant A = address(0xA0);
    address private constant B = address(0xB0);
    uint256 private constant FEE = 1 ether;

    event Gas(string what, uint256 gas);

    function setUp() external {
        _setUpEpochs();
    }

    function _trusted(uint32 x) private view returns (bytes[] memory tables) {
        tables = new bytes[](1);
        tables[0] = _table(x, x, x);
    }

    /// @dev One epoch, by hand: two workers, half of the work each, one of them absent by the reports.
    function testAnEpochFromWorkToClaim() external {
        _addValidator(0, 1000 ether);
        _addWorker(A, 1000 ether);
        _addWorker(B, 1000 ether);
        vm.expectEmit(address(epochs));
        emit I.WorkRecorded(A, 0, 10_000, Powr.mul(10_000, Powr.INITIAL));
        _record(A, 10, 10 * FEE);
        _record(B, 10, 10 * FEE);
        token.transfer(address(epochs), 2 ether);
        token.burn(1 ether);
        vm.expectEmit(address(epochs));
        emit I.EpochStarted(1, 2);
        _advance();
        bytes[] memory tables = new bytes[](1);
        uint32 one = uint32(Powr.ONE);
        tables[0] = abi.encodePacked(one, one, one, uint96(0));
        uint256 weight = Powr.trustWeight(Powr.newTrust());
        uint256 score = Powr.mul(Powr.mul(10_000, Powr.INITIAL), weight);
        _commitTable(0, tables[0]);
        _quarter(1);
        vm.expectEmit(address(epochs));
        emit I.MetricsRevealed(0, _validator(0), tables[0]);
        _reveal(0, tables[0]);
        _quarter(2);
        I.Page[] memory reports = new I.Page[](1);
        reports[0] = _report(tables[0], 0);
        vm.expectEmit(address(epochs));
        emit I.TrustUpdated(A, 0, weight, score);
        vm.expectEmit(address(emission));
        emit IEmission.Emitted(1 ether, 0.9 ether);
        vm.expectEmit(address(epochs));
        emit I.EpochClosed(0, 2_900_000, 900_000, 2 * score);
        epochs.close(0, reports);

        // 1.45 of the pool each; the bound is 17.5 percent of 10.
        eq(epochs.claimableWei(A), 1.45 ether, "half the pool");
        vm.expectEmit(address(epochs));
        emit I.Claimed(A, 1.45 ether);
        vm.prank(A);
        epochs.claim();
        eq(token.balanceOf(A), 1.45 ether, "paid");
        vm.prank(A);
        vm.expectRevert(abi.encodeWithSelector(I.NothingToClaim.selector, A));
        epochs.claim();
        require(epochs.weightOf(A) > weight && epochs.weightOf(B) < weight, "trust moved as attested");
        eq(epochs.trustOf(B).accuracy, Powr.INITIAL + (Powr.ONE - Powr.INITIAL >> 6), "right answers");
    }

    /// @dev What a worker is paid never exceeds what its own tasks paid in, whatever it has of the pool.
    function testFuzzOrdersToOneselfNeverPay(uint128 fees, uint128 others, uint32 items, uint96 pool)
        external
    {
        uint256 paidIn = bound(fees, 1e12, 1e24);
        _addWorker(A, 1_000_000 ether);
        _addWorker(B, 1_000_000 ether);
        _record(A, items, paidIn);
        _record(B, 1, bound(others, 1e12, 1e24));
        token.transfer(address(epochs), bound(pool, 0, 1e25));
        _nextEpoch();
        // 5 percent burned and 13 percent went to the pool.
        require(epochs.claimableWei(A) * 100 <= paidIn * 18, "no order to oneself pays");
        _nextEpoch();
        if (epochs.claimableWei(A) == 0) return;
        vm.prank(A);
        epochs.claim();
        uint256 held = (uint256(epochs.reserved()) + epochs.surplus()) * epochs.UNIT();
        require(token.balanceOf(address(epochs)) >= held, "backed");
    }

    /// @dev What the bound leaves over burns and is not minted again.
    function testTheSurplusBurnsAndIsNotEmitted() external {
        _addWorker(A, 1000 ether);
        _record(A, 10, 10 * FEE);
        token.transfer(address(epochs), 100 ether);
        _nextEpoch();
        vm.prank(A);
        eq(epochs.claim(), 1.75 ether, "17.5 percent of 10");
        uint256 supply = token.totalSupply();
        _nextEpoch();
        eq(supply - token.totalSupply(), 98.25 ether, "burned");
        eq(emission.minted(), 0, "and not minted");
        eq(token.balanceOf(address(epochs)), 0, "nothing left");
    }

    /// @dev Nobody gains weight by a model that claims much work for little money.
    function testWorkIsBoundedByFees() external {
        I.Share[] memory shares = new I.Share[](1);
        shares[0] = I.Share(A, 64, 5e12);
        epochs.recordWork(MODEL, type(uint64).max, shares);
        eq(epochs.workOf(A, 0).units, 5 * WORK_PER_UNIT, "five units of fees");
    }

    /// @dev Nothing that a batch says makes the rollup's calls revert, and nothing that probes find `Probes`'.
    function testFuzzRecordingNeverReverts(
        bytes32 model,
        uint64 units,
        I.Share[] calldata shares,
        uint32[3] memory sums,
        bool again
    ) external {
        sums[0] = uint32(bound(sums[0], 1, type(uint32).max));
        sums[1] = uint32(bound(sums[1], 0, sums[0]));
        epochs.recordQuality(model, sums[0], sums[1], sums[2]);
        epochs.recordWork(model, units, shares);
        if (again) epochs.recordWork(model, units, shares);
        for (uint256 i; i < shares.length; ++i) {
            epochs.recordFault(shares[i].worker);
            eq(epochs.workOf(shares[i].worker, 0).epoch, 0, "this epoch's");
        }
        require(epochs.qualityOf(model) <= Powr.ONE, "a fraction");
    }

    function testFaultsLowerAccuracyAlone() external {
        _addWorker(A, 1000 ether);
        _record(A, 10, FEE);
        vm.expectEmit(address(epochs));
        emit I.FaultRecorded(A, 0);
        epochs.recordFault(A);
        _nextEpoch();
        Powr.Trust memory t = epochs.trustOf(A);
        eq(t.accuracy, Powr.observe(Powr.INITIAL, 0, Powr.FAST_FALL), "fell");
        eq(t.completion, Powr.INITIAL, "nobody attested anything");
        eq(t.history, 10_000, "history");
    }

    function testQualityIsSmoothedFromAQuarter() external {
        uint256 sample = Powr.quality(10, 10, 2550);
        uint256 smoothed = Powr.observe(Powr.INITIAL, sample, Powr.FAST_FALL);
        vm.expectEmit(address(epochs));
        emit I.QualityObserved(MODEL, sample, smoothed);
        epochs.recordQuality(MODEL, 10, 10, 2550);
        eq(epochs.qualityOf(MODEL), smoothed, "smoothed");
        for (uint256 i; i < 400; ++i) {
            epochs.recordQuality(MODEL, 10, 0, 0);
        }
        eq(epochs.qualityOf(MODEL), 1, "never zero again");
    }

    /// @dev Other keys have no trust, and leave claims where they are.
    function testChangingKeysMovesNothing() external {
        _addValidator(0, 1000 ether);
        _addWorker(A, 1000 ether);
        for (uint256 i; i < 3; ++i) {
            _record(A, 10, 10 * FEE);
            token.transfer(address(epochs), 1 ether);
            _advance();
            _closeWith(_trusted(uint32(Powr.ONE)));
        }
        (uint256 due, uint256 weight) = (epochs.claimableWei(A), epochs.weightOf(A));
        vm.prank(A);
        staking.unbond(IStaking.Role.Worker, 1000 ether);
        _stake(IStaking.Role.Worker, B, 1000 ether);
        vm.expectRevert(abi.encodeWithSelector(I.SeatTaken.selector, 0, A));
        epochs.seat(B, 0);
        _advance();
        _closeWith(_trusted(uint32(Powr.ONE)));
        _advance();
        _closeWith(_trusted(uint32(Powr.ONE)));
        vm.expectEmit(address(epochs));
        emit I.WorkerSeated(B, 0, A);
        epochs.seat(B, 0);
        eq(epochs.weightOf(B), Powr.trustWeight(Powr.newTrust()), "begins anew");
        eq(epochs.claimableWei(B), 0, "claims nothing");
        eq(epochs.claimableWei(A), due, "stays whose it was");
        require(epochs.weightOf(A) >= weight, "trust stays with the old key");
        // The old key comes back with the trust that it had.
        uint256 kept = epochs.weightOf(A);
        _stake(IStaking.Role.Worker, A, 1000 ether);
        epochs.seat(A, 1);
        eq(epochs.weightOf(A), kept, "no clean slate either");
    }

    function testSeatsNeedStakeAndTheirOrder() external {
        vm.expectRevert(abi.encodeWithSelector(I.NotStaked.selector, A));
        epochs.seat(A, 0);
        _addWorker(A, 1000 ether);
        vm.expectRevert(abi.encodeWithSelector(I.AlreadySeated.selector, A));
        epochs.seat(A, 1);
        _stake(IStaking.Role.Worker, B, 1000 ether);
        vm.expectRevert(abi.encodeWithSelector(I.NoSuchSeat.selector, 2));
        epochs.seat(B, 2);
        vm.expectRevert(abi.encodeWithSelector(I.SeatTaken.selector, 0, A));
        epochs.seat(B, 0);
    }

    function testTheScoreIsBoundedByStake() external {
        _addWorker(A, 100 ether);
        uint256 most = 100 ether / epochs.UNIT() * WORK_PER_STAKE;
        I.Share[] memory shares = new I.Share[](1);
        shares[0] = I.Share(A, type(uint32).max, type(uint128).max);
        epochs.recordWork(MODEL, type(uint64).max, shares);
        _nextEpoch();
        (,, uint128 scores) = epochs.resultOf(0);
        eq(scores, most, "k times stake");
    }

    function testOnlyTheRollupRecords() external {
        vm.startPrank(A);
        bytes memory reason = abi.encodeWithSelector(I.OnlyRollup.selector, A);
        vm.expectRevert(reason);
        epochs.recordWork(MODEL, 1, new I.Share[](0));
        vm.expectRevert(abi.encodeWithSelector(I.OnlyProbes.selector, A));
        epochs.recordQuality(MODEL, 1, 1, 1);
        vm.expectRevert(reason);
        epochs.recordFault(A);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IEmission.OnlyEpochs.selector, address(this)));
        emission.emitEpoch(0, 0);
    }

    function testAConfigurationWithoutAnAddressOrARateIsRefused() external {
        for (uint256 i; i < 9; ++i) {
            Epochs.Config memory config = Epochs.Config({
                token: token,
                staking: staking,
                validators: validators,
                emission: emission,
                rollup: address(this),
                probes: address(this),
                length: EPOCH,
                workPerUnit: WORK_PER_UNIT,
                workPerStake: WORK_PER_STAKE
            });
            assembly ("memory-safe") {
                mstore(add(config, mul(i, 0x20)), 0)
            }
            vm.expectRevert(abi.encodeWithSelector(i < 6 ? I.ZeroAddress.selector : I.ZeroAmount.selector));
            new Epochs(config);
        }
    }

    function testAnEpochEndsInTimeAndAfterTheOneBefore() external {
        uint256 endsAt = uint256(epochs.startedAt()) + EPOCH;
        vm.warp(endsAt - 1);
        vm.expectRevert(abi.encodeWithSelector(I.EpochNotOver.selector, endsAt));
        epochs.advance();
        vm.expectRevert(abi.encodeWithSelector(I.NothingToClose.selector, 0));
        epochs.close(0, new I.Page[](0));
        _advance();
        uint256 from = uint256(epochs.startedAt()) + EPOCH / 2;
        vm.expectRevert(abi.encodeWithSelector(I.NotThePhase.selector, from, type(uint256).max));
        epochs.close(0, new I.Page[](0));
        _quarter(4);
        vm.expectRevert(abi.encodeWithSelector(I.EpochNotClosed.selector, 0));
        epochs.advance();
        vm.expectRevert(abi.encodeWithSelector(I.WrongPage.selector, 0, 1));
        epochs.close(1, new I.Page[](0));
        epochs.close(0, new I.Page[](0));
        vm.expectRevert(abi.encodeWithSelector(I.NothingToClose.selector, 1));
        epochs.close(0, new I.Page[](0));
        epochs.advance();
        eq(epochs.current(), 2, "epoch");
    }

    /// @dev The promise of a trust update, and what a whole worker costs to close beside it.
    function testGasOfAnEpoch() external {
        uint256 n = 32;
        for (uint256 i; i < 4; ++i) {
            _addValidator(i, 1000 ether);
        }
        for (uint256 i; i < n; ++i) {
            _addWorker(address(uint160(0x1000 + i)), 1000 ether);
        }
        uint256 gas;
        for (uint256 e; e < 3; ++e) {
            for (uint256 i; i < n; ++i) {
                _record(address(uint160(0x1000 + i)), 10, FEE);
            }
            _advance();
            bytes memory table = _table(uint32(Powr.ONE), uint32(Powr.ONE), uint32(Powr.ONE));
            for (uint256 i; i < 4; ++i) {
                _commitTable(i, table);
            }
            _quarter(1);
            I.Page[] memory reports = new I.Page[](4);
            for (uint256 i; i < 4; ++i) {
                _reveal(i, table);
                reports[i] = _report(table, 0);
            }
            _quarter(2);
            vm.cool(address(epochs));
            vm.cool(address(staking));
            gas = gasleft();
            epochs.close(0, reports);
            gas -= gasleft();
        }
        emit Gas("a worker's closing with four reports", gas / n);
        require(gas / n <= 55_000, "a worker's closing, reports and all");
    }
}

/// @dev The trust slot alone, cold.
contract TrustGasTest is EpochsFixture {
    event Gas(string what, uint256 gas);

    mapping(address worker => Powr.Trust) private _trust;

    function setUp() external {
        _trust[address(1)] = Powr.newTrust();
    }

    function testTrustUpdateTakesAtMost8000Gas() external {
        Powr.Trust memory seen = Powr.Trust(1 << 31, 1 << 31, 1 << 31, 1 << 31, 0, 1);
        uint256 gas = gasleft();
        Powr.Trust memory t = _trust[address(1)];
        Powr.advance(t, seen, 1000);
        _trust[address(1)] = t;
        gas -= gasleft();
        emit Gas("trust update", gas);
        require(gas <= 8000, "trust update");
    }
}
