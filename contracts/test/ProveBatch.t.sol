// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {FIELD_ORDER} from "../src/Field.sol";
import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev Settlement: what is paid, and every statement, order and signature that must not settle.
contract ProveBatchTest is RollupFixture {
    function setUp() external {
        _deploySystem();
        _deposit(user, 1000 ether);
    }

    function _open(uint256 count) private returns (Bundle memory b) {
        b = _bundle(count);
        _commit(b);
    }

    function testPaysEveryShareAndStoresOutputs() external {
        Bundle memory b = _open(3);
        uint256 supply = token.totalSupply();
        _prove(b);

        uint256 worker65 = uint256(PRICE) * 65 / 100;
        uint256 developer15 = uint256(PRICE) * 15 / 100;
        uint256 validators10 = uint256(PRICE) * 10 / 100;
        uint256 five = uint256(PRICE) * 5 / 100;
        uint256 dust = PRICE - worker65 - developer15 - validators10 - 2 * five;
        require(dust != 0, "the price must leave dust");
        eq(rollup.balanceOf(user), 1000 ether - 3 * uint256(PRICE), "user");
        eq(rollup.balanceOf(worker), 3 * worker65, "worker");
        eq(rollup.balanceOf(DEVELOPER), 3 * developer15, "developer");
        eq(rollup.balanceOf(VALIDATORS), 3 * validators10, "validators");
        eq(rollup.balanceOf(PROVER), 3 * five, "prover");
        eq(rollup.balanceOf(TREASURY), 3 * dust, "treasury");
        eq(supply - token.totalSupply(), 3 * five, "burned");
        for (uint256 i; i < 3; ++i) {
            eq(uint256(rollup.provenOutput(b.slots[i].taskId)), b.instances[_outputsAt(SLOTS) + i], "output");
            require(rollup.isCharged(b.slots[i].taskId), "charged");
        }
        require(rollup.batch(0).status == I.BatchStatus.Proven, "status");
    }

    function testProvesAFullBatchOf64() external {
        _register(_spec(keccak256("model of 64"), 64));
        Bundle memory b = _bundle(64, keccak256("model of 64"), 64);
        _commit(b);
        _prove(b);
        eq(rollup.balanceOf(worker), 64 * (uint256(PRICE) * 65 / 100), "worker");
    }

    function testFuzzConservesTheFee(uint128 price, uint8 count) external {
        IModelRegistry.ModelSpec memory spec = _spec(keccak256("fuzz"), SLOTS);
        spec.price = uint128(bound(price, 0, 100 ether));
        _register(spec);
        Bundle memory b = _bundle(bound(count, 1, SLOTS), keccak256("fuzz"), SLOTS);
        for (uint256 i; i < b.orders.length; ++i) {
            b.orders[i].maxFee = spec.price;
        }
        _seal(b, SLOTS);
        _commit(b);
        uint256 supply = token.totalSupply();
        _prove(b);
        uint256 credits = rollup.balanceOf(user) + rollup.balanceOf(worker) + rollup.balanceOf(DEVELOPER)
            + rollup.balanceOf(VALIDATORS) + rollup.balanceOf(PROVER) + rollup.balanceOf(TREASURY);
        eq(credits + supply - token.totalSupply(), 1000 ether, "conserved");
        eq(token.balanceOf(address(rollup)), credits, "backed");
    }

    function testSkipsTheUserWhoCannotPay() external {
        Bundle memory b = _bundle(2);
        b.orders[1].user = otherUser;
        _seal(b, SLOTS);
        _commit(b);
        _prove(b);
        bytes32 unpaid = b.slots[1].taskId;
        require(!rollup.isCharged(unpaid) && rollup.provenOutput(unpaid) != 0, "proven, not charged");
        eq(rollup.balanceOf(worker), uint256(PRICE) * 65 / 100, "one fee");
        eq(rollup.balanceOf(otherUser), 0, "untouched");
    }

    function testCommittedBatchSettlesAfterTheModelStops() external {
        Bundle memory b = _open(1);
        vm.prank(DEVELOPER);
        registry.setActive(MODEL, false);
        _prove(b);
        require(rollup.isCharged(b.slots[0].taskId), "charged");
    }

    function testRejectsProvingTwice() external {
        Bundle memory b = _open(1);
        _prove(b);
        _proveReverts(b, abi.encodeWithSelector(I.BatchNotOpen.selector, 0, I.BatchStatus.Proven));
    }

    function testRejectsATaskOfAnEarlierBatch() external {
        Bundle memory b = _open(1);
        _prove(b);
        b.header.batchId = 1;
        _seal(b, SLOTS);
        _commit(b);
        _proveReverts(b, abi.encodeWithSelector(I.TaskAlreadyProven.selector, b.slots[0].taskId));
    }

    function testRejectsATaskTwiceInOneBatch() external {
        Bundle memory b = _bundle(2);
        b.orders[1] = b.orders[0];
        _seal(b, SLOTS);
        _commit(b);
        _proveReverts(b, abi.encodeWithSelector(I.TaskAlreadyProven.selector, b.slots[0].taskId));
    }

    function testRejectsAnUncommittedBatch() external {
        Bundle memory b = _bundle(1);
        _proveReverts(b, abi.encodeWithSelector(I.BatchNotOpen.selector, 0, I.BatchStatus.None));
    }

    function testRejectsAHeaderOtherThanTheCommittedOne() external {
        Bundle memory b = _open(1);
        bytes32 committed = keccak256(abi.encode(b.header));
        b.header.prover = address(0xBAD);
        _reprove(b);
        bytes32 got = keccak256(abi.encode(b.header));
        _proveReverts(b, abi.encodeWithSelector(I.WrongHeader.selector, 0, committed, got));
    }

    function testRejectsAProofForAnotherHeader() external {
        Bundle memory b = _open(1);
        uint256 expected = b.instances[1];
        b.instances[1] = expected ^ 1;
        _reprove(b);
        _proveReverts(b, abi.encodeWithSelector(I.WrongInstance.selector, 1, expected, expected ^ 1));
    }

    function testRejectsSwappedWorkers() external {
        Bundle memory b = _open(1);
        b.slots[0].worker = address(0xBAD);
        bytes32 got = keccak256(abi.encode(b.slots));
        _proveReverts(b, abi.encodeWithSelector(I.WrongSlots.selector, b.header.slotsHash, got));
    }

    function testRejectsSwappedOutputs() external {
        Bundle memory b = _open(2);
        uint256 at = _outputsAt(SLOTS);
        (b.instances[at], b.instances[at + 1]) = (b.instances[at + 1], b.instances[at]);
        _proveReverts(b, abi.encodeWithSelector(I.InvalidProof.selector, 0));
    }

    function testRejectsAZeroOutput() external {
        Bundle memory b = _open(1);
        b.instances[_outputsAt(SLOTS)] = 0;
        _reprove(b);
        _proveReverts(b, abi.encodeWithSelector(I.ZeroOutput.selector, b.slots[0].taskId));
    }

    function testFuzzRejectsAnyChangedInstance(uint256 index, uint256 value) external {
        Bundle memory b = _open(2);
        index = bound(index, 0, b.instances.length - 1);
        value = bound(value, 0, FIELD_ORDER - 1);
        if (b.instances[index] == value) return;
        b.instances[index] = value;
        vm.expectRevert();
        _prove(b);
    }

    /// @dev The proof is valid here: the contract's own checks must stop every input that it is able to check.
    function testFuzzRejectsAChangedInputDespiteAProof(uint256 index, uint256 value) external {
        Bundle memory b = _open(2);
        index = bound(index, 0, 2 + SLOTS);
        value = bound(value, 0, FIELD_ORDER - 1);
        uint256 expected = b.instances[index];
        if (expected == value) return;
        b.instances[index] = value;
        _reprove(b);
        if (index < 3 || index >= 5) {
            _proveReverts(b, abi.encodeWithSelector(I.WrongInstance.selector, index, expected, value));
            return;
        }
        // The task of another input is another task.
        I.Order memory o = b.orders[index - 3];
        o.inputHash = bytes32(value);
        bytes32 got = rollup.orderDigest(o);
        bytes32 taskId = b.slots[index - 3].taskId;
        _proveReverts(b, abi.encodeWithSelector(I.WrongTask.selector, index - 3, taskId, got));
    }

    function testFuzzRejectsInstancesOutsideTheField(uint256 index, uint256 value) external {
        Bundle memory b = _open(2);
        index = bound(index, 0, b.instances.length - 1);
        value = bound(value, FIELD_ORDER, type(uint256).max);
        b.instances[index] = value;
        _reprove(b);
        _proveReverts(b, abi.encodeWithSelector(I.NotAFieldElement.selector, index, value));
    }

    function testRejectsAnAliasOfAnInput() external {
        Bundle memory b = _open(1);
        b.instances[3] += FIELD_ORDER;
        _reprove(b);
        _proveReverts(b, abi.encodeWithSelector(I.NotAFieldElement.selector, 3, b.instances[3]));
    }

    function testRejectsPaddingThatIsNotTheNullInput() external {
        Bundle memory b = _open(3);
        b.instances[3 + 3] = 5;
        _reprove(b);
        _proveReverts(b, abi.encodeWithSelector(I.WrongInstance.selector, 6, uint256(NULL_INPUT), 5));
    }

    function testRejectsWrongLengths() external {
        Bundle memory b = _open(2);
        uint256[] memory instances = b.instances;
        uint256 length = instances.length;
        b.instances = new uint256[](length + 1);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, length, length + 1));
        b.instances = instances;
        bytes[] memory signatures = b.signatures;
        b.signatures = new bytes[](1);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, 2, 1));
        b.signatures = signatures;
        b.orders = new I.Order[](3);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, 2, 3));
    }

    /// @dev A batch of `count` tasks of which every third one has a label, with salts in `salts`.
    function _labelled(uint256 count) private returns (Bundle memory b) {
        _register(_spec(keccak256("labels"), 64));
        b = _bundle(count, keccak256("labels"), 64);
        for (uint256 i; i < count; i += 3) {
            b.orders[i].tag = keccak256(abi.encode(7 + i, keccak256(abi.encode(i))));
        }
        _seal(b, 64);
        b.salts = new bytes32[]((count + 2) / 3);
        for (uint256 i; i < count; i += 3) {
            b.salts[i / 3] = keccak256(abi.encode(i));
            b.instances[3 + 64 + i / 15] |= (8 + i) << (16 * (i % 15));
        }
        _reprove(b);
        _commit(b);
    }

    function testLabelsThatTagsBindSettle() external {
        Bundle memory b = _labelled(61);
        _prove(b);
        require(rollup.isCharged(b.slots[60].taskId), "charged");
    }

    function testTagsMayStayClosed() external {
        Bundle memory b = _labelled(40);
        for (uint256 i; i < 3; ++i) {
            b.instances[3 + 64 + i] = 0;
        }
        b.salts = new bytes32[](0);
        _reprove(b);
        _prove(b);
        require(rollup.isCharged(b.slots[0].taskId), "charged");
    }

    function testRejectsALabelThatItsTagDoesNotBind() external {
        Bundle memory b = _labelled(40);
        uint256 word = b.instances[3 + 64 + 1];
        // Another class, another slot, an entry above 2^16, a label without a tag.
        b.instances[3 + 64 + 1] = word + 1;
        _labelReverts(b, 15);
        b.instances[3 + 64 + 1] = word << 16;
        _labelReverts(b, 16);
        b.instances[3 + 64 + 1] = word + (1 << 16);
        _labelReverts(b, 16);
        b.instances[3 + 64 + 1] = word | 1 << 240;
        _labelReverts(b, 30);
        b.instances[3 + 64 + 1] = word;
        b.salts[4] = 0;
        _labelReverts(b, 12);
    }

    function testRejectsALabelOfASlotWithoutATask() external {
        Bundle memory b = _labelled(40);
        b.instances[3 + 64 + 2] |= 1 << (16 * 10);
        _labelReverts(b, 40);
        b.instances[3 + 64 + 2] &= (1 << 160) - 1;
        b.instances[3 + 64 + 4] = 1;
        _labelReverts(b, 60);
    }

    function testRejectsMoreAndFewerSaltsThanLabels() external {
        Bundle memory b = _labelled(40);
        bytes32[] memory salts = b.salts;
        b.salts = new bytes32[](salts.length + 1);
        for (uint256 i; i < salts.length; ++i) {
            b.salts[i] = salts[i];
        }
        _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, salts.length, salts.length + 1));
        b.salts = new bytes32[](salts.length - 1);
        for (uint256 i; i < b.salts.length; ++i) {
            b.salts[i] = salts[i];
        }
        _labelReverts(b, 39);
    }

    function _labelReverts(Bundle memory b, uint256 index) private {
        _reprove(b);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLabel.selector, index));
    }

    function testRejectsEmptyAndOverfullBatches() external {
        Bundle memory b = _open(0);
        _proveReverts(b, abi.encodeWithSelector(I.TaskCountOutOfRange.selector, 0, SLOTS));
        b = _bundle(SLOTS + 1, MODEL, SLOTS + 1);
        _commit(b);
        _proveReverts(b, abi.encodeWithSelector(I.TaskCountOutOfRange.selector, SLOTS + 1, SLOTS));
    }

    function testRejectsAnotherOrderForTheSlot() external {
        Bundle memory b = _open(1);
        b.orders[0].nonce += 1;
        bytes32 got = rollup.orderDigest(b.orders[0]);
        _proveReverts(b, abi.encodeWithSelector(I.WrongTask.selector, 0, b.slots[0].taskId, got));
    }

    function testRejectsAnotherSigner() external {
        Bundle memory b = _open(1);
        b.signatures[0] = _sign(OTHER_USER_KEY, b.slots[0].taskId);
        _proveReverts(b, abi.encodeWithSelector(I.WrongSigner.selector, 0, user, otherUser));
    }

    function testRejectsAMalformedSignature() external {
        Bundle memory b = _open(1);
        b.signatures[0] = hex"00";
        _proveReverts(b, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, 1));
    }

    function testRejectsAnOrderForAnotherModel() external {
        Bundle memory b = _bundle(1);
        b.orders[0].modelId = keccak256("another");
        _seal(b, SLOTS);
        _commit(b);
        b.orders[0].modelId = MODEL;
        bytes32 got = rollup.orderDigest(b.orders[0]);
        _proveReverts(b, abi.encodeWithSelector(I.WrongTask.selector, 0, b.slots[0].taskId, got));
    }

    function testRejectsAFeeAboveTheOrder() external {
        Bundle memory b = _bundle(1);
        b.orders[0].maxFee = PRICE - 1;
        _seal(b, SLOTS);
        _commit(b);
        bytes32 taskId = b.slots[0].taskId;
        _proveReverts(b, abi.encodeWithSelector(I.FeeAboveMaximum.selector, taskId, PRICE, PRICE - 1));
    }

    function testRejectsAnOrderExpiredAtCommitment() external {
        Bundle memory b = _bundle(1);
        b.orders[0].deadline = uint64(block.timestamp - 1);
        _seal(b, SLOTS);
        _commit(b);
        bytes32 taskId = b.slots[0].taskId;
        _proveReverts(b, abi.encodeWithSelector(I.OrderExpired.selector, taskId, b.orders[0].deadline));
    }

    function testAcceptsAnOrderThatExpiresAfterCommitment() external {
        Bundle memory b = _bundle(1);
        b.orders[0].deadline = uint64(block.timestamp);
        _seal(b, SLOTS);
        _commit(b);
        vm.warp(block.timestamp + 30 minutes);
        _prove(b);
        require(rollup.isCharged(b.slots[0].taskId), "charged");
    }

    function testRejectsAProofAfterTheDeadline() external {
        Bundle memory b = _open(1);
        vm.warp(b.header.deadline);
        uint256 deadline = b.header.deadline;
        vm.warp(deadline + 1);
        _proveReverts(b, abi.encodeWithSelector(I.BatchDeadlinePassed.selector, 0, deadline));
    }

    function testRejectsAnInvalidProof() external {
        Bundle memory b = _open(1);
        b.proof = hex"00";
        _proveReverts(b, abi.encodeWithSelector(I.InvalidProof.selector, 0));
    }

    function testRejectsAReplacedVerifyingKey() external {
        Bundle memory b = _open(1);
        vm.etch(VK, hex"00445566");
        _proveReverts(b, abi.encodeWithSelector(I.VerifyingKeyChanged.selector, MODEL));
    }

    function testRejectsOrdersOfAnotherChain() external {
        Bundle memory b = _open(1);
        vm.chainId(block.chainid + 1);
        bytes32 got = rollup.orderDigest(b.orders[0]);
        _proveReverts(b, abi.encodeWithSelector(I.WrongTask.selector, 0, b.slots[0].taskId, got));
    }

    function testExpiredBatchFreesItsTasks() external {
        Bundle memory b = _open(1);
        uint256 deadline = b.header.deadline;
        vm.expectRevert(abi.encodeWithSelector(I.BatchDeadlineNotPassed.selector, 0, deadline));
        rollup.refundBatch(0);
        vm.warp(deadline + 1);
        rollup.refundBatch(0);
        eq(rollup.balanceOf(user), 1000 ether, "nothing charged");
        _proveReverts(b, abi.encodeWithSelector(I.BatchNotOpen.selector, 0, I.BatchStatus.Expired));
        vm.expectRevert(abi.encodeWithSelector(I.BatchNotOpen.selector, 0, I.BatchStatus.Expired));
        rollup.refundBatch(0);

        b.header.batchId = 1;
        b.header.deadline = uint64(deadline + 1 hours);
        b.orders[0].deadline = uint64(deadline + 1 hours);
        _seal(b, SLOTS);
        _commit(b);
        _prove(b);
        require(rollup.isCharged(b.slots[0].taskId), "charged in the second batch");
    }
}
