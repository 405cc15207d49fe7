// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Accounts} from "./Accounts.sol";
import {Chunks} from "./Chunks.sol";
import {Slots} from "./Slots.sol";
import {IInferenceRollup} from "./interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IStaking} from "./interfaces/IStaking.sol";

/// @title Settlement
/// @dev From the proven statement of a chunk and its signed orders to fees. What is wrong with an order gives it an
/// outcome; only what the sequencer alone can get wrong reverts. A chunk settles once, so whoever could settle it without
/// a signature that exists could spare a user its fee or keep a worker from its share: that is left to the sequencer.
abstract contract Settlement is IInferenceRollup, Accounts, EIP712 {
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

    /// @notice EIP-712 type hash of `Order`.
    bytes32 public constant ORDER_TYPEHASH = Slots.ORDER_TYPEHASH;
    /// @notice EIP-712 type hash of `Invoice`.
    bytes32 public constant INVOICE_TYPEHASH =
        keccak256("Invoice(bytes32 batchHash,uint256 chunk,bytes32 outputs)");

    /// @dev Bytes of a user's signature.
    uint256 private constant SIGNATURE_BYTES = 64;
    uint256 private constant MAX_WORKERS = 64;
    uint256 private constant LABEL_BITS = 16;
    uint256 private constant OUTCOME_BITS = 4;
    /// @dev The higher half of the curve's order: signatures with such an `s` are refused.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice Where workers' stakes are.
    IStaking public immutable staking;
    /// @notice Receives the validators' share.
    address public immutable validatorPool;
    /// @notice Receives the dust of rounding.
    address public immutable treasury;
    /// @notice Token wei that `burn` will burn.
    uint256 public toBurn;

    /// @dev What a chunk is settled with.
    struct Frame {
        // The batch.
        uint64 batchId;
        bytes32 batchHash;
        bytes32 modelId;
        bytes32 domain; // EIP-712's separator
        uint256 openedAt;
        uint256 price;
        address developer;
        address prover;
        bool mayOmit; // whether the caller may leave a signature out
        // Where its statement stands among the words that are given.
        uint256 inputsAt;
        uint256 wordsAt;
        uint256 outputsAt;
        uint256 slots;
        uint256 words;
        // What is found.
        uint256 workerShare;
        uint256 charged; // tasks whose users have paid, with the worker's share or without
        bool[] signed; // which workers are paid
        uint256[] earned; // how many shares of each
    }

    constructor(IStaking staking_, address validatorPool_, address treasury_) {
        require(
            address(staking_) != address(0) && validatorPool_ != address(0) && treasury_ != address(0),
            ZeroAddress()
        );
        (staking, validatorPool, treasury) = (staking_, validatorPool_, treasury_);
    }

    /// @inheritdoc IInferenceRollup
    function burn() external returns (uint256 burned) {
        burned = toBurn;
        toBurn = 0;
        emit Burned(burned);
        token.burn(burned);
    }

    /// @inheritdoc IInferenceRollup
    function orderDigest(Order calldata order) external view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ORDER_TYPEHASH, order)));
    }

    /// @inheritdoc IInferenceRollup
    function invoiceDigest(Invoice calldata invoice) external view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(INVOICE_TYPEHASH, invoice)));
    }

    /// @dev Settles the tasks of a chunk whose statement is proven and whose slots are the committed ones.
    function _settle(Frame memory f, Chunk calldata chunk, uint256[] calldata statement) internal {
        uint256 count = _taskCount(f.slots, chunk);
        _checkLabels(chunk.slots, chunk.salts, statement[f.wordsAt:f.wordsAt + f.words]);
        f.workerShare = f.price * WORKER_PERCENT / 100;
        f.domain = _domainSeparatorV4();
        f.signed = _readInvoices(f, chunk, statement[f.outputsAt:f.outputsAt + count]);
        f.earned = new uint256[](chunk.workers.length);
        uint256[] calldata inputs = statement[f.inputsAt:f.inputsAt + count];
        uint256 outcomes = _settleTasks(f, chunk.slots, chunk.signatures, inputs);
        _pay(f, chunk.workers);
        emit ChunkSettled(f.batchId, chunk.index, outcomes);
    }

    /// @dev Checks the lengths of slots and signatures.
    function _taskCount(uint256 most, Chunk calldata chunk) private pure returns (uint256 count) {
        uint256 length = chunk.slots.length;
        count = length / Slots.BYTES;
        require(length % Slots.BYTES == 0, WrongLength(count * Slots.BYTES, length));
        require(count != 0 && count <= most, TaskCountOutOfRange(count, most));
        length = count * SIGNATURE_BYTES;
        require(chunk.signatures.length == length, WrongLength(length, chunk.signatures.length));
    }

    /// @dev The hash of a chunk's slots and workers. 32 slots are as long as 85 workers: with fewer workers, equal hashes
    /// have equal slots.
    function _slotsHash(Chunk calldata chunk) internal pure returns (bytes32) {
        require(chunk.workers.length <= MAX_WORKERS, WrongLength(MAX_WORKERS, chunk.workers.length));
        return keccak256(abi.encodePacked(chunk.slots, chunk.workers));
    }

    function _settleTasks(
        Frame memory f,
        bytes calldata slots,
        bytes calldata signatures,
        uint256[] calldata inputs
    ) private returns (uint256 outcomes) {
        uint256 task = Slots.begin(slots);
        uint256 signature = Slots.begin(signatures);
        // At most 64 tasks of four bits, and places in the calldata.
        unchecked {
            for (uint256 i; i < inputs.length; ++i) {
                outcomes |= uint256(_settleTask(f, task, inputs[i], signature)) << (OUTCOME_BITS * i);
                task += Slots.BYTES;
                signature += SIGNATURE_BYTES;
            }
        }
    }

    /// @dev Charges one task's user.
    function _settleTask(Frame memory f, uint256 task, uint256 input, uint256 signature)
        private
        returns (Outcome)
    {
        uint256 price = f.price;
        if (Slots.deadline(task) < f.openedAt) return Outcome.Late;
        if (price > Slots.maxFee(task)) return Outcome.Dear;
        address user = Slots.user(task);
        bytes32 digest = Slots.orderDigest(task, f.domain, f.modelId, input);
        if (!_isSigned(digest, user, signature)) {
            require(f.mayOmit, OnlySequencer(msg.sender));
            return Outcome.Forged;
        }
        // At most 64 tasks are counted, and a share is a part of the price.
        unchecked {
            uint256 worker = Slots.worker(task);
            bool isSigned = f.signed[worker];
            Charge charge = _charge(user, Slots.nonce(task), isSigned ? price : price - f.workerShare);
            if (charge == Charge.Used) return Outcome.Used;
            if (charge == Charge.Short) return Outcome.Short;
            ++f.charged;
            if (!isSigned) return Outcome.Unsigned;
            ++f.earned[worker];
            return Outcome.Paid;
        }
    }

    /// @dev Pays what the charged fees owe.
    function _pay(Frame memory f, address[] calldata workers) private {
        if (f.charged == 0) return;
        for (uint256 i; i < workers.length; ++i) {
            _credit(workers[i], f.earned[i] * f.workerShare);
        }
        uint256 fees = f.charged * f.price;
        uint256 rest = fees - f.charged * f.workerShare;
        uint256 developerShare = fees * DEVELOPER_PERCENT / 100;
        uint256 validatorShare = fees * VALIDATORS_PERCENT / 100;
        uint256 proverShare = fees * PROVER_PERCENT / 100;
        uint256 burned = fees * BURN_PERCENT / 100;
        _credit(f.developer, developerShare);
        _credit(validatorPool, validatorShare);
        _credit(f.prover, proverShare);
        _credit(treasury, rest - developerShare - validatorShare - proverShare - burned);
        toBurn += burned;
    }

    /// @dev Which workers have signed for their outputs and have an active stake.
    function _readInvoices(Frame memory f, Chunk calldata chunk, uint256[] calldata outputs)
        private
        view
        returns (bool[] memory signed)
    {
        address[] calldata workers = chunk.workers;
        require(chunk.invoices.length == workers.length, WrongLength(workers.length, chunk.invoices.length));
        bytes32[] memory claims = _claims(chunk.slots, workers.length, outputs);
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
    function _claims(bytes calldata slots, uint256 workers, uint256[] calldata outputs)
        private
        pure
        returns (bytes32[] memory claims)
    {
        claims = new bytes32[](workers);
        uint256 task = Slots.begin(slots);
        unchecked {
            for (uint256 i; i < outputs.length; ++i) {
                uint256 worker = Slots.worker(task);
                require(worker < workers, NoSuchWorker(worker));
                claims[worker] = Hashes.efficientKeccak256(claims[worker], bytes32(outputs[i]));
                task += Slots.BYTES;
            }
        }
    }

    /// @dev Checks that each label of the statement is the one that its order's tag binds; salts stand for the labels in
    /// turn.
    function _checkLabels(bytes calldata slots, bytes32[] calldata salts, uint256[] calldata words)
        private
        pure
    {
        uint256 count = slots.length / Slots.BYTES;
        uint256 opened;
        for (uint256 w; w < words.length; ++w) {
            uint256 word = words[w];
            for (uint256 i = w * Chunks.LABELS_PER_WORD; word != 0; ++i) {
                uint256 entry = word & ((1 << LABEL_BITS) - 1);
                word >>= LABEL_BITS;
                if (entry == 0) continue;
                require(i < count && opened < salts.length, WrongLabel(i));
                bytes32 tag = Hashes.efficientKeccak256(bytes32(entry - 1), salts[opened]);
                require(tag == Slots.tag(Slots.begin(slots) + i * Slots.BYTES), WrongLabel(i));
                ++opened;
            }
        }
        require(opened == salts.length, WrongLength(opened, salts.length));
    }

    /// @dev Whether `user` signed `digest`; by EIP-2098's compact form, which begins at `signature` in the calldata.
    function _isSigned(bytes32 digest, address user, uint256 signature) private view returns (bool) {
        address signer;
        assembly ("memory-safe") {
            let vs := calldataload(add(signature, 0x20))
            let s := shr(1, shl(1, vs))
            if iszero(gt(s, HALF_ORDER)) {
                let call_ := mload(0x40)
                mstore(call_, digest)
                mstore(add(call_, 0x20), add(27, shr(255, vs)))
                mstore(add(call_, 0x40), calldataload(signature))
                mstore(add(call_, 0x60), s)
                // What recovers nobody answers nothing.
                mstore(0, 0)
                pop(staticcall(gas(), 1, call_, 0x80, 0, 0x20))
                signer := mload(0)
            }
        }
        return signer != address(0) && signer == user;
    }
}
