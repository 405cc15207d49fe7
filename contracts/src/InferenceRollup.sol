// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {DnToken} from "./DnToken.sol";
import {FIELD_ORDER} from "./Field.sol";
import {IEpochs} from "./interfaces/IEpochs.sol";
import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";
import {IInferenceRollup} from "./interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IStaking} from "./interfaces/IStaking.sol";

/// @title InferenceRollup
/// @dev Invariant: the token balance is at least the sum of `balanceOf`. Calls into the token and the staking
/// contract, both fixed at deployment and free of callbacks, come after all effects; the verifier is called
/// statically. Nothing here loops over storage; loops run over at most 1,024 slots of the batch.
contract InferenceRollup is IInferenceRollup, EIP712 {
    using SafeERC20 for IERC20;

    /// @notice ASCII "dn-batch" followed by the statement's version 3.
    uint256 public constant STATEMENT_VERSION = 0x646e2d626174636803;

    /// @notice Longest time between commitment and proof, far below the unbonding delay.
    uint64 public constant MAX_PROVING_WINDOW = 1 days;

    /// @notice Shares of a fee, in percent. They sum to 100; rounding leaves dust to the treasury.
    uint256 public constant WORKER_PERCENT = 65;
    /// @notice Royalty of the model's developer.
    uint256 public constant DEVELOPER_PERCENT = 15;
    /// @notice Share of the validators.
    uint256 public constant VALIDATORS_PERCENT = 10;
    /// @notice Share of the prover.
    uint256 public constant PROVER_PERCENT = 5;
    /// @notice Burned.
    uint256 public constant BURN_PERCENT = 5;
    /// @notice Part of a worker's stake that a false receipt costs.
    uint256 public constant LIE_PERCENT = 10;

    /// @notice EIP-712 type hash of `Order`.
    bytes32 public constant ORDER_TYPEHASH = keccak256(
        "Order(address user,bytes32 modelId,bytes32 inputHash,uint128 maxFee,uint64 deadline,uint64 nonce,bytes32 tag)"
    );
    /// @notice EIP-712 type hash of `Receipt`.
    bytes32 public constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(bytes32 taskId,bytes32 modelId,bytes32 inputHash,bytes32 outputHash,uint64 startedAtMs,uint64 finishedAtMs)"
    );

    /// @dev A header hash enters the proof without its top 3 bits, which makes it a field element.
    uint256 private constant HEADER_MASK = (1 << 253) - 1;
    /// @dev Largest difference of two int8 outputs.
    uint256 private constant MAX_MARGIN = 255;
    /// @dev Labels in one public input, and bits of one.
    uint256 private constant LABELS_PER_WORD = 15;
    uint256 private constant LABEL_BITS = 16;
    /// @dev Index of the first input commitment.
    uint256 private constant INPUTS_AT = 3;
    /// @dev Marks a charged task in `_tasks`; a field element never reaches this bit.
    uint256 private constant CHARGED = 1 << 255;

    /// @notice The token of fees and stakes.
    DnToken public immutable token;
    /// @notice Where workers' stakes are.
    IStaking public immutable staking;
    /// @notice Where models are looked up.
    IModelRegistry public immutable registry;
    /// @notice Verifies batch proofs.
    IHalo2Verifier public immutable verifier;
    /// @notice Keeps account of work and trust.
    IEpochs public immutable epochs;
    /// @notice Receives the validators' share.
    address public immutable validatorPool;
    /// @notice Receives the dust of rounding.
    address public immutable treasury;

    /// @inheritdoc IInferenceRollup
    address public sequencer;
    /// @inheritdoc IInferenceRollup
    uint64 public nextBatchId;
    /// @inheritdoc IInferenceRollup
    mapping(address account => uint256) public balanceOf;
    /// @notice Whether the worker has been slashed for its receipt of the task.
    mapping(bytes32 taskId => mapping(address worker => bool)) public isSlashed;

    mapping(uint64 batchId => Batch) private _batches;
    /// @dev Proven output commitment, with `CHARGED` set while the user's fee is in. Zero: not proven.
    mapping(bytes32 taskId => uint256) private _tasks;

    /// @dev Addresses that the contract trusts for its whole life.
    struct Config {
        DnToken token;
        IStaking staking;
        IModelRegistry registry;
        IHalo2Verifier verifier;
        IEpochs epochs;
        address sequencer;
        address validatorPool;
        address treasury;
    }

    constructor(Config memory config) EIP712("deepnode", "1") {
        require(
            address(config.token) != address(0) && address(config.staking) != address(0)
                && address(config.registry) != address(0) && address(config.verifier) != address(0)
                && address(config.epochs) != address(0) && config.sequencer != address(0)
                && config.validatorPool != address(0) && config.treasury != address(0),
            ZeroAddress()
        );
        token = config.token;
        staking = config.staking;
        registry = config.registry;
        verifier = config.verifier;
        epochs = config.epochs;
        sequencer = config.sequencer;
        validatorPool = config.validatorPool;
        treasury = config.treasury;
        emit SequencerChanged(address(0), config.sequencer);
    }

    /// @inheritdoc IInferenceRollup
    function deposit(uint256 amount) external {
        require(amount != 0, ZeroAmount());
        balanceOf[msg.sender] += amount;
        emit Deposited(msg.sender, amount);
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IInferenceRollup
    function withdraw(uint256 amount) external {
        require(amount != 0, ZeroAmount());
        uint256 balance = balanceOf[msg.sender];
        require(amount <= balance, InsufficientBalance(balance, amount));
        balanceOf[msg.sender] = balance - amount;
        emit Withdrawn(msg.sender, amount);
        IERC20(token).safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IInferenceRollup
    function setSequencer(address next) external {
        require(msg.sender == sequencer, OnlySequencer(msg.sender));
        require(next != address(0), ZeroAddress());
        sequencer = next;
        emit SequencerChanged(msg.sender, next);
    }

    /// @inheritdoc IInferenceRollup
    function commitBatch(BatchHeader calldata header) external {
        require(msg.sender == sequencer, OnlySequencer(msg.sender));
        require(header.chainId == block.chainid, WrongChain(block.chainid, header.chainId));
        require(header.rollup == address(this), WrongRollup(address(this), header.rollup));
        require(header.batchId == nextBatchId, WrongBatchId(nextBatchId, header.batchId));
        require(header.prover != address(0), ZeroAddress());
        require(registry.isActive(header.modelId), ModelNotActive(header.modelId));
        uint64 time = uint64(block.timestamp);
        require(
            header.deadline > time && header.deadline <= time + MAX_PROVING_WINDOW,
            DeadlineOutOfRange(header.deadline, time + 1, time + MAX_PROVING_WINDOW)
        );

        nextBatchId = header.batchId + 1;
        bytes32 headerHash = keccak256(abi.encode(header));
        _batches[header.batchId] = Batch({
            headerHash: headerHash,
            committedAt: time,
            deadline: header.deadline,
            status: BatchStatus.Committed
        });
        emit BatchCommitted(header.batchId, header.modelId, header.prover, headerHash, header.deadline);
    }

    /// @inheritdoc IInferenceRollup
    function proveBatch(
        BatchHeader calldata header,
        Slot[] calldata slots,
        Terms[] calldata terms,
        bytes[] calldata signatures,
        BatchProof calldata proof
    ) external {
        IModelRegistry.ModelSpec memory spec = registry.model(header.modelId);
        uint64 committedAt = _closeBatch(header, slots);
        uint256[] calldata instances = proof.instances;
        _checkStatement(header, slots.length, instances, spec);
        require(signatures.length == slots.length, WrongLength(slots.length, signatures.length));
        require(terms.length == slots.length, WrongLength(slots.length, terms.length));
        for (uint256 i; i < slots.length; ++i) {
            _checkOrder(i, slots[i].taskId, terms[i], bytes32(instances[INPUTS_AT + i]), signatures[i], spec);
            require(terms[i].deadline >= committedAt, OrderExpired(slots[i].taskId, terms[i].deadline));
        }
        _checkLabels(terms, proof.salts, instances, spec.batchSlots);
        require(verifier.verify(spec.vk, proof.proof, instances), InvalidProof(header.batchId));
        _settle(header, slots, terms, instances, spec);
    }

    /// @inheritdoc IInferenceRollup
    function refundBatch(uint64 batchId) external {
        Batch storage b = _batches[batchId];
        require(b.status == BatchStatus.Committed, BatchNotOpen(batchId, b.status));
        require(block.timestamp > b.deadline, BatchDeadlineNotPassed(batchId, b.deadline));
        b.status = BatchStatus.Expired;
        emit BatchExpired(batchId);
    }

    /// @inheritdoc IInferenceRollup
    function slashReceipt(Order calldata order, Receipt calldata receipt, bytes calldata signature) external {
        bytes32 taskId = receipt.taskId;
        uint256 task = _tasks[taskId];
        require(task != 0, TaskNotProven(taskId));
        require(
            orderDigest(order) == taskId && order.modelId == receipt.modelId
                && order.inputHash == receipt.inputHash,
            ReceiptMismatch(taskId)
        );
        require(task & ~CHARGED != uint256(receipt.outputHash), ReceiptHonest(taskId));
        address worker = ECDSA.recoverCalldata(receiptDigest(receipt), signature);
        require(!isSlashed[taskId][worker], ReceiptAlreadySlashed(taskId, worker));
        isSlashed[taskId][worker] = true;
        require(staking.slashableOf(IStaking.Role.Worker, worker) != 0, NotAStakedWorker(worker));

        uint256 fee;
        if (task & CHARGED != 0) {
            _tasks[taskId] = task & ~CHARGED;
            fee = registry.model(order.modelId).price;
        }
        uint256 slashed = staking.slash(
            IStaking.Fault({
                role: IStaking.Role.Worker,
                account: worker,
                percent: LIE_PERCENT,
                id: taskId,
                evidence: keccak256(signature),
                victim: order.user,
                refund: fee
            })
        );
        epochs.recordFault(worker);
        emit ReceiptSlashed(taskId, worker, msg.sender, slashed, fee);
    }

    /// @inheritdoc IInferenceRollup
    function batch(uint64 batchId) external view returns (Batch memory) {
        return _batches[batchId];
    }

    /// @inheritdoc IInferenceRollup
    function provenOutput(bytes32 taskId) external view returns (bytes32) {
        return bytes32(_tasks[taskId] & ~CHARGED);
    }

    /// @inheritdoc IInferenceRollup
    function isCharged(bytes32 taskId) external view returns (bool) {
        return _tasks[taskId] & CHARGED != 0;
    }

    /// @inheritdoc IInferenceRollup
    function orderDigest(Order calldata order) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ORDER_TYPEHASH, order)));
    }

    /// @inheritdoc IInferenceRollup
    function receiptDigest(Receipt calldata receipt) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(RECEIPT_TYPEHASH, receipt)));
    }

    /// @dev Checks the header against the commitment and marks the batch proven; a later failure reverts that too.
    function _closeBatch(BatchHeader calldata header, Slot[] calldata slots)
        private
        returns (uint64 committedAt)
    {
        Batch storage b = _batches[header.batchId];
        require(b.status == BatchStatus.Committed, BatchNotOpen(header.batchId, b.status));
        bytes32 headerHash = keccak256(abi.encode(header));
        require(headerHash == b.headerHash, WrongHeader(header.batchId, b.headerHash, headerHash));
        require(block.timestamp <= b.deadline, BatchDeadlinePassed(header.batchId, b.deadline));
        bytes32 slotsHash = keccak256(abi.encode(slots));
        require(slotsHash == header.slotsHash, WrongSlots(header.slotsHash, slotsHash));
        b.status = BatchStatus.Proven;
        return b.committedAt;
    }

    /// @dev Checks every public input that does not depend on an order.
    function _checkStatement(
        BatchHeader calldata header,
        uint256 count,
        uint256[] calldata instances,
        IModelRegistry.ModelSpec memory spec
    ) private view {
        uint256 batchSlots = spec.batchSlots;
        require(count != 0 && count <= batchSlots, TaskCountOutOfRange(count, batchSlots));
        uint256 length = _outputsAt(batchSlots) + batchSlots;
        require(instances.length == length, WrongLength(length, instances.length));
        require(spec.vk.codehash == registry.vkCodeHash(header.modelId), VerifyingKeyChanged(header.modelId));
        for (uint256 i; i < instances.length; ++i) {
            require(instances[i] < FIELD_ORDER, NotAFieldElement(i, instances[i]));
        }
        _expect(instances, 0, STATEMENT_VERSION);
        _expect(instances, 1, uint256(keccak256(abi.encode(header))) & HEADER_MASK);
        _expect(instances, 2, count);
        for (uint256 i = INPUTS_AT + count; i < INPUTS_AT + batchSlots; ++i) {
            _expect(instances, i, uint256(spec.nullInputHash));
        }
        // The circuit binds count + 2^16 correct + 2^32 margin; these bounds make the packing unique.
        uint256 at = _scoreAt(batchSlots);
        require(
            instances[at] <= count && instances[at + 1] <= instances[at]
                && instances[at + 2] <= MAX_MARGIN * instances[at + 1],
            ScoreOutOfRange(instances[at], instances[at + 1], instances[at + 2])
        );
    }

    /// @dev Checks that the order for `inputHash` is the task of slot `index`, signed by its user, for this model and at
    /// this price.
    function _checkOrder(
        uint256 index,
        bytes32 taskId,
        Terms calldata t,
        bytes32 inputHash,
        bytes calldata signature,
        IModelRegistry.ModelSpec memory spec
    ) private view {
        bytes32 digest = _hashTypedDataV4(
            keccak256(
                abi.encode(
                    ORDER_TYPEHASH, t.user, spec.modelId, inputHash, t.maxFee, t.deadline, t.nonce, t.tag
                )
            )
        );
        require(digest == taskId, WrongTask(index, taskId, digest));
        require(spec.price <= t.maxFee, FeeAboveMaximum(taskId, spec.price, t.maxFee));
        address signer = ECDSA.recoverCalldata(digest, signature);
        require(signer == t.user, WrongSigner(index, t.user, signer));
    }

    /// @dev Checks that each label of the statement is the one that its order's tag binds; salts stand for the labels in
    /// turn.
    function _checkLabels(
        Terms[] calldata terms,
        bytes32[] calldata salts,
        uint256[] calldata instances,
        uint256 batchSlots
    ) private pure {
        uint256 opened;
        for (uint256 first; first < batchSlots; first += LABELS_PER_WORD) {
            uint256 word = instances[INPUTS_AT + batchSlots + first / LABELS_PER_WORD];
            for (uint256 i = first; word != 0; ++i) {
                uint256 entry = word & ((1 << LABEL_BITS) - 1);
                word >>= LABEL_BITS;
                if (entry == 0) continue;
                require(i < terms.length && opened < salts.length, WrongLabel(i));
                require(keccak256(abi.encode(entry - 1, salts[opened])) == terms[i].tag, WrongLabel(i));
                ++opened;
            }
        }
        require(opened == salts.length, WrongLength(opened, salts.length));
    }

    /// @dev Stores the outputs, charges the users and pays the shares of the charged fees.
    function _settle(
        BatchHeader calldata header,
        Slot[] calldata slots,
        Terms[] calldata terms,
        uint256[] calldata instances,
        IModelRegistry.ModelSpec memory spec
    ) private {
        uint256 paid;
        IEpochs.Share[] memory shares = new IEpochs.Share[](slots.length);
        for (uint256 i; i < slots.length; ++i) {
            uint256 output = instances[_outputsAt(spec.batchSlots) + i];
            if (!_settleTask(header.batchId, slots[i], terms[i].user, output, spec.price)) continue;
            shares[paid++] = IEpochs.Share(slots[i].worker, 1, spec.price);
        }
        assembly ("memory-safe") {
            mstore(shares, paid)
        }
        epochs.recordWork(spec.modelId, spec.workUnits, shares);
        uint256 at = _scoreAt(spec.batchSlots);
        emit BatchProven(
            header.batchId,
            header.modelId,
            header.prover,
            slots.length,
            paid,
            instances[at],
            instances[at + 1],
            instances[at + 2]
        );
        if (paid != 0) _payShares(spec, header.prover, paid);
    }

    /// @dev Settles one task. Returns whether its user could pay.
    function _settleTask(uint64 batchId, Slot calldata slot, address user, uint256 output, uint256 price)
        private
        returns (bool)
    {
        require(_tasks[slot.taskId] == 0, TaskAlreadyProven(slot.taskId));
        // Zero would read as "not proven"; no honest commitment is zero.
        require(output != 0, ZeroOutput(slot.taskId));
        uint256 balance = balanceOf[user];
        if (balance < price) {
            _tasks[slot.taskId] = output;
            emit TaskUnpaid(slot.taskId, batchId, user, bytes32(output), price);
            return false;
        }
        _tasks[slot.taskId] = output | CHARGED;
        balanceOf[user] = balance - price;
        balanceOf[slot.worker] += _percentDown(price, WORKER_PERCENT);
        emit TaskSettled(slot.taskId, batchId, slot.worker, user, bytes32(output), price);
        return true;
    }

    /// @dev Pays everyone but the workers, who are paid by task. Shares round down per fee, so that they do not depend
    /// on how tasks are batched.
    function _payShares(IModelRegistry.ModelSpec memory spec, address prover, uint256 paid) private {
        uint256 developerShare = _percentDown(spec.price, DEVELOPER_PERCENT);
        uint256 validatorShare = _percentDown(spec.price, VALIDATORS_PERCENT);
        uint256 proverShare = _percentDown(spec.price, PROVER_PERCENT);
        uint256 burned = _percentDown(spec.price, BURN_PERCENT);
        uint256 workerShare = _percentDown(spec.price, WORKER_PERCENT);
        uint256 dust = spec.price - workerShare - developerShare - validatorShare - proverShare - burned;
        balanceOf[spec.developer] += developerShare * paid;
        balanceOf[validatorPool] += validatorShare * paid;
        balanceOf[prover] += proverShare * paid;
        if (dust != 0) balanceOf[treasury] += dust * paid;
        if (burned != 0) token.burn(burned * paid);
    }

    /// @dev Index of the score, behind inputs and labels.
    function _scoreAt(uint256 batchSlots) private pure returns (uint256) {
        return INPUTS_AT + batchSlots + (batchSlots + LABELS_PER_WORD - 1) / LABELS_PER_WORD;
    }

    /// @dev Index of the first output commitment.
    function _outputsAt(uint256 batchSlots) private pure returns (uint256) {
        return _scoreAt(batchSlots) + 3;
    }

    function _expect(uint256[] calldata instances, uint256 index, uint256 expected) private pure {
        require(instances[index] == expected, WrongInstance(index, expected, instances[index]));
    }

    function _percentDown(uint256 amount, uint256 percent) private pure returns (uint256) {
        return amount * percent / 100;
    }
}
