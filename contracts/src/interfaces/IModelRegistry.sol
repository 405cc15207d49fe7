// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Registry of model versions.
/// @notice A version never changes after registration; its developer can only stop and resume it.
/// @dev Registration is open and first come, first served, so an entry alone proves nothing about the package:
/// before signing an order a client derives the verifying key from the package and compares it with `vk`.
interface IModelRegistry {
    /// @param modelId Keccak-256 of the package file.
    /// @param vk Data contract that holds the verifying key; the weights are part of the key.
    /// @param batchSlots Tasks that one proof covers.
    /// @param workUnits Work of one task, from the circuit's shape.
    /// @param price Fee of one task, in token wei.
    /// @param nullInputHash Input commitment of a padding slot.
    /// @param developer Receives the royalty and may stop the model.
    /// @param service Task category in which the model competes, for example "digits".
    struct ModelSpec {
        bytes32 modelId;
        address vk;
        uint32 batchSlots;
        uint64 workUnits;
        uint128 price;
        bytes32 nullInputHash;
        address developer;
        string service;
    }

    event ModelRegistered(
        bytes32 indexed modelId, address indexed developer, string service, address vk, uint128 price
    );
    event ModelActiveSet(bytes32 indexed modelId, bool active);

    error ModelAlreadyRegistered(bytes32 modelId);
    error ModelNotFound(bytes32 modelId);
    error OnlyDeveloper(bytes32 modelId, address caller);
    error MissingVerifyingKey(address vk);
    error BatchSlotsOutOfRange(uint32 batchSlots);
    error ServiceNameLength(uint256 length);
    error InvalidModel(bytes32 modelId);
    error NotAFieldElement(uint256 value);

    /// @notice Registers a model version, active at once. The caller must be `spec.developer`.
    function register(ModelSpec calldata spec) external;

    /// @notice Stops or resumes a model: a stopped one gets no further batches, committed ones still settle.
    function setActive(bytes32 modelId, bool active) external;

    /// @notice The registered version; reverts with `ModelNotFound`.
    function model(bytes32 modelId) external view returns (ModelSpec memory);

    /// @notice Whether the model is registered and not stopped.
    function isActive(bytes32 modelId) external view returns (bool);

    /// @notice Code hash of the verifying key's contract at registration. The key counts only while it is equal.
    function vkCodeHash(bytes32 modelId) external view returns (bytes32);
}
