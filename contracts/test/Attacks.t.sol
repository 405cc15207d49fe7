// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IAccounts} from "../src/interfaces/IAccounts.sol";
import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev Attacks on the settlement. Each test is named after what it stops.
contract AttacksTest is RollupFixture {
    function setUp() external {
        _deploySystem();
        _stake(worker, MINIMUM_STAKE);
        _stake(otherWorker, MINIMUM_STAKE);
    }

    function _refused() private pure returns (bytes memory) {
        return abi.encodeWithSelector(I.OnlySequencer.selector, STRANGER);
    }

    function _settleAs(address caller, Bundle memory b, uint256 chunk) private {
        I.Opening memory o = _opening(b, chunk);
        vm.prank(caller);
        rollup.settleChunks(b.header, _only(b.chunks[chunk]), o);
    }

    function _settleAsReverts(address caller, Bundle memory b, uint256 chunk, bytes memory reason) private {
        I.Opening memory o = _opening(b, chunk);
        vm.prank(caller);
        vm.expectRevert(reason);
        rollup.settleChunks(b.header, _only(b.chunks[chunk]), o);
    }

    /// @dev Answers are out, and the user wants its money before it is charged.
    function testStopsLeavingBetweenAnswerAndSettlement() external {
        _deposit(user, 4 * uint256(PRICE));
        Bundle memory b = _draft(4, SLOTS);
        b.header.deadline = b.header.openedAt + rollup.MAX_PROVING_WINDOW();
        _seal(b);
        _commit(b);
        vm.prank(user);
        rollup.requestExit(4 * uint256(PRICE));
        eq(rollup.spendableOf(user), 0, "no new orders");
        // The last second at which it may be proven, and a day more to settle.
        vm.warp(b.header.deadline);
        _proveOnly(b);
        vm.warp(b.header.deadline + rollup.SETTLING_WINDOW());
        vm.prank(user);
        vm.expectPartialRevert(IAccounts.ExitNotReady.selector);
        rollup.claimExit();
        _settle(b, 0);
        eq(rollup.balanceOf(worker), 4 * WORKER_PAID, "paid");
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(user);
        eq(rollup.claimExit(), 0, "nothing is left to leave");
    }

    /// @dev What is short in one batch is charged in another one: its nonce has not been used.
    function testStopsFinalNonPayment() external {
        _deposit(user, PRICE);
        Bundle memory b = _all(_bundle(2));
        require(rollup.isUsed(user, b.orders[0].nonce) && !rollup.isUsed(user, b.orders[1].nonce), "one");
        _deposit(user, PRICE);
        Bundle memory again = _draft(2, SLOTS);
        again.orders = b.orders;
        _seal(again);
        _all(again);
        require(rollup.isUsed(user, b.orders[1].nonce), "the other");
        eq(rollup.balanceOf(user), 0, "each once");
        eq(rollup.balanceOf(worker), 2 * WORKER_PAID, "paid");
    }

    /// @dev A user settles first, and breaks its own signature, or all of them.
    function testStopsUsersWhoSettleWithBrokenSignatures() external {
        _deposit(user, 1000 ether);
        Bundle memory b = _bundle(4);
        _commit(b);
        b.chunks[0].signatures[0] ^= 0x01;
        vm.prank(STRANGER);
        vm.expectRevert(_refused());
        rollup.proveBatch(b.header, b.proof, b.slotHashes, b.chunks);
        _proveOnly(b);
        _settleAsReverts(STRANGER, b, 0, _refused());
        b.chunks[0].signatures[0] ^= 0x01;
        _settleAs(STRANGER, b, 0);
        eq(rollup.balanceOf(worker), 4 * WORKER_PAID, "with all of them anybody may");
    }

    /// @dev A user settles first, without invoices, and keeps the worker's share.
    function testStopsUsersWhoSettleWithoutInvoices() external {
        _deposit(user, 1000 ether);
        _deposit(otherUser, 1000 ether);
        Bundle memory b = _mixed(130, 130);
        _commit(b);
        _proveOnly(b);
        bytes memory invoice = _invoiceOf(b.chunks[1], 1);
        _putInvoice(b.chunks[1], 1, "");
        _settleAsReverts(STRANGER, b, 1, _refused());
        _putInvoice(b.chunks[1], 1, _invoiceOf(b.chunks[1], 0));
        _settleAsReverts(STRANGER, b, 1, _refused());
        _putInvoice(b.chunks[1], 1, invoice);
        _settleAs(STRANGER, b, 1);
        eq(rollup.balanceOf(otherWorker), 30 * WORKER_PAID, "paid");
    }

    /// @dev One worker that never signs, and a sequencer that is gone.
    function testStopsOneWorkerAndALostSequencerFromBlockingAChunk() external {
        _deposit(user, 1000 ether);
        _deposit(otherUser, 1000 ether);
        Bundle memory b = _mixed(4, SLOTS);
        _putInvoice(b.chunks[0], 1, "");
        _commit(b);
        _proveOnly(b);
        vm.warp(b.header.deadline + rollup.SETTLING_WINDOW());
        _settleAsReverts(STRANGER, b, 0, _refused());
        vm.warp(block.timestamp + 1);
        _settleAs(STRANGER, b, 0);
        eq(rollup.balanceOf(worker), 2 * WORKER_PAID, "the other one is paid");
    }

    /// @dev The sequencer names an address as the worker that has neither executed nor signed.
    function testStopsTheSequencerFromNamingItselfAsTheWorker() external {
        _deposit(user, 10 ether);
        Bundle memory b = _draft(2, SLOTS);
        b.workers[0] = SEQUENCER;
        keyOf[SEQUENCER] = 0x5E;
        _seal(b);
        _all(b);
        eq(rollup.balanceOf(SEQUENCER), 0, "nothing");
        eq(rollup.balanceOf(user), 10 ether - 2 * (PRICE - WORKER_SHARE), "users keep the share");
    }

    /// @dev A worker's invoice of what it executed, for slots that name it although another one did the work.
    function testStopsTheSequencerFromUsingAnInvoiceForMore() external {
        _deposit(user, 10 ether);
        _deposit(otherUser, 10 ether);
        Bundle memory b = _mixed(4, SLOTS);
        bytes memory invoices = b.chunks[0].invoices;
        b.executors[0] = 1;
        _seal(b);
        b.chunks[0].invoices = invoices;
        _all(b);
        eq(rollup.balanceOf(worker) + rollup.balanceOf(otherWorker), 0, "neither");
    }

    /// @dev A liar doesn't sign what is proven: it isn't paid.
    function testStopsPayingALiar() external {
        _deposit(user, 10 ether);
        Bundle memory b = _bundle(1);
        I.Invoice memory lie = _invoice(b, 0, 0);
        lie.outputs = keccak256(abi.encode(uint256(7)));
        _putInvoice(b.chunks[0], 0, _signCompact(worker, rollup.invoiceDigest(lie)));
        _all(b);
        eq(rollup.balanceOf(worker), 0, "not paid");
        eq(rollup.balanceOf(user), 10 ether - (PRICE - WORKER_SHARE), "the user keeps the share");
    }

    /// @dev A liar that signs the truth when the proof is out is paid, and its receipt slashes it.
    function testStopsALiarThatSignsTheTruthLater() external {
        _deposit(user, 10 ether);
        Bundle memory b = _bundle(1);
        I.Receipt memory r = _receipt(b, 0, 7);
        bytes memory signature = _sign(worker, rollup.receiptDigest(r));
        _all(b);
        rollup.slashReceipt(b.header, b.chunks[0], _opening(b, 0), 0, r, signature);
        eq(staking.slashableOf(IStaking.Role.Worker, worker), MINIMUM_STAKE * 9 / 10, "less of the stake");
        require(MINIMUM_STAKE / 10 > rollup.balanceOf(worker), "more than it was paid");
        eq(token.balanceOf(user), 0, "not yet");
        _payOut(_holdingId(0, worker));
        eq(rollup.balanceOf(user) + token.balanceOf(user), 10 ether, "made whole");
    }

    /// @dev A liar reports itself: stake that is slashed leaves no sooner than stake that unbonds, and most of it burns.
    function testStopsLeavingByAReportOfOneself() external {
        _deposit(user, 10 ether);
        Bundle memory b = _bundle(1);
        I.Receipt memory r = _receipt(b, 0, 7);
        bytes memory signature = _sign(worker, rollup.receiptDigest(r));
        _all(b);
        vm.prank(worker);
        staking.announce(keccak256(abi.encode(worker, keccak256(signature), bytes32("salt"))));
        vm.roll(block.number + 1);
        vm.prank(worker);
        rollup.slashReceipt(b.header, b.chunks[0], _opening(b, 0), 0, r, signature);
        bytes32 id = _holdingId(0, worker);
        vm.prank(worker);
        staking.claimReward(id, "salt");
        vm.warp(block.timestamp + staking.UNBONDING_DELAY() - 1);
        vm.expectPartialRevert(IStaking.StillHeld.selector);
        staking.payOut(id);
        uint256 supply = token.totalSupply();
        _payOut(id);
        uint256 burned = supply - token.totalSupply();
        require(burned > token.balanceOf(worker), "more burns than comes back");
    }

    /// @dev The reporter's transaction is copied out of the queue: the reward stays with whoever announced it.
    function testStopsStealingAReport() external {
        _deposit(user, 10 ether);
        Bundle memory b = _bundle(1);
        I.Receipt memory r = _receipt(b, 0, 7);
        bytes memory signature = _sign(worker, rollup.receiptDigest(r));
        I.Opening memory o = _opening(b, 0);
        _all(b);
        vm.prank(otherUser);
        staking.announce(keccak256(abi.encode(otherUser, keccak256(signature), bytes32("salt"))));
        vm.roll(block.number + 1);
        // The same signature with its other `s` would be other evidence.
        uint256 n = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        (uint8 v, bytes32 r_, bytes32 s) = vm.sign(keyOf[worker], rollup.receiptDigest(r));
        bytes memory twin = abi.encodePacked(r_, n - uint256(s), 55 - v);
        vm.startPrank(STRANGER);
        vm.expectPartialRevert(ECDSA.ECDSAInvalidSignatureS.selector);
        rollup.slashReceipt(b.header, b.chunks[0], o, 0, r, twin);
        bytes32 mine = keccak256(abi.encode(STRANGER, keccak256(signature), bytes32("salt")));
        staking.announce(mine);
        rollup.slashReceipt(b.header, b.chunks[0], o, 0, r, signature);
        bytes32 id = _holdingId(0, worker);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotAnnouncedBefore.selector, mine, block.number));
        staking.claimReward(id, "salt");
        vm.stopPrank();
        vm.prank(otherUser);
        staking.claimReward(id, "salt");
        _payOut(id);
        eq(token.balanceOf(otherUser), MINIMUM_STAKE / 10 / 5, "a fifth");
        eq(token.balanceOf(STRANGER), 0, "nothing");
    }

    function testStopsPayingAWorkerThatHasLeft() external {
        _deposit(user, 10 ether);
        Bundle memory b = _bundle(1);
        vm.prank(worker);
        staking.unbond(IStaking.Role.Worker, MINIMUM_STAKE);
        _commit(b);
        // Its invoice is there, so anybody may settle; it pays nothing.
        vm.prank(STRANGER);
        rollup.proveBatch(b.header, b.proof, b.slotHashes, b.chunks);
        eq(rollup.balanceOf(worker), 0, "not paid");
    }

    /// @dev A lapsed order, one above its maximum, one of a poor user, a broken one: the fifth is paid.
    function testStopsOneOrderFromSpoilingABatch() external {
        _deposit(user, PRICE);
        Bundle memory b = _draft(5, 64);
        b.orders[0].deadline = b.header.openedAt - 1;
        b.orders[1].maxFee = PRICE - 1;
        b.orders[2].user = otherUser;
        _seal(b);
        b.chunks[0].signatures[3 * 64 + 63] ^= 0x01;
        _all(b);
        eq(rollup.balanceOf(worker), WORKER_PAID, "paid");
        eq(rollup.balanceOf(user), 0, "charged");
    }

    /// @dev A batch of 1,024 settles in chunks of which none comes near what a block has.
    function testStopsBatchesThatDoNotFitATransaction() external {
        _deposit(user, 2000 ether);
        Bundle memory b = _bundle(1024, 1024);
        _commit(b);
        _proveOnly(b);
        for (uint256 c; c < 17; ++c) {
            _settle(b, c);
            require(vm.lastCallGas().total < 3_000_000, "gas of a chunk");
        }
        eq(rollup.balanceOf(worker), 1024 * WORKER_PAID, "all");
    }

    /// @dev Whoever copies a proof from the pool of transactions pays for it, and its maker is paid.
    function testStopsStealingAProof() external {
        _deposit(user, 10 ether);
        Bundle memory b = _bundle(2);
        _commit(b);
        vm.prank(STRANGER);
        rollup.proveBatch(b.header, b.proof, b.slotHashes, b.chunks);
        eq(rollup.balanceOf(STRANGER), 0, "nothing");
        eq(rollup.balanceOf(PROVER), 2 * uint256(PRICE) * 5 / 100, "its maker");
    }

    /// @dev A sequencer without a key stops new batches; money leaves, and what is committed settles.
    function testStopsALostSequencerFromHoldingMoney() external {
        _deposit(user, 10 ether);
        Bundle memory b = _bundle(2);
        _commit(b);
        vm.prank(user);
        rollup.requestExit(10 ether);
        vm.prank(STRANGER);
        rollup.proveBatch(b.header, b.proof, b.slotHashes, b.chunks);
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(user);
        eq(rollup.claimExit(), 10 ether - 2 * uint256(PRICE), "the rest leaves");
    }

    /// @dev Tokens sent without a deposit are nobody's.
    function testStopsDirectTransfersFromCounting() external {
        token.transfer(address(rollup), 5 ether);
        _deposit(user, 1 ether);
        vm.prank(user);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.InsufficientBalance.selector, 1 ether, 2 ether));
        rollup.requestExit(2 ether);
    }

    /// @dev The bytes of 32 executors read as a worker, or a worker as executors: other hashes.
    function testStopsReadingExecutorsAsWorkers() external {
        _deposit(user, 100 ether);
        Bundle memory b = _bundle(40, 64);
        _commit(b);
        I.Chunk memory chunk = b.chunks[0];
        bytes memory bytes_ = abi.encodePacked(chunk.executors, chunk.workers);
        (chunk.executors, chunk.workers) = (bytes_, new address[](0));
        bytes memory wrong = abi.encodeWithSelector(I.WrongSlots.selector, b.slotHashes[0], _slotsHash(chunk));
        _proveReverts(b, wrong);
    }

    /// Whoever has the package can prove it of inputs of his own. Under another batch's header that would spend the
    /// batch on tasks that nobody ordered.
    function testAProofOfOtherInputsSpendsNoBatch() external {
        Bundle memory b = _bundle(3);
        _commit(b);
        b.proof.prover = STRANGER;
        _bind(b);
        b.proof.instances[4] ^= 1;
        _reprove(b);
        bytes32 committed = b.slotHashes[b.slotHashes.length - 1];
        bytes32 got =
            keccak256(abi.encodePacked(b.proof.instances[3], b.proof.instances[4], b.proof.instances[5]));
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(I.WrongInputs.selector, committed, got));
        rollup.proveBatch(b.header, b.proof, b.slotHashes, new I.Chunk[](0));

        // Nor one of fewer tasks, nor one without the committed hashes.
        b.proof.instances[4] ^= 1;
        (b.proof.instances[2], b.proof.instances[5]) = (2, uint256(NULL_INPUT));
        _reprove(b);
        got = keccak256(abi.encodePacked(b.proof.instances[3], b.proof.instances[4]));
        vm.expectRevert(abi.encodeWithSelector(I.WrongInputs.selector, committed, got));
        rollup.proveBatch(b.header, b.proof, b.slotHashes, new I.Chunk[](0));
        bytes32[] memory none = new bytes32[](0);
        vm.expectRevert(abi.encodeWithSelector(I.WrongSlots.selector, b.header.slotsHash, keccak256("")));
        rollup.proveBatch(b.header, b.proof, none, new I.Chunk[](0));
    }
}
