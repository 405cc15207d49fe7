// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IInferenceRollup} from "./IInferenceRollup.sol";

/// @title Quality of model versions, from questions whose answers validators know.
/// @notice A probe is an order like any other. What makes it one is that a validator who was drawn for the epoch had
/// committed its input and its label to a pool before the epoch began. Once the order's batch is proven, the validator
/// opens label and output: the label against the pool, the output against the proven commitment. So no label passes
/// through anybody's hands before the proof, and none can follow the answer: batches that were opened before the epoch do
/// not count. A task is answered seconds before its batch is opened, so at the edge a few seconds' answers are known.
/// @dev Nothing here depends on orders, tags or settlement: an input of the pool is in a batch of the epoch because
/// somebody who knew its salt asked for it then.
interface IProbes {
    /// @notice An answered probe.
    /// @param slot Place of its task in the chunk.
    /// @param index Place in the pool.
    /// @param label The class that the answer should have.
    /// @param labelSalt What was hashed with it.
    /// @param output The proven output: signed bytes, one for each class.
    /// @param salt That of the commitments to input and output.
    /// @param path From the probe's leaf to the pool's root.
    struct Answer {
        uint256 slot;
        uint256 index;
        uint256 label;
        bytes32 labelSalt;
        bytes output;
        uint256 salt;
        bytes32[] path;
    }

    /// @notice Answered probes of one chunk.
    /// @param chunk Its number.
    /// @param opening The batch's proven statement, as `IInferenceRollup.isProven` takes it: its `slotHashes` may be empty.
    /// @param answers In the order of their slots.
    struct Answers {
        IInferenceRollup.BatchHeader header;
        uint256 chunk;
        IInferenceRollup.Opening opening;
        Answer[] answers;
    }

    /// @param correct Answers whose largest value is the label's alone.
    /// @param marginSum Sum of what they lead by.
    event ProbesRecorded(
        uint32 indexed epoch,
        address indexed validator,
        bytes32 indexed modelId,
        uint256 count,
        uint256 correct,
        uint256 marginSum
    );

    error ZeroAddress();
    error NotDrawn(uint32 epoch, address account);
    error NotAValidator(address account);
    error EpochOver(uint32 epoch);
    error AlreadyRecorded(uint32 epoch, address validator, bytes32 modelId);
    error WrongModel(bytes32 expected, bytes32 got);
    error WrongHeader(uint64 batchId);
    error NotProven(uint64 batchId, uint256 chunk);
    /// @notice The batch is from before the epoch's draw: its answers may have been known when pools were committed.
    error TooEarly(uint64 batchId, uint64 first);
    /// @notice Batches, chunks and slots count up: no answer is brought twice.
    error OutOfOrder(uint64 batchId, uint256 chunk, uint256 slot);
    error NoSuchSlot(uint64 batchId, uint256 chunk, uint256 slot);
    /// @notice The slot is padding, which nobody asked for.
    error NotAsked(uint64 batchId, uint256 chunk, uint256 slot);
    error AlreadyCounted(uint256 index);
    error NoSuchProbe(uint256 index);
    /// @notice The pool has no probe at this place with the slot's input and this label under this salt.
    error NotInPool(uint256 index);
    error NoSuchClass(uint256 index, uint256 label);
    /// @notice The proof says another output.
    error WrongOutput(uint256 index, bytes32 proven, bytes32 got);
    error TooFewProbes(uint256 count, uint256 least);

    /// @notice Records what the caller's probes of an epoch found about a model version: once for each epoch and version,
    /// by a validator who was drawn for the epoch, until the epoch is closed.
    /// @dev The version's quality moves by one step towards the sample, however many probes there are.
    function record(uint32 epoch, bytes32 modelId, Answers[] calldata chunks)
        external
        returns (uint256 count, uint256 correct, uint256 marginSum);

    /// @notice Whether `validator` has recorded its probes of an epoch for a model version.
    function isRecorded(uint32 epoch, address validator, bytes32 modelId) external view returns (bool);
}
