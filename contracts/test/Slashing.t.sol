// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {InferenceRollup} from "../src/InferenceRollup.sol";
import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev False receipts against proven outputs.
contract SlashingTest is RollupFixture {
    uint256 private constant FALSE_OUTPUT = 7;

    function setUp() external {
        _deploySystem();
        _fund();
    }

    function _stakeOf(address account) private view returns (uint256) {
        return staking.slashableOf(IStaking.Role.Worker, account);
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
        (uint256 before, uint256 supply) = (rollup.balanceOf(user), token.totalSupply());
        uint256 bounty = (50 ether - PRICE) / 10;
        vm.expectEmit(address(rollup));
        emit I.ReceiptSlashed(0, worker, STRANGER, r.taskId, 50 ether, PRICE);
        _report(b, 1, r, worker);
        eq(rollup.balanceOf(user), before + PRICE, "refund");
        eq(rollup.balanceOf(STRANGER), bounty, "bounty");
        eq(supply - token.totalSupply(), 50 ether - PRICE - bounty, "burned");
        eq(_stakeOf(worker), 50 ether, "stake");
        require(rollup.isSlashed(0, worker) && !rollup.isSlashed(0, otherWorker), "remembered");
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
        eq(_stakeOf(worker), 50 ether, "half");
        Bundle memory c = _all(_bundle(1));
        _report(c, 0, _receipt(c, 0, FALSE_OUTPUT), worker);
        eq(_stakeOf(worker), 25 ether, "another batch is another fault");
    }

    function testEveryWorkerAnswersForItself() external {
        Bundle memory b = _all(_mixed(2, SLOTS));
        _report(b, 0, _receipt(b, 0, FALSE_OUTPUT), worker);
        _report(b, 1, _receipt(b, 1, FALSE_OUTPUT), otherWorker);
        eq(_stakeOf(worker), 50 ether, "worker");
        eq(_stakeOf(otherWorker), 50 ether, "the other one");
    }

    /// @dev A second liar about the same task is slashed too; the user's fee comes back only from its own worker.
    function testNoRefundFromAWorkerOfAnotherSlot() external {
        Bundle memory b = _all(_bundle(1));
        uint256 before = rollup.balanceOf(user);
        I.Receipt memory r = _receipt(b, 0, FALSE_OUTPUT);
        vm.expectEmit(address(rollup));
        emit I.ReceiptSlashed(0, otherWorker, STRANGER, r.taskId, 50 ether, 0);
        _report(b, 0, r, otherWorker);
        eq(rollup.balanceOf(user), before, "not from the other worker");
        eq(rollup.balanceOf(STRANGER), 5 ether, "a tenth of all");
        _report(b, 0, r, worker);
        eq(rollup.balanceOf(user), before + PRICE, "from its own");
    }

    function testSlashesForASlotWithoutATask() external {
        Bundle memory b = _all(_bundle(1));
        I.Receipt memory r = _receipt(b, 0, FALSE_OUTPUT);
        r.inputHash = NULL_INPUT;
        vm.expectEmit(address(rollup));
        emit I.ReceiptSlashed(0, worker, STRANGER, r.taskId, 50 ether, 0);
        _report(b, 3, r, worker);
    }

    function testTheRefundIsAtMostWhatIsSlashed() external {
        Bundle memory b = _draft(1, SLOTS);
        b.header.modelId = b.orders[0].modelId = _model(SLOTS, 200 ether);
        _seal(b);
        _all(b);
        uint256 before = rollup.balanceOf(user);
        _report(b, 0, _receipt(b, 0, FALSE_OUTPUT), worker);
        eq(rollup.balanceOf(user), before + 50 ether, "all that was slashed");
        eq(rollup.balanceOf(STRANGER), 0, "nothing is left");
    }

    function testSlashesBeforeSettlementAndWhileUnbonding() external {
        Bundle memory b = _bundle(1);
        _commit(b);
        _proveOnly(b);
        vm.prank(worker);
        staking.unbond(IStaking.Role.Worker, MINIMUM_STAKE);
        _report(b, 0, _receipt(b, 0, FALSE_OUTPUT), worker);
        eq(_stakeOf(worker), 50 ether, "stake");
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
        eq(_stakeOf(worker), 50 ether, "stake");
    }

    function testFuzzConserves(uint256 stake, uint256 output) external {
        Bundle memory b = _all(_bundle(1));
        if (output == _output(b, 0)) return;
        _stake(worker, bound(stake, MINIMUM_STAKE, 1_000_000 ether));
        uint256 total = token.balanceOf(address(rollup)) + token.balanceOf(address(staking));
        uint256 credits = rollup.balanceOf(user) + rollup.balanceOf(STRANGER);
        uint256 held = token.balanceOf(address(rollup));
        uint256 supply = token.totalSupply();
        _report(b, 0, _receipt(b, 0, output), worker);
        uint256 burned = supply - token.totalSupply();
        eq(token.balanceOf(address(rollup)) + token.balanceOf(address(staking)) + burned, total, "conserved");
        eq(
            rollup.balanceOf(user) + rollup.balanceOf(STRANGER) - credits,
            token.balanceOf(address(rollup)) - held,
            "backed"
        );
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

    function testRejectsAReceiptOfAnotherRollup() external {
        Bundle memory b = _all(_bundle(1));
        InferenceRollup other = new InferenceRollup(_config());
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
