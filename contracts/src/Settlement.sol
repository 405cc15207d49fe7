// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Accounts} from "./Accounts.sol";
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
    bytes32 public constant ORDER_TYPEHASH = keccak256(
        "Order(address user,bytes32 modelId,bytes32 inputHash,uint128 maxFee,uint64 deadline,uint64 nonce,bytes32 tag)"
    );
    /// @notice EIP-712 type hash of `Invoice`.
    bytes32 public constant INVOICE_TYPEHASH =
        keccak256("Invoice(bytes32 batchHash,uint256 chunk,bytes32 outputs)");

    /// @dev Bytes of a task in `Chunk.slots`, and of its signature.
    uint256 internal constant SLOT_BYTES = 85;
    uint256 private constant SIGNATURE_BYTES = 64;
    /// @dev Where the worker's index stands in a slot.
    uint256 private constant WORKER_AT = 20;
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

    /// @dev A slot's order, as `Chunk.slots` has it.
    struct Slot {
        address user;
        uint256 worker;
        uint128 maxFee;
        uint64 deadline;
        uint64 nonce;
        bytes32 tag;
    }

    /// @dev What a chunk is settled with.
    struct Frame {
        // The batch.
        uint64 batchId;
        bytes32 batchHash;
        bytes32 modelId;
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
        uint256 outcomes;
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
        uint256 count = chunk.slots.length / SLOT_BYTES;
        require(chunk.slots.length % SLOT_BYTES == 0, WrongLength(count * SLOT_BYTES, chunk.slots.length));
        require(count != 0 && count <= f.slots, TaskCountOutOfRange(count, f.slots));
        uint256 signatures = count * SIGNATURE_BYTES;
        require(chunk.signatures.length == signatures, WrongLength(signatures, chunk.signatures.length));
        _checkLabels(chunk, statement[f.wordsAt:f.wordsAt + f.words], count);
        f.workerShare = f.price * WORKER_PERCENT / 100;
        f.signed = _readInvoices(f, chunk, statement[f.outputsAt:f.outputsAt + count]);
        f.earned = new uint256[](chunk.workers.length);
        for (uint256 i; i < count; ++i) {
            bytes32 input = bytes32(statement[f.inputsAt + i]);
            bytes calldata signature = chunk.signatures[i * SIGNATURE_BYTES:(i + 1) * SIGNATURE_BYTES];
            Outcome outcome = _settleTask(f, _slot(chunk.slots, i), input, signature);
            f.outcomes |= uint256(outcome) << (OUTCOME_BITS * i);
        }
        _pay(f, chunk.workers);
        emit ChunkSettled(f.batchId, chunk.index, f.outcomes);
    }

    /// @dev The hash of a chunk's slots and workers. 32 slots are as long as 85 workers: with fewer workers, equal hashes
    /// have equal slots.
    function _slotsHash(Chunk calldata chunk) internal pure returns (bytes32) {
        require(chunk.workers.length <= MAX_WORKERS, WrongLength(MAX_WORKERS, chunk.workers.length));
        return keccak256(abi.encodePacked(chunk.slots, chunk.workers));
    }

    function _slot(bytes calldata slots, uint256 i) internal pure returns (Slot memory s) {
        bytes calldata b = slots[i * SLOT_BYTES:(i + 1) * SLOT_BYTES];
        s.user = address(bytes20(b[:20]));
        s.worker = uint8(b[WORKER_AT]);
        s.maxFee = uint128(bytes16(b[21:37]));
        s.deadline = uint64(bytes8(b[37:45]));
        s.nonce = uint64(bytes8(b[45:53]));
        s.tag = bytes32(b[53:85]);
    }

    /// @dev Charges one task's user.
    function _settleTask(Frame memory f, Slot memory s, bytes32 input, bytes calldata signature)
        private
        returns (Outcome)
    {
        if (s.deadline < f.openedAt) return Outcome.Late;
        if (f.price > s.maxFee) return Outcome.Dear;
        bytes32 digest = _hashTypedDataV4(
            keccak256(
                abi.encode(ORDER_TYPEHASH, s.user, f.modelId, input, s.maxFee, s.deadline, s.nonce, s.tag)
            )
        );
        if (!_isSigned(digest, s.user, signature)) {
            require(f.mayOmit, OnlySequencer(msg.sender));
            return Outcome.Forged;
        }
        bool isSigned = f.signed[s.worker];
        uint256 fee = isSigned ? f.price : f.price - f.workerShare;
        Charge charge = _charge(s.user, s.nonce, fee);
        if (charge == Charge.Used) return Outcome.Used;
        if (charge == Charge.Short) return Outcome.Short;
        ++f.charged;
        if (!isSigned) return Outcome.Unsigned;
        ++f.earned[s.worker];
        return Outcome.Paid;
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
        uint256 workers = chunk.workers.length;
        require(chunk.invoices.length == workers, WrongLength(workers, chunk.invoices.length));
        bytes32[] memory claims = new bytes32[](workers);
        for (uint256 i; i < outputs.length; ++i) {
            uint256 worker = uint8(chunk.slots[i * SLOT_BYTES + WORKER_AT]);
            require(worker < workers, NoSuchWorker(worker));
            claims[worker] = keccak256(abi.encode(claims[worker], outputs[i]));
        }
        signed = new bool[](workers);
        for (uint256 i; i < workers; ++i) {
            if (claims[i] == 0) continue;
            bytes32 digest = _hashTypedDataV4(
                keccak256(abi.encode(INVOICE_TYPEHASH, f.batchHash, chunk.index, claims[i]))
            );
            (address signer,,) = ECDSA.tryRecoverCalldata(digest, chunk.invoices[i]);
            if (signer == chunk.workers[i] && signer != address(0)) {
                signed[i] = staking.isActive(IStaking.Role.Worker, signer);
            } else {
                require(f.mayOmit, OnlySequencer(msg.sender));
            }
        }
    }

    /// @dev Checks that each label of the statement is the one that its order's tag binds; salts stand for the labels in
    /// turn.
    function _checkLabels(Chunk calldata chunk, uint256[] calldata words, uint256 count) private pure {
        uint256 opened;
        for (uint256 w; w < words.length; ++w) {
            uint256 word = words[w];
            for (uint256 i = w * (240 / LABEL_BITS); word != 0; ++i) {
                uint256 entry = word & ((1 << LABEL_BITS) - 1);
                word >>= LABEL_BITS;
                if (entry == 0) continue;
                require(i < count && opened < chunk.salts.length, WrongLabel(i));
                require(
                    keccak256(abi.encode(entry - 1, chunk.salts[opened])) == _slot(chunk.slots, i).tag,
                    WrongLabel(i)
                );
                ++opened;
            }
        }
        require(opened == chunk.salts.length, WrongLength(opened, chunk.salts.length));
    }

    /// @dev Whether `user` signed `digest`, by EIP-2098's compact form.
    function _isSigned(bytes32 digest, address user, bytes calldata signature) private pure returns (bool) {
        (bytes32 r, bytes32 vs) = (bytes32(signature[:32]), bytes32(signature[32:]));
        uint256 s = uint256(vs) & ~(uint256(1) << 255);
        if (s > HALF_ORDER) return false;
        address signer = ecrecover(digest, uint8(27 + (uint256(vs) >> 255)), r, bytes32(s));
        return signer != address(0) && signer == user;
    }
}
