// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Accounts} from "./Accounts.sol";
import {Batches} from "./Batches.sol";
import {Chunks} from "./Chunks.sol";
import {DnToken} from "./DnToken.sol";
import {Payments} from "./Payments.sol";
import {Receipts} from "./Receipts.sol";
import {Reports} from "./Reports.sol";
import {Settlement} from "./Settlement.sol";
import {IEpochs} from "./interfaces/IEpochs.sol";
import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";
import {IInferenceRollup} from "./interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IStaking} from "./interfaces/IStaking.sol";

/// @title InferenceRollup
/// @dev Calls into the token and the staking contract, both fixed at deployment and free of callbacks, come after all
/// effects; registry and verifier are called statically. Loops run over at most 1,024 slots of a batch.
contract InferenceRollup is Batches, Settlement {
    /// @notice Time behind a batch's deadline in which the sequencer alone may leave signatures out.
    uint64 public constant SETTLING_WINDOW = 1 days;

    /// @notice EIP-712 type hash of `Receipt`.
    bytes32 public constant RECEIPT_TYPEHASH = Receipts.TYPEHASH;

    /// @notice The code that `slashReceipt` runs.
    Reports public immutable reports;

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
        uint64 exitDelay; // at least until the sequencer has settled what was opened when an exit is requested
    }

    constructor(Config memory config)
        EIP712("deepnode", "1")
        Accounts(config.token, config.exitDelay)
        Batches(config.registry, config.verifier, config.sequencer)
        Payments(config.epochs, config.validatorPool, config.treasury)
        Settlement(config.staking)
    {
        uint64 least = MAX_PROVING_WINDOW + SETTLING_WINDOW;
        require(config.exitDelay >= least, ExitDelayTooShort(least, config.exitDelay));
        reports = new Reports(config.registry, config.staking, config.epochs);
    }

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
        Frame memory f = _frame(header, batchHash, chunks, spec);
        for (uint256 i; i < chunks.length; ++i) {
            if (!_take(f, chunks[i], slotHashes, spec.batchSlots)) continue;
            (f.inputsAt, f.wordsAt, f.outputsAt) = _places(spec.batchSlots, chunks[i].index);
            _settle(f, chunks[i], proof.instances);
        }
        _pay(f.charges, spec, proof.prover);
        if (msg.sender != sequencer) _requireLabelsSettled(header.batchId, proof.instances, spec.batchSlots);
    }

    /// @inheritdoc IInferenceRollup
    function settleChunks(BatchHeader calldata header, Chunk[] calldata chunks, Opening calldata opening)
        external
    {
        bytes32 batchHash = _known(header);
        uint64 batchId = header.batchId;
        BatchStatus status = _status(batchId);
        require(status == BatchStatus.Proven, BatchNotProven(batchId, status));
        require(_isRoot(batchId, opening), WrongStatement(batchId));
        _checkCommitted(header, opening.slotHashes);
        IModelRegistry.ModelSpec memory spec = registry.model(header.modelId);
        Frame memory f = _frame(header, batchHash, chunks, spec);
        (uint256 end, bool isAny) = (0, false);
        for (uint256 i; i < chunks.length; ++i) {
            bool isOpen = _take(f, chunks[i], opening.slotHashes, spec.batchSlots);
            (f.inputsAt, f.wordsAt) = (end, end + f.slots);
            f.outputsAt = f.wordsAt + f.words;
            end = f.outputsAt + f.slots;
            if (!isOpen) continue;
            isAny = true;
            require(_isLeaf(chunks[i].index, opening, f.inputsAt, end), WrongStatement(batchId));
            _settle(f, chunks[i], opening.statement);
        }
        require(isAny, NothingToSettle(batchId));
        require(end == opening.statement.length, WrongStatement(batchId));
        _pay(f.charges, spec, opening.prover);
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
        _runBy(address(reports));
    }

    /// @inheritdoc IInferenceRollup
    function isSlashed(uint64 batchId, address worker) external view returns (bool) {
        return _slashed[batchId][worker];
    }

    /// @inheritdoc IInferenceRollup
    function receiptDigest(Receipt calldata receipt) external view returns (bytes32) {
        return _hashTypedDataV4(Receipts.hash(receipt));
    }

    /// @dev Has code of the rollup that stands elsewhere answer the call.
    function _runBy(address code) private {
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, 0, calldatasize())
            let ok := delegatecall(gas(), code, data, calldatasize(), 0, 0)
            returndatacopy(data, 0, returndatasize())
            if iszero(ok) { revert(data, returndatasize()) }
            return(data, returndatasize())
        }
    }

    /// @dev What chunks of a batch are settled with.
    function _frame(
        BatchHeader calldata header,
        bytes32 batchHash,
        Chunk[] calldata chunks,
        IModelRegistry.ModelSpec memory spec
    ) private view returns (Frame memory f) {
        (f.batchId, f.batchHash, f.modelId) = (header.batchId, batchHash, header.modelId);
        (f.openedAt, f.price, f.domain) = (header.openedAt, spec.price, _domainSeparatorV4());
        f.mayOmit = msg.sender == sequencer || block.timestamp > uint256(header.deadline) + SETTLING_WINDOW;
        f.charges = _charges(chunks);
    }

    /// @dev Marks a chunk with the committed slots as settled. False if it was: nothing else of it is looked at, so that
    /// who settles one chunk before it holds up no other of the call.
    function _take(Frame memory f, Chunk calldata chunk, bytes32[] calldata slotHashes, uint256 batchSlots)
        private
        returns (bool isOpen)
    {
        isOpen = _close(f.batchId, chunk.index, batchSlots);
        if (isOpen) _checkSlots(f.batchId, chunk, slotHashes);
        (f.slots, f.words) = Chunks.sizes(batchSlots, chunk.index);
    }

    /// @dev Checks that a statement is about the committed inputs: a proof of others would spend the batch on nothing.
    function _checkInputs(uint256[] calldata instances, bytes32[] calldata slotHashes) private pure {
        (bytes32 expected, bytes32 hash) = (slotHashes[slotHashes.length - 1], _inputsHash(instances));
        require(hash == expected, WrongInputs(expected, hash));
    }
}
