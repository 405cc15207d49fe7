// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Labels} from "./Labels.sol";
import {Payments} from "./Payments.sol";
import {Signatures} from "./Signatures.sol";
import {Slots} from "./Slots.sol";
import {Trees} from "./Trees.sol";
import {IInferenceRollup} from "./interfaces/IInferenceRollup.sol";
import {IStaking} from "./interfaces/IStaking.sol";

/// @title Settlement
/// @dev From the proven statement of a chunk and its signed orders to fees. What is wrong with an order gives it an
/// outcome; only what the sequencer alone can get wrong reverts. A chunk settles once, so whoever could settle it without
/// a signature that exists could spare a user its fee or keep a worker from its share: that is left to the sequencer.
abstract contract Settlement is Payments, EIP712 {
    /// @notice EIP-712 type hash of `Order`.
    bytes32 public constant ORDER_TYPEHASH = Slots.ORDER_TYPEHASH;
    /// @notice EIP-712 type hash of `Bundle`.
    bytes32 public constant BUNDLE_TYPEHASH = Slots.BUNDLE_TYPEHASH;
    /// @notice EIP-712 type hash of `Invoice`.
    bytes32 public constant INVOICE_TYPEHASH =
        keccak256("Invoice(bytes32 batchHash,uint256 chunk,bytes32 outputs)");

    /// @dev Bytes of a signature.
    uint256 private constant SIGNATURE_BYTES = 64;
    uint256 private constant OUTCOME_BITS = 4;
    /// @dev A one for each of 64 outcomes.
    uint256 private constant ALL_OUTCOMES = type(uint256).max / 15;

    /// @notice Where workers' stakes are.
    IStaking public immutable staking;

    /// @dev What the chunks of a call are settled with.
    struct Frame {
        // The batch.
        uint64 batchId;
        bytes32 batchHash;
        bytes32 modelId;
        bytes32 domain; // EIP-712's separator
        uint256 openedAt;
        uint256 price;
        bool mayOmit; // whether the caller may leave a signature out
        // The chunk: where its statement stands among the words that are given.
        uint256 inputsAt;
        uint256 wordsAt;
        uint256 outputsAt;
        uint256 slots;
        uint256 words;
        Crew crew;
        // What is found.
        Charges charges;
    }

    /// @dev The workers of a chunk, by their places in it.
    struct Crew {
        bool[] signed; // who is paid
        uint256[] earned; // for how many tasks; those that turn out not to be charged are taken off
        bool isWhole; // whether nobody who has a task is left out
    }

    /// @dev What is read in turn while the orders of a chunk are settled: the tasks before, and places in the calldata.
    struct Reader {
        uint256 task;
        uint256 executors;
        uint256 signature;
        uint256 sibling;
    }

    constructor(IStaking staking_) {
        require(address(staking_) != address(0), ZeroAddress());
        staking = staking_;
    }

    /// @inheritdoc IInferenceRollup
    function orderDigest(Order calldata order) external view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ORDER_TYPEHASH, order)));
    }

    /// @inheritdoc IInferenceRollup
    function bundleDigest(Bundle calldata bundle) external view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(BUNDLE_TYPEHASH, bundle)));
    }

    /// @inheritdoc IInferenceRollup
    function invoiceDigest(Invoice calldata invoice) external view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(INVOICE_TYPEHASH, invoice)));
    }

    /// @dev Settles the tasks of a chunk whose statement is proven and whose slots are the committed ones.
    function _settle(Frame memory f, Chunk calldata chunk, uint256[] calldata statement) internal {
        uint256 count = _taskCount(f.slots, chunk);
        Labels.check(chunk, statement[f.wordsAt:f.wordsAt + f.words]);
        f.crew = _readInvoices(f, chunk, statement[f.outputsAt:f.outputsAt + count]);
        uint256 outcomes = _settleOrders(f, chunk, statement[f.inputsAt:f.inputsAt + count]);
        _addShares(f.charges, chunk.workers, f.crew.earned);
        emit ChunkSettled(f.batchId, chunk.index, outcomes);
    }

    /// @dev Checks the lengths of orders, tasks and signatures.
    function _taskCount(uint256 most, Chunk calldata chunk) private pure returns (uint256 count) {
        (uint256 length, uint256 orders) = (chunk.orders.length, chunk.orders.length / Slots.BYTES);
        count = chunk.executors.length;
        require(length % Slots.BYTES == 0, WrongLength(orders * Slots.BYTES, length));
        require(count != 0 && count <= most, TaskCountOutOfRange(count, most));
        length = chunk.signatures.length;
        require(length == orders * SIGNATURE_BYTES, WrongLength(orders * SIGNATURE_BYTES, length));
    }

    function _settleOrders(Frame memory f, Chunk calldata chunk, uint256[] calldata inputs)
        private
        returns (uint256 outcomes)
    {
        Reader memory r = Reader({
            task: 0,
            executors: Slots.begin(chunk.executors),
            signature: Slots.begin(chunk.signatures),
            sibling: _begin(chunk.siblings)
        });
        uint256 order = Slots.begin(chunk.orders);
        uint256 end = order + chunk.orders.length;
        // Places in the calldata, and at most 64 tasks of four bits.
        unchecked {
            for (; order != end; order += Slots.BYTES) {
                uint256 shift = OUTCOME_BITS * r.task;
                outcomes |= _settleOrder(f, r, order, inputs) << shift;
            }
        }
        require(r.task == inputs.length, WrongLength(r.task, inputs.length));
        uint256 read = (r.sibling - _begin(chunk.siblings)) / 32;
        require(read == chunk.siblings.length, WrongLength(read, chunk.siblings.length));
    }

    /// @dev Where words begin in the calldata.
    function _begin(bytes32[] calldata words) private pure returns (uint256 at) {
        assembly ("memory-safe") {
            at := words.offset
        }
    }

    /// @dev Charges the user of a signed order for its tasks in the chunk. Returns their outcomes, the first one lowest.
    function _settleOrder(Frame memory f, Reader memory r, uint256 order, uint256[] calldata inputs)
        private
        returns (uint256)
    {
        (uint256 members, uint256 task) = (Slots.members(order), r.task);
        uint256 count = members == 1 ? 1 : Slots.count(members);
        // Numbers of a byte each, and places in the calldata.
        unchecked {
            uint256 size = Slots.size(order);
            // The nonces of a bundle are within one word.
            bool isBundle = members != 0 && members >> size == 0 && (Slots.nonce(order) & 63) + size <= 64;
            require(isBundle, WrongBundle(task));
            require(task + count <= inputs.length, WrongLength(task + count, inputs.length));
            bytes32 root = size == 1 ? bytes32(inputs[task]) : _root(r, order, inputs, count);
            r.task = task + count;
            Outcome all = _refusal(f, order, root, r.signature);
            r.signature += SIGNATURE_BYTES;
            if (all == Outcome.None) return _chargeTasks(f, order, r.executors + task, count);
            for (uint256 i; i < count; ++i) {
                _takeOff(f.crew, r.executors + task + i);
            }
            return _same(all, count);
        }
    }

    /// @dev Why an order's tasks are not charged, whatever its user has; `None` if they may be.
    function _refusal(Frame memory f, uint256 order, bytes32 root, uint256 signature)
        private
        view
        returns (Outcome)
    {
        if (Slots.deadline(order) < f.openedAt) return Outcome.Late;
        if (f.price > Slots.maxFee(order)) return Outcome.Dear;
        bytes32 digest = Slots.digest(order, f.domain, f.modelId, root);
        if (Signatures.isSigned(digest, Slots.user(order), signature)) return Outcome.None;
        require(f.mayOmit, OnlySequencer(msg.sender));
        return Outcome.Forged;
    }

    /// @dev The root over the inputs of a bundle.
    function _root(Reader memory r, uint256 order, uint256[] calldata inputs, uint256 count)
        private
        pure
        returns (bytes32 root)
    {
        uint256 task = r.task;
        uint256 leaves;
        assembly ("memory-safe") {
            leaves := mload(0x40)
            calldatacopy(leaves, add(inputs.offset, shl(5, task)), shl(5, count))
        }
        (root, r.sibling) = Trees.root(leaves, Slots.members(order), Slots.size(order), r.sibling);
    }

    /// @dev Charges the tasks of a signed order; the account is read and written once.
    function _chargeTasks(Frame memory f, uint256 order, uint256 executors, uint256 count)
        private
        returns (uint256 outcomes)
    {
        (address user, uint256 nonce) = (Slots.user(order), Slots.nonce(order));
        (Account storage a, uint256 slot, uint256 used) = _open(user, nonce >> 6);
        (uint256 balance, uint256 charged) = (_balance(slot), count);
        uint256 nonces = Slots.members(order) << (nonce & 63);
        // A price of 128 bits, of at most 64 tasks.
        unchecked {
            uint256 due = count * f.price;
            if (f.crew.isWhole && used & nonces == 0 && balance >= due) {
                (balance, used, outcomes) = (balance - due, used | nonces, _same(Outcome.Paid, count));
            } else {
                (outcomes, balance, used, charged) = _chargeEach(f, nonces, executors, balance, used);
            }
            if (charged == 0) return outcomes;
            f.charges.charged += charged;
        }
        _shut(user, a, slot, nonce >> 6, balance, used);
    }

    /// @dev Charges a task for each bit of `nonces`, one by one.
    function _chargeEach(Frame memory f, uint256 nonces, uint256 executors, uint256 balance, uint256 used)
        private
        pure
        returns (uint256 outcomes, uint256, uint256, uint256 charged)
    {
        (uint256 price, uint256 workerShare) = (f.price, _workerShare(f.price));
        // A share is a part of the price; at most 64 tasks are counted.
        unchecked {
            for (uint256 shift; nonces != 0; shift += OUTCOME_BITS) {
                uint256 bit = nonces & (~nonces + 1);
                nonces ^= bit;
                bool isSigned = f.crew.signed[_byte(executors)];
                uint256 due = isSigned ? price : price - workerShare;
                Outcome outcome = isSigned ? Outcome.Paid : Outcome.Unsigned;
                if (used & bit != 0) outcome = Outcome.Used;
                else if (balance < due) outcome = Outcome.Short;
                outcomes |= uint256(outcome) << shift;
                if (outcome > Outcome.Unsigned) {
                    _takeOff(f.crew, executors);
                } else {
                    balance -= due;
                    used |= bit;
                    ++charged;
                }
                ++executors;
            }
        }
        return (outcomes, balance, used, charged);
    }

    /// @dev Nobody is paid for the task whose executor stands there.
    function _takeOff(Crew memory crew, uint256 executor) private pure {
        uint256 worker = _byte(executor);
        if (crew.signed[worker]) --crew.earned[worker];
    }

    /// @dev The same outcome for so many tasks.
    function _same(Outcome outcome, uint256 count) private pure returns (uint256) {
        unchecked {
            return (ALL_OUTCOMES >> (256 - OUTCOME_BITS * count)) * uint256(outcome);
        }
    }

    function _byte(uint256 at) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := byte(0, calldataload(at))
        }
    }

    /// @dev Which workers have signed for their outputs and have an active stake.
    function _readInvoices(Frame memory f, Chunk calldata chunk, uint256[] calldata outputs)
        private
        view
        returns (Crew memory crew)
    {
        address[] calldata workers = chunk.workers;
        (uint256 length, uint256 at) = (chunk.invoices.length, Slots.begin(chunk.invoices));
        require(
            length == workers.length * SIGNATURE_BYTES, WrongLength(workers.length * SIGNATURE_BYTES, length)
        );
        bytes32[] memory claims;
        (claims, crew.earned) = _claims(chunk.executors, workers.length, outputs);
        (crew.signed, crew.isWhole) = (new bool[](workers.length), true);
        for (uint256 i; i < workers.length; ++i) {
            if (claims[i] == 0) continue;
            if (_hasSigned(f, chunk.index, workers[i], claims[i], at + i * SIGNATURE_BYTES)) {
                crew.signed[i] = true;
            } else {
                (crew.isWhole, crew.earned[i]) = (false, 0);
            }
        }
    }

    /// @dev Whether the worker has signed its invoice and has an active stake.
    function _hasSigned(Frame memory f, uint256 chunk, address worker, bytes32 outputs, uint256 signature)
        private
        view
        returns (bool)
    {
        bytes32 invoice = keccak256(abi.encode(INVOICE_TYPEHASH, f.batchHash, chunk, outputs));
        if (!Signatures.isSigned(MessageHashUtils.toTypedDataHash(f.domain, invoice), worker, signature)) {
            require(f.mayOmit, OnlySequencer(msg.sender));
            return false;
        }
        return _isKnown(f.charges, worker) || staking.isActive(IStaking.Role.Worker, worker);
    }

    /// @dev What each worker claims, zero where it has no task: `Invoice.outputs`; and how many tasks it has.
    function _claims(bytes calldata executors, uint256 workers, uint256[] calldata outputs)
        private
        pure
        returns (bytes32[] memory claims, uint256[] memory tasks)
    {
        (claims, tasks) = (new bytes32[](workers), new uint256[](workers));
        uint256 unlisted;
        assembly ("memory-safe") {
            // Behind all that is allocated each worker has room for every output; `tasks` says where its next one goes.
            let room := mload(0x40)
            let size := shl(5, outputs.length)
            let last := add(tasks, shl(5, workers))
            for { let at := tasks } lt(at, last) {} {
                at := add(at, 0x20)
                mstore(at, room)
                room := add(room, size)
            }
            let executor := executors.offset
            let output := outputs.offset
            for { let end := add(output, size) } lt(output, end) { output := add(output, 0x20) } {
                let worker := byte(0, calldataload(executor))
                if iszero(lt(worker, workers)) {
                    unlisted := add(worker, 1)
                    break
                }
                let at := add(tasks, shl(5, add(worker, 1)))
                let next := mload(at)
                mstore(next, calldataload(output))
                mstore(at, add(next, 0x20))
                executor := add(executor, 1)
            }
            room := mload(0x40)
            for { let at := tasks } lt(at, last) { room := add(room, size) } {
                at := add(at, 0x20)
                let length := sub(mload(at), room)
                mstore(at, shr(5, length))
                if length { mstore(add(claims, sub(at, tasks)), keccak256(room, length)) }
            }
        }
        if (unlisted != 0) revert NoSuchWorker(unlisted - 1);
    }
}
