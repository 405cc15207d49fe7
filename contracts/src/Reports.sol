// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Chunks} from "./Chunks.sol";
import {Receipts} from "./Receipts.sol";
import {Slots} from "./Slots.sol";
import {Statements} from "./Statements.sol";
import {IEpochs} from "./interfaces/IEpochs.sol";
import {IInferenceRollup as I} from "./interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IStaking} from "./interfaces/IStaking.sol";

/// @title Reports
/// @notice The part of the rollup that slashes for false receipts, in code of its own: a contract has at most 24,576
/// bytes, and what settlement does not run costs it nothing here.
/// @dev The rollup creates it and lends it its storage and address by delegatecall. Called directly it knows of no batch
/// and may slash nobody.
contract Reports is Statements, EIP712 {
    /// @notice Part of a worker's stake that a false receipt costs.
    uint256 public constant LIE_PERCENT = 10;

    IStaking private immutable _staking;
    IEpochs private immutable _epochs;

    constructor(IModelRegistry registry_, IStaking staking_, IEpochs epochs_)
        EIP712("deepnode", "1")
        Statements(registry_)
    {
        (_staking, _epochs) = (staking_, epochs_);
    }

    /// @notice `IInferenceRollup.slashReceipt`.
    function slashReceipt(
        I.BatchHeader calldata header,
        I.Chunk calldata chunk,
        I.Opening calldata opening,
        uint256 slot,
        I.Receipt calldata receipt,
        bytes calldata signature
    ) external {
        _known(header);
        uint64 batchId = header.batchId;
        _checkOpening(header, chunk, opening);
        IModelRegistry.ModelSpec memory spec = registry.model(header.modelId);
        _checkReceipt(spec, chunk.index, opening.statement, slot, receipt);
        address worker = ECDSA.recoverCalldata(_hashTypedDataV4(Receipts.hash(receipt)), signature);
        require(!_slashed[batchId][worker], I.ReceiptAlreadySlashed(batchId, worker));
        _slashed[batchId][worker] = true;
        require(_staking.slashableOf(IStaking.Role.Worker, worker) != 0, I.NotAStakedWorker(worker));

        address victim = _victim(chunk, slot, worker);
        uint256 refund = victim == address(0) ? 0 : spec.price;
        uint256 slashed = _staking.slash(
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
        _epochs.recordFault(worker);
        bytes32 holding =
            _staking.holdingId(address(this), IStaking.Role.Worker, worker, bytes32(uint256(batchId)));
        refund = _staking.holdingOf(holding).refund;
        emit I.ReceiptSlashed(batchId, worker, msg.sender, receipt.taskId, slashed, refund);
    }

    /// @dev Checks that the receipt is about the slot's input, and says another output.
    function _checkReceipt(
        IModelRegistry.ModelSpec memory spec,
        uint256 index,
        uint256[] calldata statement,
        uint256 slot,
        I.Receipt calldata receipt
    ) private pure {
        (uint256 slots, uint256 words) = Chunks.sizes(spec.batchSlots, index);
        require(
            slot < slots && receipt.modelId == spec.modelId && uint256(receipt.inputHash) == statement[slot],
            I.ReceiptMismatch(receipt.taskId)
        );
        require(
            uint256(receipt.outputHash) != statement[slots + words + slot], I.ReceiptHonest(receipt.taskId)
        );
    }

    /// @dev The slot's user, if the slot is this worker's; else nobody.
    function _victim(I.Chunk calldata chunk, uint256 slot, address worker) private pure returns (address) {
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
