// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Chunks} from "./Chunks.sol";
import {Statements} from "./Statements.sol";
import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";
import {IInferenceRollup} from "./interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";

/// @title Batches
/// @dev From a header to a proven statement; no account is touched.
abstract contract Batches is IInferenceRollup, Statements {
    /// @notice ASCII "dn-batch" followed by the statement's version 3.
    uint256 public constant STATEMENT_VERSION = 0x646e2d626174636803;
    /// @notice Longest time between opening and proof, far below the unbonding delay.
    uint64 public constant MAX_PROVING_WINDOW = 1 days;
    /// @notice Longest time between opening and commitment.
    uint64 public constant MAX_OPEN = 10 minutes;

    /// @dev A header enters the proof without the top 3 bits of a hash, which makes it a field element.
    uint256 private constant HEADER_MASK = (1 << 253) - 1;
    /// @dev Index of the first input commitment.
    uint256 private constant INPUTS_AT = 3;

    /// @notice Verifies batch proofs.
    IHalo2Verifier public immutable verifier;

    /// @inheritdoc IInferenceRollup
    address public sequencer;
    /// @inheritdoc IInferenceRollup
    uint64 public nextBatchId;

    constructor(IModelRegistry registry_, IHalo2Verifier verifier_, address sequencer_)
        Statements(registry_)
    {
        require(
            address(registry_) != address(0) && address(verifier_) != address(0) && sequencer_ != address(0),
            ZeroAddress()
        );
        (verifier, sequencer) = (verifier_, sequencer_);
        emit SequencerChanged(address(0), sequencer_);
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
        (address only, uint64 next, uint64 time) = (sequencer, nextBatchId, uint64(block.timestamp));
        require(msg.sender == only, OnlySequencer(msg.sender));
        require(header.chainId == block.chainid, WrongChain(block.chainid, header.chainId));
        require(header.rollup == address(this), WrongRollup(address(this), header.rollup));
        require(header.batchId == next, WrongBatchId(next, header.batchId));
        require(registry.isActive(header.modelId), ModelNotActive(header.modelId));
        uint64 opened = header.openedAt;
        require(opened <= time && opened >= time - MAX_OPEN, OpeningOutOfRange(opened, time - MAX_OPEN, time));
        require(
            header.deadline > time && header.deadline <= opened + MAX_PROVING_WINDOW,
            DeadlineOutOfRange(header.deadline, time + 1, opened + MAX_PROVING_WINDOW)
        );
        nextBatchId = next + 1;
        bytes32 headerHash = keccak256(abi.encode(header));
        _headerHash[next] = headerHash;
        emit BatchCommitted(next, header.modelId, headerHash, opened, header.deadline);
    }

    /// @inheritdoc IInferenceRollup
    function expireBatch(BatchHeader calldata header) external {
        _known(header);
        uint64 batchId = header.batchId;
        BatchStatus status = _status(batchId);
        require(status == BatchStatus.Committed, BatchNotOpen(batchId, status));
        require(block.timestamp > header.deadline, BatchDeadlineNotPassed(batchId, header.deadline));
        _statement[batchId] = EXPIRED;
        emit BatchExpired(batchId);
    }

    /// @inheritdoc IInferenceRollup
    function batch(uint64 batchId) external view returns (Batch memory) {
        BatchStatus status = _status(batchId);
        uint256 settled = status == BatchStatus.Proven ? _statement[batchId] & SETTLED_MASK : 0;
        return Batch(_headerHash[batchId], status, uint32(settled));
    }

    /// @inheritdoc IInferenceRollup
    function isProven(uint64 batchId, uint256 index, Opening calldata opening) external view returns (bool) {
        return _isProven(batchId, index, opening);
    }

    /// @dev Verifies a proof and stores its statement.
    function _prove(
        BatchHeader calldata header,
        BatchProof calldata proof,
        IModelRegistry.ModelSpec memory spec
    ) internal returns (bytes32 headerHash) {
        headerHash = _known(header);
        uint64 batchId = header.batchId;
        BatchStatus status = _status(batchId);
        require(status == BatchStatus.Committed, BatchNotOpen(batchId, status));
        require(block.timestamp <= header.deadline, BatchDeadlinePassed(batchId, header.deadline));
        require(spec.vk.codehash == registry.vkCodeHash(header.modelId), VerifyingKeyChanged(header.modelId));
        uint256[] calldata instances = proof.instances;
        uint256 slots = spec.batchSlots;
        uint256 length = _outputsAt(slots) + slots;
        require(instances.length == length, WrongLength(length, instances.length));
        uint256 count = instances[2];
        require(count != 0 && count <= slots, TaskCountOutOfRange(count, slots));
        _expect(instances, 0, STATEMENT_VERSION);
        _expect(instances, 1, _boundHeader(headerHash, proof.prover));
        for (uint256 i = INPUTS_AT + count; i < INPUTS_AT + slots; ++i) {
            _expect(instances, i, uint256(spec.nullInputHash));
        }
        require(verifier.verify(spec.vk, proof.proof, instances), InvalidProof(batchId));
        _statement[batchId] = _root(proof.prover, _leaves(instances, slots));
        uint256 at = _scoreAt(slots);
        emit BatchProven(
            batchId, header.modelId, proof.prover, count, instances[at], instances[at + 1], instances[at + 2]
        );
    }

    /// @dev Marks a chunk of a proven batch as settled. False if it was.
    function _close(uint64 batchId, uint256 chunk, uint256 batchSlots) internal returns (bool isOpen) {
        require(chunk < Chunks.count(batchSlots), NoSuchChunk(batchId, chunk));
        uint256 statement = _statement[batchId];
        isOpen = statement >> chunk & 1 == 0;
        if (isOpen) _statement[batchId] = statement | 1 << chunk;
    }

    /// @dev A chunk with a label that no tag binds never settles. So whoever isn't the sequencer brings proofs without
    /// labels, or settles at once what has them.
    function _requireLabelsSettled(uint64 batchId, uint256[] calldata instances, uint256 slots)
        internal
        view
    {
        uint256 settled = _statement[batchId];
        for (uint256 chunk; chunk < Chunks.count(slots); ++chunk) {
            if (settled >> chunk & 1 != 0) continue;
            (uint256 from, uint256 to) = Chunks.words(slots, chunk);
            for (uint256 word = from; word < to; ++word) {
                require(instances[INPUTS_AT + slots + word] == 0, OnlySequencer(msg.sender));
            }
        }
    }

    /// @dev The public input that binds a batch and its prover.
    function _boundHeader(bytes32 headerHash, address prover) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(headerHash, prover))) & HEADER_MASK;
    }

    /// @dev Hash of the inputs of a statement whose count was checked.
    function _inputsHash(uint256[] calldata instances) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(instances[INPUTS_AT:INPUTS_AT + instances[2]]));
    }

    /// @dev Where a chunk's inputs, words of labels and outputs stand among the public inputs.
    function _places(uint256 slots, uint256 chunk)
        internal
        pure
        returns (uint256 inputsAt, uint256 wordsAt, uint256 outputsAt)
    {
        (uint256 first,) = Chunks.slots(slots, chunk);
        (uint256 word,) = Chunks.words(slots, chunk);
        return (INPUTS_AT + first, INPUTS_AT + slots + word, _outputsAt(slots) + first);
    }

    function _leaves(uint256[] calldata instances, uint256 slots)
        private
        pure
        returns (bytes32[] memory leaves)
    {
        leaves = new bytes32[](Chunks.count(slots));
        for (uint256 i; i < leaves.length; ++i) {
            (uint256 inputs, uint256 words, uint256 outputs) = _places(slots, i);
            (uint256 size, uint256 wordCount) = Chunks.sizes(slots, i);
            leaves[i] = keccak256(
                abi.encodePacked(
                    instances[inputs:inputs + size],
                    instances[words:words + wordCount],
                    instances[outputs:outputs + size]
                )
            );
        }
    }

    /// @dev Index of the score, behind inputs and labels.
    function _scoreAt(uint256 slots) private pure returns (uint256) {
        return INPUTS_AT + slots + (slots + Chunks.LABELS_PER_WORD - 1) / Chunks.LABELS_PER_WORD;
    }

    /// @dev Index of the first output commitment.
    function _outputsAt(uint256 slots) private pure returns (uint256) {
        return _scoreAt(slots) + 3;
    }

    function _expect(uint256[] calldata instances, uint256 index, uint256 expected) private pure {
        require(instances[index] == expected, WrongInstance(index, expected, instances[index]));
    }
}
