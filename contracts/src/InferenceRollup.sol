// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Accounts} from "./Accounts.sol";
import {Batches} from "./Batches.sol";
import {Chunks} from "./Chunks.sol";
import {DnToken} from "./DnToken.sol";
import {Settlement} from "./Settlement.sol";
import {Slots} from "./Slots.sol";
import {IEpochs} from "./interfaces/IEpochs.sol";
import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";
import {IInferenceRollup} from "./interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IStaking} from "./interfaces/IStaking.sol";

/// @title InferenceRollup
/// @dev Calls into the token and the staking contract, both fixed at deployment and free of callbacks, come after all
/// effects; registry and verifier are called statically. Loops run over at most 1,024 slots of a batch.
contract InferenceRollup is Batches, Settlement {
    /// @notice Part of a worker's stake that a false receipt costs.
    uint256 public constant LIE_PERCENT = 10;

    /// @notice Time behind a batch's deadline in which the sequencer alone may leave signatures out.
    uint64 public constant SETTLING_WINDOW = 1 days;

    /// @notice EIP-712 type hash of `Receipt`.
    bytes32 public constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(bytes32 taskId,bytes32 modelId,bytes32 inputHash,bytes32 outputHash,uint64 startedAtMs,uint64 finishedAtMs)"
    );

    /// @notice Whether the worker has been slashed for a receipt of the batch.
    mapping(uint64 batchId => mapping(address worker => bool)) public isSlashed;

    /// @dev What the contract trusts for its whole life.
    struct Config {
        DnToken token;
        IStaking staking;
        IModelRegistry registry;
        IHalo2Verifier verifier;
        IEpochs epochs;
        address sequencer;
        address validatorPool;
        address treasury;
        uint64 exitDelay;
    }

    constructor(Config memory config)
        EIP712("deepnode", "1")
        Accounts(config.token, config.exitDelay)
        Batches(config.registry, config.verifier, config.sequencer)
        Settlement(config.staking, config.epochs, config.validatorPool, config.treasury)
    {}

    /// @inheritdoc IInferenceRollup
    function proveBatch(
        BatchHeader calldata header,
        BatchProof calldata proof,
        bytes32[] calldata slotHashes,
        Chunk[] calldata chunks
    ) external {
        IModelRegistry.ModelSpec memory spec = registry.model(header.modelId);
        bytes32 batchHash = _prove(header, proof, spec);
        _checkCommitted(header, slotHashes);
        _checkInputs(proof.instances, slotHashes);
        for (uint256 i; i < chunks.length; ++i) {
            _checkSlots(header.batchId, chunks[i], slotHashes);
            Frame memory f = _frame(header, batchHash, proof.prover, chunks[i].index, spec);
            (f.inputsAt, f.wordsAt, f.outputsAt) = _places(spec.batchSlots, chunks[i].index);
            _settle(f, chunks[i], proof.instances);
        }
        if (msg.sender != sequencer) _requireLabelsSettled(header.batchId, proof.instances, spec.batchSlots);
    }

    /// @inheritdoc IInferenceRollup
    function settleChunk(BatchHeader calldata header, Chunk calldata chunk, Opening calldata opening)
        external
    {
        bytes32 batchHash = _known(header);
        BatchStatus status = _status(header.batchId);
        require(status == BatchStatus.Proven, BatchNotProven(header.batchId, status));
        require(isProven(header.batchId, chunk.index, opening), WrongStatement(header.batchId));
        _checkCommitted(header, opening.slotHashes);
        _checkSlots(header.batchId, chunk, opening.slotHashes);
        IModelRegistry.ModelSpec memory spec = registry.model(header.modelId);
        Frame memory f = _frame(header, batchHash, opening.prover, chunk.index, spec);
        f.wordsAt = f.slots;
        f.outputsAt = f.slots + f.words;
        _settle(f, chunk, opening.statement);
    }

    /// @inheritdoc IInferenceRollup
    function slashReceipt(
        BatchHeader calldata header,
        Chunk calldata chunk,
        Opening calldata opening,
        uint256 slot,
        Receipt calldata receipt,
        bytes calldata signature
    ) external {
        _known(header);
        uint64 batchId = header.batchId;
        require(isProven(batchId, chunk.index, opening), WrongStatement(batchId));
        _checkCommitted(header, opening.slotHashes);
        _checkSlots(header.batchId, chunk, opening.slotHashes);
        IModelRegistry.ModelSpec memory spec = registry.model(header.modelId);
        _checkReceipt(spec, chunk.index, opening.statement, slot, receipt);
        address worker = ECDSA.recoverCalldata(receiptDigest(receipt), signature);
        require(!isSlashed[batchId][worker], ReceiptAlreadySlashed(batchId, worker));
        isSlashed[batchId][worker] = true;
        require(staking.slashableOf(IStaking.Role.Worker, worker) != 0, NotAStakedWorker(worker));

        address victim = _victim(chunk, slot, worker);
        uint256 refund = victim == address(0) ? 0 : spec.price;
        uint256 slashed = staking.slash(
            IStaking.Fault({
                role: IStaking.Role.Worker,
                account: worker,
                percent: LIE_PERCENT,
                id: bytes32(uint256(batchId)),
                evidence: keccak256(signature),
                victim: victim,
                refund: refund
            })
        );
        epochs.recordFault(worker);
        bytes32 holding =
            staking.holdingId(address(this), IStaking.Role.Worker, worker, bytes32(uint256(batchId)));
        refund = staking.holdingOf(holding).refund;
        emit ReceiptSlashed(batchId, worker, msg.sender, receipt.taskId, slashed, refund);
    }

    /// @inheritdoc IInferenceRollup
    function receiptDigest(Receipt calldata receipt) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(RECEIPT_TYPEHASH, receipt)));
    }

    /// @dev Marks a chunk as settled, and begins its settlement.
    function _frame(
        BatchHeader calldata header,
        bytes32 batchHash,
        address prover,
        uint256 index,
        IModelRegistry.ModelSpec memory spec
    ) private returns (Frame memory f) {
        _close(header.batchId, index, spec.batchSlots);
        (f.batchId, f.batchHash, f.modelId) = (header.batchId, batchHash, header.modelId);
        (f.openedAt, f.price) = (header.openedAt, spec.price);
        (f.developer, f.prover, f.workUnits) = (spec.developer, prover, spec.workUnits);
        f.mayOmit = msg.sender == sequencer || block.timestamp > uint256(header.deadline) + SETTLING_WINDOW;
        (f.slots, f.words) = Chunks.sizes(spec.batchSlots, index);
    }

    /// @dev Checks that the hashes of a batch's slots are the committed ones.
    function _checkCommitted(BatchHeader calldata header, bytes32[] calldata slotHashes) private pure {
        bytes32 all = keccak256(abi.encodePacked(slotHashes));
        require(all == header.slotsHash, WrongSlots(header.slotsHash, all));
    }

    /// @dev Checks that a statement is about the committed inputs: a proof of others would spend the batch on nothing.
    function _checkInputs(uint256[] calldata instances, bytes32[] calldata slotHashes) private pure {
        (bytes32 expected, bytes32 hash) = (slotHashes[slotHashes.length - 1], _inputsHash(instances));
        require(hash == expected, WrongInputs(expected, hash));
    }

    /// @dev Checks that the chunk's slots are the committed ones.
    function _checkSlots(uint64 batchId, Chunk calldata chunk, bytes32[] calldata slotHashes) private pure {
        require(chunk.index < slotHashes.length, NoSuchChunk(batchId, chunk.index));
        (bytes32 expected, bytes32 hash) = (slotHashes[chunk.index], _slotsHash(chunk));
        require(hash == expected, WrongSlots(expected, hash));
    }

    /// @dev Checks that the receipt is about the slot's input, and says another output.
    function _checkReceipt(
        IModelRegistry.ModelSpec memory spec,
        uint256 index,
        uint256[] calldata statement,
        uint256 slot,
        Receipt calldata receipt
    ) private pure {
        (uint256 slots, uint256 words) = Chunks.sizes(spec.batchSlots, index);
        require(
            slot < slots && receipt.modelId == spec.modelId && uint256(receipt.inputHash) == statement[slot],
            ReceiptMismatch(receipt.taskId)
        );
        require(uint256(receipt.outputHash) != statement[slots + words + slot], ReceiptHonest(receipt.taskId));
    }

    /// @dev The slot's user, if the slot is this worker's; else nobody.
    function _victim(Chunk calldata chunk, uint256 slot, address worker) private pure returns (address) {
        if (slot >= chunk.executors.length) return address(0);
        uint256 index = uint8(chunk.executors[slot]);
        if (index >= chunk.workers.length || chunk.workers[index] != worker) return address(0);
        uint256 tasks;
        for (uint256 at; at < chunk.orders.length; at += Slots.BYTES) {
            uint256 order = Slots.begin(chunk.orders) + at;
            tasks += Slots.count(Slots.members(order));
            if (slot < tasks) return Slots.user(order);
        }
        return address(0);
    }
}
