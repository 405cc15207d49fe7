// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
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

    /// @dev Bytes of a user's signature.
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
        bool[] signed; // which of its workers are paid
        uint256[] earned; // for how many of its tasks each
        // What is found.
        Charges charges;
    }

    /// @dev What a task costs, and who is paid for it.
    struct Terms {
        uint256 price;
        uint256 withoutWorker;
        bool[] signed;
        uint256[] earned;
    }

    /// @dev What is read in turn while the orders of a chunk are settled: the tasks before, and places in the calldata.
    struct Reader {
        uint256 task;
        uint256 executors;
        uint256 signature;
        uint256 sibling;
        Terms terms;
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
        f.signed = _readInvoices(f, chunk, statement[f.outputsAt:f.outputsAt + count]);
        f.earned = new uint256[](chunk.workers.length);
        uint256 outcomes = _settleOrders(f, chunk, statement[f.inputsAt:f.inputsAt + count]);
        _addShares(f.charges, chunk.workers, f.earned);
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
            sibling: _begin(chunk.siblings),
            terms: Terms(f.price, f.price - _workerShare(f.price), f.signed, f.earned)
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
            if (all == Outcome.None) return _chargeTasks(f, r, order, task);
            // The same for each of its tasks.
            return (ALL_OUTCOMES >> (256 - OUTCOME_BITS * count)) * uint256(all);
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

    /// @dev Charges the tasks of a signed order one by one; the account is read and written once.
    function _chargeTasks(Frame memory f, Reader memory r, uint256 order, uint256 task)
        private
        returns (uint256 outcomes)
    {
        (address user, uint256 nonce) = (Slots.user(order), Slots.nonce(order));
        (Account storage a, uint256 slot, uint256 used) = _open(user, nonce >> 6);
        (uint256 balance, uint256 charged) = (_balance(slot), 0);
        uint256 nonces = Slots.members(order) << (nonce & 63);
        (outcomes, balance, used, charged) = _chargeEach(r.terms, nonces, r.executors + task, balance, used);
        if (charged == 0) return outcomes;
        unchecked {
            f.charges.charged += charged;
        }
        _shut(user, a, slot, nonce >> 6, balance, used);
    }

    /// @dev Charges a task for each bit of `nonces`. Executors are known to be within `signed` and `earned`.
    function _chargeEach(Terms memory terms, uint256 nonces, uint256 executors, uint256 balance, uint256 used)
        private
        pure
        returns (uint256 outcomes, uint256, uint256, uint256 charged)
    {
        (uint256 price, uint256 cheap) = (terms.price, terms.withoutWorker);
        (bool[] memory signed, uint256[] memory earned) = (terms.signed, terms.earned);
        // A share is a part of the price; at most 64 tasks are counted.
        unchecked {
            for (uint256 shift; nonces != 0; shift += OUTCOME_BITS) {
                uint256 bit = nonces & (~nonces + 1);
                nonces ^= bit;
                uint256 worker;
                uint256 isSigned;
                assembly ("memory-safe") {
                    worker := shl(5, add(byte(0, calldataload(executors)), 1))
                    isSigned := mload(add(signed, worker))
                }
                ++executors;
                if (used & bit != 0) {
                    outcomes |= uint256(Outcome.Used) << shift;
                    continue;
                }
                uint256 due = isSigned == 0 ? cheap : price;
                if (balance < due) {
                    outcomes |= uint256(Outcome.Short) << shift;
                    continue;
                }
                balance -= due;
                used |= bit;
                ++charged;
                // `Paid` and `Unsigned` follow each other.
                outcomes |= (uint256(Outcome.Unsigned) - isSigned) << shift;
                assembly ("memory-safe") {
                    let at := add(earned, worker)
                    mstore(at, add(mload(at), isSigned))
                }
            }
        }
        return (outcomes, balance, used, charged);
    }

    /// @dev Which workers have signed for their outputs and have an active stake.
    function _readInvoices(Frame memory f, Chunk calldata chunk, uint256[] calldata outputs)
        private
        view
        returns (bool[] memory signed)
    {
        address[] calldata workers = chunk.workers;
        require(chunk.invoices.length == workers.length, WrongLength(workers.length, chunk.invoices.length));
        bytes32[] memory claims = _claims(chunk.executors, workers.length, outputs);
        signed = new bool[](workers.length);
        for (uint256 i; i < workers.length; ++i) {
            if (claims[i] == 0) continue;
            bytes32 invoice = keccak256(abi.encode(INVOICE_TYPEHASH, f.batchHash, chunk.index, claims[i]));
            bytes32 digest = MessageHashUtils.toTypedDataHash(f.domain, invoice);
            (address signer,,) = ECDSA.tryRecoverCalldata(digest, chunk.invoices[i]);
            if (signer == workers[i] && signer != address(0)) {
                signed[i] = staking.isActive(IStaking.Role.Worker, signer);
            } else {
                require(f.mayOmit, OnlySequencer(msg.sender));
            }
        }
    }

    /// @dev What each worker claims: `Invoice.outputs`, zero where it has no task.
    function _claims(bytes calldata executors, uint256 workers, uint256[] calldata outputs)
        private
        pure
        returns (bytes32[] memory claims)
    {
        claims = new bytes32[](workers);
        unchecked {
            for (uint256 i; i < outputs.length; ++i) {
                uint256 worker;
                assembly ("memory-safe") {
                    worker := byte(0, calldataload(add(executors.offset, i)))
                }
                require(worker < workers, NoSuchWorker(worker));
                assembly ("memory-safe") {
                    let claim := add(add(claims, 0x20), shl(5, worker))
                    mstore(0, mload(claim))
                    mstore(0x20, calldataload(add(outputs.offset, shl(5, i))))
                    mstore(claim, keccak256(0, 0x40))
                }
            }
        }
    }
}
