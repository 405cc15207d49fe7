// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Reports} from "../src/Reports.sol";
import {Rollup} from "./base/Rollup.sol";
import {IEpochs} from "../src/interfaces/IEpochs.sol";
import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev False receipts against proven outputs.
contract SlashingTest is RollupFixture {
    uint256 private constant FALSE_OUTPUT = 7;
    /// @dev Of the least stake.
    uint256 private constant SLASHED = 10 ether;

    function setUp() external {
        _deploySystem();
        _fund();
    }

    function _stakeOf(address account) private view returns (uint256) {
        return staking.slashableOf(IStaking.Role.Worker, account);
    }

    function _held(uint64 batchId, address account) private view returns (IStaking.Holding memory) {
        return staking.holdingOf(_holdingId(batchId, account));
    }

    function _faultsOf(address account) private view returns (uint256) {
        return epochs.workOf(account, epochs.current()).faults;
    }

    /// @dev The next call reports task `i` of the first chunk, signed by `signer`.
    function _report(Bundle memory b, uint256 i, I.Receipt memory r, address signer) private {
        I.Opening memory o = _opening(b, 0);
        bytes memory signature = _sign(signer, rollup.receiptDigest(r));
        vm.prank(STRANGER);
        rollup.slashReceipt(b.header, b.chunks[0], o, i, r, signature);
    }

    function _reportReverts(
        Bundle memory b,
        uint256 i,
        I.Receipt memory r,
        address signer,
        bytes memory reason
    ) private {
        I.Opening memory o = _opening(b, 0);
        bytes memory signature = _sign(signer, rollup.receiptDigest(r));
        vm.prank(STRANGER);
        vm.expectRevert(reason);
        rollup.slashReceipt(b.header, b.chunks[0], o, i, r, signature);
    }

    function testSlashesAFalseReceipt() external {
        Bundle memory b = _all(_bundle(2));
        I.Receipt memory r = _receipt(b, 1, FALSE_OUTPUT);
        bytes memory signature = _sign(worker, rollup.receiptDigest(r));
        (uint256 supply, uint256 inStaking) = (token.totalSupply(), token.balanceOf(address(staking)));
        bytes32 id = _holdingId(0, worker);
        vm.expectEmit(address(staking));
        emit IStaking.Slashed(worker, IStaking.Role.Worker, id, SLASHED);
        vm.expectEmit(address(epochs));
        emit IEpochs.FaultRecorded(worker, 0);
        vm.expectEmit(address(rollup));
        emit I.ReceiptSlashed(0, worker, STRANGER, r.taskId, SLASHED, PRICE);
        _report(b, 1, r, worker);
        eq(_stakeOf(worker), MINIMUM_STAKE - SLASHED, "stake");
        IStaking.Holding memory h = staking.holdingOf(id);
        eq(h.amount, SLASHED, "held");
        eq(staking.held(), SLASHED, "all that is held");
        eq(h.refund, PRICE, "refund");
        eq(h.slashedIn, block.number, "block");
        eq(h.releaseAt, block.timestamp + staking.UNBONDING_DELAY(), "released");
        require(h.victim == user && h.evidence == keccak256(signature), "victim and evidence");
        require(h.reporter == address(0) && h.announcedIn == 0, "nobody has announced it");
        eq(token.totalSupply(), supply, "nothing is burned yet");
        eq(token.balanceOf(address(staking)), inStaking, "nothing is paid yet");
        eq(_faultsOf(worker), 1, "fault");
        eq(_faultsOf(otherWorker), 0, "no fault");
        require(rollup.isSlashed(0, worker) && !rollup.isSlashed(0, otherWorker), "remembered");
    }

    /// @dev Nobody is paid before the time; then the victim, and the rest burns where nobody has announced the report.
    function testPaysTheVictimWhenTheTimeIsOver() external {
        Bundle memory b = _all(_bundle(2));
        _report(b, 1, _receipt(b, 1, FALSE_OUTPUT), worker);
        bytes32 id = _holdingId(0, worker);
        uint256 supply = token.totalSupply();
        vm.warp(block.timestamp + 7 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.StillHeld.selector, block.timestamp + 1));
        staking.payOut(id);
        vm.warp(block.timestamp + 1);
        vm.prank(otherUser);
        staking.payOut(id);
        eq(token.balanceOf(user), PRICE, "refund");
        eq(token.balanceOf(STRANGER), 0, "not announced");
        eq(token.balanceOf(otherUser), 0, "for nothing");
        eq(supply - token.totalSupply(), SLASHED - PRICE, "burned");
        eq(staking.held(), 0, "nothing is held");
        eq(_held(0, worker).amount, 0, "paid");
        vm.expectRevert(abi.encodeWithSelector(IStaking.UnknownHolding.selector, id));
        staking.payOut(id);
        _reportReverts(
            b,
            0,
            _receipt(b, 0, FALSE_OUTPUT),
            worker,
            abi.encodeWithSelector(I.ReceiptAlreadySlashed.selector, 0, worker)
        );
    }

    function testPaysTheReporterThatHasAnnounced() external {
        Bundle memory b = _all(_bundle(2));
        I.Receipt memory r = _receipt(b, 1, FALSE_OUTPUT);
        bytes32 evidence = keccak256(_sign(worker, rollup.receiptDigest(r)));
        vm.prank(STRANGER);
        staking.announce(keccak256(abi.encode(STRANGER, evidence, bytes32("salt"))));
        vm.roll(block.number + 1);
        _report(b, 1, r, worker);
        bytes32 id = _holdingId(0, worker);
        vm.prank(STRANGER);
        staking.claimReward(id, "salt");
        uint256 supply = token.totalSupply();
        _payOut(id);
        eq(token.balanceOf(user), PRICE, "refund");
        eq(token.balanceOf(STRANGER), SLASHED / 5, "reward");
        eq(supply - token.totalSupply(), SLASHED - PRICE - SLASHED / 5, "burned");
    }

    /// @dev One faulty run makes a whole batch's receipts false: that is one fault.
    function testOncePerWorkerAndBatch() external {
        Bundle memory b = _all(_bundle(4));
        _report(b, 0, _receipt(b, 0, FALSE_OUTPUT), worker);
        for (uint256 i; i < 4; ++i) {
            _reportReverts(
                b,
                i,
                _receipt(b, i, FALSE_OUTPUT + 1),
                worker,
                abi.encodeWithSelector(I.ReceiptAlreadySlashed.selector, 0, worker)
            );
        }
        eq(_stakeOf(worker), 90 ether, "a tenth");
        eq(_faultsOf(worker), 1, "one fault");
        Bundle memory c = _all(_bundle(1));
        _report(c, 0, _receipt(c, 0, FALSE_OUTPUT), worker);
        eq(_stakeOf(worker), 81 ether, "another batch");
        eq(_faultsOf(worker), 2, "is another fault");
        eq(_held(0, worker).amount, 10 ether, "first");
        eq(_held(1, worker).amount, 9 ether, "second");
        eq(staking.held(), 19 ether, "both");
    }

    function testEveryWorkerAnswersForItself() external {
        Bundle memory b = _all(_mixed(2, SLOTS));
        _report(b, 0, _receipt(b, 0, FALSE_OUTPUT), worker);
        _report(b, 1, _receipt(b, 1, FALSE_OUTPUT), otherWorker);
        eq(_stakeOf(worker), 90 ether, "worker");
        eq(_stakeOf(otherWorker), 90 ether, "the other one");
        eq(_faultsOf(worker), 1, "its fault");
        eq(_faultsOf(otherWorker), 1, "and its");
        require(_held(0, worker).victim == user && _held(0, otherWorker).victim == otherUser, "victims");
    }

    /// @dev A second liar about the same task is slashed too; the user's fee comes back only from its own worker.
    function testNoRefundFromAWorkerOfAnotherSlot() external {
        Bundle memory b = _all(_bundle(1));
        I.Receipt memory r = _receipt(b, 0, FALSE_OUTPUT);
        vm.expectEmit(address(rollup));
        emit I.ReceiptSlashed(0, otherWorker, STRANGER, r.taskId, SLASHED, 0);
        _report(b, 0, r, otherWorker);
        IStaking.Holding memory h = _held(0, otherWorker);
        require(h.victim == address(0) && h.refund == 0 && h.amount == SLASHED, "no victim");
        _report(b, 0, r, worker);
        uint256 supply = token.totalSupply();
        _payOut(_holdingId(0, otherWorker));
        eq(token.balanceOf(user), 0, "not from the other worker");
        eq(supply - token.totalSupply(), SLASHED, "all of it burns");
        _payOut(_holdingId(0, worker));
        eq(token.balanceOf(user), PRICE, "from its own");
    }

    function testSlashesForASlotWithoutATask() external {
        Bundle memory b = _all(_bundle(1));
        I.Receipt memory r = _receipt(b, 0, FALSE_OUTPUT);
        r.inputHash = NULL_INPUT;
        vm.expectEmit(address(rollup));
        emit I.ReceiptSlashed(0, worker, STRANGER, r.taskId, SLASHED, 0);
        _report(b, 3, r, worker);
        require(_held(0, worker).victim == address(0) && _held(0, worker).refund == 0, "no victim");
        eq(_faultsOf(worker), 1, "fault");
    }

    function testTheRefundIsAtMostHalfOfWhatIsSlashed() external {
        Bundle memory b = _draft(1, SLOTS);
        b.header.modelId = b.orders[0].modelId = _model(SLOTS, 200 ether);
        _seal(b);
        _all(b);
        _report(b, 0, _receipt(b, 0, FALSE_OUTPUT), worker);
        eq(_held(0, worker).refund, SLASHED / 2, "half");
        uint256 supply = token.totalSupply();
        _payOut(_holdingId(0, worker));
        eq(token.balanceOf(user), SLASHED / 2, "half is paid");
        eq(supply - token.totalSupply(), SLASHED / 2, "half burns");
    }

    function testSlashesBeforeSettlementAndWhileUnbonding() external {
        Bundle memory b = _bundle(1);
        _commit(b);
        _proveOnly(b);
        vm.prank(worker);
        staking.unbond(IStaking.Role.Worker, MINIMUM_STAKE);
        _report(b, 0, _receipt(b, 0, FALSE_OUTPUT), worker);
        eq(_stakeOf(worker), 90 ether, "stake");
        eq(staking.stakeOf(IStaking.Role.Worker, worker).unbonding, 90 ether, "taken from what unbonds");
        _settle(b, 0);
        eq(rollup.balanceOf(worker), 0, "and nothing is paid to it");
    }

    function testSlashesInEveryChunk() external {
        Bundle memory b = _bundle(130, 130);
        _commit(b);
        _proveOnly(b);
        I.Opening memory o = _opening(b, 2);
        I.Receipt memory r = _receipt(b, 129, FALSE_OUTPUT);
        bytes memory signature = _sign(worker, rollup.receiptDigest(r));
        rollup.slashReceipt(b.header, b.chunks[2], o, 9, r, signature);
        eq(_stakeOf(worker), 90 ether, "stake");
        require(_held(0, worker).victim == user, "its user");
    }

    /// @dev A tenth of the stake, rounded up, is held; in the end every wei of it is the victim's, the reporter's or burned.
    function testFuzzConserves(uint256 stake, uint256 output, bool isAnnounced) external {
        Bundle memory b = _all(_bundle(1));
        if (output == _output(b, 0)) return;
        _stake(worker, bound(stake, MINIMUM_STAKE, 1_000_000 ether));
        (uint256 before, uint256 inStaking) = (_stakeOf(worker), token.balanceOf(address(staking)));
        uint256 inRollup = token.balanceOf(address(rollup));
        I.Receipt memory r = _receipt(b, 0, output);
        bytes32 evidence = keccak256(_sign(worker, rollup.receiptDigest(r)));
        if (isAnnounced) staking.announce(keccak256(abi.encode(address(this), evidence, bytes32(0))));
        vm.roll(block.number + 1);
        _report(b, 0, r, worker);
        uint256 slashed = (before + 9) / 10;
        eq(_held(0, worker).amount, slashed, "held");
        eq(_stakeOf(worker), before - slashed, "stake");
        eq(token.balanceOf(address(staking)), inStaking, "nothing leaves");
        if (isAnnounced) staking.claimReward(_holdingId(0, worker), 0);
        (uint256 supply, uint256 wallet) = (token.totalSupply(), token.balanceOf(address(this)));
        _payOut(_holdingId(0, worker));
        uint256 burned = supply - token.totalSupply();
        uint256 rewarded = token.balanceOf(address(this)) - wallet;
        eq(token.balanceOf(user) + rewarded + burned, slashed, "conserved");
        eq(token.balanceOf(user), PRICE, "refund");
        eq(rewarded, isAnnounced ? slashed / 5 : 0, "reward");
        eq(token.balanceOf(address(staking)), inStaking - slashed, "paid from the stake");
        eq(token.balanceOf(address(rollup)), inRollup, "and not by users");
    }

    function testTakesATenth() external view {
        eq(rollup.reports().LIE_PERCENT(), 10, "percent");
    }

    function testRejectsAnHonestReceipt() external {
        Bundle memory b = _all(_bundle(2));
        for (uint256 i; i < 2; ++i) {
            I.Receipt memory r = _receipt(b, i, _output(b, i));
            _reportReverts(b, i, r, worker, abi.encodeWithSelector(I.ReceiptHonest.selector, r.taskId));
        }
    }

    function testRejectsAReceiptOfAnotherModelInputOrSlot() external {
        Bundle memory b = _all(_bundle(2));
        I.Receipt memory r = _receipt(b, 0, FALSE_OUTPUT);
        bytes memory mismatch = abi.encodeWithSelector(I.ReceiptMismatch.selector, r.taskId);
        _reportReverts(b, 1, r, worker, mismatch);
        _reportReverts(b, SLOTS, r, worker, mismatch);
        _reportReverts(b, type(uint256).max, r, worker, mismatch);
        r.modelId = keccak256("another");
        _reportReverts(b, 0, r, worker, mismatch);
        r.modelId = MODEL;
        r.inputHash ^= bytes32(uint256(1));
        _reportReverts(b, 0, r, worker, mismatch);
    }

    function testRejectsAWrongOpening() external {
        Bundle memory b = _all(_bundle(2));
        I.Receipt memory r = _receipt(b, 0, FALSE_OUTPUT);
        bytes memory signature = _sign(worker, rollup.receiptDigest(r));
        I.Opening memory o = _opening(b, 0);
        o.statement[5] ^= 1; // another output: an honest receipt would be false
        vm.expectRevert(abi.encodeWithSelector(I.WrongStatement.selector, 0));
        rollup.slashReceipt(b.header, b.chunks[0], o, 0, r, signature);
        o = _opening(b, 0);
        b.chunks[0].workers[0] = otherWorker;
        vm.expectPartialRevert(I.WrongSlots.selector);
        rollup.slashReceipt(b.header, b.chunks[0], o, 0, r, signature);
        // Nor with the hash of other slots: whoever reports would say who is paid back.
        o.slotHashes[0] = _slotsHash(b.chunks[0]);
        bytes32 all = keccak256(abi.encodePacked(o.slotHashes));
        vm.expectRevert(abi.encodeWithSelector(I.WrongSlots.selector, b.header.slotsHash, all));
        rollup.slashReceipt(b.header, b.chunks[0], o, 0, r, signature);
        b.chunks[0].workers[0] = worker;
        b.header.modelId = keccak256("another");
        vm.expectPartialRevert(I.WrongHeader.selector);
        rollup.slashReceipt(b.header, b.chunks[0], o, 0, r, signature);
    }

    function testRejectsAReceiptBeforeTheProof() external {
        Bundle memory b = _bundle(1);
        I.Receipt memory r = _receipt(b, 0, FALSE_OUTPUT);
        _commit(b);
        _reportReverts(b, 0, r, worker, abi.encodeWithSelector(I.WrongStatement.selector, 0));
    }

    function testRejectsAReceiptOfSomebodyWithoutStake() external {
        Bundle memory b = _all(_bundle(1));
        I.Receipt memory r = _receipt(b, 0, FALSE_OUTPUT);
        _reportReverts(b, 0, r, user, abi.encodeWithSelector(I.NotAStakedWorker.selector, user));
        require(!rollup.isSlashed(0, user), "not remembered");
    }

    function testTheCodeOfReportsAloneSlashesNobody() external {
        Bundle memory b = _all(_bundle(1));
        I.Receipt memory r = _receipt(b, 0, FALSE_OUTPUT);
        bytes memory signature = _sign(worker, rollup.receiptDigest(r));
        I.Opening memory o = _opening(b, 0);
        Reports code = rollup.reports();
        vm.expectRevert(abi.encodeWithSelector(I.WrongHeader.selector, 0, 0, keccak256(abi.encode(b.header))));
        code.slashReceipt(b.header, b.chunks[0], o, 0, r, signature);
        require(!staking.isSlasher(address(code)), "no slasher");
    }

    function testRejectsAReceiptOfAnotherRollup() external {
        Bundle memory b = _all(_bundle(1));
        Rollup other = _newRollup(_config());
        I.Receipt memory r = _receipt(b, 0, FALSE_OUTPUT);
        bytes memory signature = _sign(worker, other.receiptDigest(r));
        I.Opening memory o = _opening(b, 0);
        // It is somebody's signature of this rollup's receipt, but nobody's with a stake.
        vm.expectPartialRevert(I.NotAStakedWorker.selector);
        rollup.slashReceipt(b.header, b.chunks[0], o, 0, r, signature);
    }

    function testRejectsAMalformedSignature() external {
        Bundle memory b = _all(_bundle(1));
        I.Receipt memory r = _receipt(b, 0, FALSE_OUTPUT);
        I.Opening memory o = _opening(b, 0);
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, 1));
        rollup.slashReceipt(b.header, b.chunks[0], o, 0, r, hex"00");
    }
}
