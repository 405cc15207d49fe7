// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Chunks} from "./Chunks.sol";
import {Poseidon} from "./Poseidon.sol";
import {IEpochs} from "./interfaces/IEpochs.sol";
import {IInferenceRollup} from "./interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IProbes} from "./interfaces/IProbes.sol";
import {IValidators} from "./interfaces/IValidators.sol";

/// @title Probes
contract Probes is IProbes {
    /// @notice Fewest probes of a sample.
    uint256 public constant LEAST = 8;
    /// @notice Places in a pool.
    uint256 public constant MOST = 256;

    /// @notice Who may probe.
    IValidators public immutable validators;
    /// @notice Is told what is found.
    IEpochs public immutable epochs;
    /// @notice Whose batches are proven.
    IInferenceRollup public immutable rollup;
    /// @notice Tells the slots of a version's batches.
    IModelRegistry public immutable registry;

    /// @inheritdoc IProbes
    mapping(uint32 epoch => mapping(address validator => mapping(bytes32 modelId => bool))) public isRecorded;

    /// @dev What is known before an answer is read, and what was found up to it.
    struct Reader {
        bytes32 root; // of the pool
        bytes32 nullInput;
        uint64 first; // batch of the epoch
        uint256 batchSlots;
        bytes constants; // of `Poseidon`
        uint256 next; // least place of the next answer: `batch | chunk 32 | slot 32`
        uint256 seen; // a bit for each probe of the pool
        uint256 count;
        uint256 correct;
        uint256 marginSum;
    }

    constructor(
        IValidators validators_,
        IEpochs epochs_,
        IInferenceRollup rollup_,
        IModelRegistry registry_
    ) {
        require(
            address(validators_) != address(0) && address(epochs_) != address(0)
                && address(rollup_) != address(0) && address(registry_) != address(0),
            ZeroAddress()
        );
        (validators, epochs, rollup, registry) = (validators_, epochs_, rollup_, registry_);
    }

    /// @inheritdoc IProbes
    function record(uint32 epoch, bytes32 modelId, Answers[] calldata chunks)
        external
        returns (uint256 count, uint256 correct, uint256 marginSum)
    {
        require(validators.isValidator(msg.sender), NotAValidator(msg.sender));
        require(validators.isDrawn(epoch, msg.sender), NotDrawn(epoch, msg.sender));
        require(epoch >= epochs.closed(), EpochOver(epoch));
        require(!isRecorded[epoch][msg.sender][modelId], AlreadyRecorded(epoch, msg.sender, modelId));
        isRecorded[epoch][msg.sender][modelId] = true;
        IModelRegistry.ModelSpec memory spec = registry.model(modelId);
        Reader memory r;
        (r.root, r.nullInput) = (validators.poolOf(epoch, msg.sender), spec.nullInputHash);
        r.first = validators.firstBatchOf(epoch);
        (r.batchSlots, r.constants) = (spec.batchSlots, Poseidon.load());
        for (uint256 i; i < chunks.length; ++i) {
            _readChunk(r, modelId, chunks[i]);
        }
        (count, correct, marginSum) = (r.count, r.correct, r.marginSum);
        require(count >= LEAST, TooFewProbes(count, LEAST));
        emit ProbesRecorded(epoch, msg.sender, modelId, count, correct, marginSum);
        // At most 256 probes.
        epochs.recordQuality(modelId, uint32(count), uint32(correct), uint32(marginSum));
    }

    function _readChunk(Reader memory r, bytes32 modelId, Answers calldata chunk) private view {
        IInferenceRollup.BatchHeader calldata header = chunk.header;
        uint64 batchId = header.batchId;
        require(header.modelId == modelId, WrongModel(modelId, header.modelId));
        bytes32 headerHash = keccak256(abi.encode(header));
        require(rollup.batch(batchId).headerHash == headerHash, WrongHeader(batchId));
        require(batchId >= r.first, TooEarly(batchId, r.first));
        require(rollup.isProven(batchId, chunk.chunk, chunk.opening), NotProven(batchId, chunk.chunk));
        (uint256 slots, uint256 words) = Chunks.sizes(r.batchSlots, chunk.chunk);
        uint256[] calldata statement = chunk.opening.statement;
        for (uint256 i; i < chunk.answers.length; ++i) {
            Answer calldata answer = chunk.answers[i];
            uint256 slot = answer.slot;
            require(slot < slots, NoSuchSlot(batchId, chunk.chunk, slot));
            // A proven chunk's number is a small one.
            uint256 place = uint256(batchId) << 64 | chunk.chunk << 32 | slot;
            require(place >= r.next, OutOfOrder(batchId, chunk.chunk, slot));
            r.next = place + 1;
            bytes32 input = bytes32(statement[slot]);
            require(input != r.nullInput, NotAsked(batchId, chunk.chunk, slot));
            _checkProbe(r, answer, input);
            _count(r, answer, statement[slots + words + slot]);
        }
    }

    /// @dev Checks that the pool has this probe, which has not been counted.
    function _checkProbe(Reader memory r, Answer calldata answer, bytes32 input) private pure {
        uint256 index = answer.index;
        require(index < MOST, NoSuchProbe(index));
        require(r.seen >> index & 1 == 0, AlreadyCounted(index));
        r.seen |= 1 << index;
        bytes32 tag = Hashes.efficientKeccak256(bytes32(answer.label), answer.labelSalt);
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(index, input, tag))));
        require(MerkleProof.verifyCalldata(answer.path, r.root, leaf), NotInPool(index));
    }

    /// @dev Checks the output and holds it against the label.
    function _count(Reader memory r, Answer calldata answer, uint256 proven) private pure {
        bytes calldata output = answer.output;
        uint256 label = answer.label;
        require(label < output.length && output.length > 1, NoSuchClass(answer.index, label));
        uint256 hash = Poseidon.output(r.constants, output, answer.salt);
        require(hash == proven, WrongOutput(answer.index, bytes32(proven), bytes32(hash)));
        int256 others = type(int8).min;
        for (uint256 i; i < output.length; ++i) {
            int256 value = int8(uint8(output[i]));
            if (i != label && value > others) others = value;
        }
        int256 margin = int256(int8(uint8(output[label]))) - others;
        ++r.count;
        if (margin <= 0) return;
        ++r.correct;
        r.marginSum += uint256(margin);
    }
}
