// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {FIELD_ORDER} from "./Field.sol";

/// @title ModelRegistry
contract ModelRegistry is IModelRegistry {
    /// @notice Most slots a batch may have: bounds the loops of settlement.
    /// @dev Settling takes about 37,000 gas a task beside the proof, so a chain that caps a transaction at 2^24 gas
    /// (EIP-7825) settles at most some 350 tasks of a batch.
    uint32 public constant MAX_BATCH_SLOTS = 1024;

    /// @notice Most bytes of a service name.
    uint256 public constant MAX_SERVICE_BYTES = 64;

    /// @inheritdoc IModelRegistry
    mapping(bytes32 modelId => bool) public isActive;

    /// @inheritdoc IModelRegistry
    mapping(bytes32 modelId => bytes32) public vkCodeHash;

    mapping(bytes32 modelId => ModelSpec) private _models;

    /// @inheritdoc IModelRegistry
    function register(ModelSpec calldata spec) external {
        bytes32 id = spec.modelId;
        require(id != 0 && spec.workUnits != 0, InvalidModel(id));
        require(_models[id].developer == address(0), ModelAlreadyRegistered(id));
        require(msg.sender == spec.developer, OnlyDeveloper(id, msg.sender));
        require(spec.vk.code.length != 0, MissingVerifyingKey(spec.vk));
        require(
            spec.batchSlots != 0 && spec.batchSlots <= MAX_BATCH_SLOTS, BatchSlotsOutOfRange(spec.batchSlots)
        );
        require(uint256(spec.nullInputHash) < FIELD_ORDER, NotAFieldElement(uint256(spec.nullInputHash)));
        uint256 nameLength = bytes(spec.service).length;
        require(nameLength != 0 && nameLength <= MAX_SERVICE_BYTES, ServiceNameLength(nameLength));

        _models[id] = spec;
        vkCodeHash[id] = spec.vk.codehash;
        isActive[id] = true;
        emit ModelRegistered(id, spec.developer, spec.service, spec.vk, spec.price);
    }

    /// @inheritdoc IModelRegistry
    function setActive(bytes32 modelId, bool active) external {
        address developer = _models[modelId].developer;
        require(developer != address(0), ModelNotFound(modelId));
        require(msg.sender == developer, OnlyDeveloper(modelId, msg.sender));
        isActive[modelId] = active;
        emit ModelActiveSet(modelId, active);
    }

    /// @inheritdoc IModelRegistry
    function model(bytes32 modelId) external view returns (ModelSpec memory spec) {
        spec = _models[modelId];
        require(spec.developer != address(0), ModelNotFound(modelId));
    }
}
