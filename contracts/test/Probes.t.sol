// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Probes} from "../src/Probes.sol";
import {Powr} from "../src/Powr.sol";
import {IEpochs} from "../src/interfaces/IEpochs.sol";
import {IInferenceRollup} from "../src/interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {IProbes} from "../src/interfaces/IProbes.sol";
import {IValidators} from "../src/interfaces/IValidators.sol";
import {ProbesFixture} from "./base/ProbesFixture.sol";

/// @dev Probes on their way to a version's quality, and every way to make them up.
contract ProbesTest is ProbesFixture {
    bytes private _batch;
    bytes32 private model;

    function setUp() external {
        _deploySystem();
        _fund();
        _addValidator(0, 1000 ether);
        _addValidator(1, 1 ether + MINIMUM_STAKE);
        _commitProbes(0);
        _advance();
        _drawEpoch();
        model = _model(64);
        Bundle memory asked = _asked(64, POOL);
        _answered(asked);
        _batch = abi.encode(asked);
    }

    function _record(IProbes.Answers[] memory all)
        private
        returns (uint256 count, uint256 correct, uint256 sum)
    {
        vm.prank(_validator(0));
        return probes.record(E, model, all);
    }

    function _reverts(IProbes.Answers[] memory all, bytes memory reason) private {
        vm.prank(_validator(0));
        vm.expectRevert(reason);
        probes.record(E, model, all);
    }

    function _proven() private view returns (Bundle memory) {
        return abi.decode(_batch, (Bundle));
    }

    function _all() private view returns (IProbes.Answers[] memory) {
        return _one(_answers(_proven(), 0, 0, POOL));
    }

    function testTheQualityIsWhatTheProbesFound() external {
        uint256 sample = Powr.quality(16, 12, 1200);
        IProbes.Answers[] memory all = _all();
        vm.expectEmit(address(probes));
        emit IProbes.ProbesRecorded(E, _validator(0), model, 16, 12, 1200);
        vm.expectEmit(address(epochs));
        emit IEpochs.QualityObserved(model, sample, Powr.INITIAL + (sample - Powr.INITIAL) / 64);
        (uint256 count, uint256 correct, uint256 sum) = _record(all);
        require(count == 16 && correct == 12 && sum == 1200, "counted");
        eq(epochs.qualityOf(model), Powr.INITIAL + (sample - Powr.INITIAL) / 64, "smoothed");
        require(probes.isRecorded(E, _validator(0), model), "recorded");
    }

    function testSixteenProbesOfABatchTakeAtMost2500000Gas() external {
        IProbes.Answers[] memory all = _all();
        _record(all);
        uint256 used = vm.lastCallGas().total;
        log("gas of 16 probes", used);
        require(used < 2_500_000, "gas");
    }

    function testASampleCountsOnce() external {
        IProbes.Answers[] memory all = _all();
        _record(all);
        _reverts(all, abi.encodeWithSelector(IProbes.AlreadyRecorded.selector, E, _validator(0), model));
    }

    /// @dev Answers are known when pools are committed to, so a batch counts in its own epoch alone.
    function testAnswersFromBeforeTheEpochDoNotCount() external {
        IProbes.Answers[] memory all = _all();
        _closeWith(new bytes[](0)); // epoch 0
        _commitProbes(0);
        vm.warp(block.timestamp + 1 hours);
        _advance();
        _drawEpoch();
        IInferenceRollup.BatchHeader memory header = _proven().header;
        bytes memory early =
            abi.encodeWithSelector(IProbes.TooEarly.selector, header.batchId, header.batchId + 1);
        vm.prank(_validator(0));
        vm.expectRevert(early);
        probes.record(E + 1, model, all);
        // In its own epoch it does, and another batch in the next one.
        _record(all);
        Bundle memory later = _asked(64, POOL);
        _answered(later);
        vm.prank(_validator(0));
        (uint256 count,,) = probes.record(E + 1, later.header.modelId, _one(_answers(later, 0, 0, POOL)));
        eq(count, POOL, "a second record");
    }

    /// @dev Twice the same answer, and twice the same probe in another slot.
    function testNoProbeCountsTwice() external {
        Bundle memory b = _proven();
        IProbes.Answers[] memory all = _all();
        all[0].answers[1] = all[0].answers[0];
        _reverts(all, abi.encodeWithSelector(IProbes.OutOfOrder.selector, b.header.batchId, 0, 0));
        IProbes.Answers[] memory both = new IProbes.Answers[](2);
        (both[0], both[1]) = (_answers(b, 0, 0, 8), _answers(b, 0, 0, 8));
        _reverts(both, abi.encodeWithSelector(IProbes.OutOfOrder.selector, b.header.batchId, 0, 0));
        Bundle memory again = _asked(64, POOL);
        _answered(again);
        both[1] = _answers(again, 0, 0, 8);
        _reverts(both, abi.encodeWithSelector(IProbes.AlreadyCounted.selector, 0));
    }

    function testProbesOfSeveralBatchesAndChunks() external {
        Bundle memory later = _asked(130, 70);
        // The last ten are in the second chunk: probes 12 to 15, and 0 to 5.
        _answered(later);
        model = later.header.modelId;
        IProbes.Answers[] memory both = new IProbes.Answers[](2);
        (both[0], both[1]) = (_answers(later, 0, 6, 12), _answers(later, 1, 60, 70));
        (uint256 count, uint256 correct,) = _record(both);
        require(count == 16 && correct == 12, "all of them");
    }

    /// @dev A label that is not the committed one, however it is told.
    function testLabelsThatThePoolDoesNotHave() external {
        bytes memory reason = abi.encodeWithSelector(IProbes.NotInPool.selector, 3);
        IProbes.Answers[] memory all = _all();
        all[0].answers[3].label = 0; // what was answered
        _reverts(all, reason);
        all = _all();
        all[0].answers[3].labelSalt = 0;
        _reverts(all, reason);
        all = _all();
        all[0].answers[3].path = new bytes32[](0);
        _reverts(all, reason);
        // Another slot than that of the probe's input.
        all = _all();
        all[0].answers[2].slot = 3;
        _reverts(all, abi.encodeWithSelector(IProbes.NotInPool.selector, 2));
        all = _all();
        all[0].answers[0].index = 256;
        _reverts(all, abi.encodeWithSelector(IProbes.NoSuchProbe.selector, 256));
    }

    function testOutputsThatAreNotProven() external {
        Bundle memory b = _proven();
        IProbes.Answers[] memory all = _all();
        bytes32 proven = bytes32(_output(b, 3));
        all[0].answers[3].output = hex"ececec50"; // would be right
        bytes32 got = bytes32(this.commit(hex"ececec50", SALT_OF));
        _reverts(all, abi.encodeWithSelector(IProbes.WrongOutput.selector, 3, proven, got));
        all = _all();
        all[0].answers[3].salt = 1;
        got = bytes32(this.commit(_probed(3), 1));
        _reverts(all, abi.encodeWithSelector(IProbes.WrongOutput.selector, 3, proven, got));
        all = _all();
        all[0].answers[3].output = hex"ecec";
        _reverts(all, abi.encodeWithSelector(IProbes.NoSuchClass.selector, 3, 3));
    }

    /// @dev A class is right if it leads alone, by whatever: at both ends of a byte, and where all are equal.
    function testAClassThatDoesNotLeadAloneIsNotRight() external {
        bytes[] memory outputs = new bytes[](POOL);
        for (uint256 i; i < POOL; ++i) {
            outputs[i] = hex"80808080"; // a tie of all at -128
        }
        outputs[0] = hex"05050504"; // a tie with another
        outputs[1] = hex"7f7f0000"; // a tie at 127
        outputs[2] = hex"fefefffe"; // leads by one
        outputs[3] = hex"8080807f"; // leads by 255
        outputs[4] = hex"0000ff01"; // behind by one
        outputs[5] = hex"80818080"; // leads by one, from the lowest
        Bundle memory b = _asked(64, POOL);
        _answeredWith(b, outputs);
        IProbes.Answers[] memory all = _one(_answers(b, 0, 0, POOL));
        for (uint256 i; i < POOL; ++i) {
            all[0].answers[i].output = outputs[i];
        }
        (uint256 count, uint256 correct, uint256 sum) = _record(all);
        require(count == 16 && correct == 3 && sum == 257, "three lead");
    }

    /// @dev What has no rival is right whatever it says: an output of one class is no answer, though it is proven.
    function testAnOutputOfOneClassIsNoAnswer() external {
        bytes[] memory outputs = new bytes[](POOL);
        for (uint256 i; i < POOL; ++i) {
            outputs[i] = hex"50";
        }
        Bundle memory b = _asked(64, POOL);
        _answeredWith(b, outputs);
        IProbes.Answers[] memory all = _one(_answers(b, 0, 0, POOL));
        for (uint256 n; n < 2; ++n) {
            all[0].answers[0].output = new bytes(n);
            if (n == 1) all[0].answers[0].output = outputs[0];
            _reverts(all, abi.encodeWithSelector(IProbes.NoSuchClass.selector, 0, 0));
        }
    }

    /// @dev Only the rollup's settlement reads them.
    function testTheSlotsHashesAreNotNeeded() external {
        IProbes.Answers[] memory all = _all();
        all[0].opening.slotHashes = new bytes32[](0);
        (uint256 count,,) = _record(all);
        eq(count, POOL, "all the same");
    }

    function testStatementsThatAreNotProven() external {
        Bundle memory b = _proven();
        bytes memory reason = abi.encodeWithSelector(IProbes.NotProven.selector, b.header.batchId, 0);
        IProbes.Answers[] memory all = _all();
        ++all[0].opening.statement[70];
        _reverts(all, reason);
        all = _all();
        all[0].opening.prover = address(1);
        _reverts(all, reason);
        all = _all();
        all[0].chunk = 1;
        _reverts(all, abi.encodeWithSelector(IProbes.NotProven.selector, b.header.batchId, 1));
        all = _all();
        ++all[0].header.openedAt;
        _reverts(all, abi.encodeWithSelector(IProbes.WrongHeader.selector, b.header.batchId));
        // The statement of another batch of the same version, which is not proven yet.
        Bundle memory open = _asked(64, POOL);
        _seal(open);
        _commit(open);
        all = _all();
        all[0].header = open.header;
        _reverts(all, abi.encodeWithSelector(IProbes.NotProven.selector, open.header.batchId, 0));
    }

    function testAnswersOfAnotherVersion() external {
        Bundle memory b = _proven();
        model = MODEL;
        _reverts(_all(), abi.encodeWithSelector(IProbes.WrongModel.selector, MODEL, b.header.modelId));
    }

    function testSlotsBehindTheChunkAndPadding() external {
        Bundle memory b = _proven();
        IProbes.Answers[] memory all = _all();
        all[0].answers[15].slot = 64;
        _reverts(all, abi.encodeWithSelector(IProbes.NoSuchSlot.selector, b.header.batchId, 0, 64));
        all[0].answers[15].slot = 16;
        _reverts(all, abi.encodeWithSelector(IProbes.NotAsked.selector, b.header.batchId, 0, 16));
    }

    function testAFewProbesAreNoSample() external {
        Bundle memory b = _proven();
        _reverts(_one(_answers(b, 0, 0, 7)), abi.encodeWithSelector(IProbes.TooFewProbes.selector, 7, 8));
        _reverts(new IProbes.Answers[](0), abi.encodeWithSelector(IProbes.TooFewProbes.selector, 0, 8));
        _record(_one(_answers(b, 0, 0, 8)));
    }

    /// @dev The other validator has no pool, so nobody draws it; a stranger is none, and a user's labels are his own.
    function testOnlyWhoIsDrawnRecords() external {
        IProbes.Answers[] memory all = _all();
        vm.prank(_validator(1));
        vm.expectRevert(abi.encodeWithSelector(IProbes.NotDrawn.selector, E, _validator(1)));
        probes.record(E, model, all);
        vm.prank(user);
        vm.expectRevert(abi.encodeWithSelector(IProbes.NotAValidator.selector, user));
        probes.record(E, model, all);
        vm.prank(_validator(0));
        vm.expectRevert(abi.encodeWithSelector(IProbes.NotDrawn.selector, 2, _validator(0)));
        probes.record(2, model, all);
        vm.prank(_validator(0));
        validators.leave();
        _reverts(all, abi.encodeWithSelector(IProbes.NotAValidator.selector, _validator(0)));
    }

    function testAPoolEndsWithItsEpoch() external {
        Bundle memory b = _proven();
        IProbes.Answers[] memory all = _all();
        _closeWith(new bytes[](0)); // epoch 0
        _advance();
        (uint256 count,,) = _record(_one(_answers(b, 0, 0, 8)));
        eq(count, 8, "while its epoch is not closed");
        _closeWith(new bytes[](0)); // epoch 1
        model = MODEL;
        _reverts(all, abi.encodeWithSelector(IProbes.EpochOver.selector, E));
    }

    /// @dev The quality falls and rises by one step for a sample, of eight probes as of sixteen.
    function testTheNumberOfProbesMovesNoMore() external {
        Bundle memory b = _proven();
        uint256 sample = Powr.quality(8, 6, 600);
        _record(_one(_answers(b, 0, 0, 8)));
        eq(epochs.qualityOf(model), Powr.INITIAL + (sample - Powr.INITIAL) / 64, "one step");
    }

    function testZeroAddressesAreRefused() external {
        bytes memory reason = abi.encodeWithSelector(IProbes.ZeroAddress.selector);
        vm.expectRevert(reason);
        new Probes(IValidators(address(0)), epochs, rollup, registry);
        vm.expectRevert(reason);
        new Probes(validators, IEpochs(address(0)), rollup, registry);
        vm.expectRevert(reason);
        new Probes(validators, epochs, IInferenceRollup(address(0)), registry);
        vm.expectRevert(reason);
        new Probes(validators, epochs, rollup, IModelRegistry(address(0)));
    }
}
