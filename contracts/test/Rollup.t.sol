// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {InferenceRollup} from "../src/InferenceRollup.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev Escrow, commitments, the sequencer's rights and false receipts.
contract RollupTest is RollupFixture {
    function setUp() external {
        _deploySystem();
    }

    function testFuzzDepositAndWithdraw(uint256 amount, uint256 out) external {
        amount = bound(amount, 1, 1_000_000 ether);
        out = bound(out, 1, amount);
        _deposit(user, amount);
        vm.prank(user);
        rollup.withdraw(out);
        eq(rollup.balanceOf(user), amount - out, "balance");
        eq(token.balanceOf(user), out, "wallet");
        vm.expectRevert(
            abi.encodeWithSelector(I.InsufficientBalance.selector, amount - out, amount - out + 1)
        );
        vm.prank(user);
        rollup.withdraw(amount - out + 1);
    }

    function testRejectsZeroAmounts() external {
        vm.expectRevert(abi.encodeWithSelector(I.ZeroAmount.selector));
        rollup.deposit(0);
        vm.expectRevert(abi.encodeWithSelector(I.ZeroAmount.selector));
        rollup.withdraw(0);
    }

    function testOrderDigestIsEip712() external {
        I.Order memory o = _order(user);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("deepnode"),
                keccak256("1"),
                block.chainid,
                address(rollup)
            )
        );
        bytes32 hash = keccak256(
            abi.encode(
                keccak256(
                    "Order(address user,bytes32 modelId,bytes32 inputHash,uint128 maxFee,uint64 deadline,uint64 nonce,bytes32 tag)"
                ),
                o.user,
                o.modelId,
                o.inputHash,
                o.maxFee,
                o.deadline,
                o.nonce,
                o.tag
            )
        );
        bytes32 expected = keccak256(abi.encodePacked(hex"1901", domain, hash));
        eq(uint256(rollup.orderDigest(o)), uint256(expected), "digest");
    }

    function _commitReverts(Bundle memory b, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(SEQUENCER);
        rollup.commitBatch(b.header);
    }

    function testOnlyTheSequencerCommits() external {
        Bundle memory b = _bundle(1);
        vm.expectRevert(abi.encodeWithSelector(I.OnlySequencer.selector, address(this)));
        rollup.commitBatch(b.header);
    }

    function testCommitsInOrder() external {
        Bundle memory b = _bundle(1);
        b.header.batchId = 1;
        _commitReverts(b, abi.encodeWithSelector(I.WrongBatchId.selector, 0, 1));
        b.header.batchId = 0;
        _commit(b);
        eq(rollup.nextBatchId(), 1, "next id");
        _commitReverts(b, abi.encodeWithSelector(I.WrongBatchId.selector, 1, 0));
    }

    function testRejectsHeadersOfOtherPlaces() external {
        Bundle memory b = _bundle(1);
        b.header.chainId += 1;
        _commitReverts(b, abi.encodeWithSelector(I.WrongChain.selector, block.chainid, block.chainid + 1));
        b.header.chainId -= 1;
        b.header.rollup = address(1);
        _commitReverts(b, abi.encodeWithSelector(I.WrongRollup.selector, address(rollup), address(1)));
        b.header.rollup = address(rollup);
        b.header.prover = address(0);
        _commitReverts(b, abi.encodeWithSelector(I.ZeroAddress.selector));
    }

    function testRejectsDeadlinesOutOfRange() external {
        Bundle memory b = _bundle(1);
        uint64 time = uint64(block.timestamp);
        bytes4 selector = I.DeadlineOutOfRange.selector;
        b.header.deadline = time;
        _commitReverts(b, abi.encodeWithSelector(selector, time, time + 1, time + 1 days));
        b.header.deadline = time + 1 days + 1;
        _commitReverts(b, abi.encodeWithSelector(selector, time + 1 days + 1, time + 1, time + 1 days));
    }

    function testRejectsAStoppedModel() external {
        vm.prank(DEVELOPER);
        registry.setActive(MODEL, false);
        vm.warp(block.timestamp + registry.NOTICE());
        Bundle memory b = _bundle(1);
        _commitReverts(b, abi.encodeWithSelector(I.ModelNotActive.selector, MODEL));
    }

    function testSequencerHandsOver() external {
        vm.expectRevert(abi.encodeWithSelector(I.OnlySequencer.selector, address(this)));
        rollup.setSequencer(address(this));
        vm.prank(SEQUENCER);
        vm.expectRevert(abi.encodeWithSelector(I.ZeroAddress.selector));
        rollup.setSequencer(address(0));
        vm.prank(SEQUENCER);
        rollup.setSequencer(address(this));
        rollup.commitBatch(_bundle(1).header);
    }

    function testRejectsAZeroAddressInTheConfiguration() external {
        InferenceRollup.Config memory config;
        vm.expectRevert(abi.encodeWithSelector(I.ZeroAddress.selector));
        new InferenceRollup(config);
    }

    function _proven() private returns (Bundle memory b) {
        _deposit(user, 10 ether);
        b = _bundle(1);
        _commit(b);
        _prove(b);
    }

    function testSlashesAFalseReceiptOnce() external {
        Bundle memory b = _proven();
        _stake(IStaking.Role.Worker, worker, 101 ether);
        (I.Receipt memory r, bytes memory signature) = _receipt(b, 0, 7);
        rollup.slashReceipt(b.orders[0], r, signature);

        uint256 slashed = 10.1 ether;
        bytes32 id = staking.holdingId(address(rollup), IStaking.Role.Worker, worker, r.taskId);
        IStaking.Holding memory h = staking.holdingOf(id);
        eq(h.amount, slashed, "held");
        eq(h.refund, PRICE, "refund");
        require(h.victim == user && h.evidence == keccak256(signature), "whose");
        eq(staking.slashableOf(IStaking.Role.Worker, worker), 101 ether - slashed, "stake");
        eq(epochs.workOf(worker, 0).faults, 1, "fault");
        require(!rollup.isCharged(b.slots[0].taskId), "refunded");
        require(
            rollup.provenOutput(b.slots[0].taskId) == bytes32(b.instances[_outputsAt(SLOTS)]), "output stays"
        );

        vm.expectRevert(abi.encodeWithSelector(I.ReceiptAlreadySlashed.selector, r.taskId, worker));
        rollup.slashReceipt(b.orders[0], r, signature);
    }

    function testSlashesWhileUnbonding() external {
        Bundle memory b = _proven();
        _stake(IStaking.Role.Worker, worker, 100 ether);
        vm.prank(worker);
        staking.unbond(IStaking.Role.Worker, 100 ether);
        (I.Receipt memory r, bytes memory signature) = _receipt(b, 0, 7);
        rollup.slashReceipt(b.orders[0], r, signature);
        eq(staking.slashableOf(IStaking.Role.Worker, worker), 90 ether, "stake");
    }

    /// @dev A second liar about the same task is slashed too; the user's fee comes back only once.
    function testRefundsTheFeeOnlyOnce() external {
        Bundle memory b = _proven();
        _stake(IStaking.Role.Worker, worker, 100 ether);
        _stake(IStaking.Role.Worker, otherUser, 100 ether);
        (I.Receipt memory r, bytes memory signature) = _receipt(b, 0, 7);
        rollup.slashReceipt(b.orders[0], r, signature);
        rollup.slashReceipt(b.orders[0], r, _sign(OTHER_USER_KEY, rollup.receiptDigest(r)));
        bytes32 id = staking.holdingId(address(rollup), IStaking.Role.Worker, otherUser, r.taskId);
        eq(staking.holdingOf(id).refund, 0, "no second refund");
    }

    function testFuzzSlashConserves(uint256 stake, uint256 output) external {
        stake = bound(stake, MINIMUM_STAKE, 1_000_000 ether);
        Bundle memory b = _proven();
        if (output == b.instances[_outputsAt(SLOTS)]) return;
        _stake(IStaking.Role.Worker, worker, stake);
        (I.Receipt memory r, bytes memory signature) = _receipt(b, 0, output);
        rollup.slashReceipt(b.orders[0], r, signature);
        uint256 left = staking.slashableOf(IStaking.Role.Worker, worker);
        eq(left + staking.held(), stake, "held");
        eq(token.balanceOf(address(staking)), stake, "conserved");
    }

    function testRejectsAnHonestReceipt() external {
        Bundle memory b = _proven();
        _stake(IStaking.Role.Worker, worker, 100 ether);
        (I.Receipt memory r, bytes memory signature) = _receipt(b, 0, b.instances[_outputsAt(SLOTS)]);
        vm.expectRevert(abi.encodeWithSelector(I.ReceiptHonest.selector, r.taskId));
        rollup.slashReceipt(b.orders[0], r, signature);
    }

    function testRejectsAReceiptBeforeTheProof() external {
        Bundle memory b = _bundle(1);
        _stake(IStaking.Role.Worker, worker, 100 ether);
        (I.Receipt memory r, bytes memory signature) = _receipt(b, 0, 7);
        vm.expectRevert(abi.encodeWithSelector(I.TaskNotProven.selector, r.taskId));
        rollup.slashReceipt(b.orders[0], r, signature);
    }

    function testRejectsAReceiptForAnotherInputModelOrOrder() external {
        Bundle memory b = _proven();
        _stake(IStaking.Role.Worker, worker, 100 ether);
        (I.Receipt memory r, bytes memory signature) = _receipt(b, 0, 7);
        bytes memory mismatch = abi.encodeWithSelector(I.ReceiptMismatch.selector, r.taskId);
        (bytes32 input, bytes32 modelId) = (r.inputHash, r.modelId);
        r.inputHash = 0;
        vm.expectRevert(mismatch);
        rollup.slashReceipt(b.orders[0], r, signature);
        (r.inputHash, r.modelId) = (input, 0);
        vm.expectRevert(mismatch);
        rollup.slashReceipt(b.orders[0], r, signature);
        r.modelId = modelId;
        b.orders[0].user = address(this);
        vm.expectRevert(mismatch);
        rollup.slashReceipt(b.orders[0], r, signature);
    }

    function testRejectsAReceiptOfSomebodyWithoutStake() external {
        Bundle memory b = _proven();
        (I.Receipt memory r, bytes memory signature) = _receipt(b, 0, 7);
        vm.expectRevert(abi.encodeWithSelector(I.NotAStakedWorker.selector, worker));
        rollup.slashReceipt(b.orders[0], r, signature);
    }
}
