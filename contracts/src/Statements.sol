// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Slots} from "./Slots.sol";
import {IInferenceRollup as I} from "./interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";

/// @title Statements
/// @dev What is kept of batches, and what may be said of them: the hash of a batch's header, and
/// `root of the statement 236 | settled chunks 20`, where zero means committed and one expired. A root is the hash of
/// the prover and the chunks' leaves without its last 20 bits.
///
/// `Reports` reads it in the rollup's storage: this is the first base of both with a state, and stays that.
abstract contract Statements {
    /// @dev The part of a statement's word that says which chunks are settled; of these the rest is no root.
    uint256 internal constant SETTLED_MASK = (1 << 20) - 1;
    uint256 internal constant EXPIRED = 1;
    uint256 internal constant MAX_WORKERS = 64;

    /// @notice Where models are looked up.
    IModelRegistry public immutable registry;

    mapping(uint64 batchId => bytes32) internal _headerHash;
    mapping(uint64 batchId => uint256) internal _statement;
    mapping(uint64 batchId => mapping(address worker => bool)) internal _slashed;

    constructor(IModelRegistry registry_) {
        registry = registry_;
    }

    function _status(uint64 batchId) internal view returns (I.BatchStatus) {
        uint256 statement = _statement[batchId];
        if (statement == EXPIRED) return I.BatchStatus.Expired;
        if (statement != 0) return I.BatchStatus.Proven;
        return _headerHash[batchId] == 0 ? I.BatchStatus.None : I.BatchStatus.Committed;
    }

    /// @dev Checks that the header is the committed one. Returns its hash.
    function _known(I.BatchHeader calldata header) internal view returns (bytes32 headerHash) {
        headerHash = keccak256(abi.encode(header));
        bytes32 expected = _headerHash[header.batchId];
        require(headerHash == expected, I.WrongHeader(header.batchId, expected, headerHash));
    }

    /// @dev Whether the chunk at `index` of a proven batch has the opening's statement.
    function _isProven(uint64 batchId, uint256 index, I.Opening calldata opening)
        internal
        view
        returns (bool)
    {
        return _status(batchId) == I.BatchStatus.Proven && _isRoot(batchId, opening)
            && _isLeaf(index, opening, 0, opening.statement.length);
    }

    /// @dev Whether the opening has the prover and leaves of a proven batch.
    function _isRoot(uint64 batchId, I.Opening calldata opening) internal view returns (bool) {
        return _statement[batchId] & ~SETTLED_MASK == _root(opening.prover, opening.leaves);
    }

    /// @dev Whether these words of the opening are the statement of the chunk at `index`.
    function _isLeaf(uint256 index, I.Opening calldata opening, uint256 from, uint256 to)
        internal
        pure
        returns (bool)
    {
        return index < opening.leaves.length && to <= opening.statement.length
            && opening.leaves[index] == keccak256(abi.encodePacked(opening.statement[from:to]));
    }

    /// @dev Checks that a chunk of a known batch is proven and has the committed slots.
    function _checkOpening(I.BatchHeader calldata header, I.Chunk calldata chunk, I.Opening calldata opening)
        internal
        view
    {
        require(_isProven(header.batchId, chunk.index, opening), I.WrongStatement(header.batchId));
        _checkCommitted(header, opening.slotHashes);
        _checkSlots(header.batchId, chunk, opening.slotHashes);
    }

    /// @dev Checks that the hashes of a batch's slots are the committed ones.
    function _checkCommitted(I.BatchHeader calldata header, bytes32[] calldata slotHashes) internal pure {
        bytes32 all = keccak256(abi.encodePacked(slotHashes));
        require(all == header.slotsHash, I.WrongSlots(header.slotsHash, all));
    }

    /// @dev Checks that the chunk's slots are the committed ones.
    function _checkSlots(uint64 batchId, I.Chunk calldata chunk, bytes32[] calldata slotHashes)
        internal
        pure
    {
        require(chunk.index < slotHashes.length, I.NoSuchChunk(batchId, chunk.index));
        (bytes32 expected, bytes32 hash) = (slotHashes[chunk.index], _slotsHash(chunk));
        require(hash == expected, I.WrongSlots(expected, hash));
    }

    /// @dev The hash of a chunk's orders, tasks and workers. The numbers of orders and tasks go before them: equal hashes
    /// have equal slots.
    function _slotsHash(I.Chunk calldata chunk) private pure returns (bytes32) {
        require(chunk.workers.length <= MAX_WORKERS, I.WrongLength(MAX_WORKERS, chunk.workers.length));
        (uint256 orders, uint256 tasks) = (chunk.orders.length / Slots.BYTES, chunk.executors.length);
        require((orders | tasks) >> 8 == 0, I.WrongLength(type(uint8).max, orders | tasks));
        bytes2 numbers = bytes2(uint16(orders << 8 | tasks));
        return keccak256(abi.encodePacked(numbers, chunk.orders, chunk.executors, chunk.workers));
    }

    function _root(address prover, bytes32[] memory leaves) internal pure returns (uint256) {
        return uint256(keccak256(abi.encodePacked(prover, leaves))) & ~SETTLED_MASK;
    }
}
